"""The bytes that make a disk what it is taken for, and no others. Pure functions.

A signature is erased as `wipefs --all` does it: its magic alone, a few bytes, so that all that it
marked stays where it is. Unlike wipefs this knows before the first byte is written what it will be:
copies that libblkid looks at only when the first one is gone, and filesystems where a lost table's
first partition began.

Source of sizes and places: the `magics` in libblkid/src/superblocks and partitions of util-linux
2.41.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from preflight.errors import Unfixable
from preflight.facts.disk.magic import Signature
from preflight.facts.disk.probes import Content
from preflight.model import Extent

BOOT_SIGNATURE = Extent(510, 2)  # 55 AA, of an MBR, of a protective one, and of boot sectors
GPT_MAGIC = 8

# Name: size of the magic, and where it is unless wipefs tells: for what begins at sector 63 or
# 2048, of which blkid tells the name alone. ext's is so short that its backups still tell that it
# was wiped, and not damaged (`magic.read_ext_backup`).
_MAGICS: Mapping[str, tuple[int, tuple[int, ...]]] = {
    "BitLocker": (11, (0,)),
    "DM_integrity": (8, (0,)),
    "DM_snapshot_cow": (4, (0,)),
    "DM_verity_hash": (8, (0,)),
    "LVM1_member": (2, (0,)),
    "LVM2_member": (8, (0x218,)),
    "VMFS": (4, (0x200000,)),
    "VMFS_volume_member": (4, (0x100000,)),
    "apfs": (4, (32,)),
    "bcache": (16, (0x1018,)),
    "btrfs": (8, (0x10040,)),
    "ceph_bluestore": (22, (0,)),
    "cramfs": (4, (0,)),
    "crypto_LUKS": (6, (0,)),
    "ddf_raid_member": (4, ()),
    "dos": (2, (510,)),
    "drbd": (4, ()),
    "erofs": (4, (1024,)),
    "exfat": (8, (3,)),
    "ext2": (2, (0x438,)),
    "ext3": (2, (0x438,)),
    "ext4": (2, (0x438,)),
    "f2fs": (4, (1024,)),
    "gfs2": (4, (0x10000,)),
    "gpt": (GPT_MAGIC, (512,)),
    "hfs": (2, (1024,)),
    "hfsplus": (2, (1024,)),
    "iso9660": (5, (0x8001,)),
    "isw_raid_member": (24, ()),
    "jbd": (2, (0x438,)),
    "jfs": (4, (0x8000,)),
    "linux_raid_member": (
        4,
        (),
    ),  # where, depends on its version, which nobody tells of a partition
    "mac": (2, (0,)),
    "ntfs": (8, (3,)),
    "ocfs2": (6, (0x2000,)),
    "oracleasm": (8, (32,)),
    "PMBR": (2, (510,)),
    "reiserfs": (9, (0x10034,)),
    "sgi": (4, (0,)),
    "squashfs": (4, (0,)),
    "sun": (2, (508,)),
    "swap": (10, (0xFF6,)),
    "swsuspend": (10, (0xFF6,)),
    "udf": (5, (0x8001,)),
    "ufs": (4, ()),
    "vdo": (8, (0,)),
    "xfs": (4, (0,)),
}
# With several magics, each of which is enough: all of them.
_SEVERAL: Mapping[str, tuple[Extent, ...]] = {
    "stratis": (Extent(516, 16), Extent(4612, 16)),
    "vfat": (Extent(0, 1), Extent(0x36, 8), Extent(0x52, 8), BOOT_SIGNATURE),
}
_ZFS_LABEL = 256 << 10


def footprint(signatures: Sequence[Signature], content: Content) -> tuple[Extent, ...]:
    """What to write zeros to, from the end of the disk to its beginning; none touches another.

    In this order what is left is still a table whenever it breaks off: the copy goes first.
    Raises Unfixable for what is marked in a way that is not known here.
    """
    return tuple(reversed(list(_merged(sorted(_extents(signatures, content), key=_begin)))))


def covers(extents: Sequence[Extent], signatures: Sequence[Signature], content: Content) -> bool:
    """Whether all that marks the disk lies within `extents`."""
    try:
        marked = footprint(signatures, content)
    except Unfixable:
        return False
    whole = list(_merged(sorted(extents, key=_begin)))
    return all(
        any(
            each.offset <= mark.offset and mark.offset + mark.size <= each.offset + each.size
            for each in whole
        )
        for mark in marked
    )


def _extents(signatures: Sequence[Signature], content: Content) -> Iterator[Extent]:
    if content.mbr:
        yield BOOT_SIGNATURE
    yield from (Extent(table.offset, GPT_MAGIC) for table in content.gpts)
    for signature in (*signatures, *content.young):
        yield from _of_disk(signature, content.size)
    if content.ext_backup:
        yield from _of_disk(content.ext_backup, content.size)
    for signature in content.inner:
        yield from _of_partition(signature, content.size)
    yield from (Extent(offset, _MAGICS["crypto_LUKS"][0]) for offset in content.luks_copies)


def _of_disk(signature: Signature, size: int) -> Iterator[Extent]:
    """What marks the disk as a whole: `signature.offset` is where the magic is."""
    if signature.type in _MAGICS:
        yield Extent(signature.offset, _MAGICS[signature.type][0])
    else:
        yield from _all_of(signature, 0, size)


def _of_partition(signature: Signature, size: int) -> Iterator[Extent]:
    """What marks that which begins at `signature.offset`."""
    begin = signature.offset
    length, places = _MAGICS.get(signature.type, (0, ()))
    if places:
        yield from (Extent(begin + place, length) for place in places)
    else:
        yield from _all_of(signature, begin, size)


def _all_of(signature: Signature, begin: int, size: int) -> Iterator[Extent]:
    if signature.type == "zfs_member":
        # Two labels at the beginning, two at the end of what may be another size by now.
        labels = 2 if begin else 4
        end = size // _ZFS_LABEL * _ZFS_LABEL
        starts = [0, _ZFS_LABEL, end - 2 * _ZFS_LABEL, end - _ZFS_LABEL][:labels]
        yield from (Extent(begin + start, _ZFS_LABEL) for start in starts)
    elif signature.type in _SEVERAL:
        yield from (Extent(begin + at.offset, at.size) for at in _SEVERAL[signature.type])
    else:
        raise Unfixable(f"gkprep does not know all that marks {signature.type}: wipefs does")


def _merged(extents: Iterable[Extent]) -> Iterator[Extent]:
    """Extents in the order of their beginnings, those that meet or overlap made one."""
    last: Extent | None = None
    for each in extents:
        if last and each.offset <= last.offset + last.size:
            end = max(last.offset + last.size, each.offset + each.size)
            last = Extent(last.offset, end - last.offset)
            continue
        if last:
            yield last
        last = each
    if last:
        yield last


def _begin(extent: Extent) -> int:
    return extent.offset
