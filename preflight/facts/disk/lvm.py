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
from itertools import pairwise

LABEL_SECTORS = 4
SECTOR = 512
_CRC_SEED = 0xF597A6CF  # INITIAL_CRC of lib/misc/crc.h
_MAGIC = b" LVM2 x[5A%r0N*>"
_USED = 1  # PV_EXT_USED
_SAYS_USED = 2  # PV_HEADER_EXTENSION_VSN since LVM 2.02.142
_IGNORED = 1  # RAW_LOCN_IGNORED
_NAME = re.compile(rb"\A([A-Za-z0-9+_.-]+) \{\n")
_HEKETI = re.compile(r"vg_[0-9a-f]{32}")


@dataclass(frozen=True)
class Area:
    """A metadata area: its header's 512 bytes, and the text in force, or its beginning."""

    header: bytes
    text: bytes


@dataclass(frozen=True)
class Volume:
    """One logical volume."""

    name: str
    uuid: str


@dataclass(frozen=True)
class VolumeGroup:
    """What the metadata says.

    `checksum` is LVM's own over the whole text, which may be longer than what was read: `volumes`
    is complete only where `complete` says so.
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

    @property
    def bricks(self) -> tuple[Volume, ...]:
        """Those of the volumes that heketi made for bricks."""
        return tuple(volume for volume in self.volumes if volume.name.startswith("brick_"))


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
    problem, silent = "", True
    for at in label.areas:
        area = areas.get(at)
        found = _read_group(area) if area else "its metadata area was not read"
        if isinstance(found, VolumeGroup):
            return PhysicalVolume(offset, label.uuid, found)
        problem = problem or found or ""
        silent = silent and area is not None and found is None and _ignored(area)
    if not problem and label.flags & _USED:
        problem = "it is marked as used, and its group's metadata is not on it"
    # Before version 2 the extension does not say whether another disk's metadata names this one.
    if not problem and silent and label.extension < _SAYS_USED:
        problem = "it has no metadata of its own, and does not say whether it is used"
    return PhysicalVolume(offset, label.uuid, problem=problem)


def _read_label(sector: bytes, offset: int) -> _Label | str:
    number, checksum, header = struct.unpack_from("<QII", sector, 8)
    if _crc(sector[20:]) != checksum or number * SECTOR != offset or header + 40 > SECTOR:
        return "its label is damaged"
    raw = sector[header : header + 32].decode("ascii", "replace")
    _data_areas, behind = _locations(sector, header + 40)
    areas, behind = _locations(sector, behind)
    extension, flags = struct.unpack_from("<II", sector, behind)
    return _Label(_dashed(raw), tuple(areas), extension, flags)


def _locations(sector: bytes, begin: int) -> tuple[list[int], int]:
    """Offsets of a list of (offset, size) pairs that ends with zeros, and where it ended."""
    found = []
    while begin + 24 <= SECTOR:
        offset, _size = struct.unpack_from("<QQ", sector, begin)
        begin += 16
        if offset == 0:
            break
        found.append(offset)
    return found, begin


def _dashed(raw: str) -> str:
    """An id as LVM prints it: 6-4-4-4-4-4-6."""
    cuts = (0, 6, 10, 14, 18, 22, 26, 32)
    return "-".join(raw[begin:end] for begin, end in pairwise(cuts))


def _read_group(area: Area) -> VolumeGroup | str | None:
    """The group that an area's text describes; None where it holds no text; else what is wrong."""
    header = area.header
    if len(header) != SECTOR or header[4:20] != _MAGIC or _crc(header[4:]) != _u32(header, 0):
        return "its metadata area is damaged"
    offset, size, checksum, _flags = struct.unpack_from("<QQII", header, 40)
    if offset == 0 or _ignored(area):
        return None
    text = area.text[:size]
    complete = len(text) == size
    name = _NAME.match(text)
    if name is None or (complete and _crc(text) != checksum):
        return "its metadata is damaged"
    ids = dict(_ids(text.decode("utf-8", "replace")))
    group = name[1].decode()
    volumes = (
        Volume(path[2], value)
        for path, value in ids.items()
        if len(path) == 3 and path[1] == "logical_volumes"  # noqa: PLR2004 - group, section, volume
    )
    return VolumeGroup(group, ids.get((group,), ""), checksum, tuple(volumes), complete)


def _ignored(area: Area) -> bool:
    """Whether LVM keeps no metadata here, but on other disks of the group (pvcreate(8))."""
    return bool(_u32(area.header, 60) & _IGNORED)


def _ids(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every `id = "..."` of LVM's configuration text, with the names of the sections it is in."""
    path: list[str] = []
    for line in map(str.strip, text.split("\n")):
        if line.endswith("{"):
            path.append(line[:-1].strip())
        elif line == "}":
            del path[-1:]
        elif line.startswith('id = "'):
            yield tuple(path), line.removeprefix('id = "').rstrip('"')


def _crc(data: bytes) -> int:
    """LVM's CRC-32: the usual polynomial, a seed of its own and no final inversion."""
    return zlib.crc32(data, _CRC_SEED ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def _u32(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")
