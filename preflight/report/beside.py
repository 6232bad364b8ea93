"""What was found before and what is found now, side by side: a line for each check that differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from preflight.model import Finding, Status
from preflight.report.layout import Page, Span
from preflight.report.run import WORST_FIRST, Run, units

WORDS = {
    Status.FAIL: "failing",
    Status.ERROR: "unknown",
    Status.WARN: "warning",
    Status.PASS: "passed",
    Status.SKIP: "skipped",
}
HEADS = ("", "before", "now")
GAP = "    "


def write(page: Page, run: Run) -> None:
    """Write the table onto `page`; nothing where nothing differs."""
    before, now = _counted(run.before), _counted(run.findings)
    rows = [
        (check, _told(before.get(check, Counter())), _told(now[check]))
        for check in now
        if before.get(check) != now[check]
    ]
    if not rows:
        return
    widths = [max(len(row[at]) for row in (HEADS, *rows)) for at in range(2)]
    for at, row in enumerate((HEADS, *rows)):
        first, second = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        look = "label" if at == 0 else ""
        good = "pass" if row[2].endswith(WORDS[Status.PASS]) and "," not in row[2] else "fail"
        page.line(Span(first + GAP, look), Span(second + GAP, look), Span(row[2], look or good))
    page.gap()


def _counted(findings: Iterable[Finding]) -> Mapping[str, Counter[Status]]:
    """How many nodes say what of each check."""
    counted: dict[str, Counter[Status]] = {}
    for (check, _node), status in units(findings).items():
        counted.setdefault(check, Counter())[status] += 1
    return counted


def _told(counted: Counter[Status]) -> str:
    return ", ".join(
        f"{counted[status]} {WORDS[status]}" for status in WORST_FIRST if counted[status]
    )
