"""Whether a disk is still the one that was looked at, and nothing uses it. Pure functions.

The same probes as the checks', judged right before a disk is written to, while its lock is held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from preflight.facts import block, usage
from preflight.facts.block import Block
from preflight.facts.disk.probes import Content, content, signatures
from preflight.facts.disk.remains import TABLES
from preflight.facts.disk.token import identity, token
from preflight.facts.uses import uses
from preflight.model import Extent, Facts, Guard, Probe

# The shell that takes the steps holds the disk open itself, for the lock.
shell = Probe("apply.shell", 'echo "$GKPREP_SHELL"', int)


def unchanged(path: str, pin: str) -> Guard:
    """The disk at `path` is the one that `pin`, its token, names, with all that was on it."""
    return Guard(_probes(path), partial(_changed, path, pin))


def vacant(path: str, known: Mapping[str, str], extents: Sequence[Extent]) -> Guard:
    """The disk at `path` is the one of that identity, and nothing is on it.

    Nothing but what is left of a table, at `extents`, where the erasing of it broke off.
    """
    return Guard(_probes(path), partial(_taken_over, path, known, tuple(extents)))


def _probes(path: str) -> tuple[Probe[object], ...]:
    of_disk = (block.target(path), signatures(path), content(path), usage.taken(path))
    use = (usage.mounts, usage.swaps, usage.opens, usage.members)
    return (shell, block.devices, *of_disk, *use)


def _changed(path: str, pin: str, facts: Facts) -> str | None:
    disk = _disk(path, facts)
    if disk is None:
        return "it is no disk any more"
    if token(facts.node.name, disk, facts[signatures(path)], facts[content(path)]) != pin:
        return "it is another disk, or has changed, since it was looked at"
    return _used(path, disk, facts)


def _taken_over(
    path: str, known: Mapping[str, str], extents: Sequence[Extent], facts: Facts
) -> str | None:
    disk = _disk(path, facts)
    if disk is None or identity(disk) != known:
        return "it is another disk now"
    offsets = {offset for each in extents for offset in range(each.offset, each.offset + each.size)}
    found = [
        signature.type
        for signature in facts[signatures(path)]
        if signature.type not in TABLES or signature.offset not in offsets
    ]
    if found or _holds(facts[content(path)]):
        return f"there is something on it again: {', '.join(found) or 'see device-clean'}"
    return _used(path, disk, facts)


def _holds(found: Content) -> bool:
    """Whether anything but an empty table is there, which this node's wipefs may not know."""
    listed = found.mbr.partitions if found.mbr else ()
    named = any(table.partitions for table in found.gpts)
    marked = found.young or found.inner or found.ext_backup or found.volume
    return bool(marked or listed or named)


def _disk(path: str, facts: Facts) -> Block | None:
    found = block.by_number(facts[block.devices], facts[block.target(path)].number)
    return found if found and found.kind == "disk" and found.writable else None


def _used(path: str, disk: Block, facts: Facts) -> str | None:
    others = frozenset(opener for opener in facts[usage.opens] if opener.pid != facts[shell])
    seen = replace(facts, values={**facts.values, usage.opens.name: others})
    layers = block.stack(facts[block.devices], disk)
    if len(layers) > 1:
        return f"{', '.join(layer.path for layer in layers[1:])} is on it"
    for use in uses(seen, path, layers):
        return use.saw
    return "something has taken it" if facts[usage.taken(path)] else None
