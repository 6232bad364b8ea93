"""Fix of device-clean: erase what was seen on the disk, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from checks.device_clean import device_clean
from preflight.facts import block, disk, gluster
from preflight.facts.block import Block
from preflight.facts.disk import guard
from preflight.facts.disk.footprint import footprint
from preflight.facts.disk.partitions import Partition
from preflight.facts.disk.remains import Remains, listed, remains
from preflight.facts.disk.token import identity, token
from preflight.facts.service import serving, with_bricks
from preflight.facts.uses import uses
from preflight.plugin import Act, Facts, Finding, Overwrite, Risk, Step, Unfixable, fix

ERASABLE = frozenset({Remains.EMPTY_TABLE, Remains.LEFTOVER, Remains.DATA})
FOREIGN = "heketi did not make this volume group, or it cannot be told: gkprep never touches it"


@fix(device_clean, risk=Risk.DESTRUCTIVE)
def erase(finding: Finding, facts: Facts) -> Iterator[Act]:
    """Erases what marks the disk as somebody's: the few bytes that were seen, and nothing else.

    An empty partition table on a disk that shows nothing besides needs no more than --yes. All that
    could be data needs its token, from `--wipe` or beside the device in the inventory: it names the
    disk with what is on it now, and is spent as soon as that changes. A volume group that heketi
    made is deactivated, and its label erased: the group stays whole, and is back with its label.
    Never, whatever the consent: a disk in use, any disk of a node that serves Gluster, a volume
    group that heketi did not make, one that /var/lib/heketi/fstab or glusterd's volumes still
    mention (see gluster-state). A glusterd that has no brick on the node is no reason to leave an
    empty table there: a deployment that broke off at that disk has started it.

    The disk is pinned by serial number or WWN; under its lock it is read once more, and anything
    that is not as it was stops it. What is erased is saved first, here and on the node, and undone
    by writing it back.
    """
    path = finding.subject
    found, pin = pinned(path, facts)
    signatures, content = facts[disk.signatures(path)], facts[disk.content(path)]
    kind = remains(signatures, content)
    # What could be data and has no token, the check has told a person to decide about.
    if kind not in ERASABLE or (kind is not Remains.EMPTY_TABLE and finding.token != pin):
        raise Unfixable(FOREIGN if kind is Remains.FOREIGN else "a person has to decide")
    if served := with_bricks(facts) if kind is Remains.EMPTY_TABLE else serving(facts):
        raise Unfixable(f"nothing is erased on a node {served}")
    group = content.volume.group.name if content.volume and content.volume.group else ""
    refuse_used(path, found, facts, group)
    known = len(block.stack(facts[block.devices], found)) > 1
    if kind is Remains.EMPTY_TABLE and known:
        raise Unfixable("the kernel still has partitions of it")
    refuse_unseen(listed(signatures, content), content.asked, known=known)
    if group:
        yield from deactivated(group, facts)
    extents = footprint(signatures, content)
    zeros = bytes(sum(each.size for each in extents))
    unchanged = guard.unchanged(
        path, pin, partitioned=kind is Remains.DATA, empty=kind is Remains.EMPTY_TABLE
    )
    yield Overwrite(path, tuple(identity(found).items()), extents, zeros, unchanged, pin=pin)


def pinned(path: str, facts: Facts) -> tuple[Block, str]:
    """The disk, which must be the one that the inventory names, and the token that names it."""
    found = block.by_number(facts[block.devices], facts[block.target(path)].number)
    if found is None:
        raise Unfixable("it is no disk")
    device = next(device for device in facts.node.devices if device.path == path)
    if wrong := block.other_disk(device, found):
        raise Unfixable(f"it is not the disk that the inventory names: {wrong}")
    pin = token(facts.node.name, found, facts[disk.signatures(path)], facts[disk.content(path)])
    if pin is None:
        raise Unfixable("nothing tells the disk from others: no serial, WWN or ID_PATH")
    return found, pin


def refuse_unseen(partitions: Iterable[Partition], asked: Collection[int], *, known: bool) -> None:
    """A partition that the kernel does not know may be a volume group's, or hold one that is.

    One that begins where the disk does, in a hybrid image's table, was looked into as the disk.
    """
    for partition in partitions:
        if not (known if partition.extended else partition.start in {0, *asked}):
            raise Unfixable(
                f"nobody could look into its partition {partition.number}, which the kernel does"
                " not know"
            )


def refuse_used(path: str, found: Block, facts: Facts, group: str) -> None:
    """Whatever uses the disk, but for the group that is to be deactivated."""
    for use in uses(facts, path, block.stack(facts[block.devices], found)):
        if not (group and use.group == group):
            raise Unfixable(f"in use, and never erased then: {use.saw}")


def deactivated(group: str, facts: Facts) -> Iterator[Step]:
    """The group's volumes taken down, where any is active, and nothing mentions them any more."""
    if mentioned := facts[gluster.state].mentions(group):
        raise Unfixable(f"{mentioned} still mentions it: see gluster-state, which comes first")
    if any(each.volume[0] == group for each in facts[block.devices]):
        yield Step(
            ("vgchange", "--activate", "n", group),
            undo=Step(("vgchange", "--activate", "y", group)),
        )
