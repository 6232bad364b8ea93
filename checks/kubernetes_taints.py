"""kubernetes-taints: no taint keeps the Gluster pods off a storage node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from preflight.facts import kubernetes
from preflight.facts.kubernetes import Taint
from preflight.plugin import Facts, Finding, controller_check, fail, ok, skip

WANT = "no taint that the GlusterFS pods do not tolerate"

# What the pods of every DaemonSet tolerate (Kubernetes documentation, "DaemonSet", "Taints and
# tolerations"); a node that is not Ready is another check's to tell.
TOLERATED = frozenset(
    f"node.kubernetes.io/{condition}"
    for condition in (
        "not-ready",
        "unreachable",
        "disk-pressure",
        "memory-pressure",
        "pid-pressure",
        "unschedulable",
        "network-unavailable",
    )
)


@controller_check(lambda node: [kubernetes.nodes(kubernetes.kubectl(node))], about_nodes=True)
def kubernetes_taints(facts: Facts) -> Iterator[Finding]:
    """The Gluster pods may run on every storage node.

    Checks: the taints NoSchedule and NoExecute of each storage node. Those that every DaemonSet
    tolerates, and those that the inventory's `deployer.tolerate` names, are no obstacle.

    Why: gk-deploy's DaemonSet tolerates no taint of its own. On a tainted node, a master often,
    no pod is made; gk-deploy looks only at the pods that are there, says `OK`, and fails later with
    `New Node doesn't have glusterd running`.

    By hand: name the taint in the inventory, `deployer: {tolerate: [KEY:EFFECT]}`, and gkprep
    deploy puts the toleration into its copy of the DaemonSet. Better that than to untaint a
    master: other pods would follow.

    Source: catalogue N23, D6; gluster-kubernetes#630; Kubernetes documentation, "Taints and
    Tolerations".
    """
    site = kubernetes.site(facts.node)
    members = {m.name: m for m in facts[kubernetes.nodes(kubernetes.kubectl(facts.node))]}
    for node in site.storage:
        if node.name not in members:
            yield skip(node.name, "the cluster has no node of that name: see kubernetes-nodes")
            continue
        taints = [taint for taint in members[node.name].taints if _in_the_way(taint)]
        obstacles = [taint for taint in taints if not _allowed(taint, site.deployer.tolerate)]
        if obstacles:
            words = ", ".join(f'"{taint.toleration}"' for taint in obstacles)
            yield fail(
                node.name,
                f"tainted {', '.join(map(str, obstacles))}",
                WANT,
                says="New Node doesn't have glusterd running",
                cure=f"deployer: {{tolerate: [{words}]}}",
            )
        elif taints:
            saw = f"tainted {', '.join(map(str, taints))}, which deployer.tolerate names"
            yield ok(node.name, saw, WANT)
        else:
            yield ok(node.name, "none in the way", WANT)


def _in_the_way(taint: Taint) -> bool:
    return taint.keeps_off and taint.key not in TOLERATED


def _allowed(taint: Taint, tolerations: Iterable[str]) -> bool:
    """A toleration without a value is for every value of its key."""
    exact = f"{taint.key}={taint.value}:{taint.effect}"
    return any(each in {exact, taint.toleration} for each in tolerations)
