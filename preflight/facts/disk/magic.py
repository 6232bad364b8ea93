"""What lies on a disk that `wipefs` does not show. Pure functions over a disk's own bytes.

Two cases. A node's libblkid may be older than a format: CentOS 7's knows neither Ceph's bluestore
nor VDO, and LVM there would take such a disk. And no libblkid shows an ext4 whose first superblock
is damaged, though its backups are whole.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from preflight.facts.disk.partitions import Window, printable


@dataclass(frozen=True)
class Signature:
    r"""What marks a piece of a disk as somebody's: `offset` in bytes, `type` in libblkid's words.

    `uuid` and `label` are as libblkid encodes them, with `\x20` for what is unsafe.
    """

    offset: int
    type: str
    uuid: str = ""
    label: str = ""


# libblkid/src/superblocks/*.c of util-linux 2.40: (offset, bytes, name), for formats that came
# after 2.23 or belong to raw databases.
_YOUNG = (
    (0, b"bluestore block device", "ceph_bluestore"),
    (0, b"dmvdo001", "vdo"),
    (3, b"-FVE-FS-", "BitLocker"),
    (3, b"EXFAT   ", "exfat"),
    (32, b"NXSB", "apfs"),
    (32, b"ORCLDISK", "oracleasm"),
    (516, b"!Stra0tis\x86\xff\x02^\x41rh", "stratis"),
    (1024, b"\x10\x20\xf5\xf2", "f2fs"),
    (1024, b"\xe2\xe1\xf5\xe0", "erofs"),
    (4096 + 24, uuid.UUID("c68573f6-4e1a-45ca-8265-f57f48ba6d81").bytes, "bcache"),
    (4096 + 24, uuid.UUID("c68573f6-66ce-90a9-d96a-60cf803df7ef").bytes, "bcachefs"),
)

# Group 1's copy of the superblock, for blocks of 1, 2 and 4 KiB (ext4(5), sparse_super).
EXT_BACKUPS: Mapping[int, int] = {0: 8193 * 1024, 1: 16384 * 2048, 2: 32768 * 4096}
EXT_PRIMARY = 1024
EXT_SIZE = 1024
_EXT_MAGIC_AT = 56
_EXT_MAGIC = b"\x53\xef"


def read_young(first: Window) -> Iterator[Signature]:
    """Formats that the node's own libblkid may not know."""
    for offset, magic, name in _YOUNG:
        if first.get(offset, len(magic)) == magic:
            yield Signature(offset, name)


def read_ext_backup(first: Window, backups: Mapping[int, bytes]) -> Signature | None:
    """A whole backup superblock of an ext2, ext3 or ext4 whose first one is damaged.

    None where the first one is whole, and where nothing but its magic was zeroed: that is what
    `wipefs --all` does, and who did so meant it. `backups` maps log2(block size) - 10 to the
    bytes at `EXT_BACKUPS`. Source: ext4 data structures, super block, in the kernel's
    Documentation/filesystems/ext4.
    """
    primary = first.get(EXT_PRIMARY, EXT_SIZE) or b""
    for log_size, offset in EXT_BACKUPS.items():
        block = backups.get(log_size, b"")
        if _is_backup(block, log_size) and not _tells_the_same(primary, block):
            filesystem_id = str(uuid.UUID(bytes=block[104:120]))
            label = printable(block[120:136].split(b"\0")[0].decode("utf-8", "replace"))
            return Signature(offset + _EXT_MAGIC_AT, _ext_version(block), filesystem_id, label)
    return None


def _is_backup(block: bytes, log_size: int) -> bool:
    if len(block) < EXT_SIZE or block[_EXT_MAGIC_AT : _EXT_MAGIC_AT + 2] != _EXT_MAGIC:
        return False
    (found,) = struct.unpack_from("<I", block, 24)
    (group,) = struct.unpack_from("<H", block, 90)
    return bool(found == log_size and group == 1)


def _tells_the_same(primary: bytes, backup: bytes) -> bool:
    """Whether the first superblock is of the same filesystem, and whole or only without magic."""
    magic = primary[_EXT_MAGIC_AT : _EXT_MAGIC_AT + 2]
    same = primary[24:28] == backup[24:28] and primary[104:120] == backup[104:120]
    return same and magic in {_EXT_MAGIC, b"\0\0"}


def _ext_version(block: bytes) -> str:
    """As libblkid tells them apart: by features that ext3 and ext2 do not have."""
    compatible, incompatible = struct.unpack_from("<II", block, 92)
    if incompatible & (0x40 | 0x80 | 0x200):  # extents, 64bit, flex_bg
        return "ext4"
    return "ext3" if compatible & 0x4 else "ext2"  # has_journal
