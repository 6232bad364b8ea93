"""The catalogue of failures (docs/failure-catalogue.md): its rows by id, N1, C4, D15.

The file is documentation first, and read as it stands: tables whose first column is the id (N, C),
and bullets that begin with it (D). It is installed with the package, so there is one copy of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

FILE = "failure-catalogue.md"


@dataclass(frozen=True)
class Row:
    """One failure: (column, text) pairs in the order of the table; the text is Markdown."""

    id: str
    columns: tuple[tuple[str, str], ...]


def load() -> str:
    """The catalogue's own text, Markdown."""
    return files("preflight").joinpath(FILE).read_text("utf-8")


def rows(text: str) -> dict[str, Row]:
    """Every row of the catalogue, by id, in its order."""
    found = [*_table_rows(text), *_bullets(text)]
    return {row.id: row for row in found}


def abbreviations(text: str) -> dict[str, str]:
    """What the catalogue's short forms stand for: `gk` -> `gluster/gluster-kubernetes`.

    From the paragraph that begins with `Keys:`: `key=repository`, and `**[S]** meaning`.
    """
    match = re.search(r"^Keys: (.*?)\n\n", text, re.MULTILINE | re.DOTALL)
    paragraph = " ".join(match[1].split()) if match else ""
    keys = dict(re.findall(r"(\w+)=([^\s,.]+(?: \([^)]*\))?)", paragraph))
    marks = re.findall(r"\*\*(\[[A-Z]\])\*\* (.+?)(?=, \*\*|\. |\.?$)", paragraph)
    return keys | dict(marks)


def _table_rows(text: str) -> Iterator[Row]:
    r"""Rows of all tables; a header is the line above the |-|-| line (`\|` is no border)."""
    names: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    for line in text.splitlines():
        cells = tuple(
            cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]
        )
        if cells and set("".join(cells)) <= {"-", ":"}:
            names = before
        elif cells and re.fullmatch(r"[A-Z][0-9]+", cells[0]):
            if len(cells) != len(names):
                raise ValueError(f"row {cells[0]} has {len(cells)} columns, its table {len(names)}")
            yield Row(cells[0], tuple(zip(names[1:], cells[1:], strict=True)))
        before = cells


def _bullets(text: str) -> Iterator[Row]:
    """`- D1. what it does`, up to the next bullet or empty line."""
    for match in re.finditer(
        r"^- ([A-Z][0-9]+)\. (.*?)(?=\n- |\n\n|\Z)", text, re.MULTILINE | re.DOTALL
    ):
        yield Row(match[1], (("Behaviour", " ".join(match[2].split())),))
