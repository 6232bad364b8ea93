"""Where mistakes are gathered, so that a user reads all of them at once."""

from __future__ import annotations

from typing import NamedTuple

from preflight.errors import InventoryError, Problem

MOST = 1000
SHOWN = 60


def clip(text: str) -> str:
    """What a file holds, fit to be shown: printable, and no longer than a mistake needs."""
    printable = text if text.isprintable() else repr(text)
    return printable if len(printable) <= SHOWN else f"{printable[: SHOWN - 3]}..."


class Mark(NamedTuple):
    """A place in the file; line and column count from 1, columns are characters."""

    line: int
    column: int


class Enough(Exception):  # noqa: N818 - no error of its own: it ends the reading
    """So many mistakes that more would help nobody."""


class Problems:
    """The mistakes of one file, each told once, however many aliases lead to it."""

    def __init__(self) -> None:
        self._found: set[Problem] = set()

    def add(self, mark: Mark, message: str) -> None:
        """Note a mistake; raises Enough at the thousandth."""
        self._found.add(Problem(mark.line, mark.column, message))
        if len(self._found) >= MOST:
            raise Enough

    def raise_for(self, source: str) -> None:
        """Raise InventoryError with every mistake, in file order, if there are any."""
        if not self._found:
            return
        told = sorted(
            self._found, key=lambda problem: (problem.line, problem.column, problem.message)
        )
        if len(told) >= MOST:
            last = told[-1]
            told.append(Problem(last.line, last.column, f"reading stopped at {MOST} mistakes"))
        raise InventoryError(source, tuple(told))
