"""The runs that were made, newest first: for a person, and for a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from preflight import journal, undo
from preflight.errors import UsageError
from preflight.journal import Record
from preflight.report.machine import SCHEMA, dumps, timestamp
from preflight.report.printable import decodable, visible
from preflight.report.run import many


@dataclass(frozen=True)
class _Kept:
    """One run: what its journal tells, and what other runs have taken back of it."""

    record: Record
    back: Mapping[tuple[str, int], bool]

    @cached_property
    def left(self) -> int:
        """How many steps there are to undo; the nodes may refuse it all the same."""
        return 0 if self.record.undoes else len(undo.remaining(self.record, self.back))

    @cached_property
    def checks(self) -> list[str]:
        return list(dict.fromkeys(taken.done.check for taken in self.record.taken))

    @cached_property
    def nodes(self) -> list[str]:
        return list(dict.fromkeys(taken.done.node for taken in self.record.taken))


def listing(folder: Path) -> str:
    """A line for each run below `folder`: when, what, where, and whether it can be undone."""
    lines = [
        f"{run}  {visible(kept) if isinstance(kept, str) else _line(kept)}"
        for run, kept in _all(folder)
    ]
    return "".join(f"{line}\n" for line in lines or ["no run has changed anything yet"])


def listing_json(folder: Path, version: str) -> str:
    """The same as JSON; a run whose journal cannot be read has an `error` and nothing else."""
    runs = [
        {"run": run, **({"error": decodable(kept)} if isinstance(kept, str) else _values(kept))}
        for run, kept in _all(folder)
    ]
    return dumps({"schema": SCHEMA, "gkprep": version, "runs": runs})


def _all(folder: Path) -> list[tuple[str, _Kept | str]]:
    return [(run, _kept(folder, run)) for run in journal.runs(folder)]


def _kept(folder: Path, run: str) -> _Kept | str:
    """What is known of the run, or why nothing is."""
    try:
        record = journal.read(folder / run)
        return _Kept(record, {} if record.undoes else journal.undone(folder, run))
    except UsageError as exc:
        return str(exc)


def _line(kept: _Kept) -> str:
    record = kept.record
    what = f"undo of {record.undoes}" if record.undoes else f"{record.command}  {_open(kept)}"
    steps, nodes = many(len(record.taken), "step"), many(len(kept.nodes), "node")
    did = f"{steps} on {nodes}: {visible(' '.join(kept.checks))}" if record.taken else "no step"
    broken = "" if record.over else "  (did not come to its end)"
    return f"{record.started:%Y-%m-%d %H:%M:%S}  {what}  {did}{broken}"


def _open(kept: _Kept) -> str:
    if any(kept.back.values()):
        return f"undone but for {many(kept.left, 'step')}" if kept.left else "undone"
    return "can be undone" if kept.left else "nothing to undo"


def _values(kept: _Kept) -> dict[str, object]:
    record = kept.record
    return {
        "command": record.command,
        "started": timestamp(record.started),
        "over": record.over,
        "undoes": record.undoes,
        "steps": len(record.taken),
        "left": kept.left,
        "nodes": [decodable(node) for node in kept.nodes],
        "checks": kept.checks,
        "error": None,
    }
