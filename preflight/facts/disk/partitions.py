"""Partition tables, read from a disk's own bytes: MBR and both copies of a GPT. Pure functions.

Sources: UEFI specification 2.10, chapter 5 (GPT, protective MBR); LVM's lib/device/dev-type.c for
what LVM takes for a partition table.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LOGICAL_SECTORS = (512, 4096)
PROTECTIVE = 0xEE
_ENTRY = 0x1BE  # the first of four 16-byte entries of an MBR
_SIGNATURE = 0x1FE  # 55 AA
_HEADER = struct.Struct("<8s4sIIIQQQQ16sQIII")
_MIN_ENTRY = 128  # bytes
_EXTENDED = {"0x05", "0x0f", "0x85"}
_MAX_ENTRIES = 1 << 12  # what is larger than any table in use is damage, not a table


@dataclass(frozen=True)
class Partition:
    """One entry: `number` counts from 1, `start` and `size` are bytes, `type` is its table's."""

    number: int
    start: int
    size: int
    type: str
    name: str = ""

    @property
    def extended(self) -> bool:
        """Whether it holds an MBR's logical partitions, each with a table of its own before it."""
        return self.type in _EXTENDED


@dataclass(frozen=True)
class Mbr:
    """Sector 0 with 55 AA at its end.

    A table only where libblkid also says `dos` or `PMBR`: boot sectors of filesystems look alike.
    `counts` is whether LVM takes it for a partition table: a non-empty entry, and no impossible
    boot flag.
    """

    protective: bool
    counts: bool
    partitions: tuple[Partition, ...]


@dataclass(frozen=True)
class Gpt:
    """A GPT header that was found: `offset` in bytes, `sector` its logical sector size.

    `intact` is whether the checksums of header and entries hold; otherwise `partitions` is what
    can still be made out, and an empty tuple means nothing.
    """

    offset: int
    sector: int
    backup: bool
    intact: bool
    partitions: tuple[Partition, ...]


@dataclass(frozen=True)
class Window:
    """Bytes of a disk and where they begin."""

    offset: int
    data: bytes

    def get(self, offset: int, size: int) -> bytes | None:
        """`size` bytes at the disk's `offset`; None unless the window shows them all."""
        begin = offset - self.offset
        if begin < 0 or begin + size > len(self.data):
            return None
        return self.data[begin : begin + size]


def read_mbr(first: Window) -> Mbr | None:
    """The MBR of a disk from its first bytes; None without 55 AA."""
    if first.get(_SIGNATURE, 2) != b"\x55\xaa":
        return None
    entries = [first.get(_ENTRY + 16 * index, 16) or bytes(16) for index in range(4)]
    partitions, kinds, flags = [], set(), set()
    for number, entry in enumerate(entries, 1):
        flag, kind, start, count = struct.unpack("<B3xB3xII", entry)
        flags.add(flag)
        if count:
            kinds.add(kind)
            partitions.append(Partition(number, start * 512, count * 512, f"0x{kind:02x}"))
    possible = all(flag & 0x7F == 0 for flag in flags)
    protective = kinds == {PROTECTIVE} and possible
    return Mbr(protective, possible and bool(partitions), () if protective else tuple(partitions))


def read_gpts(first: Window, last: Window, size: int) -> tuple[Gpt, ...]:
    """Every GPT header at the places where one belongs, for both sizes of logical sectors."""
    found = []
    for sector in LOGICAL_SECTORS:
        found.append(_read_gpt(first, sector, sector, backup=False))
        found.append(_read_gpt(last, size - sector, sector, backup=True))
    return tuple(table for table in found if table)


def occupied(mbr: Mbr | None, gpts: Iterable[Gpt], size: int) -> Iterator[tuple[int, int]]:
    """Byte ranges (begin, end) that intact tables lie in: what is outside may be somebody's data.

    The whole of sector 0 is the MBR's: parted writes boot code of its own into an empty label.
    """
    if mbr:
        yield 0, 512
    for table in gpts:
        if table.intact:
            # Header sector and the 16 KiB that UEFI reserves for the entries at least.
            reach = table.sector + 128 * _MIN_ENTRY
            yield (size - reach, size) if table.backup else (table.sector, table.sector + reach)


def _read_gpt(window: Window, offset: int, sector: int, *, backup: bool) -> Gpt | None:
    head = window.get(offset, sector)
    if head is None or head[:8] != b"EFI PART":
        return None
    fields = _HEADER.unpack_from(head)
    length, checksum = fields[2], fields[3]
    entries_at, count, width, entries_checksum = fields[10:14]
    whole = head[:16] + bytes(4) + head[20:length]
    intact = _HEADER.size <= length <= sector and zlib.crc32(whole) == checksum
    sane = 0 < count <= _MAX_ENTRIES and width >= _MIN_ENTRY and width & (width - 1) == 0
    entries = window.get(entries_at * sector, count * width) if sane else None
    intact = intact and entries is not None and zlib.crc32(entries) == entries_checksum
    return Gpt(offset, sector, backup, intact, tuple(_entries(entries or b"", width, sector)))


def _entries(data: bytes, width: int, sector: int) -> Iterator[Partition]:
    for begin in range(0, len(data), width):
        entry = data[begin : begin + width]
        if any(entry[:16]):
            first, last = struct.unpack_from("<QQ", entry, 32)
            name = entry[56:128].decode("utf-16-le", "replace").partition("\0")[0]
            yield Partition(
                number=begin // width + 1,
                start=first * sector,
                size=max(0, last - first + 1) * sector,
                type=str(uuid.UUID(bytes_le=entry[:16])),
                name=printable(name),
            )


def printable(text: str) -> str:
    """Text from a disk, fit for a terminal: what cannot be shown becomes `?`."""
    return "".join(char if char.isprintable() else "?" for char in text)
