"""node-architecture: the images run on the machines that they may land on."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.facts import kubernetes
from preflight.plugin import (
    Facts,
    Finding,
    Node,
    Role,
    controller_check,
    fail,
    ok,
    skip,
    unknown,
    warn,
)

WANT = "amd64"


@controller_check(lambda node: [kubernetes.nodes(kubernetes.kubectl(node))], about_nodes=True)
def node_architecture(facts: Facts) -> Iterator[Finding]:
    """The inventory's nodes are amd64, which the images of Gluster and heketi are built for.

    Checks: the architecture that each node's kubelet reports. Other images, which the inventory's
    `deployer.images` names, may be for other machines: then it is a warning. A client that is no
    node of the cluster gets no pod, and so no image.

    Why: the images that gk-deploy uses by itself are for x86_64 alone. On any other machine the pod
    ends at once with `exec format error`.

    By hand: use nodes of that architecture, or images built for yours, in `deployer.images`.

    Source: catalogue N38; gluster-kubernetes#418, #461.
    """
    site = kubernetes.site(facts.node)
    members = {m.name: m for m in facts[kubernetes.nodes(kubernetes.kubectl(facts.node))]}
    own_image = any(name == kubernetes.GLUSTER for name, _ in site.deployer.images)
    cure = "deployer: {images: {" + kubernetes.GLUSTER + ": AN IMAGE FOR THIS ARCHITECTURE}}"
    for node in site.nodes:
        if node.name not in members:
            yield _outside(node)
            continue
        seen = members[node.name].architecture
        if not seen:
            yield unknown(node.name, "its kubelet does not say", WANT)
        elif seen == WANT:
            yield ok(node.name, seen, WANT)
        elif node.role is Role.STORAGE and not own_image:
            yield fail(node.name, seen, WANT, says="exec format error", cure=cure)
        else:
            yield warn(node.name, seen, WANT, says="exec format error", cure=cure)


def _outside(node: Node) -> Finding:
    """Of a storage node kubernetes-nodes fails; a client need not be a node of the cluster."""
    if node.role is Role.STORAGE:
        return skip(node.name, "the cluster has no node of that name: see kubernetes-nodes")
    return ok(node.name, "no node of the cluster, so no image runs there", WANT)
