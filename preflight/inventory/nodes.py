"""Fields -> Node: what a node's entry must hold as a whole, and what no two nodes may share.

The same for an inventory and for a heketi topology: both hand over fields of the same names.
"""

from __future__ import annotations

from collections.abc import Iterator

from preflight.inventory.problems import Mark, Problems, clip
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

    def claim(self, key: str, value: str, mark: Mark, owner: str, shown: str = "") -> bool:
        """Take `value` for `owner`; add a problem and return False where another has it already.

        No owner where the value itself says whose it is; `shown` is how to spell the value.
        """
        first = self._taken.get((key, value))
        if first is None:
            self._taken[key, value] = (mark, owner)
            return True
        place, other = first
        what = clip(shown or value)
        clash = f"{owner} has {what}, which {other} has" if owner else f"{what} is taken"
        self._problems.add(mark, f"{key}: {clash} already (line {place.line})")
        return False


def node(fields: Fields, policy: Policy, claims: Claims, problems: Problems) -> Node | None:
    """One machine, from fields that are named as Node's are; None where too little is known.

    `devices` holds a list of Fields, one a device; `ssh` a Fields.
    """
    values = fields.values
    storage = _storage(fields, problems)
    devices = tuple(Device(**device.values) for device in _devices(fields, problems))
    _claim(fields, storage, claims)
    if "name" not in values or "address" not in values:
        return None
    return Node(
        name=values["name"],
        address=values["address"],
        storage=storage,
        zone=values.get("zone", 1),
        role=values.get("role", Role.STORAGE),
        ssh=SshOptions(**values["ssh"].values) if "ssh" in values else SshOptions(),
        become=values.get("become"),
        devices=devices,
        policy=policy,
        tags=values.get("tags", ()),
    )


def _storage(fields: Fields, problems: Problems) -> str | None:
    """Gluster's address: its own key's, else the address; a client needs none."""
    given: str | None = fields.values.get("storage")
    address: str | None = fields.values.get("address")
    if "storage" in fields.marks or address is None:
        return given
    why = special(address) if is_ip(address) else "a name"
    if not why:
        return address
    if fields.values.get("role") is not Role.CLIENT and not fields.spoiled("role"):
        problems.add(
            fields.marks["address"],
            f"the key 'storage' is missing: address is {clip(address)}, {why},"
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
            f"{_called(fields)} has no devices; allowed: at least one disk"
            " (or role: client, for a node that only mounts volumes)",
        )
    yield from (device for device in devices if "path" in device.values)


def _called(fields: Fields) -> str:
    return clip(fields.values.get("name", "")) or f"the node at line {fields.mark.line}"


def _claim(fields: Fields, storage: str | None, claims: Claims) -> None:
    marks, values, owner = fields.marks, fields.values, _called(fields)
    named = "name" not in values or claims.claim("name", values["name"], marks["name"], "")
    if not named and marks["name"] == marks.get("address"):
        return  # in a topology these are one; it is told already
    reached = "address" not in values or _claim_address(fields, owner, claims)
    if storage and (reached or "storage" in marks):
        claims.claim("storage", storage, marks.get("storage") or marks["address"], owner)
    for device in values.get("devices", ()):
        _claim_disk(device, owner, claims)


def _claim_address(fields: Fields, owner: str, claims: Claims) -> bool:
    """Take the address together with the port: many machines may be forwarded behind one."""
    address: str = fields.values["address"]
    ssh: Fields = fields.values.get("ssh", Fields(fields.mark))
    port = ssh.values.get("port", SSH_PORT)
    key, shown = f"{address.lower().rstrip('.')} {port}", f"{address} (port {port})"
    return claims.claim("address", key, fields.marks["address"], owner, shown)


def _claim_disk(device: Fields, owner: str, claims: Claims) -> None:
    disk = f"{clip(device.values.get('path', 'a disk'))} of {owner}"
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

    seen: dict[str, Mark] = {}
    found = items(tree, "devices", device, reading, "a list of disks, as [/dev/sdb]")
    for fields in found:
        if value := fields.values.get("path"):
            mark = fields.marks["path"]
            if first := seen.get(same_path(value)):
                reading.problems.add(
                    mark, f"devices: {clip(value)} is in this list already (line {first.line})"
                )
            seen.setdefault(same_path(value), mark)
    return found
