"""What LVM answers when heketi makes a disk a physical volume. Pure functions.

heketi runs `pvcreate -qq --metadatasize=128M --dataalignment=256K DISK` in the Gluster pod; the
words are those of LVM 2.03 (measured with 2.03.16), and of CentOS 7's 2.02 where others
are known.
"""

from __future__ import annotations

from collections.abc import Sequence

from preflight.facts.disk.magic import Signature
from preflight.facts.disk.probes import Content
from preflight.facts.disk.remains import LVM, TABLES

# lib/filters/filter-md.c and filter-signature.c; libblkid's names of what they find.
_FILTERED = {
    "linux_raid_member": "device is an md component",
    "ddf_raid_member": "device is an md component",
    "isw_raid_member": "device is an md component",
    "LVM1_member": "device has a signature",
}


def refusal(path: str, signatures: Sequence[Signature], content: Content) -> str:
    """Why pvcreate would refuse the disk at `path`, in its own words; empty where it takes it.

    It takes more than it should: a GPT of which only the copy at the end is left, a filesystem
    that it has no superblock of. That the disk is in use is another matter.
    """
    if owned := _owned(path, content):
        return owned
    if _partitioned(content):
        words = f"Cannot use {path}: device is partitioned"
        return f"{words} (CentOS 7: Device {path} excluded by a filter.)"
    for signature in signatures:
        if signature.type in _FILTERED:
            return f"Cannot use {path}: {_FILTERED[signature.type]}"
    for signature in signatures:
        if signature.type not in {LVM, *TABLES} or signature.type == "dos":
            return (
                f"WARNING: {signature.type} signature detected on {path} at offset"
                f" {signature.offset}. Wipe it? [y/n]: [n]"
            )
    return ""


def _owned(path: str, content: Content) -> str:
    volume = content.volume
    if volume and volume.group:
        return (
            f'Can\'t initialize physical volume "{path}" of volume group'
            f' "{volume.group.name}" without -ff'
        )
    if volume and volume.problem and volume.uuid:
        return f"PV {path} is used by a VG but its metadata is missing."
    return ""


def _partitioned(content: Content) -> bool:
    """As lib/device/dev-type.c decides: a non-empty MBR entry, or GPT's magic in sector 1."""
    primary = any(not table.backup for table in content.gpts)
    return primary or bool(content.mbr and content.mbr.counts)
