"""Which nodes a command is about: the inventory's, some of them, or this machine."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from preflight import inventory
from preflight.controller import controller
from preflight.errors import UsageError
from preflight.facts import network
from preflight.inventory.rules import DEVICE_PATH, canonical, is_ip, same_path, special
from preflight.model import Device, Inventory, Node
from preflight.select import select_nodes

DEFAULT_INVENTORY = Path("inventory.yaml")
INVENTORY_VARIABLE = "GKPREP_INVENTORY"


@dataclass(frozen=True)
class Targets:
    """Nodes to ask.

    `whole` holds where no node of the inventory was left out: only then is the fleet judged too.
    `controller` is what the machine that deploys is called beside the inventory's nodes.
    """

    nodes: tuple[Node, ...]
    whole: bool
    controller: str = ""


def find(  # noqa: PLR0913 - what a command line says of nodes, each named by its caller
    path: Path | None,
    *,
    local: bool,
    devices: Sequence[str],
    storage: str | None,
    limit: Sequence[str],
    deploys: bool = False,
) -> Targets:
    """What the command line asks about, also the controller where that `deploys`.

    Raises UsageError where the parts of the command line do not fit together.
    """
    if local and deploys:
        raise UsageError("--local is about one node, and not about the machine that deploys")
    if local and limit:
        raise UsageError("--local is about one machine, so --limit has nothing to choose from")
    if local:
        return this_machine(path, devices, storage)
    if devices or storage is not None:
        raise UsageError("--device and --storage describe this machine: they go with --local")
    return from_inventory(path, limit, deploys=deploys)


def from_inventory(path: Path | None, limit: Sequence[str], *, deploys: bool) -> Targets:
    """The inventory's nodes, and the controller last where that `deploys`.

    Of all those that `limit` names. Raises UsageError or InventoryError.
    """
    whole = inventory_of(path, "" if deploys else "; --local needs none")
    nodes = acquainted(whole.nodes)
    here = controller(whole)
    if deploys:
        nodes = (*nodes, here)
    return Targets(select_nodes(nodes, limit), whole=not limit, controller=here.name)


def acquainted(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The same nodes, each with the others' addresses: whose connections it must let in."""
    return tuple(
        replace(
            node, peers=tuple(other.storage for other in nodes if other != node and other.storage)
        )
        for node in nodes
    )


def inventory_of(path: Path | None, otherwise: str = "") -> Inventory:
    """The inventory at `path`, or the one found by default; raises UsageError without any.

    `otherwise` is what else the command could do then.
    """
    source = find_inventory(path)
    if source is None:
        raise UsageError(
            "there is no inventory: name one, set GKPREP_INVENTORY, or write ./inventory.yaml"
            f" (gkprep init writes one to start from){otherwise}"
        )
    return inventory.load(source)


def this_machine(path: Path | None, devices: Sequence[str], storage: str | None) -> Targets:
    """The machine gkprep runs on: its own entry in the inventory, or one made from the options.

    `--device` and `--storage` describe a node by themselves, so with either no inventory is
    looked for, and one that is named contradicts them.
    """
    described = bool(devices) or storage is not None
    if described and path is not None:
        raise UsageError("--device and --storage describe this machine without an inventory")
    require_described(devices, storage)
    source = None if described else find_inventory(path)
    if source is None:
        node = Node(
            name=socket.gethostname(),
            address="localhost",
            storage=canonical(storage) if storage else default_address(),
            devices=tuple(Device(device) for device in devices),
        )
    else:
        own = network.own_addresses() or frozenset()
        whole = inventory.load(source)
        whole = replace(whole, nodes=acquainted(whole.nodes))
        try:
            node = inventory.local_node(whole, socket.gethostname(), own)
        except UsageError as exc:
            way_out = "--device or --storage checks this machine without it"
            raise UsageError(f"{source}: {exc}; {way_out}") from None
    return Targets((node,), whole=False)


def require_described(devices: Sequence[str], storage: str | None) -> None:
    """Raise UsageError for what no inventory would take either."""
    if storage is not None:
        why = special(storage) if is_ip(storage) else "a name"
        if why:
            needs = "Gluster needs an IP address that the other nodes reach"
            raise UsageError(f"--storage {storage}: {why}; {needs}")
    for number, device in enumerate(devices):
        if not device.startswith("/"):
            raise UsageError(f"--device {device!r}: a disk is named by its whole path, as /dev/sdb")
        if not re.fullmatch(DEVICE_PATH, device):
            allowed = "letters, digits and _ . : / -"
            raise UsageError(f"--device {device!r}: heketi takes only {allowed} in a path")
        if same_path(device) in map(same_path, devices[:number]):
            raise UsageError(f"--device {device}: this disk is named twice")


def find_inventory(path: Path | None) -> Path | None:
    """`path`, else what GKPREP_INVENTORY names, else ./inventory.yaml where there is one."""
    if path is not None:
        if path == Path():  # what an unset "$VARIABLE" becomes
            raise UsageError("the inventory's name is empty")
        return path
    if named := os.environ.get(INVENTORY_VARIABLE):
        return Path(named)
    # Unlike Path.exists(), no where the folder may not be looked into.
    return DEFAULT_INVENTORY if os.path.exists(DEFAULT_INVENTORY) else None  # noqa: PTH110


def default_address() -> str | None:
    """The address this machine reaches the world from: its default route's, None without one.

    Connecting a UDP socket sends nothing; it only has the kernel choose a route (udp(7)). The
    addresses are from the documentation ranges (RFC 5737, RFC 3849).
    """
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, 9))
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return None
