"""LVM's labels and metadata, read from a disk's own bytes. Pure functions.

They work on a node without lvm2, past lvm.conf's filters, its devices file and its caches. The
layout is LVM's lib/format_text/layout.h and lib/label/label.h: a label in one of the first four
sectors names metadata areas; an area's header names the text in force, which wanders through a
circular buffer behind it.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

LABEL_SECTORS = 4
SECTOR = 512
_CRC_SEED = 0xF597A6CF  # INITIAL_CRC of lib/misc/crc.h
_MAGIC = b" LVM2 x[5A%r0N*>"
_USED = 1  # PV_EXT_USED
_IGNORED = 1  # RAW_LOCN_IGNORED
_NAME = re.compile(rb"\A([A-Za-z0-9+_.-]+) \{\n")
_HEKETI = re.compile(r"vg_[0-9a-f]{32}")


@dataclass(frozen=True)
class Area:
    """A metadata area: its header's 512 bytes, and as much of the text in force as was read."""

    header: bytes
    text: bytes


@dataclass(frozen=True)
class Volume:
    """One logical volume."""

    name: str
    uuid: str


@dataclass(frozen=True)
class VolumeGroup:
    """What the metadata says. `checksum` is LVM's own over the whole text, which may be longer
    than what was read: `volumes` is complete only where `complete` says so.
    """

    name: str
    uuid: str
    checksum: int
    volumes: tuple[Volume, ...]
    complete: bool = True

    @property
    def heketi(self) -> bool:
        """Whether heketi made it: it names its groups `vg_` and an id of 32 hex digits."""
        return _HEKETI.fullmatch(self.name) is not None


@dataclass(frozen=True)
class PhysicalVolume:
    """An LVM label. `group` is None for an orphan, which heketi takes like a blank disk.

    `problem` is why it cannot be told whose volume this is: never an orphan then.
    """

    offset: int
    uuid: str
    group: VolumeGroup | None = None
    problem: str = ""


@dataclass(frozen=True)
class _Label:
    offset: int
    uuid: str
    areas: tuple[int, ...]
    extension: int
    flags: int


def read_physical_volume(first: bytes, areas: Mapping[int, Area]) -> PhysicalVolume | None:
    """The physical volume whose label is in the first 2 KiB of a disk; None without one.

    `areas` holds, by its offset on the disk, what was read of each metadata area.
    """
    for number in range(LABEL_SECTORS):
        sector = first[number * SECTOR : (number + 1) * SECTOR]
        if sector[:8] == b"LABELONE" and sector[24:32] == b"LVM2 001":
            return _volume(sector, number * SECTOR, areas)
    return None


def _volume(sector: bytes, offset: int, areas: Mapping[int, Area]) -> PhysicalVolume:
    label = _read_label(sector, offset)
    if isinstance(label, str):
        return PhysicalVolume(offset, "", problem=label)
    if not label.areas:
        # Versions before 2 of the extension do not say whether another PV's metadata names this.
        orphan = label.extension > 1 and not label.flags & _USED
        problem = "" if orphan else "it has no metadata area, so its group is known elsewhere"
        return PhysicalVolume(offset, label.uuid, problem=problem)
    problem = ""
    for at in label.areas:
        group = _read_group(areas[at]) if at in areas else "its metadata area was not read"
        if isinstance(group, VolumeGroup):
            return PhysicalVolume(offset, label.uuid, group)
        problem = problem or group or ""
    if not problem and label.flags & _USED:
        problem = "it is marked as used by a volume group, whose metadata is missing"
    return PhysicalVolume(offset, label.uuid, problem=problem)


def _read_label(sector: bytes, offset: int) -> _Label | str:
    number, checksum, header = struct.unpack_from("<QII", sector, 8)
    if _crc(sector[20:]) != checksum or number * SECTOR != offset or header + 40 > SECTOR:
        return "its label is damaged"
    raw = sector[header : header + 32].decode("ascii", "replace")
    cuts = (0, 6, 10, 14, 18, 22, 26, 32)
    uuid = "-".join(raw[begin:end] for begin, end in zip(cuts, cuts[1:], strict=False))
    pairs = _pairs(sector[header + 40 :])
    for _data_area in _until_zero(pairs):
        pass
    areas = tuple(at for at, _size in _until_zero(pairs))
    rest = header + 40 + 16 * (pairs.count)
    extension, flags = struct.unpack_from("<II", sector, rest) if rest + 8 <= SECTOR else (0, 0)
    return _Label(offset, uuid, areas, extension, flags)


class _pairs(Iterator[tuple[int, int]]):  # noqa: N801 - a generator that counts what it gave
    def __init__(self, data: bytes) -> None:
        self.data, self.count = data, 0

    def __next__(self) -> tuple[int, int]:
        if 16 * (self.count + 1) > len(self.data):
            raise StopIteration
        self.count += 1
        offset, size = struct.unpack_from("<QQ", self.data, 16 * (self.count - 1))
        return offset, size


def _until_zero(pairs: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for offset, size in pairs:
        if offset == 0:
            return
        yield offset, size
