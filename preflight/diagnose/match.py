"""Evidence x table -> causes, the most certain first. Pure functions.

A row is looked for in one place at a time: on one node, or in what is said of no node. What is
said of the whole cluster belongs to every place, so that a finding of gkprep's names the node that
gk-deploy left out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from preflight.diagnose.evidence import (
    INSIDE,
    Cause,
    Diagnosis,
    Evidence,
    Kind,
    Quote,
    Reading,
    Trouble,
)
from preflight.diagnose.table import FIELD, Clause, Row, Table
from preflight.facts.kubernetes.pods import Part
from preflight.model import Verdict

MOST = 50
"""Different texts that one pattern is followed up to, in one piece of evidence."""

WHOLE = 3
"""Lines of a quote that are shown all; of a longer one, the first and the last."""

LONG, BEFORE = 200, 60
"""Characters before a match, from which on not all are quoted, and how many are then at least."""

SPOKEN = {"node": "a node that is not named", "pod": "its pod", "namespace": "its namespace"}
"""What a cause says where a field is not known. A command has it in capitals, to be filled in."""

BULLET = re.compile(r"^\s*[●○×↻]\s+")  # noqa: RUF001 - what systemctl status begins with
"""The colour of a unit; no terminal has to be able to show it."""

WARNING = re.compile(r"\bWarning\s+[A-Z]\w+\s")
"""How kubectl, and `objects`, write the type and the reason of an event."""

LIMIT = " --limit {node}"
"""An option of cures that is left out where no node is known: gkprep then looks at all."""

PRINTED = frozenset({Kind.HEKETI, Kind.LOGS, Kind.JOURNAL, Kind.SYSTEMCTL})
"""Kinds whose node is the one that printed them."""


@dataclass(frozen=True)
class Hit:
    """A clause's text in one piece of evidence."""

    evidence: Evidence
    quote: Quote
    groups: Mapping[str, str]

    def agrees(self, other: Hit) -> bool:
        """Whether both name the same device, group and so on, where both name one."""
        return all(other.groups.get(name, value) == value for name, value in self.groups.items())


@dataclass(frozen=True)
class Match:
    """A row that was found: at a node, or at None, and by which texts."""

    row: Row
    node: str | None
    hits: tuple[Hit, ...]

    @property
    def groups(self) -> dict[str, str]:
        """What all the texts name."""
        return {name: value for hit in self.hits for name, value in hit.groups.items()}

    @property
    def object(self) -> str:
        """The pod that it is about, else what the first text is about."""
        objects = [hit.evidence.object for hit in self.hits]
        return next((each for each in objects if each.startswith("pod ")), objects[0])

    @property
    def namespace(self) -> str:
        """Where that pod is; empty where nothing tells."""
        return next(filter(None, (hit.evidence.namespace for hit in self.hits)), "")


def diagnose(
    reading: Reading, table: Table, *, kubectl: Sequence[str] = ("kubectl",), namespace: str = ""
) -> Diagnosis:
    """What `reading` comes to; `kubectl` and `namespace` are for the commands that cure it."""
    if _well(reading):
        whole = not any(unread.needed for unread in reading.unread)
        verdict = Verdict.READY if whole else Verdict.UNKNOWN
        return Diagnosis(verdict, (), (), reading.works, reading.unread, reading.notes)
    finder = _Finder(reading.evidence)
    found = _merged(match for row in table.rows for match in finder.find(row))
    kept = [match for match in found if not _outdone(match, found)]
    order = {row: number for number, row in enumerate(table.rows)}
    kept.sort(key=lambda match: (match.row.general, -len(match.hits), order[match.row]))
    words = {"kubectl": shlex.join(kubectl), "namespace": namespace}
    causes = tuple(_cause(match, words) for match in kept)
    unexplained = tuple(
        replace(trouble, beside=tuple(_beside(trouble, reading.evidence)))
        for trouble in reading.troubles
        if not any(_explains(match, trouble) for match in kept) and not _summed(trouble, reading)
    )
    verdict = Verdict.BLOCKED if causes else Verdict.UNKNOWN
    return Diagnosis(verdict, causes, unexplained, reading.works, reading.unread, reading.notes)


def _well(reading: Reading) -> bool:
    """Nothing is wrong, and Gluster and heketi, which comes last, are there: logs are history.

    gk-deploy's own word that it came to its end is as good as heketi's pod, where nobody looked
    into a pod since.
    """
    ended = "gk-deploy" in reading.works and not any(
        piece.kind in INSIDE for piece in reading.evidence
    )
    if reading.troubles or not is_there(reading, Part.GLUSTER):
        return False
    if is_there(reading, Part.DEPLOY_HEKETI):
        return False
    return is_there(reading, Part.HEKETI) or ended


def is_there(reading: Reading, wanted: Part) -> bool:
    """Whether a pod of that part is there, and as it must be."""
    return any(
        place.part is wanted and f"pod {place.pod}" in reading.works for place in reading.places
    )


def _explains(match: Match, trouble: Trouble) -> bool:
    """What the cause is about, its node, and gk-deploy, which whatever is wrong stops."""
    objects = {hit.evidence.object for hit in match.hits}
    if trouble.object in objects or trouble.object == "gk-deploy":
        return True
    return trouble.node is not None and trouble.node == match.node


def _summed(trouble: Trouble, reading: Reading) -> bool:
    """Whether a DaemonSet only counts what its pods, which are troubles too, say better."""
    pods = {f"pod {place.pod}" for place in reading.places if place.part is Part.GLUSTER}
    return trouble.object.startswith("daemonset ") and any(
        other.object in pods for other in reading.troubles
    )


def _beside(trouble: Trouble, evidence: Sequence[Evidence]) -> Iterator[Quote]:
    """What a person would look at next: why it waits, its last event, its node's failing checks."""
    own = [piece for piece in evidence if piece.object == trouble.object]
    for piece in own:
        lines = [line for line in piece.text.splitlines() if line and line != trouble.saw]
        if piece.kind is Kind.PODS and lines:
            yield Quote(piece.origin, piece.object, tuple(lines[:WHOLE]))
    events = [piece for piece in own if piece.kind is Kind.EVENTS]
    for piece in events[-1:]:
        yield Quote(piece.origin, piece.object, tuple(_last_event(piece.text)))
    for piece in evidence:
        failed = piece.text.startswith(f"{piece.object.removeprefix('check ')} fail ")
        if piece.kind is Kind.NODES and failed and piece.node and piece.node == trouble.node:
            yield Quote(piece.origin, piece.object, (piece.text.splitlines()[0],))


def _last_event(text: str) -> list[str]:
    """The last warning with the first lines of its message; the last lines, where none is."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    starts = [number for number, line in enumerate(lines) if WARNING.search(line)]
    return lines[starts[-1] :][:WHOLE] if starts else lines[-WHOLE:]


def _outdone(match: Match, found: Iterable[Match]) -> bool:
    """A general row says nothing that a special one, about the same, does not say better.

    What gk-deploy says in general comes of whatever was found; what is said of a pod, of what was
    found there or on its node.
    """
    special = [other for other in found if not other.row.general]
    if not match.row.general or not match.object.startswith("pod "):
        return match.row.general and bool(special)
    return any(
        other.object == match.object or (match.node is not None and other.node == match.node)
        for other in special
    )


class _Finder:
    """Rows in evidence; every pattern is looked for only once in each text."""

    def __init__(self, evidence: Sequence[Evidence]) -> None:
        self.evidence = evidence
        self.elsewhere = [_elsewhere(piece) for piece in evidence]
        self.nodes = list(dict.fromkeys(piece.node for piece in evidence if piece.node))
        self.known: dict[tuple[int, int], tuple[Hit, ...]] = {}

    def find(self, row: Row) -> Iterator[Match]:
        """Every place where `row` holds."""
        for clause in row.every[:1] or row.some:
            for start in self.hits(clause, self.about(row)):
                yield from self.follow(row, start)

    def about(self, row: Row) -> Sequence[Evidence]:
        """The evidence as the row sees it."""
        return self.elsewhere if row.peer else self.evidence

    def follow(self, row: Row, start: Hit) -> Iterator[Match]:
        """The row at the node of the text `start`; at each that joins in, where it names none."""
        if not start.evidence.wide:
            if match := self.match(row, start, start.evidence.node):
                yield match
            return
        named = [match for node in self.nodes if (match := self.match(row, start, node))]
        named = [m for m in named if any(hit.evidence.node == m.node for hit in m.hits)]
        yield from named
        if not named and (match := self.match(row, start, None)):
            yield match

    def match(self, row: Row, start: Hit, node: str | None) -> Match | None:
        """The row in all that is said of `node`, of all nodes, and of the start's own object."""
        within = [
            piece
            for piece in self.about(row)
            if piece.wide
            or piece.object == start.evidence.object
            or (node is not None and piece.node == node)
        ]
        if any(self.agreeing(clause, within, start) for clause in row.unless):
            return None
        hits = [start]
        for clause in row.every[1:]:
            others = self.agreeing(clause, within, start)
            if not others:
                return None
            hits.append(others[0])
        some = [h for clause in row.some for h in self.agreeing(clause, within, start)[:1]]
        if row.some and not some:
            return None
        also = [h for clause in row.also for h in self.agreeing(clause, within, start)[:1]]
        return Match(row, node, _once([*hits, *some, *also]))

    def agreeing(self, clause: Clause, within: Sequence[Evidence], start: Hit) -> list[Hit]:
        """The clause's texts that fit the start's; those of the same object first."""
        hits = [hit for hit in self.hits(clause, within) if start.agrees(hit)]
        return sorted(hits, key=lambda hit: hit.evidence.object != start.evidence.object)

    def hits(self, clause: Clause, within: Iterable[Evidence]) -> Iterator[Hit]:
        """Where the clause's text stands; the same words of one text once."""
        for piece in within:
            if piece.kind in clause.where:
                key = (id(clause), id(piece))
                if key not in self.known:
                    self.known[key] = tuple(_hits(clause, piece))
                yield from self.known[key]


def _hits(clause: Clause, piece: Evidence) -> Iterator[Hit]:
    seen: set[tuple[tuple[str, str], ...]] = set()
    for match in clause.pattern.finditer(piece.text):
        groups = {name: value for name, value in match.groupdict().items() if value is not None}
        key = tuple(sorted(groups.items()))
        if key not in seen and len(seen) < MOST:
            seen.add(key)
            yield Hit(piece, Quote(piece.origin, piece.object, _lines(match)), groups)


def _lines(match: re.Match[str]) -> tuple[str, ...]:
    """The whole lines that the match lies on; of many, the first and the last.

    Of a line that is too long to be read, the words that matched and a few before.
    """
    text = match.string
    start, end = text.rfind("\n", 0, match.start()) + 1, text.find("\n", match.end())
    if match.start() - start > LONG:
        start = max(start, text.rfind(" ", start, match.start() - BEFORE) + 1)
    lines = text[start : end if end >= 0 else None].strip("\n").split("\n")
    chosen = lines if len(lines) <= WHOLE else [lines[0], lines[-1]]
    return tuple(BULLET.sub("", line).strip() for line in chosen if line.strip())


def _elsewhere(piece: Evidence) -> Evidence:
    """The text as one that is about another node than that of the pod that printed it."""
    return replace(piece, node=None, object="heketi") if piece.kind in PRINTED else piece


def _once(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """Each quote once, with all that it names: two clauses may know the same line."""
    kept: dict[Quote, Hit] = {}
    for hit in hits:
        had = kept.get(hit.quote, hit)
        kept[hit.quote] = replace(had, groups={**had.groups, **hit.groups})
    return tuple(kept.values())


@dataclass
class _Found:
    """Matches of one row, as they come together."""

    matches: list[Match] = field(default_factory=list)

    def add(self, match: Match) -> None:
        """Take `match` in; the same cause told twice, in full or in part, is one."""
        for number, known in enumerate(self.matches):
            if _same(known, match):
                node = known.node or match.node
                self.matches[number] = Match(match.row, node, _once((*known.hits, *match.hits)))
                return
        self.matches.append(match)


def _same(one: Match, other: Match) -> bool:
    """Same node, or one that names none; same device and so on, or one that names none."""
    if one.node and other.node and one.node != other.node:
        return False
    if not (one.node or other.node) and one.object != other.object:
        return False
    groups = one.groups
    return all(groups.get(name, value) == value for name, value in other.groups.items())


def _merged(matches: Iterable[Match]) -> list[Match]:
    """Those with a node first, so that what names none is added to one that does."""
    rows: dict[Row, _Found] = {}
    for match in sorted(matches, key=lambda each: each.node is None):
        rows.setdefault(match.row, _Found()).add(match)
    return [match for found in rows.values() for match in found.matches]


def _cause(match: Match, words: Mapping[str, str]) -> Cause:
    """The row, with what it was found by and at filled in."""
    row, pod = match.row, match.object
    known = {
        **words,
        **match.groups,
        "node": match.node or "",
        "pod": pod.removeprefix("pod ") if pod.startswith("pod ") else "",
    }
    known["namespace"] = match.namespace or words["namespace"]
    return Cause(
        row.id,
        _spoken(row.cause, known),
        match.node,
        match.object,
        tuple(hit.quote for hit in match.hits),
        tuple(_command(command, known) for command in row.cure),
        _spoken(row.advice, known),
        row.source,
        row.general,
    )


def _spoken(sentence: str, known: Mapping[str, str]) -> str:
    def fill(name: re.Match[str]) -> str:
        return known.get(name[1]) or SPOKEN.get(name[1]) or f"the {name[1]}"

    return FIELD.sub(fill, sentence)


def _command(command: str, known: Mapping[str, str]) -> str:
    """A command to copy: what came from a text is quoted, kubectl's words are already."""

    def fill(name: re.Match[str]) -> str:
        value = known.get(name[1]) or ""
        if name[1] == "kubectl":
            return value
        return shlex.quote(value) if value else name[1].upper()

    return FIELD.sub(fill, command if known["node"] else command.replace(LIMIT, ""))
