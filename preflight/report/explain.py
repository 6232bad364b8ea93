"""What is checked, and why: `gkprep list`, and the pages of `gkprep explain`.

A check's page is its docstring: a sentence, then paragraphs that may begin with a label (`Why:`).
A failure's page is its row of the catalogue.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from preflight.errors import UsageError
from preflight.model import Check, Fix, FleetCheck
from preflight.report import catalogue
from preflight.report.layout import UNBROKEN, Page, Span
from preflight.report.machine import SCHEMA, dumps
from preflight.report.names import fold
from preflight.report.printable import visible
from preflight.report.style import Style
from preflight.select import of_controller

WIDTH = 80  # of a page that is not for a terminal
WIDEST = 100  # columns that can still be read as a paragraph
HANG = 2

CONTROLLERS = (
    "Of the machine that deploys, and its cluster"
    " (by deploy and diagnose; check and fix with --only):"
)

SPELT = str.maketrans(
    {"→": "->", "≥": ">=", "≤": "<=", "≠": "!=", "×": "x", "…": "...", "–": "-", "—": "-"}  # noqa: RUF001 - what is replaced
)


def explain(
    wanted: str, checks: Sequence[Check | FleetCheck], fixes: Mapping[str, Fix], style: Style
) -> str:
    """The page of the check, or of the row of the catalogue, that is called `wanted`.

    In any case of letters. Raises UsageError, with the nearest ids, for any other.
    """
    wanted = wanted.strip()
    text = catalogue.load()
    rows = catalogue.rows(text)
    for check in checks:
        if check.id == wanted.lower():
            return check_page(check, fixes.get(check.id), style)
    if wanted.upper() in rows:
        return row_page(rows[wanted.upper()], catalogue.abbreviations(text), style)
    raise UsageError(_nothing(wanted, [check.id for check in checks], list(rows)))


def check_page(check: Check | FleetCheck, fix: Fix | None, style: Style) -> str:
    """The docstring of `check`, wrapped, and what `gkprep fix` does about it."""
    page = _page(style)
    page.line(Span(check.id, "strong"))
    _paragraphs(page, check.doc)
    if fix:
        page.gap()
        head = Span("By gkprep: ", "strong")
        page.line(
            head, Span(f"gkprep fix --only {check.id}", "command"), Span(f"    ({fix.risk.value})")
        )
        _paragraphs(page, fix.doc)
    return page.text()


def row_page(row: catalogue.Row, abbreviations: Mapping[str, str], style: Style) -> str:
    """The columns of `row`, each a paragraph, and what its abbreviations stand for."""
    page = _page(style)
    page.line(Span(row.id, "strong"))
    for name, text in row.columns:
        page.gap()
        _paragraph(page, f"{name}: {text}")
    everything = " ".join(text for _, text in row.columns)
    used = [(key, meaning) for key, meaning in abbreviations.items() if _uses(everything, key)]
    if used:
        page.gap()
        for key, meaning in used:
            page.wrapped(Span(f"{key} = ", "label"), body=Span(_shown(page, meaning), "label"))
    return page.text()


def listing(checks: Sequence[Check | FleetCheck], fixes: Mapping[str, Fix], style: Style) -> str:
    """A line for each check: its id, its sentence, and whether `gkprep fix` can put it right.

    Those of the machine that deploys come last, under a line of their own.
    """
    page = Page(style)
    column = max((len(check.id) for check in checks), default=0) + 2
    ours = [check for check in checks if of_controller(check)]
    for check in [check for check in checks if check not in ours] + ours:
        if check in ours[:1]:
            page.gap()
            page.line(Span(CONTROLLERS, "label"))
        fix = fixes.get(check.id)
        text = summary(check) + (f" (fix: {fix.risk.value})" if fix else "")
        page.wrapped(Span(check.id.ljust(column), "strong"), body=Span(_shown(page, text)))
    return page.text()


def listing_json(
    checks: Sequence[Check | FleetCheck], fixes: Mapping[str, Fix], version: str
) -> str:
    """The same for a program; docs/report.md has the keys."""
    return dumps(
        {
            "schema": SCHEMA,
            "gkprep": version,
            "checks": [_listed(c, fixes.get(c.id)) for c in checks],
        }
    )


def summary(check: Check | FleetCheck) -> str:
    """The first sentence of the docstring."""
    return " ".join(check.doc.partition("\n\n")[0].split())


def _listed(check: Check | FleetCheck, fix: Fix | None) -> dict[str, object]:
    fleet = isinstance(check, FleetCheck)
    return {
        "id": check.id,
        "summary": summary(check),
        "scope": "fleet" if fleet else "node",
        "roles": None
        if isinstance(check, FleetCheck)
        else sorted(role.value for role in check.roles),
        "fixable": fix is not None,
        "risk": fix.risk.value if fix else None,
    }


def _nothing(wanted: str, checks: Sequence[str], rows: Sequence[str]) -> str:
    near = difflib.get_close_matches(wanted.lower(), checks, n=3)
    if re.fullmatch(r"[A-Za-z]?[0-9]+", wanted):
        hint = f"its rows are {', '.join(fold(rows))}"
    elif near:
        hint = f"did you mean {' or '.join(near)}?"
    else:
        hint = "gkprep list shows all checks"
    return f"no check and no row of the failure catalogue is called {visible(wanted)!r}; {hint}"


def _uses(text: str, key: str) -> bool:
    """A repository's key stands before an issue or a commit, a mark stands by itself."""
    return key in text if key.startswith("[") else re.search(rf"\b{key}\b", text) is not None


def _page(style: Style) -> Page:
    return Page(Style(min(style.width or WIDTH, WIDEST), style.plain))


def _paragraphs(page: Page, doc: str) -> None:
    for paragraph in re.split(r"\n\s*\n", doc.strip()):
        page.gap()
        if paragraph.startswith("    "):  # an example: as it stands
            for line in paragraph.splitlines():
                page.line(Span(_shown(page, line)))
            continue
        for item in re.split(r"\n(?=- )", paragraph):
            _paragraph(page, item)


def _paragraph(page: Page, text: str) -> None:
    """One paragraph, its label strong; words in backticks stay together, fit to be copied."""
    text = _shown(page, " ".join(text.split()))
    text = re.sub(r"`[^`]*`", lambda code: code[0].replace(" ", UNBROKEN), text)
    label, _, rest = text.partition(": ")
    if rest and re.fullmatch(r"[A-Z][a-z]*( [a-z]+)?", label):
        page.wrapped(Span(f"{label}: ", "strong"), body=Span(rest), hang=HANG)
    else:
        page.wrapped(body=Span(text), hang=HANG if text.startswith("- ") else 0)


def _shown(page: Page, text: str) -> str:
    """What stands in documents besides ASCII is spelt in ASCII where nothing else can be shown."""
    return visible(text.translate(SPELT) if page.style.plain else text, ascii_only=page.style.plain)
