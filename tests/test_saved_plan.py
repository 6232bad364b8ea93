"""A plan that was saved and read is applied just as it was, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from preflight.errors import UsageError
from preflight.model import Action, Extent, Finding, Guard, Overwrite, Plan, Risk, Status, Step
from preflight.report import machine
from preflight.saved import SavedPlan, read
from tests.report_runs import broken

TOKEN = "abcdef012345"
FINDING = Finding("/dev/sdb", Status.FAIL, "ext4", check="device-clean", node="node-181")
ERASE = Overwrite("/dev/sdb", (), (Extent(510, 2),), bytes(2), Guard((), lambda _: None), pin=TOKEN)
WIPE = Action(replace(FINDING, token=TOKEN), Risk.DESTRUCTIVE, (ERASE,))
LOAD = Action(replace(FINDING, subject="dm_mirror"), Risk.SAFE, (Step(("modprobe", "dm_mirror")),))


def saved(tmp_path: Path, plan: Plan) -> SavedPlan:
    """As `gkprep fix --dry-run -o json >FILE` leaves it."""
    file = tmp_path / "plan.json"
    file.write_text(machine.render(replace(broken(), command="fix", plan=plan)))
    return read(file)


def test_what_was_saved_is_what_is_applied(tmp_path: Path) -> None:
    plan = saved(tmp_path, Plan((LOAD, WIPE)))
    assert plan.tokens == (TOKEN,)
    assert plan.only(Plan((LOAD, WIPE))) == Plan((LOAD, WIPE))


def test_it_is_about_the_checks_that_it_names(tmp_path: Path) -> None:
    other = replace(LOAD, finding=replace(LOAD.finding, check="kernel-modules"))
    assert saved(tmp_path, Plan((other, LOAD, WIPE))).checks == ("kernel-modules", "device-clean")
    assert saved(tmp_path, Plan(withheld=(WIPE,))).checks == ()


def test_what_stands_there_twice_is_not_done_twice(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one of its actions stands there twice"):
        saved(tmp_path, Plan((LOAD, LOAD))).only(Plan((LOAD,)))


def test_what_came_later_is_not_applied_with_it(tmp_path: Path) -> None:
    plan = saved(tmp_path, Plan((LOAD,), withheld=(WIPE,)))
    assert plan.tokens == (), "what nobody has consented to is no consent"
    assert plan.only(Plan((LOAD, WIPE))) == Plan((LOAD,))


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ((LOAD,), "node-181 device-clean /dev/sdb is not to be done now; nothing was changed"),
        ((LOAD, replace(WIPE, steps=(replace(ERASE, pin="f" * 12),))), "is another step by now"),
        ((LOAD, replace(WIPE, steps=(replace(ERASE, extents=(Extent(0, 2),)),))), "another step"),
        ((WIPE, replace(LOAD, steps=(Step(("modprobe", "x")),))), "dm_mirror is another step"),
    ],
)
def test_where_the_facts_have_changed_nothing_is(
    tmp_path: Path, now: tuple[Action, ...], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        saved(tmp_path, Plan((LOAD, WIPE))).only(Plan(now))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": 2, "command": "fix", "plan": {"actions": []}}',
        '{"schema": 1, "command": "undo", "plan": {"actions": []}}',
        '{"schema": 1, "command": "fix", "plan": {"actions": [{"node": "a"}]}}',
        '{"schema": 1, "command": "fix", "plan": {"actions": 1}}',
        '{"schema": 1, "command": "fix", "plan": {"actions": [1]}}',
    ],
)
def test_what_is_no_saved_plan_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"plan\.json: no plan as `gkprep fix --dry-run -o json`"):
        read(file)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read(tmp_path / "plan.json")


def test_a_report_of_a_check_is_no_plan(tmp_path: Path) -> None:
    file = tmp_path / "check.json"
    file.write_text(machine.render(broken()))
    assert "plan" not in json.loads(file.read_text())
    with pytest.raises(UsageError, match="no plan"):
        read(file)
