"""What the controller's checks find of a real API server, without the rest of gkprep."""

from __future__ import annotations

from preflight import registry, select
from preflight.collect import collect
from preflight.controller import controller
from preflight.judge import judge, needs
from preflight.model import Check, Device, Finding, Inventory, Limits, Node, Status
from preflight.transport import Local
from tests import kube as played

STORAGE = tuple(
    Node(node.name, node.name, node.address, devices=(Device("/dev/sda"),)) for node in played.NODES
)
LIMITS = Limits(probe=30, node=180)

Table = dict[tuple[str, str], Finding]


def look(inventory: Inventory, *only: str) -> Table:
    """What the controller's checks find, by check and subject."""
    node = controller(inventory)
    checks = [
        check
        for check in registry.checks()
        if isinstance(check, Check) and select.of_controller(check)
        if check.id in only or not only
    ]
    facts = collect(node, needs(checks, node), Local(become=False), LIMITS)
    assert facts.lost is None
    return {(f.check, f.subject): f for f in judge(checks, {node.name: facts})}


def broken(table: Table) -> dict[tuple[str, str], Status]:
    return {key: f.status for key, f in table.items() if f.status is not Status.PASS}
