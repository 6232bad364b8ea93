"""heketi's log -> what it complained of and has not done since: the rest is history.

A deployment that is run again goes on with the heketi of the run before, and its log keeps both.
heketi tells each command that it has run in a pod, whatever came of it:
`Failed to run command [COMMAND] on [TARGET]: Err[...` and `Ran command [COMMAND] on [TARGET]:
Stdout [...` (pkg/remoteexec/kube/exec.go); before release 9, `Host: HOST Pod: POD Command:
COMMAND`, `Result:` (executors/kubeexec/kubeexec.go). The records are in order by now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from preflight.diagnose.evidence import Log

FINE = frozenset({"DEBUG", "INFO"})

HOST = re.compile(r"\bfrom host:([^\s\])]+)|^\[\w+\] \w+ .*? Host: (\S+) Pod: ")
POD = re.compile(
    r"\bpod:([a-z0-9][-a-z0-9.]*)| Pod: (\S+) Command:|\bon (glusterfs-[-a-z0-9]+)(?=[\s:])"
)

# Looked for at a record's beginning alone: nothing in what a command printed is taken for one.
FAILED = re.compile(r"\[\w+\] \w+ .{0,200}?Failed to run command \[(.*?)\] on ", re.DOTALL)
RAN = re.compile(
    r"\[\w+\] \w+ .{0,200}?"
    r"(?:Ran command \[(.*?)\] on \[|Host: \S+ Pod: \S+ Command: (.*?)\nResult: )",
    re.DOTALL,
)
NO_POD = re.compile(r"Unable to find a G[Ll]usterFS pod on host ([^\s,\]]+)")
NO_PODS = "Failed to get list of pods"

NEW_ID = re.compile(r"(?<!vg_)(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
"""What a brick and its pool are called, anew at each attempt; a volume group keeps its name."""

Deed = tuple[str, ...]
"""What was tried: a command at a place, whatever command there (N18), or anywhere (C5, N17)."""


@dataclass(frozen=True)
class Record:
    """One record of `log`, with all its lines; `level` and `when` are empty where it tells none."""

    level: str
    text: str
    when: str
    log: Log

    @property
    def fine(self) -> bool:
        """Whether it is no complaint: it may quote a command's whole output all the same."""
        return self.level in FINE


def standing(records: Iterable[Record]) -> list[Record]:
    """Those that complain of something that heketi has not done since.

    One failure is told by each layer that it passes through, so that complaints which follow one
    another are one: it is history only where all that it is about was done later.
    """
    done: set[Deed] = set()
    kept: list[Record] = []
    for fine, together in reversed([(fine, [*found]) for fine, found in groupby(records, _fine)]):
        if fine:
            done.update(deed for record in together for deed in _done(record.text))
            continue
        tried = {deed for record in together for deed in _tried(record.text)}
        if not tried or not tried <= done:
            kept[:0] = together
    return kept


def _fine(record: Record) -> bool:
    return record.fine


def _tried(text: str) -> Iterator[Deed]:
    """What failed by this record."""
    if match := FAILED.match(text):
        yield (host(text) or pod(text) or "", _same(match[1]))
    if match := NO_POD.search(text):
        yield (match[1],)
    if NO_PODS in text:
        yield ()


def _done(text: str) -> Iterator[Deed]:
    """What is proved to work by this record."""
    if match := RAN.match(text):
        yield ()
        for place in filter(None, (host(text), pod(text))):
            yield (place,)
            yield (place, _same(match[1] or match[2]))


def _same(command: str) -> str:
    """The command as it is at every attempt."""
    return NEW_ID.sub("ID", command)


def host(record: str) -> str | None:
    """The node on which the record's command ran."""
    return _first(HOST.search(record))


def pod(record: str) -> str | None:
    """The pod in which it ran."""
    return _first(POD.search(record))


def _first(match: re.Match[str] | None) -> str | None:
    return next(filter(None, match.groups()), None) if match else None
