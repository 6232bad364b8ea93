"""undo: the journal, backwards."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from preflight.errors import UsageError
from preflight.facts.block import Block
from preflight.facts.usage import Mount
from preflight.journal import FILE, ON_NODE, Journal, read, runs, undone
from preflight.model import (
    Device,
    Facts,
    Node,
    Policy,
    PortRange,
    Role,
    Rpcbind,
    SshOptions,
    Step,
)
from preflight.report.runs import listing, listing_json
from preflight.undo import reverse
from tests.applied import HERE, IDLE, action, applied, sh

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lock in /run is root's")


def test_undo_goes_backwards_and_feeds_what_was_printed(journal: Journal) -> None:
    one = Step(("true",), undo=Step(("undo", "one")))
    two = sh("printf 'a\\nb\\n'; exit 1", undo=Step(("remove",), fed_output=True))
    applied([action(one, sh("true"), two)], journal)
    undone = [
        step for action in reverse(read(journal.folder), IDLE).actions for step in action.steps
    ]
    assert undone == [Step(("remove",), b"a\nb\n", fed_output=True), Step(("undo", "one"))]


@pytest.mark.parametrize(("command", "there"), [("exit 1", True), ("exit 127", False)])
def test_a_step_that_failed_may_have_been_taken_in_part(
    journal: Journal, command: str, *, there: bool
) -> None:
    undo = Step(("undo",))
    applied([action(sh(command, undo=undo))], journal)
    found = reverse(read(journal.folder), IDLE).actions
    assert [each.steps for each in found] == [(undo,)] * there


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
    told = json.loads(listing_json(tmp_path, "1"))["runs"]
    assert [(each["command"], each["undoes"], each["steps"], each["left"]) for each in told] == [
        *[("undo", record.run, 1, 0)] * 2,
        ("fix", None, 3, 0),
    ]
    assert all((each["nodes"], each["checks"]) == (["here"], ["a-check"]) for each in told)
    assert [each["run"] for each in told] == runs(tmp_path)
    assert all(each["over"] and each["error"] is None for each in told)


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


def test_a_journal_that_is_damaged_hides_no_other(journal: Journal) -> None:
    applied([action(sh("true"))], journal)
    (journal.folder.parent / "20260101-000000-0000").mkdir()
    (journal.folder.parent / "20260101-000000-0000" / FILE).touch()
    told = listing(journal.folder.parent).splitlines()
    assert told[0].startswith(journal.run)
    assert told[1].startswith("20260101-000000-0000  the journal ")
    damaged = json.loads(listing_json(journal.folder.parent, "1"))["runs"][1]
    assert (damaged.pop("run"), [*damaged]) == ("20260101-000000-0000", ["error"])
    assert "the journal " in damaged["error"]
    assert undone(journal.folder.parent, journal.run) == {}


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


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("begun", [True, False])
def test_what_was_printed_and_not_heard_is_on_the_node(
    journal: Journal, tmp_path: Path, *, begun: bool
) -> None:
    heard = tmp_path / "heard"
    undo = Step(("sh", "-c", f"cat >{heard}"), fed_output=True)
    step = sh("echo a", undo=undo)
    if begun:
        applied([action(step)], journal)
        file = journal.folder / FILE
        *lines, _end = file.read_text().splitlines(keepends=True)
        file.write_text("".join(lines))
        assert Path(ON_NODE, journal.run, "0.out").read_text() == "a\n"
    else:
        journal.begin(0, action(step), step)
    plan = reverse(read(journal.folder), IDLE)
    with closing(Journal.begun(journal.folder.parent, "undo", [HERE], version="1")) as another:
        assert applied(plan.actions, another)["here"].stopped is None
    assert heard.exists() is begun
    assert not begun or heard.read_text() == "a\n"


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
