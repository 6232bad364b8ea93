"""The controller's checks on facts given as values: what is in order, and what is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from preflight import registry, select
from preflight.controller import controller
from preflight.facts import deployer, kubernetes
from preflight.facts.deployer import Python, Script
from preflight.facts.kubernetes import (
    Image,
    Kubelet,
    Listed,
    Member,
    Namespace,
    Planned,
    Right,
    Told,
    Try,
    Version,
)
from preflight.judge import judge, needs
from preflight.model import Check, Deployer, Device, Facts, Finding, Inventory, Node, Plan, Status
from preflight.plan import plan

NODES = tuple(
    Node(f"node{n}", f"10.77.0.1{n}", f"10.78.0.1{n}", devices=(Device("/dev/sda"),))
    for n in (1, 2, 3)
)
INVENTORY = Inventory(NODES)
FILES = deployer.KNOWN["7246eb4"]
SCRIPT = Script("/g/deploy/gk-deploy", "7246eb4", tuple(FILES.items()))
FINE = Kubelet(Try(""), Try(""), "kube-system/proxy", Try(""), Try(""))
TOPOLOGY = tuple(Planned(n.name, n.storage or "", 1, ("/dev/sda",)) for n in NODES)
CONFIG = Listed("Secret", kubernetes.CONFIG)
HEKETI = Listed("Deployment", "heketi", 1, 1)
BEGUN = (Listed("Deployment", "deploy-heketi", 1, 1), Listed("Service", "deploy-heketi"))


def version(text: str) -> Told:
    major, minor = text.split(".")[:2]
    return Told(Version(int(major), int(minor), f"v{text}"))


def member(name: str, address: str = "", **more: Any) -> Member:
    own = {"unready": "", "schedulable": True, "taints": (), "label": None} | more
    given = {"architecture": "amd64"} | own
    return Member(name=name, addresses=(address,) if address else (), **cast("Any", given))


MEMBERS = tuple(member(node.name, node.storage or "") for node in NODES)
VALUES: dict[str, object] = {
    "client": version("1.20.2"),
    "server": version("1.20.2"),
    "nodes": MEMBERS,
    "namespace": Namespace("Active", ""),
    "binding": None,
    "needs_binding": (),
    "cluster": "uid-of-kube-system",
    "objects": (),
    "topology": None,
    "rights": (Right("*", "*.*", allowed=True),),
    "kubelet": FINE,
    "image": Image("glusterfs-1", "4.1.5", "enabled"),
    "storage_class": None,
    "service": None,
    "gk_deploy": SCRIPT,
    "python": Python("python3", "3.11.2"),
}


CHECKS = [
    check for check in registry.checks() if isinstance(check, Check) and select.of_controller(check)
]


def known(
    checks: Sequence[Check], inventory: Inventory, given: Mapping[str, object]
) -> dict[str, Facts]:
    """What the checks and their fixes ask, answered as if all were in order but for `given`."""
    node = controller(inventory)
    asked = [probe.name for probe in needs(checks, node, registry.fixes())]
    values = {**VALUES, **given}
    told = {name: values[name.partition("(")[0].rpartition(".")[2]] for name in asked}
    return {node.name: Facts(node, told)}


def judged(
    checks: Sequence[Check], inventory: Inventory = INVENTORY, **given: object
) -> tuple[Finding, ...]:
    """What is found where all is in order but for what is `given`, by probe."""
    return judge(checks, known(checks, inventory, given))


def found(check: Check, inventory: Inventory = INVENTORY, **given: object) -> dict[str, Finding]:
    """The same of one check, by subject."""
    return {finding.subject: finding for finding in judged([check], inventory, **given)}


def planned(check: Check, inventory: Inventory = INVENTORY, **given: object) -> Plan:
    """What `gkprep fix` would do about it, likewise."""
    fleet = known([check], inventory, given)
    return plan(judge([check], fleet), fleet, registry.fixes())


def one(check: Check, inventory: Inventory = INVENTORY, **given: object) -> Finding:
    """The only finding that is no pass."""
    [finding] = [
        each for each in found(check, inventory, **given).values() if each.status != Status.PASS
    ]
    return finding


def with_deployer(**more: Any) -> Inventory:
    return replace(INVENTORY, deployer=Deployer(**more))


def members(*changed: Member, without: str = "") -> tuple[Member, ...]:
    new = {each.name: each for each in (*MEMBERS, *changed)}
    return tuple(each for name, each in new.items() if name != without)


GOOD = (
    replace(HEKETI, ready=0),
    Listed("Service", "heketi"),
    Listed("DaemonSet", "glusterfs", 3, 3),
    Listed("Endpoints", "heketi-storage-endpoints"),
    Listed("Service", "heketi-storage-endpoints"),
    CONFIG,
    Listed("Secret", "heketi-admin-key"),
)
"""What a good deployment has made, while its heketi restarts."""

ENDPOINTS = (
    Listed("Endpoints", "heketi-storage-endpoints"),
    Listed("Service", "heketi-storage-endpoints"),
)

JOB = Listed("Job", "heketi-storage-copy-job", 0, 1)
DATABASE = Listed("Secret", "heketi-storage-secret")
"""What a deployment has left that broke off."""
