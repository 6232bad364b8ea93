"""kubernetes-nodes: the inventory's names are the cluster's, and no other node is forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from preflight.facts import kubernetes
from preflight.facts.kubernetes import Member
from preflight.plugin import Facts, Finding, Node, Role, controller_check, fail, ok, warn

WANT = "a node of the cluster, and Ready"
LISTED = "in the inventory, so that its mount.glusterfs is checked"
NO_POD = "New Node doesn't have glusterd running"


@controller_check(lambda node: [kubernetes.nodes(kubernetes.kubectl(node))], about_nodes=True)
def kubernetes_nodes(facts: Facts) -> Iterator[Finding]:
    """The inventory's nodes are nodes of the cluster and Ready, and none is left out.

    Checks: each name of the inventory is one in `kubectl get nodes`, and Ready; no storage
    address is the InternalIP of another node; and each node of the cluster that pods may be
    scheduled to is in the inventory, as a client at least.

    Why: heketi looks for the Gluster pod of a node by its Kubernetes name. An IP address or a
    longer name ends in `Unable to find a GlusterFS pod on host ...`, which gk-deploy shows as
    `New Node doesn't have glusterd running`. gk-deploy's copy job, heketi, and any pod with a
    volume run on whichever node the scheduler picks: one without mount.glusterfs hangs there with
    `unknown filesystem type 'glusterfs'`.

    By hand: write the names as `kubectl get nodes` does, and each further node as
    `{name: ..., address: ..., role: client}`.

    Source: catalogue N13, N18, N20; heketi executors/kubeexec; Kubernetes documentation, "Nodes".
    """
    nodes = kubernetes.site(facts.node).nodes
    members = facts[kubernetes.nodes(kubernetes.kubectl(facts.node))]
    by_name = {member.name: member for member in members}
    for node in nodes:
        member = by_name.get(node.name)
        yield _listed(node, member, members) if member else _missing(node, members)
    for member in members:
        if member.name not in {node.name for node in nodes} and _takes_pods(member):
            yield _forgotten(member)


def _missing(node: Node, members: Iterable[Member]) -> Finding:
    """A client may be no node of this cluster: it can mount volumes all the same."""
    saw, cure = "the cluster has no node of that name", "kubectl get nodes shows the names"
    for member in members:
        if {node.storage, node.address} & {*member.addresses} or _akin(node.name, member.name):
            saw = f"{saw}; this may be {member.name}"
            cure = f"name it {member.name} in the inventory"
            break
    if node.role is Role.STORAGE:
        return fail(node.name, saw, WANT, says=NO_POD, cure=cure)
    return warn(node.name, saw, WANT, cure=cure)


def _akin(one: str, other: str) -> bool:
    return one.partition(".")[0] == other.partition(".")[0]


def _listed(node: Node, member: Member, members: Iterable[Member]) -> Finding:
    if member.unready:
        saw = f"not Ready: {member.unready}"
        cure = f"kubectl describe node {node.name}"
        tell = fail if node.role is Role.STORAGE else warn
        return tell(node.name, saw, WANT, cure=cure)
    for other in members:
        if other.name != node.name and node.storage in other.addresses:
            saw = f"its storage address {node.storage} is the InternalIP of {other.name}"
            cure = f"storage of {node.name} in the inventory: one of its own addresses"
            return fail(node.name, saw, "an address of its own", cure=cure)
    own = not node.storage or node.storage in member.addresses
    apart = f"; Gluster uses {node.storage}, Kubernetes {', '.join(member.addresses) or 'no IP'}"
    return ok(node.name, f"Ready{'' if own else apart}", WANT)


def _takes_pods(member: Member) -> bool:
    """Whether the scheduler would put a pod there that tolerates nothing."""
    return member.schedulable and not any(taint.keeps_off for taint in member.taints)


def _forgotten(member: Member) -> Finding:
    address = next(iter(member.addresses), "ADDRESS")
    return warn(
        member.name,
        "takes pods, and the inventory does not have it",
        LISTED,
        says="mount: unknown filesystem type 'glusterfs'",
        cure=f"nodes: - {{name: {member.name}, address: {address}, role: client}}",
    )
