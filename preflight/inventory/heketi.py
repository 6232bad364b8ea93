"""Tree of a heketi topology -> Inventory: the file that `heketi-cli topology load` takes.

Its format is heketi's client/cli/go/cmds/topology.go and pkg/glusterfs/api/types.go: `clusters`,
in them `nodes`, each with a `node` (`hostnames.manage`, `hostnames.storage`, `zone`, `tags`) and
`devices`, each a path or {name, tags, destroydata}. Of several host names heketi uses the first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from preflight.inventory import nodes
from preflight.inventory.problems import Mark
from preflight.inventory.rules import device_path, node_name, storage_address
from preflight.inventory.tree import List, Map, Scalar, Tree
from preflight.inventory.values import (
    Fields,
    Reader,
    Reading,
    T,
    Wrong,
    boolean,
    integer,
    items,
    table,
)
from preflight.model import Inventory, Node, Policy

HIGHEST_ZONE = 2**31 - 1
# pkg/glusterfs/api/types.go, ValidateTags
MOST_TAGS, LONGEST_TAG = 32, 64
TAG_NAME = re.compile("[a-zA-Z0-9_.-]{1,32}")
TAG_NAME_IN_WORDS = "a name of letters, digits, _ . and -, at most 32"


def _tags(tree: Tree, reading: Reading) -> tuple[tuple[str, str], ...]:
    if not isinstance(tree, Map) or len(tree.entries) > MOST_TAGS:
        raise Wrong(tree, f"a mapping of at most {MOST_TAGS} tags to texts")
    tags = []
    for name, (mark, value) in tree.entries.items():
        if not TAG_NAME.fullmatch(name):
            told = Wrong(Scalar(name, mark, plain=False), TAG_NAME_IN_WORDS)
            reading.problems.add(mark, f"tags: {told}")
        elif isinstance(value, Scalar) and not value.plain and _fits(value.text):
            tags.append((name, value.text))
        else:
            told = Wrong(value, f"a text in quotes, at most {LONGEST_TAG} characters")
            reading.problems.add(value.mark, f"tags: {told}")
    return tuple(sorted(tags))


def _fits(value: str) -> bool:
    return value.isprintable() and len(value) <= LONGEST_TAG


def _destroydata(tree: Tree, reading: Reading) -> bool:
    """Read false. At true, heketi itself would wipe the disk, whatever it is by then."""
    if boolean(tree, reading):
        raise Wrong(
            tree,
            "false, or nothing; gkprep wipes a disk itself, and only what a consent token names",
            "which would have heketi erase whatever the disk holds",
        )
    return False


def _first(read: Reader[T], allowed: str) -> Reader[tuple[T, Mark]]:
    """Build a reader of a list's first item, with its place; heketi never uses the others."""

    def read_first(tree: Tree, reading: Reading) -> tuple[T, Mark]:
        if not isinstance(tree, List) or not tree.items:
            raise Wrong(tree, allowed)
        return read(tree.items[0], reading), tree.items[0].mark

    return read_first


HOSTNAMES: Mapping[str, Reader[Any]] = {
    "manage": _first(node_name, 'a list with the node\'s name, as ["node-181"]'),
    "storage": _first(storage_address, 'a list with Gluster\'s address, as ["192.168.136.181"]'),
}

DEVICE: Mapping[str, Reader[Any]] = {
    "name": device_path,
    "tags": _tags,
    "destroydata": _destroydata,
}


def _hostnames(tree: Tree, reading: Reading) -> Fields:
    required = {"manage": "what Kubernetes calls the node", "storage": "Gluster's IP address"}
    return table(tree, "hostnames", HOSTNAMES, reading, required)


NODE: Mapping[str, Reader[Any]] = {
    "hostnames": _hostnames,
    "zone": integer(1, HIGHEST_ZONE),
    "tags": _tags,
}


def _node(tree: Tree, reading: Reading) -> Fields:
    required = {"hostnames": "the names of the node", "zone": "its failure domain, as 1"}
    return table(tree, "a heketi node", NODE, reading, required)


def _device(tree: Tree, reading: Reading) -> Fields:
    fields = table(tree, "a device", DEVICE, reading, {"name": "the disk, as /dev/sdb"})
    return fields.without("destroydata").renamed("name", "path")


def _devices(tree: Tree, reading: Reading) -> list[Fields]:
    return nodes.devices(tree, device_path, _device, reading)


MEMBER: Mapping[str, Reader[Any]] = {"node": _node, "devices": _devices}


def _member(tree: Tree, reading: Reading) -> Fields:
    """One node of a cluster, its nested keys laid flat under the names that Node has."""
    outer = table(tree, "a cluster's node", MEMBER, reading, {"node": "its names and its zone"})
    inner: Fields = outer.values.get("node", Fields(outer.mark))
    hostnames: Fields = inner.values.get("hostnames", Fields(outer.mark))
    values = {key: value for key, value in inner.values.items() if key != "hostnames"}
    values |= {key: value for key, value in outer.values.items() if key != "node"}
    marks = {**inner.marks, **outer.marks}
    for key, ours in (("manage", ("name", "address")), ("storage", ("storage",))):
        for name in ours:
            marks[name] = hostnames.marks.get(key, outer.mark)
            if key in hostnames.values:
                values[name], marks[name] = hostnames.values[key]
    return Fields(outer.mark, values, marks)


def _members(tree: Tree, reading: Reading) -> list[Fields]:
    found = items(tree, "nodes", _member, reading, "a list of nodes")
    if not found:
        raise Wrong(tree, "a list of nodes")
    return found


CLUSTER: Mapping[str, Reader[Any]] = {"nodes": _members, "file": boolean, "block": boolean}


def _cluster(tree: Tree, reading: Reading) -> Fields:
    return table(tree, "a cluster", CLUSTER, reading, {"nodes": "the list of nodes"})


def _only_cluster(tree: Tree, reading: Reading) -> Fields:
    allowed = "a list with one cluster, which gkprep prepares; others need a file each"
    if not isinstance(tree, List) or not tree.items:
        raise Wrong(tree, allowed)
    if len(tree.items) > 1:
        raise Wrong(tree.items[1], allowed, f"the second of {len(tree.items)} clusters")
    return _cluster(tree.items[0], reading)


TOPOLOGY: Mapping[str, Reader[Any]] = {"clusters": _only_cluster}


def is_topology(tree: Tree) -> bool:
    """Whether this is a heketi topology: a mapping with `clusters`, and without our `nodes`."""
    return isinstance(tree, Map) and "clusters" in tree.entries and "nodes" not in tree.entries


def read(tree: Tree, reading: Reading) -> Inventory:
    """Read a topology; what is wrong with it is in the problems, and then it is not whole.

    The name that heketi manages a node by is the Kubernetes node name, and where SSH connects.
    """
    top = table(tree, "a heketi topology", TOPOLOGY, reading)
    cluster: Fields = top.values.get("clusters", Fields(top.mark))
    claims, policy = nodes.Claims(reading.problems), Policy()
    made = (
        nodes.node(fields, policy, claims, reading.problems)
        for fields in cluster.values.get("nodes", ())
    )
    return Inventory(
        nodes=tuple(node for node in made if isinstance(node, Node)),
        policy=policy,
        file=cluster.values.get("file"),
        block=cluster.values.get("block"),
    )
