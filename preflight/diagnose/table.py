"""causes.yaml -> rows: the knowledge, read strictly, with every mistake told at its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from preflight.diagnose.evidence import Kind
from preflight.errors import InventoryError, TableError
from preflight.inventory.problems import Enough, Mark, Problems
from preflight.inventory.tree import List, Map, Scalar, Tree, Unbuildable, build
from preflight.inventory.values import (
    Fields,
    Reader,
    Reading,
    Wrong,
    boolean,
    pattern,
    show,
    table,
    text,
)

FILE = "causes.yaml"

FIELDS = ("node", "pod", "namespace", "kubectl")
"""What a cause and a cure may name besides the groups of the row's own patterns."""

FIELD = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Clause:
    """A text that says something: in which kinds of evidence, and how it reads."""

    where: frozenset[Kind]
    pattern: re.Pattern[str]


@dataclass(frozen=True)
class Row:
    """One cause: all of `every` must be there, one of `some` if there are any, none of `unless`.

    `also` is quoted where it is there, and makes the cause more certain. `peer`: the pod that
    printed the text is not on the node that it is about.
    """

    id: str
    cause: str
    every: tuple[Clause, ...]
    some: tuple[Clause, ...]
    unless: tuple[Clause, ...]
    also: tuple[Clause, ...]
    cure: tuple[str, ...]
    advice: str
    source: str
    general: bool
    peer: bool


@dataclass(frozen=True)
class Table:
    """The rows, and why each other failure of the catalogue has none."""

    rows: tuple[Row, ...]
    without: Mapping[str, str]


def load() -> Table:
    """The table that is installed with gkprep; raises TableError."""
    path = files("preflight.diagnose").joinpath(FILE)
    return parse(path.read_text("utf-8"), str(path))


def parse(source: str, name: str) -> Table:
    """The table in the text of the file `name`; raises TableError with every mistake in it."""
    problems = Problems()
    found: Table | None = None
    try:
        found = _read(build(source, problems), Reading(problems, Path()))
    except Wrong as wrong:
        problems.add(wrong.mark, str(wrong))
    except (Unbuildable, Enough):
        pass
    try:
        problems.raise_for(name)
    except InventoryError as exc:
        raise TableError(str(exc)) from None
    assert found is not None  # noqa: S101 - what ends the reading early is a problem
    return found


def _read(tree: Tree, reading: Reading) -> Table:
    keys: Mapping[str, Reader[Any]] = {"rows": _rows, "without": _without}
    required = {"rows": "the list of causes", "without": "why other failures have no row"}
    fields = table(tree, "the table", keys, reading, required)
    return Table(tuple(fields.values.get("rows", ())), fields.values.get("without", {}))


ID = pattern("[NCD][1-9][0-9]*", "a row of the failure catalogue, as N11")
SENTENCE = text("a sentence")


def _rows(tree: Tree, reading: Reading) -> list[Row]:
    return [row for item in _list(tree, "a list of causes") for row in _row(item, reading)]


def _row(tree: Tree, reading: Reading) -> Iterator[Row]:
    """The row, where it is one; else what is wrong with it is told, with its id."""
    what, own = _named(tree), Problems()
    try:
        fields = table(tree, "a row", ROW, Reading(own, reading.folder), REQUIRED)
        own.raise_for(what)
    except Wrong as wrong:
        reading.problems.add(wrong.mark, f"{what}: {wrong}")
        return
    except InventoryError as exc:
        for each in exc.problems:
            reading.problems.add(Mark(each.line, each.column), f"{what}: {each.message}")
        return
    row = _made(fields)
    mistakes = list(_mistakes(row))
    for mistake in mistakes:
        reading.problems.add(fields.mark, f"{what}: {mistake}")
    if not mistakes:
        yield row


def _named(tree: Tree) -> str:
    entry = tree.entries.get("id") if isinstance(tree, Map) else None
    return f"row {show(entry.value)}" if entry else "a row"


def _made(fields: Fields) -> Row:
    values = fields.values
    return Row(
        id=values["id"],
        cause=values["cause"],
        every=values.get("all", ()),
        some=values.get("any", ()),
        unless=values.get("unless", ()),
        also=values.get("also", ()),
        cure=values.get("cure", ()),
        advice=values.get("advice", ""),
        source=values["source"],
        general=values.get("general", False),
        peer=values.get("peer", False),
    )


def _mistakes(row: Row) -> Iterator[str]:
    """What no single value of the row shows."""
    if not row.every and not row.some:
        yield "nothing to match; allowed: `all` or `any`, or both, each a list of clauses"
    if not row.cure and not row.advice:
        yield "nothing that helps; allowed: `cure` or `advice`, or both"
    clauses = (*row.every, *row.some, *row.also)
    groups = {name for clause in clauses for name in clause.pattern.groupindex}
    if taken := groups & set(FIELDS):
        yield f"the group {min(taken)!r} has the name of a field; allowed: any other"
    known = (*FIELDS, *sorted(groups))
    for words in (row.cause, row.advice, *row.cure):
        for name in FIELD.findall(words):
            if name not in known:
                yield f"saw {{{name}}}; allowed: {', '.join(f'{{{each}}}' for each in known)}"


def _clauses(tree: Tree, reading: Reading) -> tuple[Clause, ...]:
    found = []
    for item in _list(tree, "a list of clauses, each with `where` and `pattern`"):
        required = {"where": "kinds of evidence", "pattern": "a regular expression"}
        fields = table(item, "a clause", CLAUSE, reading, required)
        if set(required) <= set(fields.values):
            found.append(Clause(fields.values["where"], fields.values["pattern"]))
    return tuple(found)


def _where(tree: Tree, _reading: Reading) -> frozenset[Kind]:
    allowed = f"a list of {', '.join(kind.value for kind in Kind)}"
    known = {kind.value: kind for kind in Kind}
    found = []
    for item in _list(tree, allowed):
        if not isinstance(item, Scalar) or item.text not in known:
            raise Wrong(item, allowed)
        found.append(known[item.text])
    return frozenset(found)


def _regex(tree: Tree, _reading: Reading) -> re.Pattern[str]:
    allowed = "a regular expression that matches no empty text; ^ and $ are the ends of a line"
    if not isinstance(tree, Scalar) or not tree.text:
        raise Wrong(tree, allowed)
    try:
        compiled = re.compile(tree.text, re.MULTILINE)
    except re.error as exc:
        raise Wrong(tree, allowed, str(exc)) from None
    if compiled.match(""):
        raise Wrong(tree, allowed)
    return compiled


def _texts(tree: Tree, reading: Reading) -> tuple[str, ...]:
    allowed = "a list of commands"
    return tuple(text(allowed)(item, reading) for item in _list(tree, allowed))


def _list(tree: Tree, allowed: str) -> tuple[Tree, ...]:
    """The items of a list; raises Wrong where it is none, or empty."""
    if not isinstance(tree, List) or not tree.items:
        raise Wrong(tree, allowed)
    return tree.items


def _without(tree: Tree, reading: Reading) -> dict[str, str]:
    found = {}
    for item in _list(tree, "a list of failures, each with `id` and `why`"):
        required = {"id": "a row of the failure catalogue", "why": "why no text tells of it"}
        fields = table(item, "a failure", {"id": ID, "why": SENTENCE}, reading, required)
        if set(required) <= set(fields.values):
            found[fields.values["id"]] = fields.values["why"]
    return found


CLAUSE: Mapping[str, Reader[Any]] = {"where": _where, "pattern": _regex}

ROW: Mapping[str, Reader[Any]] = {
    "id": ID,
    "cause": SENTENCE,
    "all": _clauses,
    "any": _clauses,
    "unless": _clauses,
    "also": _clauses,
    "cure": _texts,
    "advice": SENTENCE,
    "source": SENTENCE,
    "general": boolean,
    "peer": boolean,
}

REQUIRED = {
    "id": "a row of the failure catalogue",
    "cause": "one sentence",
    "source": "where it is known from",
}
