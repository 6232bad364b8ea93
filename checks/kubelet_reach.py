"""kubelet-reach: the API server reaches the kubelets, so that exec and logs work."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.facts import kubernetes
from preflight.facts.kubernetes import Kubelet, Try
from preflight.plugin import (
    Facts,
    Finding,
    Node,
    Probe,
    Unknown,
    controller_check,
    fail,
    ok,
    unknown,
    warn,
)

WANT = "reached by the API server"
SAYS = "Failed to communicate with deploy-heketi service."

# By words of the message, which is the API server's own.
CURES = (
    ("lookup ", "on the API server: --kubelet-preferred-address-types=InternalIP, or names in DNS"),
    ("x509", "on the API server: --kubelet-certificate-authority, or new kubelet certificates"),
    ("Forbidden", "give the API server's user the cluster role system:kubelet-api-admin"),
)
OTHERWISE = "open port 10250/tcp of the node to the API server"


def _names(node: Node) -> list[str]:
    return [each.name for each in kubernetes.site(node).storage]


def _kubelets(node: Node) -> list[Probe[Kubelet]]:
    words = kubernetes.kubectl(node)
    return [kubernetes.kubelet(words, name) for name in _names(node)]


@controller_check(_kubelets, about_nodes=True)
def kubelet_reach(facts: Facts) -> Iterator[Finding]:
    """The API server reaches the kubelet of every storage node.

    Checks: the kubelet's own health, asked through the API server, and, where a pod runs on the
    node, `kubectl logs` without a line and `kubectl exec` of `true` in it. Port-forwarding takes
    the same way. Whoever may not list the pods of all namespaces is warned that nothing was tried.

    Why: gk-deploy and heketi do everything in pods by exec, which the API server passes on to the
    node's kubelet. Where it cannot look up the node's name, or port 10250 is closed, the pods get
    ready all the same, and gk-deploy then says `Failed to communicate with deploy-heketi service.`;
    the message that tells why it throws away.

    By hand: `kubectl logs` of any pod of the node shows the message. Start the API server with
    `--kubelet-preferred-address-types=InternalIP`, or have it look the names up; open port 10250.

    Source: catalogue C14; Kubernetes documentation, "Communication between Nodes and the Control
    Plane".
    """
    for name, probe in zip(_names(facts.node), _kubelets(facts.node), strict=True):
        try:
            yield _reached(name, facts[probe])
        except Unknown as exc:
            yield unknown(name, str(exc), WANT)


def _reached(name: str, kubelet: Kubelet) -> Finding:
    """Whoever may not ask for its health can still try a pod; without either nobody has tried."""
    ways = {"exec": kubelet.exec, "logs": kubelet.logs, "health": kubelet.health}
    tried = {way: each for way, each in ways.items() if each and not each.forbidden}
    if not tried:
        if kubelet.listed.complaint and not kubelet.listed.forbidden:
            raise Unknown(f"which pods run there: {kubelet.listed.complaint}")
        cure = "deploy as a user who may get nodes/proxy: see kubernetes-rights"
        return warn(name, f"nobody could try: {kubelet.health.complaint}", WANT, cure=cure)
    answered = any(not each.complaint for each in tried.values())
    for way, each in tried.items():
        if each.late and answered:  # so it is reached, and slow
            raise Unknown(f"{way}: {each.complaint}, though it answers otherwise")
        if each.complaint:
            cure = next((cure for word, cure in CURES if word in each.complaint), OTHERWISE)
            return fail(name, f"{way}: {each.complaint}", WANT, says=SAYS, cure=cure)
    if kubelet.pod:
        what = f"{' and '.join(way for way in tried if way != 'health')} in {kubelet.pod}"
        return ok(name, what, WANT)
    if kubelet.listed.complaint:
        return _untried(name, kubelet.listed)
    return ok(name, "it is healthy; no pod runs there to try", WANT)


def _untried(name: str, listed: Try) -> Finding:
    """It is healthy, and pods may run there: whoever may not list all of them can deploy anyway."""
    if not listed.forbidden:
        raise Unknown(f"it is healthy; which pods run there: {listed.complaint}")
    saw = f"it is healthy; nobody could try exec and logs: {listed.complaint}"
    cure = "deploy as a user who may list pods in all namespaces, or see that kubectl exec works"
    return warn(name, saw, WANT, cure=f"{cure} in a pod of {name}")
