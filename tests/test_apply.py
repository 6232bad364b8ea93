"""apply: steps that real shells take when they are told to, each on record before it begins."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preflight.apply import LOCK, Applied, apply
from preflight.apply.script import SAVED
from preflight.errors import JournalError, TransportError, UsageError
from preflight.facts.block import Block
from preflight.facts.usage import Mount
from preflight.journal import FILE, Journal, read, runs, undone
from preflight.model import (
    Act,
    Action,
    Device,
    Extent,
    Facts,
    Finding,
    Guard,
    Limits,
    Node,
    Output,
    Overwrite,
    Plan,
    Policy,
    PortRange,
    Probe,
    Risk,
    Role,
    Rpcbind,
    SshOptions,
    Status,
    Step,
)
from preflight.report.planned import listing, outcome
from preflight.report.style import Style
from preflight.transport import Dialogue, Local
from preflight.undo import reverse
from tests.report_runs import broken

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lock in /run is root's")

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
from tests.test_apply import action, applied, sh
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


# --- what is written to a disk: here a file, which dd and flock take as well --------------------

OLD = b"abcdefghij" * 100
EXTENTS = (Extent(3, 4), Extent(700, 2))
NAMED = (("serial", "X"),)


def same(_facts: Facts) -> str | None:
    return None


def overwrite(disk: Path, guard: Callable[[Facts], str | None] = same, **more: Any) -> Overwrite:
    probe = Probe("guard.asked", "echo asked under the lock", str.strip)
    return Overwrite(str(disk), NAMED, EXTENTS, bytes(6), Guard((probe,), guard), **more)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    file = tmp_path / "a disk"
    file.write_bytes(OLD)
    return file


@pytest.mark.usefixtures("shell")
def test_the_extents_are_erased_and_undone_byte_for_byte(
    journal: Journal, disk: Path, tmp_path: Path
) -> None:
    seen: list[Facts] = []

    def guard(facts: Facts) -> None:
        seen.append(facts)

    done = applied([action(overwrite(disk, guard))], journal)["here"]
    assert (done.stopped, done.done[0].rc) == (None, 0)
    assert seen[0].values["guard.asked"] == "asked under the lock"
    erased = bytearray(OLD)
    erased[3:7], erased[700:702] = bytes(4), bytes(2)
    assert disk.read_bytes() == bytes(erased)
    saved = Path(SAVED, journal.run, "0")
    assert saved.read_bytes() == OLD[3:7] + OLD[700:702]
    assert saved.parent.stat().st_mode & 0o777 == 0o700
    [back] = reverse(read(journal.folder), IDLE).actions
    [step] = back.steps
    assert isinstance(step, Overwrite)
    assert (step.data, step.expected, step.identity) == (saved.read_bytes(), bytes(6), NAMED)
    with closing(
        Journal.begun(tmp_path / "runs", "undo", [HERE], version="1", undoes="x")
    ) as another:
        done = applied([action(replace(step, guard=Guard((), same)))], another)["here"]
    assert done.stopped is None
    assert disk.read_bytes() == OLD


@pytest.mark.parametrize(
    ("guard", "why"),
    [
        (lambda _: "it is another disk", "it is another disk"),
        (lambda facts: facts[Probe("never.asked", "", str)], "did not answer to the end"),
    ],
)
def test_what_is_not_as_it_was_is_not_written_to(
    journal: Journal, disk: Path, guard: Callable[[Facts], str], why: str
) -> None:
    done = applied([action(overwrite(disk, guard))], journal)["here"]
    assert done.done == ()
    assert why in str(done.stopped)
    assert str(done.stopped).endswith("nothing was written to it")
    assert disk.read_bytes() == OLD
    assert [event["event"] for event in events(journal)] == ["run", "stopped"]


def test_what_is_restored_must_be_as_the_erasing_left_it(journal: Journal, disk: Path) -> None:
    done = applied([action(overwrite(disk, expected=bytes(6)))], journal)["here"]
    assert done.stopped == f"{disk}: it is not as it was left; nothing was written to it"
    assert disk.read_bytes() == OLD


class Meddling(Local):
    """Something happens on the node while the word to write is on its way."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        super().__init__()
        self.meddle = meddle

    def converse(self, script: str, limits: Limits, dialogue: Dialogue) -> Output:
        hear = dialogue.hear

        def overhear(out: bytes, err: bytes) -> bytes:
            answer = hear(out, err)
            if b"saved 0" in out:
                self.meddle()
            return answer

        dialogue.hear = overhear  # type: ignore[method-assign]
        return super().converse(script, limits, dialogue)


def test_a_disk_that_changes_at_the_last_moment_is_left_alone(journal: Journal, disk: Path) -> None:
    new = OLD.replace(b"d", b"D")
    meddling = Meddling(lambda: disk.write_bytes(new))
    done = applied([action(overwrite(disk))], journal, lambda _node: meddling)["here"]
    assert done.stopped == f"exit 75: {disk} has changed"
    assert disk.read_bytes() == new


def test_a_disk_that_another_program_has_locked_is_left_alone(journal: Journal, disk: Path) -> None:
    with disk.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = applied([action(overwrite(disk))], journal)["here"]
    assert "another program has locked" in str(done.stopped)
    assert disk.read_bytes() == OLD


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("gone", [False, True])
def test_a_disk_that_may_not_be_written_to_stops_no_other_where_all_are_to_go_on(
    journal: Journal, disk: Path, tmp_path: Path, *, gone: bool
) -> None:
    other = tmp_path / "another disk"
    other.write_bytes(OLD)
    refused = overwrite(disk, lambda _: "it is another disk", around="f" * 64 if gone else "")
    if gone:
        disk.unlink()
    steps: list[Act] = [refused, overwrite(other), sh("echo last")]
    done = applied([action(step) for step in steps], journal, keep_going=True)["here"]
    assert [each.rc for each in done.done] == [0, 0]
    assert done.done[-1].out == b"last\n"
    assert ("is gone" if gone else "it is another disk") in str(done.stopped)
    assert gone or disk.read_bytes() == OLD
    assert other.read_bytes() != OLD


@pytest.mark.usefixtures("shell")
def test_many_bytes_are_read_and_written_by_sectors(journal: Journal, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    old = os.urandom(3 << 20)
    disk.write_bytes(old)
    extents = (Extent(2 << 20, 1 << 19), Extent(510, 1 << 17), Extent(0, 7))
    step = replace(overwrite(disk), extents=extents, data=bytes(sum(e.size for e in extents)))
    assert applied([action(step)], journal)["here"].stopped is None
    erased = bytearray(old)
    for each in extents:
        erased[each.offset : each.offset + each.size] = bytes(each.size)
    assert disk.read_bytes() == bytes(erased)
    [back] = reverse(read(journal.folder), IDLE).actions
    [restore] = back.steps
    assert isinstance(restore, Overwrite)
    with closing(Journal.begun(tmp_path / "runs", "undo", [HERE], version="1")) as another:
        done = applied([action(replace(restore, guard=Guard((), same)))], another)["here"]
    assert done.stopped is None
    assert disk.read_bytes() == old


def test_what_was_saved_must_arrive_whole(
    journal: Journal, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("base64.b64decode", lambda _: b"not what was sent")
    done = applied([action(overwrite(disk))], journal)["here"]
    assert done.stopped == "what was to be saved did not arrive whole; nothing was written"
    assert disk.read_bytes() == OLD


# --- undo: the journal, backwards ----------------------------------------------------------------


def test_undo_goes_backwards_and_feeds_what_was_printed(journal: Journal) -> None:
    one = Step(("true",), undo=Step(("undo", "one")))
    two = sh("printf 'a\\nb\\n'; exit 1", undo=Step(("remove",), fed_output=True))
    applied([action(one, sh("true"), two)], journal)
    undone = [
        step for action in reverse(read(journal.folder), IDLE).actions for step in action.steps
    ]
    assert undone == [Step(("remove",), b"a\nb\n", fed_output=True), Step(("undo", "one"))]


def test_a_step_that_failed_has_nothing_to_undo(journal: Journal) -> None:
    applied([action(Step(("false",), undo=Step(("undo",))))], journal)
    assert reverse(read(journal.folder), IDLE).actions == ()


def test_a_step_without_an_end_may_have_been_taken(journal: Journal) -> None:
    step = Step(("true",), undo=Step(("undo",)))
    journal.begin(0, action(step), step)
    record = read(journal.folder)
    assert not record.over
    assert [each.steps for each in reverse(record, IDLE).actions] == [(Step(("undo",)),)]


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    for name in ("20260101-000000-0000", "20260102-000000-0000"):
        journal = Journal.begun(tmp_path / "new", "fix", [HERE], version="1")
        journal.close()
        journal.folder.rename(tmp_path / name)
    assert [run[:8] for run in runs(tmp_path)] == ["20260102", "20260101"]


def test_a_listing_says_what_each_run_did_and_whether_it_can_be_undone(tmp_path: Path) -> None:
    undoable = Step(("true",), undo=Step(("true",)))
    with closing(Journal.begun(tmp_path, "fix", [HERE], version="1")) as first:
        applied([action(undoable, sh("true")), action(undoable)], first)
    did = "3 steps on 1 node: a-check\n"
    assert listing(tmp_path).split("  ")[2:] == ["fix", "can be undone", did]
    record = read(first.folder)
    for left in ("undone but for 1 step", "undone"):
        [back, *_] = reverse(record, IDLE, undone(tmp_path, record.run)).actions
        with closing(
            Journal.begun(tmp_path, "undo", [HERE], version="1", undoes=record.run)
        ) as run:
            applied([back], run)
        newest, *_, oldest = listing(tmp_path).splitlines()
        assert f"undo of {record.run}  1 step on 1 node" in newest
        assert f"fix  {left}  " in oldest


@pytest.mark.parametrize("text", ["", "{}\n", "not JSON}\n", '{"event": "run", "schema": 2}\n'])
def test_a_journal_that_cannot_be_read_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UsageError, match=r"journal .* cannot be read"):
        read(tmp_path)


def test_a_line_that_was_cut_short_was_never_begun(journal: Journal) -> None:
    applied([action(sh("true"))], journal)
    file = journal.folder / FILE
    file.write_text(file.read_text() + '{"event": "begin", "node": "he')
    assert len(read(journal.folder).taken) == 1


def test_nothing_is_undone_on_a_node_that_serves_or_may_do_so(journal: Journal) -> None:
    applied([action(Step(("true",), undo=Step(("undo",))))], journal)
    record, group = read(journal.folder), f"vg_{'0' * 32}"
    volume = Block("dm-0", "253:0", "lvm", 1, label=f"{group}-brick_{'0' * 32}")
    mounts = frozenset({Mount("253:0", "/dev/dm-0", "/brick", "xfs")})
    serves = Facts(HERE, {"block.devices": (volume,), "usage.mounts": mounts})
    for facts, why in ((serves, f"in service: {group}"), (Facts(HERE, {}, "gone"), "gone")):
        plan = reverse(record, {"here": facts})
        assert plan.actions == ()
        assert why in plan.left[0].why


def test_a_node_is_known_again_from_the_journal(tmp_path: Path) -> None:
    key = SshOptions("core", 2200, Path("/k"), "bastion")
    disks = (Device("/dev/sdb", "S", "W", "abc", (("a", "b"),)),)
    policy = Policy(rpcbind=Rpcbind.HOST, brick_ports=PortRange(1, 2))
    nodes = (
        HERE,
        Node("n", "a", "s", 2, Role.CLIENT, key, None, disks, policy, (("x", "y"),), ("p",)),
    )
    journal = Journal.begun(tmp_path, "fix", nodes, version="1", local=True, undoes="r")
    journal.close()
    record = read(journal.folder)
    assert (record.nodes, record.local, record.undoes, record.over) == (nodes, True, "r", True)


# --- what went wrong half way --------------------------------------------------------------------


def test_a_link_that_is_turned_leads_nowhere_else(journal: Journal, tmp_path: Path) -> None:
    right, wrong, link = tmp_path / "right", tmp_path / "wrong", tmp_path / "link"
    right.write_bytes(OLD)
    wrong.write_bytes(OLD)
    link.symlink_to(right)

    def turn() -> None:
        link.unlink()
        link.symlink_to(wrong)

    done = applied([action(overwrite(link))], journal, lambda _node: Meddling(turn))["here"]
    assert done.stopped is None
    assert wrong.read_bytes() == OLD
    assert right.read_bytes() != OLD


def test_a_link_that_was_turned_before_stops_it(journal: Journal, tmp_path: Path) -> None:
    right, wrong, link = tmp_path / "right", tmp_path / "wrong", tmp_path / "link"
    right.write_bytes(OLD)
    wrong.write_bytes(OLD)
    link.symlink_to(right)

    def turn(_facts: Facts) -> None:
        link.unlink()
        link.symlink_to(wrong)

    done = applied([action(overwrite(link, turn))], journal)["here"]
    assert done.stopped == f"exit 75: {link} is another disk by now"
    assert right.read_bytes() == wrong.read_bytes() == OLD


def test_what_changes_around_the_extents_stops_it_too(journal: Journal, disk: Path) -> None:
    new = OLD[:500] + b"new" + OLD[503:]
    meddling = Meddling(lambda: disk.write_bytes(new))
    done = applied([action(overwrite(disk))], journal, lambda _node: meddling)["here"]
    assert done.stopped == f"exit 75: {disk} has changed"
    assert disk.read_bytes() == new


def test_what_cannot_be_read_whole_is_not_written_to(journal: Journal, disk: Path) -> None:
    disk.write_bytes(OLD[:500])
    done = applied([action(overwrite(disk))], journal)["here"]
    assert "could not be read whole; nothing was written" in str(done.stopped)
    assert disk.read_bytes() == OLD[:500]


def test_an_erasing_that_broke_off_is_undone_extent_by_extent(
    journal: Journal, disk: Path, tmp_path: Path
) -> None:
    step = overwrite(disk)
    half = OLD[:3] + bytes(4) + OLD[7:]

    class Dying(Local):
        """The node goes down between the two."""

        def converse(self, script: str, limits: Limits, dialogue: Dialogue) -> Output:
            first = script.index("seek=3 ")
            ends = script.index(" &&", first)
            return super().converse(f"{script[:ends]}; exit{script[ends + 3 :]}", limits, dialogue)

    done = applied([action(step)], journal, lambda _node: Dying())["here"]
    assert disk.read_bytes() == half
    assert done.done[0].rc is None
    [back] = reverse(read(journal.folder), IDLE).actions
    [restore] = back.steps
    assert isinstance(restore, Overwrite)
    with closing(Journal.begun(tmp_path / "runs", "undo", [HERE], version="1")) as another:
        applied([action(replace(restore, guard=Guard((), same)))], another)
    assert disk.read_bytes() == OLD


def test_what_has_come_since_is_not_written_over(
    journal: Journal, disk: Path, tmp_path: Path
) -> None:
    applied([action(overwrite(disk))], journal)
    [back] = reverse(read(journal.folder), IDLE).actions
    [restore] = back.steps
    assert isinstance(restore, Overwrite)
    new = bytearray(disk.read_bytes())
    new[500:503] = b"new"
    disk.write_bytes(new)
    with closing(Journal.begun(tmp_path / "runs", "undo", [HERE], version="1")) as another:
        done = applied([action(replace(restore, guard=Guard((), same)))], another)["here"]
    assert f"something has come onto {disk} since" in str(done.stopped)
    assert disk.read_bytes() == new


def test_what_was_printed_and_not_heard_stays_on_the_node(journal: Journal) -> None:
    step = sh("echo a", undo=Step(("remove",), fed_output=True))
    journal.begin(0, action(step), step)
    plan = reverse(read(journal.folder), IDLE)
    assert (plan.actions, plan.left[0].why) == (
        (),
        "what it printed did not arrive: it is on the node, 0.out",
    )
    with_output = Journal.begun(journal.folder.parent, "fix", [HERE], version="1")
    with closing(with_output):
        applied([action(step)], with_output)
    assert Path(SAVED, with_output.run, "0.out").read_text() == "a\n"


def test_an_undo_that_stopped_goes_on_where_it_was(journal: Journal, tmp_path: Path) -> None:
    cause = tmp_path / "cause"
    cause.touch()
    one = Step(("true",), undo=Step(("touch", str(tmp_path / "one"))))
    two = Step(("true",), undo=Step(("test", "!", "-e", str(cause))))
    applied([action(one, two)], journal)
    record, folder = read(journal.folder), journal.folder.parent

    def undo() -> list[int | None]:
        plan = reverse(record, IDLE, undone(folder, record.run))
        run = Journal.begun(folder, "undo", [HERE], version="1", undoes=record.run)
        with closing(run):
            applied(plan.actions, run, keep_going=True)
        return [each.undoes for each in plan.actions]

    assert undo() == [1, 0]
    assert (tmp_path / "one").exists(), "what fails keeps nothing else from being undone"
    cause.unlink()
    assert undo() == [1]
    assert undo() == []


def test_a_journal_that_is_damaged_hides_no_other(journal: Journal) -> None:
    applied([action(sh("true"))], journal)
    (journal.folder.parent / "20260101-000000-0000").mkdir()
    (journal.folder.parent / "20260101-000000-0000" / FILE).touch()
    told = listing(journal.folder.parent).splitlines()
    assert told[0].startswith(journal.run)
    assert told[1].startswith("20260101-000000-0000  the journal ")
    assert undone(journal.folder.parent, journal.run) == frozenset()


def test_what_a_step_left_out_is_told_though_it_succeeded(journal: Journal) -> None:
    told = sh("echo noise >&2; echo 'gkprep: the package stays: nobody has it' >&2")
    other = sh("echo 'gkprep: other' >&2; echo noise >&2")
    done = applied([action(told, other)], journal)["here"].done
    assert [each.rc for each in done] == [0, 0]
    page = outcome(replace(broken(), done=done, run=journal.run), Style())
    assert "here  note: the package stays: nobody has it\n" in page
    assert page.count("note: ") == 1


def test_what_was_saved_and_is_gone_is_told(journal: Journal, disk: Path) -> None:
    applied([action(overwrite(disk))], journal)
    (journal.folder / "here.0.saved").write_bytes(b"damaged")
    plan = reverse(read(journal.folder), IDLE)
    assert plan.actions == ()
    assert "not in the journal any more" in plan.left[0].why
