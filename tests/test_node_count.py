"""node-count on fleets given as values."""

from __future__ import annotations

import pytest

from checks.node_count import node_count
from preflight.judge import judge
from preflight.model import Facts, Node, Policy, Role, Status


@pytest.mark.parametrize(
    ("storage", "clients", "single", "status", "saw"),
    [
        (3, 0, False, Status.PASS, "3 storage nodes"),
        (5, 1, False, Status.PASS, "5 storage nodes"),
        (2, 0, False, Status.FAIL, "2 storage nodes"),
        (2, 9, False, Status.FAIL, "2 storage nodes"),
        (1, 0, False, Status.FAIL, "1 storage node"),
        (1, 0, True, Status.PASS, "1 storage node, allowed by policy.single_node"),
        (0, 3, True, Status.FAIL, "0 storage nodes"),
    ],
)
def test_replica_three_needs_three_nodes(
    storage: int, clients: int, single: bool, status: Status, saw: str
) -> None:
    policy = Policy(single_node=single)
    roles = [Role.STORAGE] * storage + [Role.CLIENT] * clients
    nodes = [
        Node(f"node{number}", f"192.0.2.{number}", None, role=role, policy=policy)
        for number, role in enumerate(roles)
    ]
    [finding] = judge([node_count], {node.name: Facts(node, {}) for node in nodes})
    assert (finding.check, finding.node, finding.status, finding.saw) == (
        "node-count",
        None,
        status,
        saw,
    )


def test_a_node_that_cannot_be_reached_still_counts() -> None:
    nodes = [Node(f"node{number}", f"192.0.2.{number}", None) for number in range(3)]
    fleet = {node.name: Facts(node, {}, "connection refused") for node in nodes}
    [finding] = judge([node_count], fleet)
    assert finding.status is Status.PASS
