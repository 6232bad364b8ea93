"""Whether a disk is still the one that was looked at, and nothing uses it. Pure functions.

The same probes as the checks', judged right before a disk is written to, while its lock is held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from preflight.facts import block, service, usage
from preflight.facts.block import Block
from preflight.facts.disk.footprint import covers
from preflight.facts.disk.probes import content, signatures
from preflight.facts.disk.remains import describe
from preflight.facts.disk.token import identity, token
from preflight.facts.uses import uses
from preflight.model import Extent, Facts, Guard, Probe

# The shell that takes the steps holds the disk open itself, for the lock.
shell = Probe("apply.shell", 'echo "$GKPREP_SHELL"', int)


def unchanged(path: str, pin: str, *, partitioned: bool = False, empty: bool = False) -> Guard:
    """The disk at `path` is the one that `pin`, its token, names, with all that was on it.

    The kernel may know partitions of it where it is `partitioned`; nothing may use them either.
    Where it holds but an `empty` table, a glusterd without a brick on the node may run.
    """
    return Guard(_probes(path), partial(_changed, path, pin, partitioned, empty))


def vacant(path: str, known: Mapping[str, str], extents: Sequence[Extent]) -> Guard:
    """The disk at `path` is the one of that identity, and nothing is on it.

    Nothing but what is left of it, at `extents`, where the erasing broke off.
    """
    return Guard(_probes(path), partial(_taken_over, path, known, tuple(extents)))


def _probes(path: str) -> tuple[Probe[object], ...]:
    of_disk = (block.target(path), signatures(path), content(path), usage.taken(path))
    use = (usage.mounts, usage.swaps, usage.opens, usage.members)
    return tuple(dict.fromkeys((shell, *service.ASKED, *of_disk, *use)))


def _changed(path: str, pin: str, partitioned: bool, empty: bool, facts: Facts) -> str | None:
    disk = _disk(path, facts)
    if disk is None:
        return "it is no disk any more"
    if token(facts.node.name, disk, facts[signatures(path)], facts[content(path)]) != pin:
        return "it is another disk, or has changed, since it was looked at"
    served = service.with_bricks(facts) if empty else service.serving(facts)
    return _served(served) or _used(path, disk, facts, partitioned=partitioned)


def _taken_over(
    path: str, known: Mapping[str, str], extents: Sequence[Extent], facts: Facts
) -> str | None:
    disk = _disk(path, facts)
    if disk is None or identity(disk) != known:
        return "it is another disk now"
    there, content_now = facts[signatures(path)], facts[content(path)]
    if not covers(extents, there, content_now):
        return f"there is something on it again: {describe(there, content_now)}"
    return _served(service.serving(facts)) or _used(path, disk, facts, partitioned=True)


def _disk(path: str, facts: Facts) -> Block | None:
    found = block.by_number(facts[block.devices], facts[block.target(path)].number)
    return found if found and found.kind == "disk" and found.writable else None


def _served(by: str) -> str | None:
    return f"the node is {by}" if by else None


def _used(path: str, disk: Block, facts: Facts, *, partitioned: bool) -> str | None:
    others = frozenset(opener for opener in facts[usage.opens] if opener.pid != facts[shell])
    seen = replace(facts, values={**facts.values, usage.opens.name: others})
    layers = block.stack(facts[block.devices], disk)
    above = [layer.path for layer in layers[1:] if layer.kind != "part" or not partitioned]
    if above:
        return f"{', '.join(above)} is on it"
    for use in uses(seen, path, layers):
        return use.saw
    return "something has taken it" if facts[usage.taken(path)] else None
