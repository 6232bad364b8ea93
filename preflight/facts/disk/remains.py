"""What a disk's content comes to: nothing, an empty table, LVM's, or data. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

from preflight.errors import Unknown
from preflight.facts.disk.lvm import SECTOR, VolumeGroup
from preflight.facts.disk.magic import Signature
from preflight.facts.disk.partitions import PROTECTIVE, Gpt, Mbr, Partition
from preflight.facts.disk.probes import Content

TABLES = frozenset({"gpt", "PMBR", "dos"})
"""What libblkid calls the tables that are read here byte by byte; any other is a signature."""
LVM = "LVM2_member"
EMPTY = "(empty table)"


class Remains(Enum):
    """What stands in the way of a new physical volume, by what it takes to remove it."""

    NOTHING = "nothing"
    ORPHAN = "a physical volume without a volume group"
    EMPTY_TABLE = "a partition table without partitions on a disk that shows nothing else"
    LEFTOVER = "a volume group that heketi made"
    FOREIGN = "a volume group that heketi did not make, or that cannot be told"
    DATA = "whatever could be data"


def remains(signatures: Sequence[Signature], content: Content) -> Remains:
    """Sort a disk by what is on it; when in doubt it is data.

    Raises Unknown where wipefs sees a physical volume of which no label could be read.
    """
    if any(each.type == LVM for each in content.inner):
        return Remains.FOREIGN  # heketi takes disks, not partitions
    volume = content.volume
    if volume is None and any(signature.type == LVM for signature in signatures):
        raise Unknown(f"wipefs shows {LVM}, but there is no such label in the first 2 KiB")
    if volume and (volume.problem or (volume.group and not volume.group.heketi)):
        return Remains.FOREIGN
    visible = [*tables(signatures, content), *marks(signatures, content)]
    if volume and volume.group:
        return Remains.DATA if visible or any(hidden(content)) else Remains.LEFTOVER
    if volume:
        return Remains.DATA if visible else Remains.ORPHAN
    if not visible:
        return Remains.DATA if any(hidden(content)) else Remains.NOTHING
    return Remains.EMPTY_TABLE if _only_an_empty_table(signatures, content) else Remains.DATA


def _only_an_empty_table(signatures: Sequence[Signature], content: Content) -> bool:
    """The seed of all consent: one kind of table, whole, naming nothing, and zeros around it."""
    types = {signature.type for signature in signatures}
    gpts, mbr = content.gpts, content.mbr
    if mbr is None or mbr.partitions or content.leftover or any(hidden(content)):
        return False
    if not mbr.protective:
        return types == {"dos"} and not (gpts or content.young)
    whole = all(table.intact and not table.partitions for table in gpts)
    beginning = any(not table.backup for table in gpts)
    return types <= {"gpt", "PMBR"} and whole and beginning and not content.young


def describe(signatures: Sequence[Signature], content: Content) -> str:
    """All of it in a few words of ASCII: `gpt (empty table) over ext4 at sector 2048`."""
    if content.volume:
        return _volume(signatures, content)
    table, found = tables(signatures, content), list(marks(signatures, content))
    beneath = [] if found else list(hidden(content))
    if not (table or found or beneath):
        return "blank" if content.blank else "no signature, though not blank"
    empty = any(text.endswith(EMPTY) for text in table)
    if empty and not found and not beneath and content.leftover:
        beneath = ["data without a signature"]
    visible = " and ".join([*table, *found])
    return (" over " if empty else ": ").join(filter(None, [visible, " and ".join(beneath)]))


def _volume(signatures: Sequence[Signature], content: Content) -> str:
    assert content.volume  # noqa: S101 - tells mypy what the caller has asked
    group, problem = content.volume.group, content.volume.problem
    told = "LVM physical volume without a volume group"
    if group:
        bricks = f" with {_bricks(group)}" if group.heketi else ""
        told = f"LVM physical volume of volume group {group.name}{bricks}"
    elif problem:
        told = f"LVM physical volume of an unknown group: {problem}"
    beside = [*tables(signatures, content), *marks(signatures, content), *hidden(content)]
    return " and ".join([told, *beside])


def _bricks(group: VolumeGroup) -> str:
    return ("" if group.complete else "at least ") + _count(len(group.bricks), "brick")


def tables(signatures: Sequence[Signature], content: Content) -> list[str]:
    """The partition tables on the disk, in words; one that only wipefs sees by its name."""
    types = {signature.type for signature in signatures} & TABLES
    return [*_tables(types, signatures, content)] or sorted(types)


def _tables(types: set[str], signatures: Sequence[Signature], content: Content) -> Iterator[str]:
    gpts, mbr = content.gpts, content.mbr
    if gpts:
        yield _gpt(gpts)
    elif mbr and mbr.protective:
        yield "protective MBR without its gpt"
    if mbr and _dos(types, mbr) and not any(marks(signatures, content)):
        yield _table("dos", len(mbr.partitions))


def _dos(types: set[str], mbr: Mbr) -> bool:
    """Whether it may be a table: a boot sector ends with 55 AA too, and its code reads as one."""
    return not mbr.protective and ("dos" in types or mbr.counts)


def listed(signatures: Sequence[Signature], content: Content) -> Iterator[Partition]:
    """All that any table on the disk names, whether the kernel knows it or not."""
    types = {signature.type for signature in signatures}
    for table in content.gpts:
        yield from table.partitions
    mbr = content.mbr
    if mbr and _dos(types, mbr) and ("dos" in types or not any(marks(signatures, content))):
        for partition in mbr.partitions:
            if partition.type != f"{PROTECTIVE:#04x}":  # in a hybrid, the rest is the GPT's
                yield partition


def _gpt(gpts: Iterable[Gpt]) -> str:
    primary = [table for table in gpts if not table.backup]
    partitions = max(len(table.partitions) for table in gpts)
    if any(table.intact for table in primary):
        return _table("gpt", partitions)
    if not primary:
        return f"{_table('gpt', partitions)} at the end of the disk only"
    return _table("damaged gpt", partitions) if partitions else "damaged gpt"


def _table(kind: str, partitions: int) -> str:
    return f"{kind} with {_count(partitions, 'partition')}" if partitions else f"{kind} {EMPTY}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def marks(signatures: Sequence[Signature], content: Content) -> Iterator[str]:
    """What the disk as a whole is, each filesystem or member once, however often it is marked."""
    known = {signature.type for signature in signatures}
    young = (signature for signature in content.young if signature.type not in known)
    shown = (mark for mark in (*signatures, *young) if mark.type not in {*TABLES, LVM})
    yield from dict.fromkeys(map(_mark, shown))


def _mark(signature: Signature) -> str:
    told = [f"label {signature.label}"] if signature.label else []
    told += [f"UUID {signature.uuid}"] if signature.uuid else []
    text = f"{signature.type} ({', '.join(told)})" if told else signature.type
    return text.encode("ascii", "backslashreplace").decode()


def hidden(content: Content) -> Iterator[str]:
    """What no table and no superblock leads to, and is there."""
    listed = content.mbr.partitions if content.mbr else ()
    chained = {partition.start for partition in listed if partition.extended}
    for signature in content.inner:
        if signature.type != "dos" or signature.offset not in chained:
            yield f"{signature.type} at sector {signature.offset // SECTOR}"
    if content.ext_backup:
        yield f"{_mark(content.ext_backup)} with a damaged superblock"
