"""Where the bricks of a volume go.

heketi wants every brick of a replica set on a node of its own. Its ring over zones and its smaller
and smaller bricks are left out: a volume here is one set of bricks as big as itself.
Source: heketi's apps/glusterfs/device_entry.go (SpaceNeeded) and volume_durability_replica.go.
"""

from __future__ import annotations

from .state import Record, State, new_id

GIB = 1 << 20  # in KiB
EXTENT = 4096  # KiB: vgcreate --physicalextentsize=4M
METADATA = 0.005  # of a thin pool's size


class NoSpaceError(Exception):
    """heketi's reason for finding no place."""


def needed(size: int) -> int:
    """KiB that a brick of `size` KiB takes on its device: thin pool and metadata, whole extents."""
    return _extents(size) + _extents(int(size * METADATA))


def place(state: State, cluster: Record, volume: str, size: int, count: int) -> list[Record]:
    """Bricks of `size` GiB on `count` nodes, the emptiest devices first; raises NoSpaceError."""
    if not cluster["nodes"]:
        raise NoSpaceError("No nodes in cluster")
    found = [best for node in cluster["nodes"] if (best := _emptiest(state, node))]
    if not found:
        raise NoSpaceError("No online storage devices in cluster")
    room = [device for device in found if device["storage"]["free"] > needed(size * GIB)]
    if len(room) < count:
        raise NoSpaceError("No space")
    room.sort(key=lambda device: device["storage"]["free"], reverse=True)
    return [_brick(device, volume, size * GIB) for device in room[:count]]


def take(state: State, brick: Record) -> None:
    """The brick's space is used from now on."""
    _move(state["devices"][brick["device"]], needed(brick["size"]))


def give_back(state: State, brick: Record) -> None:
    """The brick's space is free again."""
    _move(state["devices"][brick["device"]], -needed(brick["size"]))


def _extents(size: int) -> int:
    return -(-size // EXTENT) * EXTENT


def _emptiest(state: State, node: str) -> Record | None:
    devices = [device for device in state["devices"].values() if device["node"] == node]
    return max(devices, key=lambda device: int(device["storage"]["free"]), default=None)


def _brick(device: Record, volume: str, size: int) -> Record:
    brick = new_id()
    path = f"/var/lib/heketi/mounts/vg_{device['id']}/brick_{brick}/brick"
    return {
        "id": brick,
        "path": path,
        "device": device["id"],
        "node": device["node"],
        "volume": volume,
        "size": size,
    }


def _move(device: Record, amount: int) -> None:
    device["storage"]["free"] -= amount
    device["storage"]["used"] += amount
