"""kubectl: it is on the controller, and reaches the cluster's API server."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.facts import kubernetes
from preflight.plugin import Facts, Finding, controller_check, fail, ok

NO_SHOW_ALL = (1, 14)
WANT = "there, and able to reach the API server"


@controller_check(
    lambda node: [kubernetes.client(kubernetes.kubectl(node))],
    lambda node: [kubernetes.server(kubernetes.kubectl(node))],
)
def kubectl(facts: Facts) -> Iterator[Finding]:
    """The controller has kubectl, and with it the way to the cluster.

    Checks: `kubectl version --client`, called as the inventory's `deployer.kubectl` says, and
    /version of the API server that `deployer.kubeconfig` and `deployer.context` lead to.

    Why: gk-deploy does all that it does by kubectl, and ignores most of what goes wrong there.
    From 1.14 on, kubectl no longer knows --show-all: gk-deploy calls it in its last step, and ends
    with `Failed to communicate with heketi service.` gkprep deploy takes it out of its own copy.

    By hand: install kubectl; `kubectl config get-contexts` shows which clusters the kubeconfig
    knows, and `kubectl cluster-info` what is wrong on the way.

    Source: catalogue C2, C7; gluster-kubernetes deploy/gk-deploy; kubectl version --help.
    """
    words = kubernetes.kubectl(facts.node)
    told = facts[kubernetes.client(words)]
    if told.version is None:
        yield fail(
            "kubectl",
            told.complaint,
            WANT,
            says="Container platform CLI (e.g. kubectl, oc) not found.",
            cure="install kubectl, or say where it is: deployer.kubectl in the inventory",
        )
        return
    seen = told.version.text
    if told.version.short >= NO_SHOW_ALL:
        seen = f"{seen}, so --show-all is taken out of gk-deploy's copy"
    yield ok("kubectl", seen, WANT)
    reached = facts[kubernetes.server(words)]
    if reached.version:
        yield ok("API server", reached.version.text, "reached")
    else:
        yield fail(
            "API server",
            reached.complaint,
            "reached",
            cure=f"{words} cluster-info  # deployer.kubeconfig and .context say which cluster",
        )
