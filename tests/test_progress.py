"""Progress goes to standard error, says who is late, and leaves no trace."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from typing import TextIO

import pytest

from preflight.report import progress
from preflight.report.progress import Progress
from tests.report_runs import node

NODES = [node(number) for number in range(181, 187)]
NAMES = [each.name for each in NODES]
XTERM = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
GREEN = "\x1b[32m"
ERASE_LINE, SHOW_CURSOR = "\x1b[2K", "\x1b[?25h"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become hundredths."""
    for name in ("LATE", "PATIENCE", "TICK", "FIRST_LINE", "NEXT_LINES"):
        monkeypatch.setattr(progress, name, getattr(progress, name) / 100)


@pytest.fixture
def terminal() -> Iterator[tuple[TextIO, Callable[[], str]]]:
    """The stream that a program sees, and what was written to it."""
    master, slave = os.openpty()
    stream = os.fdopen(slave, "w", encoding="utf-8")

    def written() -> str:
        os.set_blocking(master, False)
        parts = []
        try:
            while part := os.read(master, 65536):
                parts.append(part)
        except BlockingIOError:
            pass
        return b"".join(parts).decode()

    yield stream, written
    stream.close()
    os.close(master)


def wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit, "nothing was shown"
        time.sleep(0.01)


def test_who_is_late_is_named_in_the_order_of_asking() -> None:
    shown = Progress(NAMES, io.StringIO())
    assert shown.sentence(0) == "0 of 6 nodes"
    assert shown.sentence(12.3) == (
        "0 of 6 nodes, waiting for node-181, node-182, node-183 and 3 more (12 s)"
    )
    for each in NODES[:5]:
        shown.done(each.name)
    assert shown.sentence(0) == "5 of 6 nodes"
    assert shown.sentence(12.3) == "5 of 6 nodes, waiting for node-186 (12 s)"
    shown.done(NODES[5].name)
    assert shown.sentence(12.3) == "6 of 6 nodes"


def test_a_log_gets_a_line_only_when_it_takes_long() -> None:
    stream = io.StringIO()
    with Progress(NAMES, stream, XTERM) as shown:
        shown.done(NODES[0].name)
        wait_for(lambda: stream.getvalue().count("\n") >= 2)
    for line in stream.getvalue().splitlines():
        assert line.startswith("gkprep: 1 of 6 nodes, waiting for node-182, node-183, node-184 and")
        assert line.isprintable()


def test_a_quick_run_says_nothing(
    terminal: tuple[TextIO, Callable[[], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PATIENCE", "FIRST_LINE"):
        monkeypatch.setattr(progress, name, 60.0)
    stream, written = terminal
    log = io.StringIO()
    for quick in (Progress(NAMES, stream, XTERM), Progress(NAMES, log, XTERM)):
        with quick as shown:
            for each in NODES:
                shown.done(each.name)
    assert (written(), log.getvalue()) == ("", "")


def test_a_terminal_is_left_clean(terminal: tuple[TextIO, Callable[[], str]]) -> None:
    stream, written = terminal
    seen = ""

    def saw_a_bar() -> bool:
        nonlocal seen
        seen += written()
        return "1 of 6 nodes, waiting for node-182" in seen

    def interrupted() -> None:
        with Progress(NAMES, stream, XTERM) as shown:
            shown.done(NODES[0].name)
            wait_for(saw_a_bar)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    last = written()
    assert "of 6 nodes" not in last.rpartition(ERASE_LINE)[2]
    assert ERASE_LINE in last
    assert SHOW_CURSOR in last


@pytest.mark.parametrize(
    ("environ", "plain"),
    [
        ({}, False),
        ({"LC_ALL": "C"}, True),
        ({"LANG": ""}, True),
        ({"NO_COLOR": "1"}, True),
    ],
)
def test_the_bar_is_ascii_where_the_report_is(
    terminal: tuple[TextIO, Callable[[], str]],
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    plain: bool,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")  # so that the sentence is cut
    stream, written = terminal
    seen = ""

    def saw_who_is_late() -> bool:
        nonlocal seen
        seen += written()
        return "6 nodes," in seen

    with Progress(NAMES, stream, XTERM | environ) as shown:
        shown.done(NODES[0].name)
        wait_for(saw_who_is_late)
    seen += written()
    assert seen.isascii() is plain
    assert (GREEN not in seen) is plain


def test_a_dumb_terminal_is_not_drawn_on(terminal: tuple[TextIO, Callable[[], str]]) -> None:
    stream, written = terminal
    seen = ""

    def saw_a_line() -> bool:
        nonlocal seen
        seen += written()
        return "\n" in seen

    with Progress(NAMES, stream, {"TERM": "dumb"}):
        wait_for(saw_a_line)
    assert "\x1b" not in seen + written()


def test_a_stream_that_is_closed_ends_the_showing_and_not_the_run() -> None:
    stream = io.StringIO()
    with Progress(NAMES, stream, XTERM) as shown:
        stream.close()
        time.sleep(0.2)
        for each in NODES:
            shown.done(each.name)
    assert shown.sentence(0) == "6 of 6 nodes"
