"""What a deployment is verified by, on facts given as values: all is well but for what is given."""

from __future__ import annotations

from pathlib import Path

from preflight.controller import controller
from preflight.deploy.verify import standing, verification
from preflight.facts import deployment as facts
from preflight.facts.deployment import (
    Disk,
    Known,
    Peer,
    Service,
    StorageClass,
    storage_parameters,
)
from preflight.facts.kubernetes import kubectl
from preflight.facts.kubernetes.pods import DAEMONSET, Part, Pod
from preflight.judge import judge
from preflight.model import (
    Deployer,
    Device,
    Facts,
    Finding,
    Inventory,
    Node,
    Role,
)

KEY = Path("admin")
NODES = tuple(
    Node(f"node{n}", f"10.77.0.1{n}", f"10.78.0.1{n}", devices=(Device("/dev/sdb"),))
    for n in (1, 2, 3)
)
CLIENT = Node("node9", "10.77.0.19", "10.78.0.19", role=Role.CLIENT)
INVENTORY = Inventory((*NODES, CLIENT), deployer=Deployer(namespace="storage"))
CONTROLLER = controller(INVENTORY)
WORDS = kubectl(CONTROLLER)

PODS = tuple(
    Pod(f"glusterfs-{n}", Part.GLUSTER, f"node{n}", "Running", 1, 1, owner=DAEMONSET)
    for n in (1, 2, 3)
)
PEERS = tuple(
    Peer(node.name, str(node.storage), 1, "online", (Disk("/dev/sdb", "online", f"vg_{n}"),))
    for n, node in enumerate(NODES, 1)
)
SERVICE = Service("10.96.0.9", ("10.244.0.3:8080",))
MADE = StorageClass(
    "kubernetes.io/glusterfs", tuple(sorted(storage_parameters("storage", "10.96.0.9").items()))
)


def look(**other: object) -> dict[str, dict[str, Finding]]:
    """By check and subject, what is found where all is well but for `other`."""
    said = {
        "pods": PODS,
        "service": SERVICE,
        "known": Known(PEERS, ("heketidbstorage",)),
        "storage_class": MADE,
        **other,
    }
    probes = {
        "pods": facts.pods(WORDS, "storage"),
        "service": facts.service(WORDS, "storage"),
        "known": facts.known(WORDS, "storage", KEY),
        "storage_class": facts.storage_class(WORDS),
    }
    values = {probes[name].name: value for name, value in said.items()}
    known = Facts(CONTROLLER, values)
    found: dict[str, dict[str, Finding]] = {}
    for finding in judge(verification(KEY), {CONTROLLER.name: known}):
        found.setdefault(finding.check, {})[finding.subject] = finding
    return found


def stands(**other: object) -> tuple[Finding, ...]:
    """What `gkprep diagnose` finds of a deployment that is there, well but for `other`."""
    said = {
        "service": SERVICE,
        "storage_classes": (("glusterfs-storage", MADE),),
        "provisioner_secrets": frozenset({"storage/heketi-admin-key"}),
        "known": Known(PEERS, ()),
        **other,
    }
    probes = {
        "service": facts.service(WORDS, "storage"),
        "storage_classes": facts.storage_classes(WORDS),
        "provisioner_secrets": facts.provisioner_secrets(WORDS),
        "known": facts.known(WORDS, "storage", KEY),
    }
    known = Facts(CONTROLLER, {probes[name].name: value for name, value in said.items()})
    return judge(standing(KEY), {CONTROLLER.name: known})
