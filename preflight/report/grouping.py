"""Findings -> groups: what many nodes share is said once. Pure functions.

Three steps, each losing nothing: findings that are the same but for the node become one `Entry`;
entries of one check that are the same but for the subject, on the same nodes, become one; entries
that differ only in values (a serial, a process id) stand together in one `Block`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from preflight.model import Facts, Finding, Status

T = TypeVar("T")
Nodes = tuple[str | None, ...]


@dataclass(frozen=True)
class Token:
    """The consent token of one disk's present content."""

    node: str | None
    subject: str
    text: str


@dataclass(frozen=True)
class Entry:
    """One thing that was found: on these nodes (None: the fleet), with these subjects."""

    check: str
    nodes: Nodes
    subjects: tuple[str, ...]
    saw: str
    want: str
    says: tuple[str, ...]
    cures: tuple[str, ...]
    tokens: tuple[Token, ...]


@dataclass(frozen=True)
class Block:
    """Entries that say the same of different nodes, with different values."""

    entries: tuple[Entry, ...]

    @property
    def nodes(self) -> Nodes:
        """All nodes of all entries, each once."""
        return tuple(dict.fromkeys(node for entry in self.entries for node in entry.nodes))


@dataclass(frozen=True)
class Section:
    """What one check found on one set of nodes."""

    check: str
    nodes: Nodes
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Silence:
    """Nodes that could not be asked, or not to the end, for one reason.

    `checks` is how many checks each of the nodes owes an answer for it; `whole`: no answer came;
    `cure` is the command that ends it, if there is one.
    """

    nodes: tuple[str, ...]
    reason: str
    checks: int
    whole: bool
    cure: str = ""


def sections(findings: Iterable[Finding]) -> list[Section]:
    """Group findings of one status, in order of first mention."""
    blocks = [
        Block(tuple(entries))
        for alike in _by(_entries(findings), _shape_of).values()
        for entries in _apart(alike)
    ]
    grouped = _by(blocks, lambda block: (block.entries[0].check, frozenset(block.nodes)))
    return [
        Section(alike[0].entries[0].check, alike[0].nodes, tuple(alike))
        for alike in _check_by_check(grouped.values())
    ]


def silences(findings: Iterable[Finding], facts: Mapping[str, Facts]) -> list[Silence]:
    """What is unknown because a node gave no answer: said once per reason, not per check."""
    unanswered = _by((f for f in findings if because_lost(f, facts)), lambda f: f.node)
    found = []
    for node, known in facts.items():
        if known.lost:
            checks = len({finding.check for finding in unanswered.get(node, ())})
            found.append(Silence((node,), known.lost, checks, known.silent, known.cure))
    alike = _by(found, lambda silence: replace(silence, nodes=()))
    return [
        replace(same, nodes=tuple(silence.nodes[0] for silence in group))
        for same, group in alike.items()
    ]


def because_lost(finding: Finding, facts: Mapping[str, Facts]) -> bool:
    """Whether all that `finding` says is that its node gave no answer."""
    known = facts.get(finding.node) if finding.node else None
    return finding.status is Status.ERROR and known is not None and finding.saw == known.lost


def shape(text: str) -> str:
    """`text` with every word that holds a digit blanked out, so that only values are lost."""
    return re.sub(r"[\w.:-]*\d[\w.:-]*", "#", text)


def _entries(findings: Iterable[Finding]) -> list[Entry]:
    same = _by(findings, lambda f: (f.check, f.subject, f.saw, f.want, f.says, f.cure))
    entries = [_entry(group) for group in same.values()]
    alike = _by(entries, lambda e: (e.check, e.nodes, e.saw, e.want, _masked(e)))
    return [_merge(group) for group in alike.values()]


def _entry(group: Sequence[Finding]) -> Entry:
    one = group[0]
    return Entry(
        check=one.check,
        nodes=tuple(dict.fromkeys(finding.node for finding in group)),
        subjects=(one.subject,) if one.subject else (),
        saw=one.saw,
        want=one.want,
        says=(one.says,) if one.says else (),
        cures=(one.cure,) if one.cure else (),
        tokens=tuple(Token(f.node, f.subject, f.token) for f in group if f.token),
    )


def _merge(group: Sequence[Entry]) -> Entry:
    one = group[0]
    return Entry(
        check=one.check,
        nodes=one.nodes,
        subjects=tuple(dict.fromkeys(subject for entry in group for subject in entry.subjects)),
        saw=one.saw,
        want=one.want,
        says=tuple(dict.fromkeys(says for entry in group for says in entry.says)),
        cures=tuple(dict.fromkeys(cure for entry in group for cure in entry.cures)),
        tokens=tuple(token for entry in group for token in entry.tokens),
    )


def _shape_of(entry: Entry) -> tuple[str, ...]:
    several = (entry.subjects, entry.says, entry.cures)
    return (entry.check, *map(shape, (entry.saw, entry.want, *map("\n".join, several))))


def _masked(entry: Entry) -> tuple[str, ...]:
    """The error without the name of what it is about: the same for two disks in the same state."""
    (subject,) = entry.subjects or ("",)
    return tuple(says.replace(subject, "\0") if subject else says for says in entry.says)


def _apart(alike: Iterable[Entry]) -> list[list[Entry]]:
    """Share entries out so that none of a block speaks of a node twice: two disks stay two."""
    shares: list[tuple[set[str | None], list[Entry]]] = []
    for entry in alike:
        for nodes, entries in shares:
            if nodes.isdisjoint(entry.nodes):
                nodes.update(entry.nodes)
                entries.append(entry)
                break
        else:
            shares.append((set(entry.nodes), [entry]))
    return [entries for _, entries in shares]


def _check_by_check(groups: Iterable[list[Block]]) -> list[list[Block]]:
    by_check = _by(groups, lambda blocks: blocks[0].entries[0].check)
    return [blocks for of_check in by_check.values() for blocks in of_check]


K = TypeVar("K", bound=Hashable)


def _by(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Items by key, keys in order of first mention."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
