"""The journal of a run that was: what was done, as far as it is on record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from preflight.errors import UsageError
from preflight.journal.plain import FILE, SCHEMA, act_of, node_of, raw
from preflight.model import DRIFTED, NOT_SAVED, Done, Node


@dataclass(frozen=True)
class Taken:
    """One step that a node was told to take; `done.rc` is None where no end is on record.

    `kept` is whether what an Overwrite was to change was saved, without which it is not told to
    write; `saved` is that, None where it is not to be had any more. `undoes` is the number of the
    step that this one takes back.
    """

    number: int
    subject: str
    done: Done
    kept: bool = False
    saved: bytes | None = None
    undoes: int | None = None

    @property
    def wrote(self) -> bool:
        """Whether an Overwrite may have changed a byte."""
        return self.kept and self.done.rc not in {NOT_SAVED, DRIFTED}


@dataclass(frozen=True)
class Record:
    """A run as its journal tells it.

    `host` is the machine that gkprep ran on, `local` whether that was the node itself. `undoes` is
    the run that this one takes back, None where it is no undo; `over`: it came to its end, whatever
    that was.
    """

    run: str
    started: datetime
    command: str
    host: str
    local: bool
    nodes: tuple[Node, ...]
    undoes: str | None
    taken: tuple[Taken, ...]
    over: bool

    def on(self, nodes: tuple[Node, ...]) -> Record:
        """What the run did on those nodes."""
        names = {node.name for node in nodes}
        taken = tuple(each for each in self.taken if each.done.node in names)
        return replace(self, nodes=nodes, taken=taken)


def read(folder: Path) -> Record:
    """Read the journal of the run in `folder`; raises UsageError where there is none to be read.

    What is behind a line that was cut short by the end of gkprep was never begun.
    """
    try:
        *lines, _cut_short = (folder / FILE).read_text(encoding="ascii").split("\n")
        events = [json.loads(line) for line in lines]
        return _record(folder, events)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else f"{type(exc).__name__}: {exc}"
        raise UsageError(f"the journal {folder / FILE} cannot be read: {why}") from exc


def _record(folder: Path, events: Sequence[Mapping[str, Any]]) -> Record:
    first, *rest = events
    if first["event"] != "run" or first["schema"] != SCHEMA:
        raise ValueError(f"schema {first.get('schema')}")
    return Record(
        run=folder.name,
        started=datetime.fromisoformat(first["at"]),
        command=first["command"],
        host=first["host"],
        local=first["local"],
        nodes=tuple(node_of(node) for node in first["nodes"]),
        undoes=first["undoes"],
        taken=_taken(rest, folder),
        over=any(event["event"] == "over" for event in rest),
    )


def runs(folder: Path) -> list[str]:
    """Names of all runs below `folder`, newest first."""
    return sorted((path.parent.name for path in folder.glob(f"*/{FILE}")), reverse=True)


def undone(folder: Path, run: str) -> dict[tuple[str, int], bool]:
    """Steps of `run`, by node and number, that other runs below `folder` were to take back.

    True where one has; False where what was erased may be back in part.
    """
    found: dict[tuple[str, int], bool] = {}
    for name in runs(folder):
        with suppress(UsageError):  # that of another run is not what is asked for
            record = read(folder / name)
            for taken in record.taken if record.undoes == run else ():
                if taken.undoes is not None and (taken.done.rc == 0 or taken.wrote):
                    step = (taken.done.node, taken.undoes)
                    found[step] = found.get(step, False) or taken.done.rc == 0
    return found


def _taken(events: Iterable[Mapping[str, Any]], folder: Path) -> tuple[Taken, ...]:
    found: dict[tuple[str, int], Taken] = {}
    for event in events:
        if event["event"] == "begin":
            done = Done(event["node"], event["check"], act_of(event["step"]))
            taken = Taken(event["number"], event["subject"], done, undoes=event["undoes"])
            found[event["node"], event["number"]] = taken
        elif event["event"] == "saved":
            begun = found[event["node"], event["number"]]
            found[event["node"], event["number"]] = replace(
                begun, kept=True, saved=_saved(folder, event)
            )
        elif event["event"] == "end":
            begun = found[event["node"], event["number"]]
            out, err = raw(event["out"]), raw(event["err"])
            done = replace(begun.done, rc=event["rc"], out=out, err=err)
            found[event["node"], event["number"]] = replace(begun, done=done)
    return tuple(found.values())


def _saved(folder: Path, event: Mapping[str, Any]) -> bytes | None:
    """What was saved; None where it is not there any more, or not that."""
    try:
        data = (folder / event["file"]).read_bytes()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == event["sha256"] else None
