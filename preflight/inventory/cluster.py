"""Tree of a gkprep inventory -> Inventory: the tables of its keys, and how defaults apply.

The words are OpenSSH's (ssh_config(5)), Kubernetes' and heketi's own; docs/inventory.md and
schemas/inventory.schema.json tell the same to people and to editors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from preflight.inventory import nodes
from preflight.inventory.rules import (
    address,
    argument,
    brick_ports,
    device_path,
    images,
    namespace,
    node_name,
    storage_address,
    tolerations,
    wipe_token,
    word,
)
from preflight.inventory.tree import Tree
from preflight.inventory.values import (
    Fields,
    Reader,
    Reading,
    Wrong,
    boolean,
    choice,
    integer,
    items,
    path,
    table,
    text,
)
from preflight.model import Deployer, Inventory, Node, Policy, Role, Rpcbind

HIGHEST_PORT = 65535
HIGHEST_ZONE = 2**31 - 1


def _command(tree: Tree, reading: Reading) -> str:
    """Read a command's name, or its path, which then is one as any other."""
    value = argument(tree, reading)
    return str(path(tree, reading)) if re.match("~|.*/", value) else value


SSH: Mapping[str, Reader[Any]] = {
    "user": word,
    "port": integer(1, HIGHEST_PORT),
    "identity_file": path,
    "proxy_jump": word,
}

DEVICE: Mapping[str, Reader[Any]] = {
    "path": device_path,
    "serial": text("the disk's serial number"),
    "wwn": text("the disk's World Wide Name"),
    "wipe": wipe_token,
}


def _ssh(tree: Tree, reading: Reading) -> Fields:
    return table(tree, "ssh", SSH, reading)


def _device(tree: Tree, reading: Reading) -> Fields:
    return table(tree, "a device", DEVICE, reading, {"path": "the disk, as /dev/sdb"})


def _devices(tree: Tree, reading: Reading) -> list[Fields]:
    return nodes.devices(tree, device_path, _device, reading)


DEFAULTS: Mapping[str, Reader[Any]] = {
    "zone": integer(1, HIGHEST_ZONE),
    "role": choice(Role, leaving_out=Role.CONTROLLER),
    "ssh": _ssh,
    "become": boolean,
    "devices": _devices,
}

NODE: Mapping[str, Reader[Any]] = {
    "name": node_name,
    "address": address,
    "storage": storage_address,
    **DEFAULTS,
}

POLICY: Mapping[str, Reader[Any]] = {
    "single_node": boolean,
    "gluster_block": boolean,
    "rpcbind": choice(Rpcbind),
    "brick_ports": brick_ports,
}

DEPLOYER: Mapping[str, Reader[Any]] = {
    "gk_deploy": path,
    "repository": argument,
    "namespace": namespace,
    "kubectl": _command,
    "kubeconfig": path,
    "context": argument,
    "tolerate": tolerations,
    "images": images,
}


def _node(tree: Tree, reading: Reading) -> Fields:
    required = {"name": "what Kubernetes calls the node", "address": "where SSH connects"}
    return table(tree, "a node", NODE, reading, required)


def _nodes(tree: Tree, reading: Reading) -> list[Fields]:
    allowed = "a list of nodes, each with a name and an address"
    found = items(tree, "nodes", _node, reading, allowed)
    if not found:
        raise Wrong(tree, allowed)
    return found


def _section(what: str, keys: Mapping[str, Reader[Any]]) -> Reader[Fields]:
    def read(tree: Tree, reading: Reading) -> Fields:
        return table(tree, what, keys, reading)

    return read


INVENTORY: Mapping[str, Reader[Any]] = {
    "defaults": _section("defaults", DEFAULTS),
    "nodes": _nodes,
    "policy": _section("policy", POLICY),
    "deployer": _section("deployer", DEPLOYER),
}


def read(tree: Tree, reading: Reading) -> Inventory:
    """Read an inventory; what is wrong with it is in the problems, and then it is not whole."""
    top = table(tree, "the inventory", INVENTORY, reading, {"nodes": "the list of machines"})
    policy = Policy(**_values(top, "policy"))
    make = partial(
        nodes.node,
        policy=policy,
        claims=nodes.Claims(reading.problems),
        problems=reading.problems,
    )
    made = (make(_with_defaults(own, top)) for own in top.values.get("nodes", ()))
    return Inventory(
        nodes=tuple(node for node in made if isinstance(node, Node)),
        policy=policy,
        deployer=Deployer(**_values(top, "deployer")),
    )


def _values(top: Fields, section: str) -> Mapping[str, Any]:
    fields: Fields = top.values.get(section, Fields(top.mark))
    return fields.values


def _with_defaults(own: Fields, top: Fields) -> Fields:
    """A node's own keys over the defaults; a client has no use for the default disks."""
    if top.spoiled("defaults"):  # anything may have been meant there
        return own.over(Fields(own.mark, {}, dict.fromkeys(DEFAULTS, own.mark)))
    defaults: Fields = top.values.get("defaults", Fields(own.mark))
    both = own.over(defaults)
    if both.values.get("role") is Role.CLIENT and "devices" not in own.marks:
        return both.without("devices")
    return both
