"""apply: what is written to a disk; here a file, which dd and flock take as well."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from preflight.apply import Applied
from preflight.journal import ON_NODE, Journal, read, undone
from preflight.model import (
    Act,
    Extent,
    Facts,
    Guard,
    Limits,
    Node,
    Output,
    Overwrite,
    Probe,
)
from preflight.transport import Dialogue, Local
from preflight.undo import reverse
from tests.applied import HERE, IDLE, action, applied, events, sh

SCRIPT = import_module("preflight.apply.script")  # by that name it is a function

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lock in /run is root's")

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
    saved = Path(ON_NODE, journal.run, "0")
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


def test_what_changes_around_the_extents_stops_it_too(journal: Journal, disk: Path) -> None:
    new = OLD[:500] + b"new" + OLD[503:]
    meddling = Meddling(lambda: disk.write_bytes(new))
    done = applied([action(overwrite(disk))], journal, lambda _node: meddling)["here"]
    assert done.stopped == f"exit 75: {disk} has changed"
    assert disk.read_bytes() == new


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


def test_what_cannot_be_read_whole_is_not_written_to(journal: Journal, disk: Path) -> None:
    disk.write_bytes(OLD[:500])
    done = applied([action(overwrite(disk))], journal)["here"]
    assert "could not be read whole; nothing was written" in str(done.stopped)
    assert disk.read_bytes() == OLD[:500]


def test_a_disk_that_another_program_has_locked_is_left_alone(
    journal: Journal, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SCRIPT, "LOCK_TRIES", 1)
    with disk.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = applied([action(overwrite(disk))], journal)["here"]
    assert "another program has locked" in str(done.stopped)
    assert disk.read_bytes() == OLD


@pytest.mark.usefixtures("shell")
def test_a_disk_that_udev_looks_at_is_waited_for(journal: Journal, disk: Path) -> None:
    with disk.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        later = threading.Timer(1.5, fcntl.flock, (file, fcntl.LOCK_UN))
        later.start()
        done = applied([action(overwrite(disk))], journal)["here"]
        later.join()
    assert done.stopped is None


@pytest.mark.usefixtures("shell")
def test_what_cannot_be_opened_stops_no_other(journal: Journal, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        steps: list[Act] = [overwrite(tmp_path / "socket"), sh("echo last")]
        done = applied([action(step) for step in steps], journal, keep_going=True)["here"]
    assert done.done[-1].out == b"last\n"
    assert "cannot be opened" in str(done.stopped)


def test_a_hash_that_is_none_is_no_command(journal: Journal, disk: Path, tmp_path: Path) -> None:
    evil = f"x ]; touch {tmp_path}/evil; [ x"
    done = applied([action(overwrite(disk, around=evil))], journal)["here"]
    assert "something has come onto" in str(done.stopped)
    assert not (tmp_path / "evil").exists()


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


class Dying(Local):
    """The node goes down between the first extent and the second."""

    def converse(self, script: str, limits: Limits, dialogue: Dialogue) -> Output:
        first = script.index("seek=3 ")
        ends = script.index(" &&", first)
        return super().converse(f"{script[:ends]}; exit{script[ends + 3 :]}", limits, dialogue)


def test_an_erasing_that_broke_off_is_undone_extent_by_extent(
    journal: Journal, disk: Path, tmp_path: Path
) -> None:
    step = overwrite(disk)
    half = OLD[:3] + bytes(4) + OLD[7:]
    done = applied([action(step)], journal, lambda _node: Dying())["here"]
    assert disk.read_bytes() == half
    assert done.done[0].rc is None
    [back] = reverse(read(journal.folder), IDLE).actions
    [restore] = back.steps
    assert isinstance(restore, Overwrite)
    with closing(Journal.begun(tmp_path / "runs", "undo", [HERE], version="1")) as another:
        applied([action(replace(restore, guard=Guard((), same)))], another)
    assert disk.read_bytes() == OLD


def test_an_undo_that_broke_off_goes_on(journal: Journal, disk: Path, tmp_path: Path) -> None:
    applied([action(overwrite(disk))], journal)
    folder, record = tmp_path / "runs", read(journal.folder)

    def restore(connect: Callable[[Node], Local]) -> Applied:
        [back] = reverse(record, IDLE, undone(folder, record.run)).actions
        [step] = back.steps
        assert isinstance(step, Overwrite)
        again = replace(back, steps=(replace(step, guard=Guard((), same)),))
        run = Journal.begun(folder, "undo", [HERE], version="1", undoes=record.run)
        with closing(run):
            return applied([again], run, connect)["here"]

    assert restore(lambda _node: Dying()).stopped
    assert disk.read_bytes() == OLD[:700] + bytes(2) + OLD[702:]
    assert undone(folder, record.run) == {("here", 0): False}
    assert restore(lambda _node: Local()).stopped is None
    assert disk.read_bytes() == OLD
    assert undone(folder, record.run) == {("here", 0): True}


def test_an_undo_that_wrote_nothing_is_no_beginning(
    journal: Journal, disk: Path, tmp_path: Path
) -> None:
    applied([action(overwrite(disk))], journal)
    new = disk.read_bytes().replace(b"d", b"D")
    meddling = Meddling(lambda: disk.write_bytes(new))
    record = read(journal.folder)
    [back] = reverse(record, IDLE).actions
    [step] = back.steps
    assert isinstance(step, Overwrite)
    again = replace(back, steps=(replace(step, guard=Guard((), same)),))
    run = Journal.begun(tmp_path / "runs", "undo", [HERE], version="1", undoes=record.run)
    with closing(run):
        applied([again], run, lambda _node: meddling)
    assert undone(tmp_path / "runs", record.run) == {}


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


def test_what_was_saved_and_is_gone_is_told(journal: Journal, disk: Path) -> None:
    applied([action(overwrite(disk))], journal)
    (journal.folder / "here.0.saved").write_bytes(b"damaged")
    plan = reverse(read(journal.folder), IDLE)
    assert plan.actions == ()
    assert "not in the journal any more" in plan.left[0].why
