"""Fix of device-clean: erase what was seen on the disk, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from checks.device_clean import device_clean
from preflight.facts import block, disk
from preflight.facts.disk import guard
from preflight.facts.disk.remains import Remains, remains
from preflight.facts.disk.token import identity, token
from preflight.plugin import Extent, Facts, Finding, Overwrite, Risk, Unfixable, fix

BOOT_SIGNATURE = Extent(510, 2)  # 55 AA, of an MBR and of a protective one
GPT_MAGIC = len(b"EFI PART")


@fix(device_clean, risk=Risk.DESTRUCTIVE)
def erase(finding: Finding, facts: Facts) -> Iterator[Overwrite]:
    """Erases an empty partition table: the few bytes that mark it, and nothing else.

    Only on a disk that shows nothing besides: no partition, no signature, zeros around the table.
    The disk is pinned by serial number or WWN; under its lock it is read once more, and anything
    that is not as it was stops it. What is erased is saved first, here and on the node, and undone
    by writing it back. All else that may be on a disk is left to a person.
    """
    path = finding.subject
    signatures, content = facts[disk.signatures(path)], facts[disk.content(path)]
    if remains(signatures, content) is not Remains.EMPTY_TABLE:
        raise Unfixable("it could be data: a person has to decide")
    found = block.by_number(facts[block.devices], facts[block.target(path)].number)
    if found is None:
        raise Unfixable("it is no disk")
    device = next(device for device in facts.node.devices if device.path == path)
    if wrong := block.other_disk(device, found):
        raise Unfixable(f"it is not the disk that the inventory names: {wrong}")
    pin = token(facts.node.name, found, signatures, content)
    if pin is None:
        raise Unfixable("nothing tells the disk from others: no serial, WWN or ID_PATH")
    if len(block.stack(facts[block.devices], found)) > 1:
        raise Unfixable("the kernel still has partitions of it")
    extents = tuple(extents_of(content))
    zeros = bytes(sum(each.size for each in extents))
    named = tuple(identity(found).items())
    yield Overwrite(path, named, extents, zeros, guard.unchanged(path, pin))


def extents_of(content: disk.Content) -> Iterator[Extent]:
    """What marks the tables, as `wipefs --all` would find it.

    The copy at the end first: whatever breaks off, what is left is still an empty table, for the
    next fix to go on with. Two that touch are one.
    """
    yield from (Extent(table.offset, GPT_MAGIC) for table in content.gpts if table.backup)
    first = [Extent(table.offset, GPT_MAGIC) for table in content.gpts if not table.backup]
    if content.mbr and first and first[0].offset == BOOT_SIGNATURE.offset + BOOT_SIGNATURE.size:
        yield Extent(BOOT_SIGNATURE.offset, BOOT_SIGNATURE.size + GPT_MAGIC)
        return
    yield from first
    if content.mbr:
        yield BOOT_SIGNATURE
