"""Inventory -> the topology file that heketi loads (`heketi-cli topology load --json=FILE`).

The format is heketi's client/cli/go/cmds/topology.go; gk-deploy takes the node names from it, to
label and to wait for. `preflight.inventory` reads it back.
"""

from __future__ import annotations

import json

from preflight.errors import UsageError
from preflight.model import Device, Inventory, Node, Role


def render(inventory: Inventory) -> str:
    """The topology of the storage nodes, in the order of the inventory, as JSON text.

    `destroydata` is never written: heketi must not wipe what nobody looked at. Raises UsageError
    where there is no storage node, or one without an address for Gluster.
    """
    members = [_member(node) for node in inventory.nodes if node.role is Role.STORAGE]
    if not members:
        raise UsageError("the inventory names no storage node, so there is no topology to load")
    cluster: dict[str, object] = {"nodes": members}
    cluster |= {
        flag: value
        for flag, value in (("file", inventory.file), ("block", inventory.block))
        if value is not None
    }
    return json.dumps({"clusters": [cluster]}, indent=2) + "\n"


def _member(node: Node) -> dict[str, object]:
    if node.storage is None:
        raise UsageError(f"{node.name} has no storage address")
    described: dict[str, object] = {
        "hostnames": {"manage": [node.name], "storage": [node.storage]},
        "zone": node.zone,
    }
    if node.tags:
        described["tags"] = dict(node.tags)
    return {"node": described, "devices": [_device(device) for device in node.devices]}


def _device(device: Device) -> object:
    return {"name": device.path, "tags": dict(device.tags)} if device.tags else device.path
