"""Rows of the table know findings by their words: here these come from the checks themselves.

Samples hold findings as they once read. So a check that words one anew fails here, where its row
would not find it any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from preflight import registry
from preflight.controller import controller
from preflight.deploy.verify import gluster_pods
from preflight.diagnose import nodes
from preflight.diagnose.evidence import Evidence, Kind
from preflight.facts.deployment import Known, StorageClass
from preflight.facts.kubernetes import Binding, Image, Kubelet, Namespace, Right, Taint, Try
from preflight.judge import judge, needs
from preflight.model import Check, Device, Facts, Finding, FleetCheck, Node, Policy, Rpcbind
from tests.diagnosed import ROWS
from tests.judged import ENDPOINTS, INVENTORY, found, member, members, version
from tests.verified import stands

CAPTURES = Path(__file__).parent / "captures"
CHECKS = {check.id: check for check in registry.checks()}
NODE = Node("node3", "10.77.0.13", "10.78.0.13", devices=(Device("/dev/sda"),))

NOTHING = {
    "usage.mounts": "blank",
    "usage.swaps": "blank",
    "usage.opens": "blank",
    "usage.members": "blank",
    "usage.taken": "blank",
    "ports.listening": "free",
    "gluster.state": "none",
    "block.devices": "broken",
    "block.target": "disk",
}
"""Captures of a node's disk that nobody uses."""

RECORDED: tuple[tuple[str, dict[str, str]], ...] = (
    (
        "kernel-modules",
        {
            "kernel.modules": "",
            "kernel.builtin": "broken",
            "kernel.persisted": "nothing",
            "kernel.loadable": "broken",
        },
    ),
    ("mount-glusterfs", {"packages.mount_helper": "broken", "packages.managers": "broken"}),
    (
        "rpcbind-port",
        {
            "ports.listening": "broken",
            "services.units": "broken",
            "services.pulled": "broken",
            "nfs.locking": "none",
            "packages.installed": "",
        },
    ),
    ("device-usable", NOTHING | {"block.target": "missing"}),
    ("device-idle", NOTHING | {"block.devices": "multipath", "usage.opens": "multipath"}),
    ("device-clean", NOTHING | {"disk.signatures": "empty-gpt", "disk.content": "empty-gpt"}),
    ("gluster-state", NOTHING | {"gluster.state": "left"}),
    ("node-count", {}),
    (
        "firewall-ports",
        {
            "network.addresses": "",
            "firewalld.permanent": "firewalld-closed",
            "ufw.permanent": "not-installed",
            "services.units": "firewalld",
            "firewall.tables": "firewalld-closed",
        },
    ),
)
"""Checks of nodes, and the captures of debian-12 on which they find something."""


def recorded(check: Check | FleetCheck, captures: dict[str, str]) -> Iterable[Finding]:
    known: dict[str, object] = {}
    for probe in needs([check], NODE):
        name = probe.name.partition("(")[0]
        case = "-".join(filter(None, ("debian-12", captures[name])))
        text = (CAPTURES / name / f"{case}.out").read_bytes().decode("utf-8", "surrogateescape")
        known[probe.name] = probe.parse(text)
    return judge([check], {NODE.name: Facts(NODE, known)})


def of_nodes() -> Iterator[Finding]:
    for name, captures in RECORDED:
        yield from recorded(CHECKS[name], captures)


def of_the_controller() -> Iterator[Finding]:
    """What its checks find, each where one thing is not in order."""
    taint = Taint("node-role.kubernetes.io/master", "", "NoSchedule")
    swapped = members(member("node1", "10.78.0.12"), member("node2", "10.78.0.11"))
    other = Binding("edit", ("ServiceAccount other/heketi-service-account",))
    held = replace(INVENTORY, policy=Policy(rpcbind=Rpcbind.HOST))
    for name, inventory, given in (
        ("gluster-image", held, {"image": Image("p", "4.1.5", "enabled")}),
        ("node-architecture", INVENTORY, {"nodes": members(member("node2", architecture="arm64"))}),
        ("kubernetes-namespace", INVENTORY, {"namespace": None}),
        (
            "kubernetes-namespace",
            INVENTORY,
            {"namespace": Namespace("Active", "restricted"), "server": version("1.25.0")},
        ),
        ("kubernetes-taints", INVENTORY, {"nodes": members(member("node2", taints=(taint,)))}),
        ("kubernetes-nodes", INVENTORY, {"nodes": swapped}),
        ("kubernetes-nodes", INVENTORY, {"nodes": members(without="node3")}),
        ("kubernetes-nodes", INVENTORY, {"nodes": members(member("extra", "10.78.0.20"))}),
        ("kubernetes-binding", INVENTORY, {"binding": other}),
        ("kubernetes-version", INVENTORY, {"server": version("1.26.0")}),
        (
            "kubernetes-rights",
            INVENTORY,
            {"rights": (Right("create", "daemonsets.apps", allowed=False),)},
        ),
        ("kubelet-reach", INVENTORY, {"kubelet": Kubelet(Try("connection refused"), Try(""))}),
        ("earlier-deployment", INVENTORY, {"objects": ENDPOINTS}),
        (
            "kubernetes-storage-class",
            INVENTORY,
            {"storage_class": StorageClass("kubernetes.io/glusterfs", ())},
        ),
    ):
        check = CHECKS[name]
        assert isinstance(check, Check)
        yield from found(check, inventory, **given).values()
    node = controller(INVENTORY)
    nobody = {probe.name: () for probe in needs([gluster_pods], node)}
    yield from judge([gluster_pods], {node.name: Facts(node, nobody)})


def of_a_deployment() -> Iterator[Finding]:
    """What is found of one that is there, each where one thing is not in order."""
    yield from stands(service=None)
    yield from stands(storage_classes=())
    yield from stands(provisioner_secrets=frozenset())
    yield from stands(known=Known((), ()))


@cache
def evidence() -> tuple[Evidence, ...]:
    made = (*of_nodes(), *of_the_controller(), *of_a_deployment())
    return nodes.findings(made, controller(INVENTORY).name).evidence


CLAUSES = [
    pytest.param(clause.pattern, id=f"{name}-{clause.pattern.pattern}")
    for name, row in ROWS.items()
    for clause in (*row.every, *row.some, *row.unless, *row.also)
    if Kind.NODES in clause.where
]


@pytest.mark.parametrize("pattern", CLAUSES)
def test_a_clause_about_findings_knows_one_that_a_check_makes(pattern: re.Pattern[str]) -> None:
    made = [piece.text for piece in evidence()]
    assert [text for text in made if pattern.search(text)], made
