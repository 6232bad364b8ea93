"""kubernetes-namespace: it exists, and lets the Gluster pods in."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.facts import kubernetes
from preflight.facts.kubernetes import ENFORCE, PRIVILEGED
from preflight.plugin import Facts, Finding, Unknown, controller_check, fail, ok, warn

ENFORCED = (1, 23)
"""The first Kubernetes that heeds the label without being told to (feature gate PodSecurity)."""

WANT = "there, and open to privileged pods"


@controller_check(
    lambda node: [
        kubernetes.server(kubernetes.kubectl(node)),
        kubernetes.namespace(kubernetes.kubectl(node), kubernetes.site(node).deployer.namespace),
    ]
)
def kubernetes_namespace(facts: Facts) -> Iterator[Finding]:
    """The namespace exists, and privileged pods may run in it.

    Checks: the inventory's `deployer.namespace` exists, is not about to go, and does not enforce
    the Pod Security levels baseline or restricted. What the whole cluster enforces where a
    namespace says nothing cannot be read from outside.

    Why: gk-deploy says `Using namespace "..."` of one that does not exist, and ignores every error
    that follows. The Gluster pods are privileged and use the node's network: where that is
    forbidden, the DaemonSet makes no pod, and gk-deploy says `pods not found.` after its wait.

    By hand: `kubectl create namespace NAME`, and `kubectl label --overwrite namespace NAME
    pod-security.kubernetes.io/enforce=privileged`.

    Source: catalogue C6, C12; Kubernetes documentation, "Pod Security Admission".
    """
    words = kubernetes.kubectl(facts.node)
    name = kubernetes.site(facts.node).deployer.namespace
    seen = facts[kubernetes.namespace(words, name)]
    if seen is None:
        cure = f"{words} create namespace {name}"
        yield fail(name, "there is none", WANT, says="pods not found.", cure=cure)
    elif seen.phase != "Active":
        cure = f"{words} get namespace {name} -o yaml  # its conditions say what it waits for"
        yield fail(name, f"it is {seen.phase}", WANT, cure=cure)
    elif seen.enforce in {"", PRIVILEGED}:
        yield ok(name, f"enforces {seen.enforce or 'nothing of its own'}", WANT)
    else:
        cure = f"{words} label --overwrite namespace {name} {ENFORCE}={PRIVILEGED}"
        version = facts[kubernetes.server(words)].version
        if version is None:
            raise Unknown("whether the API server enforces Pod Security depends on its version")
        if version.short < ENFORCED:
            saw = f"labelled {seen.enforce}, which {version.text} does not enforce yet"
            yield warn(name, saw, WANT, cure=cure)
        else:
            saw = f"enforces {seen.enforce}, which forbids privileged pods"
            yield fail(name, saw, WANT, says="violates PodSecurity", cure=cure)
