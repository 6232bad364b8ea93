"""Steps applied on this machine: the journal, the shells, and what a step is made of."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from preflight.apply import Applied, apply
from preflight.journal import FILE, Journal
from preflight.model import (
    Act,
    Action,
    Facts,
    Finding,
    Limits,
    Node,
    Plan,
    Risk,
    Status,
    Step,
)
from preflight.transport import Local

HERE = Node("here", "localhost", None)
QUIET: dict[str, object] = {
    "block.devices": (),
    "usage.mounts": frozenset(),
    "ports.listening": frozenset(),
}
IDLE = {"here": Facts(HERE, QUIET)}
LIMITS = Limits(connect=5, probe=20, node=60)
SHELLS = {"dash": ["dash"], "bash": ["bash"], "bash-posix": ["bash", "--posix"]}
SHELLS |= {"busybox": ["busybox", "sh"]}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.begun(tmp_path / "runs", "fix", [HERE], version="1")
    yield journal
    journal.close()


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have `sh` be that shell, for what runs on this machine."""
    words = SHELLS[request.param]
    found = shutil.which(words[0])
    if found is None:
        pytest.skip(f"no {words[0]}")
    (tmp_path / "bin").mkdir()
    sh = tmp_path / "bin/sh"
    sh.write_text(f'#!/bin/bash\nexec {" ".join([found, *words[1:]])} "$@"\n')
    sh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return str(request.param)


def action(*steps: Act, node: str = "here", subject: str = "it") -> Action:
    finding = Finding(subject, Status.FAIL, "x", "y", check="a-check", node=node)
    return Action(finding, Risk.SAFE, steps)


def sh(command: str, **more: Any) -> Step:
    return Step(("sh", "-c", command), **more)


def applied(
    actions: Iterable[Action],
    journal: Journal,
    connect: Any = lambda _node: Local(),
    *,
    keep_going: bool = False,
) -> dict[str, Applied]:
    plan = Plan(tuple(actions))
    names = {action.finding.node or "" for action in plan.actions}
    nodes = {name: Node(name, "localhost", None) for name in names}
    return apply(
        plan,
        nodes,
        connect=connect,
        limits=LIMITS,
        parallel=1,  # all of them are this machine, which only one at a time may work at
        journal=journal,
        on_done=lambda _: None,
        keep_going=keep_going,
    )


def events(journal: Journal) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (journal.folder / FILE).read_text().splitlines()]
