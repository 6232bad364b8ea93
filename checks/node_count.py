"""node-count: enough nodes for heketi's three replicas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from preflight.plugin import Facts, Finding, Role, fail, fleet_check, ok

REPLICAS = 3


@fleet_check()
def node_count(fleet: Mapping[str, Facts]) -> Iterator[Finding]:
    """There are at least three storage nodes.

    Checks: how many nodes of the inventory carry bricks. It is judged on the whole inventory, so
    not with `--local` or `--limit`.

    Why: heketi makes volumes of three replicas, each on another node. With fewer nodes the first
    volume, its own database, fails with `Error: No space`.

    By hand: add nodes to the inventory, or say `policy: {single_node: true}` if a cluster
    without replicas is what you want.

    Source: catalogue N21; heketi's default durability, replicate:3.
    """
    nodes = [facts.node for facts in fleet.values() if facts.node.role is Role.STORAGE]
    saw = f"{len(nodes)} storage node{'' if len(nodes) == 1 else 's'}"
    if len(nodes) >= REPLICAS:
        yield ok("nodes", saw, f"at least {REPLICAS}")
    elif nodes and nodes[0].policy.single_node:
        yield ok("nodes", f"{saw}, allowed by policy.single_node", "at least 1")
    else:
        yield fail("nodes", saw, f"at least {REPLICAS}", says="Error: No space")
