"""apply: steps that real shells take when they are told to, each on record before it begins."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from preflight.apply import LOCK
from preflight.apply.foreman import Foreman
from preflight.errors import JournalError, TransportError
from preflight.journal import FILE, Journal
from preflight.model import (
    Extent,
    Limits,
    Output,
    Step,
)
from preflight.report.planned import outcome
from preflight.report.style import Style
from preflight.transport import Dialogue, Local
from tests.applied import action, applied, events, sh
from tests.report_runs import broken

SCRIPT = import_module("preflight.apply.script")  # by that name it is a function

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lock in /run is root's")


@pytest.mark.usefixtures("shell")
def test_steps_are_taken_in_order_with_what_they_are_fed(journal: Journal, tmp_path: Path) -> None:
    file = tmp_path / "file"
    steps = [
        Step(("tee", str(file)), b"a\0b\n\xff'\n"),
        Step(("cat", str(file))),
        sh("echo out; echo err >&2; read -r line || echo nothing to read"),
        Step(("printf", "%s|", "two words", "$HOME", "'")),
    ]
    done = applied([action(*steps)], journal)["here"]
    assert done.stopped is None
    assert [(each.rc, each.out, each.err) for each in done.done] == [
        (0, b"a\0b\n\xff'\n", b""),
        (0, b"a\0b\n\xff'\n", b""),
        (0, b"out\nnothing to read\n", b"err\n"),
        (0, b"two words|$HOME|'|", b""),
    ]


@pytest.mark.usefixtures("shell")
def test_the_first_step_that_fails_is_the_last(journal: Journal, tmp_path: Path) -> None:
    steps = [sh("echo no such thing >&2; exit 3"), Step(("touch", str(tmp_path / "never")))]
    done = applied([action(*steps)], journal)["here"]
    assert done.stopped == "exit 3: no such thing"
    assert [each.rc for each in done.done] == [3]
    assert not (tmp_path / "never").exists()


def test_other_nodes_go_on(journal: Journal) -> None:
    works, fails = action(sh("true"), node="b"), action(sh("false"), node="a")
    done = applied([fails, works], journal)
    assert (done["a"].stopped, done["b"].stopped) == ("exit 1: no message", None)


def test_a_step_is_on_record_before_it_begins(journal: Journal) -> None:
    """It looks the journal up itself."""
    step = Step(("tail", "-n", "1", str(journal.folder / FILE)), undo=Step(("true",)))
    done = applied([action(step)], journal)["here"]
    seen = json.loads(done.done[0].out)
    assert (seen["event"], seen["node"], seen["number"]) == ("begin", "here", 0)
    assert seen["step"]["argv"] == list(step.argv)
    assert seen["step"]["undo"]["argv"] == ["true"]
    assert [event["event"] for event in events(journal)] == ["run", "begin", "end"]


def test_what_cannot_be_put_on_record_is_not_done(tmp_path: Path) -> None:
    never = tmp_path / "never"
    journal = Journal(tmp_path, open("/dev/full", "w", encoding="ascii"))  # noqa: SIM115, PTH123
    with pytest.raises(JournalError, match=r"cannot be written: No space left .*; no further step"):
        applied([action(Step(("touch", str(never))))], journal)
    with pytest.raises(JournalError):
        journal.close()
    assert not never.exists()


def test_a_second_gkprep_is_told_who_is_at_work(journal: Journal) -> None:
    slow = action(sh("echo begun; sleep 2"))

    class Nosy(Local):
        """While the step of one is running, another comes."""

        def converse(self, script: str, limits: Limits, dialogue: Dialogue) -> Output:
            hear = dialogue.hear

            def overhear(out: bytes, err: bytes) -> bytes:
                answer = hear(out, err)
                if b"go 0" in answer and not others:
                    others.append(None)
                    others[0] = applied([action(sh("true"))], journal)["here"]
                return answer

            dialogue.hear = overhear  # type: ignore[method-assign]
            return super().converse(script, limits, dialogue)

    others: list[Any] = []
    first = applied([slow], journal, lambda _node: Nosy())["here"]
    assert first.stopped is None
    assert others[0].done == ()
    assert others[0].stopped.startswith("another gkprep is at work here: root@")
    assert f", pid {os.getpid()}, since " in others[0].stopped
    assert Path(LOCK).exists()


def test_a_node_that_cannot_be_reached_takes_no_step(journal: Journal) -> None:
    class Unreachable(Local):
        def converse(self, *_: object) -> Output:
            raise TransportError("connection refused")

    done = applied([action(sh("true"))], journal, lambda _node: Unreachable())["here"]
    assert (done.done, done.stopped) == ((), "connection refused")
    assert events(journal)[-1]["event"] == "stopped"


KILLED = """
import sys
from pathlib import Path
from tests.applied import action, applied, sh
from preflight.journal import Journal
folder = Path(sys.argv[1])
journal = Journal.begun(folder / "runs", "fix", [], version="1")
first = sh(f"echo at work >{folder}/begun; sleep 1; echo whole >{folder}/first")
applied([action(first, sh(f"touch {folder}/second"))], journal)
"""


def test_a_step_that_has_begun_is_finished_and_no_other_begins(tmp_path: Path) -> None:
    """After gkprep was killed; over SSH the same, for the shell's input ends with the line."""
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent) as process:
        wait_for(tmp_path / "begun")
        process.send_signal(signal.SIGKILL)
    wait_for(tmp_path / "first")
    time.sleep(0.5)
    assert not (tmp_path / "second").exists()
    [run] = (tmp_path / "runs").iterdir()
    told = [json.loads(line) for line in (run / FILE).read_text().splitlines()]
    assert [event["event"] for event in told] == ["run", "begin"]


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 20
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline, f"{file} did not appear"
        time.sleep(0.02)


def test_a_journal_is_its_owners_alone(journal: Journal) -> None:
    assert journal.folder.stat().st_mode & 0o777 == 0o700
    assert (journal.folder / FILE).stat().st_mode & 0o777 == 0o600


def test_without_a_journal_nothing_begins() -> None:
    with pytest.raises(JournalError, match=r"no journal can be kept in /proc/runs: No such file"):
        Journal.begun(Path("/proc/runs"), "fix", [], version="1")


OLD = b"abcdefghij" * 100
EXTENTS = (Extent(3, 4), Extent(700, 2))
NAMED = (("serial", "X"),)


def test_what_a_step_left_out_is_told_though_it_succeeded(journal: Journal) -> None:
    told = sh("echo noise >&2; echo 'gkprep: the package stays: nobody has it' >&2")
    other = sh("echo 'gkprep: other' >&2; echo noise >&2")
    done = applied([action(told, other)], journal)["here"].done
    assert [each.rc for each in done] == [0, 0]
    page = outcome(replace(broken(), done=done, run=journal.run), Style())
    assert "here  note: the package stays: nobody has it\n" in page
    assert page.count("note: ") == 1


class Silent(Local):
    """Nobody ever says the word."""

    def converse(self, script: str, limits: Limits, dialogue: Dialogue) -> Output:
        def unheard(out: bytes, err: bytes) -> bytes:
            del out, err
            return b""

        dialogue.hear = unheard  # type: ignore[method-assign]
        return super().converse(script, limits, dialogue)


@pytest.mark.usefixtures("shell")
def test_a_node_to_which_nobody_speaks_gives_up(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SCRIPT, "PATIENCE", 1)
    began = time.monotonic()
    done = applied([action(sh("true"))], journal, lambda _node: Silent())["here"]
    assert (done.done, time.monotonic() - began < 10) == ((), True)
    assert done.stopped
    assert applied([action(sh("true"))], journal)["here"].stopped is None, "the lock is free"


@pytest.mark.parametrize(
    "word", ["ready 1", "ready x", "done 0 x", "saved 0 00", "ready 0\n\nready 0"]
)
def test_a_node_that_talks_nonsense_holds_up_no_other(journal: Journal, word: str) -> None:
    class Odd(Local):
        def converse(self, script: str, limits: Limits, dialogue: Dialogue) -> Output:
            del script, limits
            assert isinstance(dialogue, Foreman)
            for each in word.split("\n\n"):
                mark = f"\n{dialogue.marks.steps} {each}\n".encode()
                dialogue.hear(mark, mark)
            return Output(0, b"", b"")

    actions = [action(sh("true"), node="odd"), action(sh("true"), node="well")]
    shells = {"odd": Odd(), "well": Local()}
    done = applied(actions, journal, lambda node: shells[node.name])
    last = word.rpartition("\n\n")[2]
    assert done["odd"].stopped == f"it answered out of turn: {last}"
    assert done["well"].stopped is None


def test_where_nothing_can_be_kept_nothing_begins(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(full)], check=True)
    try:
        monkeypatch.setattr("preflight.journal.keep.ON_NODE", str(full))
        done = applied([action(sh("true"))], journal)["here"]
    finally:
        subprocess.run(["umount", str(full)], check=True)
    assert done.done == ()
    assert str(done.stopped).startswith(f"nothing can be kept in {full}/{journal.run}: ")
    assert "No space left on device" in str(done.stopped)


def test_all_that_failed_is_told(journal: Journal) -> None:
    steps = [sh("echo one >&2; exit 1"), sh("true"), sh("echo two >&2; exit 2")]
    done = applied([action(step) for step in steps], journal, keep_going=True)["here"]
    assert done.stopped == "exit 1: one; exit 2: two"
