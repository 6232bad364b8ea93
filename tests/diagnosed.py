"""Samples of tests/samples/diagnose, and what a diagnosis makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from preflight.diagnose import match, saved, table
from preflight.diagnose.evidence import Cause, Diagnosis, together
from preflight.diagnose.table import Row, Table
from preflight.report import Run

SAMPLES = Path(__file__).parent / "samples/diagnose"
PROVENANCE: dict[str, dict[str, Any]] = yaml.safe_load(
    (SAMPLES.parent / "provenance.yaml").read_text("utf-8")
)
TABLE = table.load()


def named(rows: Sequence[Row]) -> dict[str, Row]:
    """Rows as samples call them: `N11`, and the second and third of that id `N11-2`, `N11-3`."""
    count: Counter[str] = Counter()
    names = {}
    for row in rows:
        count[row.id] += 1
        names[row.id if count[row.id] == 1 else f"{row.id}-{count[row.id]}"] = row
    return names


ROWS = named(TABLE.rows)


def expected(sample: str) -> Row:
    """The row that explains `sample`, whose name is ROW or ROW.VARIANT."""
    return ROWS[sample.partition(".")[0]]


def without(row: Row) -> Table:
    return replace(TABLE, rows=tuple(each for each in TABLE.rows if each is not row))


def diagnosed(folder: Path, known: Table = TABLE) -> Diagnosis:
    return match.diagnose(together(saved.read(folder)), known)


def is_of(cause: Cause, row: Row) -> bool:
    """Whether `row` made `cause`; rows of one id differ in what they say or how sure they are."""
    words = [part for part in row.cause.replace("}", "{").split("{")[::2] if part.strip()]
    same = all(word.lower() in cause.cause.lower() for word in words)
    return cause.id == row.id and cause.general == row.general and same


def run_of(found: Diagnosis) -> Run:
    """The run that a report is made from, where no node was asked."""
    started = datetime(2026, 11, 24, 3, 14, 15, tzinfo=timezone.utc)
    return Run("diagnose", "0.1.0", started, 0.3, found.verdict, {}, (), {})
