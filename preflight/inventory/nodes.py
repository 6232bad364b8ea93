"""Fields -> Node: what a node's entry must hold as a whole, and what no two nodes may share.

The same for an inventory and for a heketi topology: both hand over fields of the same names.
"""

from __future__ import annotations

from collections.abc import Iterator

from preflight.inventory.problems import Mark, Problems
from preflight.inventory.rules import is_ip, same_path, special
from preflight.inventory.tree import Map, Tree
from preflight.inventory.values import Fields, Reader, Reading, items
from preflight.model import Device, Node, Policy, Role, SshOptions

SSH_PORT = 22


class Claims:
    """Who has a name, an address or a disk: each may be had once."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._taken: dict[tuple[str, str], tuple[Mark, str]] = {}

    def claim(self, kind: str, value: str, mark: Mark, owner: str, shown: str = "") -> None:
        """Take `value` for `owner`; add a problem where another has it already."""
        if first := self._taken.get((kind, value)):
            line, other = first[0].line, first[1]
            self._problems.add(
                mark, f"{kind}: {shown or value} is that of {other} already (line {line})"
            )
        else:
            self._taken[kind, value] = (mark, owner)


def node(fields: Fields, policy: Policy, claims: Claims, problems: Problems) -> Node | None:
    """One machine, from fields that are named as Node's are; None where too little is known.

    `devices` holds a list of Fields, one a device; `ssh` a Fields.
    """
    values = fields.values
    if "name" not in values or "address" not in values:
        return None
    made = Node(
        name=values["name"],
        address=values["address"],
        storage=_storage(fields, problems),
        zone=values.get("zone", 1),
        role=values.get("role", Role.STORAGE),
        ssh=SshOptions(**values["ssh"].values) if "ssh" in values else SshOptions(),
        become=values.get("become"),
        devices=tuple(Device(**device.values) for device in _devices(fields, problems)),
        policy=policy,
        tags=values.get("tags", ()),
    )
    _claim(made, fields, claims)
    return made


def _storage(fields: Fields, problems: Problems) -> str | None:
    """Gluster's address: its own key's, else the address; a client needs none."""
    if "storage" in fields.marks:
        storage: str | None = fields.values.get("storage")
        return storage
    address: str = fields.values["address"]
    why = special(address) if is_ip(address) else "a name"
    if not why:
        return address
    if fields.values.get("role") is not Role.CLIENT and not fields.spoiled("role"):
        problems.add(
            fields.marks["address"],
            f"the key 'storage' is missing: address is {address}, {why},"
            " and Gluster needs an IP address that the other nodes reach",
        )
    return None


def _devices(fields: Fields, problems: Problems) -> Iterator[Fields]:
    """The node's disks that could be read; a storage node has some, a client none."""
    devices: list[Fields] = fields.values.get("devices", [])
    if fields.spoiled("devices") or fields.spoiled("role"):
        return
    if fields.values.get("role") is Role.CLIENT:
        if devices:
            mark = fields.marks["devices"]
            problems.add(mark, "devices: a client has none; allowed: role: storage, or no devices")
    elif not devices:
        problems.add(
            fields.marks.get("devices", fields.mark),
            f"{fields.values['name']} has no devices; allowed: at least one disk"
            " (or role: client, for a node that only mounts volumes)",
        )
    yield from (device for device in devices if "path" in device.values)


def _claim(node: Node, fields: Fields, claims: Claims) -> None:
    marks, owner = fields.marks, f"the node {node.name}"
    claims.claim("name", node.name, marks["name"], "another node")
    # Behind one address may be many machines, each with a port of its own.
    port = node.ssh.port or SSH_PORT
    host = node.address.lower().rstrip(".")
    shown = f"{node.address}, port {port},"
    claims.claim("address", f"{host} {port}", marks["address"], owner, shown)
    if node.storage:
        mark = marks.get("storage", marks["address"])
        claims.claim("storage", node.storage, mark, owner)
    for device in fields.values.get("devices", ()):
        disk = f"{device.values.get('path', 'a disk')} of {node.name}"
        for key in ("serial", "wwn"):
            if key in device.values:
                value = device.values[key]
                claims.claim(key, value.lower(), device.marks[key], disk, value)


def devices(tree: Tree, path: Reader[str], table: Reader[Fields], reading: Reading) -> list[Fields]:
    """Read a list of disks: each a path, or a mapping that `table` reads. No path twice."""

    def device(tree: Tree, reading: Reading) -> Fields:
        if isinstance(tree, Map):
            return table(tree, reading)
        return Fields(tree.mark, {"path": path(tree, reading)}, {"path": tree.mark})

    found: list[Fields] = []
    seen: dict[str, Mark] = {}
    for fields, _ in items(tree, device, reading, "a list of disks, as [/dev/sdb]"):
        found.append(fields)
        if value := fields.values.get("path"):
            mark = fields.marks["path"]
            if first := seen.get(same_path(value)):
                reading.problems.add(
                    mark, f"the disk {value} is in this list already (line {first.line})"
                )
            seen.setdefault(same_path(value), mark)
    return found
