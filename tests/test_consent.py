"""What counts as a yes: at a real terminal, and without one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.command import Seen, at_a_terminal
from tests.site import Site

# A plan with one action, which --yes would do, and one that waits for its token; then the answer
# of `agreed`, to tell it by the exit code: 10 no, 11 yes, 12 yes and the token was typed.
PROGRAM = """
import sys, time
from preflight.change import Terms
from preflight.model import *
def action(node, token, *steps):
    finding = Finding("/dev/sda", Status.FAIL, "ext4", check="device-clean", node=node, token=token)
    return Action(finding, Risk.DESTRUCTIVE, steps)
guard = Guard((), lambda _: None)
erase = Overwrite("/dev/sda", (), (Extent(510, 2),), bytes(2), guard)
plan = Plan((action("node1", None, erase),), withheld=(action("node2", "abcdef012345", erase),))
print("ready", flush=True)
time.sleep(1)
terms = Terms(write=print, **{"yes": False, "dry_run": False, "text": False, **OPTIONS})
typed = terms.agreed(plan, 2)
sys.exit(10 if typed is None else 11 + len(typed))
"""
TOKEN = r"its token, to do this as well; Enter to leave it alone: $"
WRONG = r"that is not its token\s+its token, to do this as well; Enter to leave it alone: $"
QUESTION = r"Apply this plan(, with what 1 token consented to)?\? \[y/N\] $"
NO, YES, BOTH = 10, 11, 12


def program(**options: object) -> list[str]:
    return [sys.executable, "-c", PROGRAM.replace("OPTIONS", repr(options))]


def asked(site: Site, answers: dict[str, str], **options: object) -> Seen:
    return at_a_terminal(program(**options), site.home(), answers)


@pytest.mark.parametrize(
    ("typed", "given"), [("y", YES), ("yes", YES), ("n", NO), ("", NO), ("yess", NO)]
)
def test_a_plan_is_shown_and_asked_about(site: Site, typed: str, given: int) -> None:
    seen = asked(site, {TOKEN: "", QUESTION: typed})
    assert "needs your consent on node2" in seen.screen
    assert seen.returncode == given


@pytest.mark.parametrize(
    ("typed", "again", "given"),
    [
        ("abcdef012345", None, BOTH),
        ("abcdef012346", "", YES),
        ("abcdef012346", "abcdef012345", BOTH),
        ("y", "", YES),
        ("", None, YES),
    ],
)
def test_what_could_be_data_is_done_when_its_token_is_typed(
    site: Site, typed: str, again: str | None, given: int
) -> None:
    corrected = {} if again is None else {WRONG: again}
    assert asked(site, {TOKEN: typed, **corrected, QUESTION: "y"}).returncode == given


def test_what_was_typed_before_the_question_is_no_answer(site: Site) -> None:
    assert asked(site, {"ready": "y", TOKEN: "", QUESTION: "n"}).returncode == NO


def test_no_more_disks_are_erased_than_was_said(site: Site) -> None:
    typed = {TOKEN: "abcdef012345"}
    assert asked(site, {**typed, QUESTION: "y"}, max_wipe=2).returncode == BOTH
    seen = asked(site, typed, max_wipe=1)
    assert seen.returncode == NO
    assert "2 disks would be erased, and --max-wipe allows 1: nothing was changed" in seen.screen


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ({}, NO),
        ({"yes": True}, YES),
        ({"yes": True, "dry_run": True}, NO),
        ({"yes": True, "max_wipe": 0}, NO),
        ({"yes": True, "max_wipe": 1}, YES),
    ],
)
def test_nobody_there_has_said_yes_on_the_command_line_or_not_at_all(
    options: dict[str, object], given: int
) -> None:
    done = subprocess.run(program(**options), input=b"y\n", capture_output=True, check=False)
    assert done.returncode == given, done.stderr
    assert b"Traceback" not in done.stderr
