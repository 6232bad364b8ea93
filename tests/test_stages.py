"""How far a deployment is: plain lines in a log, and the page at its end."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence

import pytest

from preflight.model import Stage
from preflight.report import stages
from preflight.report.layout import Page
from preflight.report.stages import Stages
from preflight.report.style import Style

BEGUN = (Stage("rights", 1.2, ended=True), Stage("pods", 5.0, waits="glusterfs-1 on node1 0/1"))
HELD = (Stage("rights", 1.2, ended=True), Stage("pods", 60.4, ended=False))
THERE = (Stage("rights", None, ended=True), Stage("pods", 3.0, ended=True))


def shown(*states: Sequence[Stage]) -> list[str]:
    """The lines of a log while a deployment goes through `states`, a moment each."""
    left: Iterator[Sequence[Stage]] = iter(states)
    now = next(left)

    def look() -> Sequence[Stage]:
        return now

    stream = io.StringIO()
    with Stages(look, stream, {}):
        for state in left:
            time.sleep(2 * stages.TICK)
            now = state
        time.sleep(2 * stages.TICK)
    return stream.getvalue().splitlines()


def test_a_log_has_a_line_for_each_stage_as_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "TICK", 0.02)
    assert shown(BEGUN, HELD) == [
        "gkprep: 1 of 2 rights: done in 1 s",
        "gkprep: 2 of 2 pods: broken off after 60 s",
    ]


def test_what_was_there_already_took_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "TICK", 0.02)
    assert shown(THERE) == [
        "gkprep: 1 of 2 rights: there already",
        "gkprep: 2 of 2 pods: done in 3 s",
    ]


def test_a_log_says_now_and_then_what_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "TICK", 0.02)
    monkeypatch.setattr(stages, "PATIENCE", 0.04)
    lines = shown(BEGUN, BEGUN, BEGUN)
    assert "gkprep: 2 of 2 pods: 5 s, waiting for glusterfs-1 on node1 0/1" in lines


def test_what_has_one_stage_is_shown_while_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "TICK", 0.02)
    monkeypatch.setattr(stages, "PATIENCE", 0.04)
    stream = io.StringIO()
    with stages.meanwhile("smoke-test", "a volume", stream, {}):
        time.sleep(0.2)
    assert stream.getvalue().startswith("gkprep: 1 of 1 smoke-test: 0 s, waiting for a volume\n")


class Broken(io.StringIO):
    """A stream that nobody reads any more."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_a_stream_that_breaks_ends_the_showing_and_nothing_else() -> None:
    with Stages(lambda: HELD, Broken(), {}) as shown:
        time.sleep(3 * stages.TICK)
    assert shown


def test_what_is_waited_for_stands_below_and_fits() -> None:
    page = Page(Style(width=60))
    waits = "glusterfs-1 on node1 0/1; GlusterFS pods: up to 5 minutes, asked after 40 s"
    stages.write(page, (Stage("pods", 5.0, waits=waits),))
    lines = page.text().splitlines()
    assert lines[0] == ". 1 pods      5 s"
    assert " ".join(line.strip() for line in lines[1:]) == waits
    assert max(map(len, lines)) <= 60


def test_the_page_has_all_stages_in_columns() -> None:
    page = Page(Style())
    stages.write(page, (*THERE, Stage("heketi", 4.0, ended=False), Stage("the rest")))
    assert page.text().splitlines() == [
        "+ 1 rights    there already",
        "+ 2 pods          3 s",
        "x 3 heketi        4 s",
        "  4 the rest",
    ]
