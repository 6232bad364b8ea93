"""Check, plan, apply, check again: with a check and a fix of the tests' own, on this machine."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import cast

import pytest

from preflight import journal, repair
from preflight.errors import JournalError, UsageError
from preflight.facts.ports import Listener, Process
from preflight.model import (
    Action,
    Check,
    Done,
    Facts,
    Finding,
    Fix,
    Limits,
    Node,
    Plan,
    Probe,
    Risk,
    Role,
    Status,
    Step,
    Test,
)
from preflight.reach import Reach
from preflight.repair import Way
from preflight.saved import SavedPlan
from preflight.transport import Connector, Local

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lock in /run is root's")

NODES = tuple(Node(name, "localhost", None) for name in ("a", "b", "c"))


class Here:
    """Every node is this machine."""

    def __call__(self, _node: Node) -> Local:
        return Local()

    def close(self) -> None:
        """There is nothing to hang up."""


class Site:
    """Every node wants a file of its own; what is called `stubborn` is not there all the same."""

    def __init__(self, folder: Path, stubborn: str = "") -> None:
        self.folder, self.stubborn = folder, stubborn
        self.check = Check(
            "wanted", "A file.", frozenset(Role), lambda node: [self.there(node)], self._parts
        )
        self.fixes = {"wanted": Fix(self.check, Risk.SAFE, "Makes it.", self._steps)}

    def file(self, name: str) -> Path:
        return self.folder / name

    def there(self, node: Node) -> Probe[bool]:
        path = shlex.quote(str(self.file(node.name)))
        return Probe("there", f"if [ -e {path} ]; then echo yes; fi", bool)

    def _parts(self, node: Node) -> list[tuple[str, Test]]:
        return [("", lambda facts: self._judged(facts, node))]

    def _judged(self, facts: Facts, node: Node) -> Iterator[Finding]:
        good = facts[self.there(node)] and node.name != self.stubborn
        yield Finding("file", Status.PASS if good else Status.FAIL, "seen", "wanted")

    def _steps(self, _finding: Finding, facts: Facts) -> list[Step]:
        path = str(self.file(facts.node.name))
        return [Step(("touch", path), undo=Step(("rm", path)))]

    def steps_but_for(self, name: str) -> Callable[[Finding, Facts], list[Step]]:
        return lambda finding, facts: [] if finding.node == name else self._steps(finding, facts)

    def reach(self) -> Reach:
        connect = cast("Connector", Here())
        now = datetime.now(timezone.utc)
        # One at a time: all nodes are this machine, and have one lock.
        return Reach(NODES, (self.check,), connect, 1, local=False, started=now)

    def fix(self, *, agreed: bool = True, **way: object) -> repair.Repair:
        asked = Way("1", 60, **way)  # type: ignore[arg-type]
        return repair.repair(self.reach(), self.fixes, asked, lambda _: () if agreed else None)

    def made(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def statuses(findings: tuple[Finding, ...]) -> list[Status]:
    return [finding.status for finding in findings]


def test_the_second_check_says_how_it_went(folder: Path) -> None:
    site = Site(folder)
    done = site.fix()
    assert statuses(done.before.findings) == [Status.FAIL] * 3
    assert statuses(done.now.findings) == [Status.PASS] * 3
    assert (site.made(), done.stopped) == ({"a", "b", "c"}, {})
    again = site.fix()
    assert (again.plan, again.done) == (Plan(), ())


def test_what_a_fix_needs_is_asked_with_what_its_check_does(folder: Path) -> None:
    site, told = Site(folder), Probe("told", "echo 7", str.strip)
    [fix] = site.fixes.values()

    def steps(_finding: Finding, facts: Facts) -> list[Step]:
        return [Step(("touch", str(site.file(f"{facts.node.name}{facts[told]}"))))]

    site.fixes = {"wanted": replace(fix, steps=steps, needs=lambda _: [told])}
    site.fix()
    assert site.made() == {"a7", "b7", "c7"}
    assert told.name not in site.reach().survey(Limits()).facts["a"].values

    def broken(_node: Node) -> list[Probe[object]]:
        raise ValueError("no such node")

    site.fixes = {"wanted": replace(fix, steps=steps, needs=broken)}
    left = {each.why for each in site.fix().plan.left}
    assert left == {"told was not asked: no check or fix declares that it needs it"}


def test_without_consent_nothing_is_done_and_nothing_on_record(folder: Path) -> None:
    site = Site(folder)
    done = site.fix(agreed=False)
    assert (site.made(), done.run, done.now) == (set(), None, done.before)
    assert journal.runs(journal.runs_folder()) == []


def test_one_by_one_ends_at_the_first_that_is_not_ready(folder: Path) -> None:
    site = Site(folder, stubborn="b")
    done = site.fix(one_by_one=True)
    assert site.made() == {"a", "b"}
    assert done.stopped == {"b": "it is not ready yet; no further node was begun"}
    assert statuses(done.now.findings) == [Status.PASS, Status.FAIL, Status.FAIL]


def test_one_by_one_ends_at_one_that_nothing_can_be_done_for(folder: Path) -> None:
    (folder / "a").touch()
    (folder / "b").touch()
    site = Site(folder, stubborn="b")
    site.fixes = {"wanted": replace(site.fixes["wanted"], steps=site.steps_but_for("b"))}
    done = site.fix(one_by_one=True)
    assert (site.made(), done.done) == ({"a", "b"}, ())
    assert done.stopped == {"b": "it is not ready yet; no further node was begun"}


def test_one_that_is_not_ready_is_not_restarted(folder: Path) -> None:
    done = Site(folder, stubborn="a").fix(reboot=True)
    assert done.stopped == {"a": "not restarted: it is not ready; no further node is restarted"}


def test_one_that_came_into_service_since_is_left_in_peace() -> None:
    glusterd = Listener("tcp", "::", 24007, frozenset({Process(7, "glusterd", frozenset())}))
    quiet = {"block.devices": (), "usage.mounts": frozenset(), "ports.listening": frozenset()}
    serves = quiet | {"ports.listening": frozenset({glusterd})}
    now = {"a": Facts(NODES[0], serves), "b": Facts(NODES[1], quiet), "c": Facts(NODES[2], {})}
    finding = Finding("x", Status.FAIL, "", check="wanted")
    actions = tuple(
        Action(replace(finding, node=node.name), risk, ()) for node in NODES for risk in Risk
    )
    before = {"a": Facts(NODES[0], quiet), "b": Facts(NODES[1], quiet), "c": Facts(NODES[2], {})}
    assert repair.in_peace(Plan(actions[:3]), now, now).actions == actions[:3], "as it was planned"
    plan = repair.in_peace(Plan(actions), before, now)
    assert [(a.finding.node, a.risk) for a in plan.actions] == [
        ("a", Risk.SAFE),
        *[("b", risk) for risk in Risk],
        ("c", Risk.SAFE),
    ]
    why = {left.finding.node: left.why for left in plan.left}
    assert why["a"] == "in service: glusterd runs"
    assert why["c"].startswith("whether it serves could not be found out: ")


def test_where_no_record_can_be_kept_what_was_done_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: journal.Journal, _number: int, _done: Done) -> None:
        raise JournalError("No space left on device")

    monkeypatch.setattr(journal.Journal, "end", full)
    with pytest.raises(JournalError, match=r"device; what was done until then: gkprep undo 2\d+-"):
        Site(folder).fix()


def test_one_by_one_ends_at_the_first_whose_step_fails(folder: Path) -> None:
    site = Site(folder)
    (folder / "a").symlink_to(folder / "nowhere" / "a")
    done = site.fix(one_by_one=True)
    assert done.stopped["a"].endswith("No such file or directory; no further node was begun")
    assert site.made() == {"a"}
    assert site.fix().stopped.keys() == {"a"}, "else the others go on"
    assert site.made() == {"a", "b", "c"}


def test_all_of_a_run_is_taken_back(folder: Path) -> None:
    site = Site(folder)
    run = site.fix(one_by_one=True).run
    assert run
    record = journal.read(journal.runs_folder() / run)
    assert repair.take_back(record, site.reach(), Way("1", 60), lambda _: None).run is None
    assert site.made() == {"a", "b", "c"}
    done = repair.take_back(record, site.reach(), Way("1", 60), lambda _: ())
    assert (done.stopped, site.made()) == ({}, set())


def test_a_run_is_taken_back_on_the_nodes_that_are_named(folder: Path) -> None:
    site = Site(folder)
    run = site.fix().run
    assert run
    record = journal.read(journal.runs_folder() / run)
    [first, *_] = NODES
    repair.take_back(record.on((first,)), site.reach(), Way("1", 60), lambda _: ())
    assert site.made() == {"b", "c"}
    repair.take_back(record, site.reach(), Way("1", 60), lambda _: ())
    assert site.made() == set()


def test_a_saved_plan_that_is_not_to_be_done_now_changes_nothing(folder: Path) -> None:
    site = Site(folder)
    gone = {"node": "a", "check": "gone", "subject": "file", "token": None}
    with pytest.raises(UsageError, match="nothing was changed"):
        site.fix(saved=SavedPlan(Path("plan.json"), (gone,)))
    assert site.made() == set()
