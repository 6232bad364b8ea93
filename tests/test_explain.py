"""`gkprep list` and `gkprep explain`: pages from docstrings, rows from the failure catalogue."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from preflight import registry
from preflight.errors import UsageError
from preflight.model import Check, Fix, FleetCheck, Risk, Role
from preflight.report import catalogue
from preflight.report.explain import check_page, explain, listing, listing_json
from preflight.report.style import Style

ROOT = Path(__file__).parent.parent
DOC = """\
The disk is blank.

Checks: nothing is on the disk that `wipefs --no-act` would
show, and a sentence long enough to need a second line of its own.

Why: heketi stops at `Device /dev/sdb excluded
by a filter.` after minutes.

By hand: either of

- `wipefs --all DEV`, which is a list item that is so long that it does not fit on a line
- another disk

    lsblk   --output NAME

Source: catalogue N6; wipefs(8).
"""
CHECK = Check("disk-blank", DOC, frozenset({Role.STORAGE}), lambda _node: (), lambda _node: ())
FLEET = FleetCheck("clock-skew", "The clocks agree.", lambda _node: (), lambda _facts: ())
FIX = Fix(CHECK, Risk.DESTRUCTIVE, "Erases it; `gkprep undo` puts it back.", lambda *_: ())
CHECKS = (FLEET, CHECK)
FIXES = {CHECK.id: FIX}

PAGE = """\
disk-blank

The disk is blank.

Checks: nothing is on the disk that `wipefs --no-act` would
  show, and a sentence long enough to need a second line of
  its own.

Why: heketi stops at `Device /dev/sdb excluded by a filter.`
  after minutes.

By hand: either of

- `wipefs --all DEV`, which is a list item that is so long
  that it does not fit on a line
- another disk

    lsblk   --output NAME

Source: catalogue N6; wipefs(8).

By gkprep: gkprep fix --only disk-blank    (destructive)

Erases it; `gkprep undo` puts it back.
"""


def test_a_page_is_the_docstring_wrapped_with_its_code_in_one_piece() -> None:
    assert check_page(CHECK, FIX, Style(60)) == PAGE


def test_a_check_is_found_by_its_id() -> None:
    assert explain("disk-blank", CHECKS, FIXES, Style(60)) == PAGE


def test_without_a_fix_the_page_promises_none() -> None:
    assert "gkprep fix" not in check_page(CHECK, None, Style(60))


@pytest.mark.parametrize("check", registry.checks(), ids=lambda check: check.id)
def test_the_page_of_every_check_fits_a_narrow_terminal_and_is_ascii(
    check: Check | FleetCheck,
) -> None:
    page = check_page(check, None, Style())
    assert page.isascii()
    assert page.startswith(f"{check.id}\n\n")
    for line in page.splitlines():
        assert len(line) <= 80 or "`" in line or line.startswith("    "), line


def test_listing() -> None:
    assert listing(CHECKS, FIXES, Style()) == (
        "clock-skew  The clocks agree.\ndisk-blank  The disk is blank. (fix: destructive)\n"
    )


def test_what_is_judged_of_the_controller_is_listed_apart() -> None:
    cluster = replace(CHECK, id="cluster", roles=frozenset({Role.CONTROLLER}))
    assert listing((cluster, FLEET), {}, Style()) == (
        "clock-skew  The clocks agree.\n\n"
        "Of the machine that deploys, and its cluster"
        " (by deploy and diagnose; check and fix with --only):\n"
        "cluster     The disk is blank.\n"
    )


def test_listing_for_programs() -> None:
    assert json.loads(listing_json(CHECKS, FIXES, "0.1.0")) == {
        "schema": 1,
        "gkprep": "0.1.0",
        "checks": [
            {
                "id": "clock-skew",
                "summary": "The clocks agree.",
                "scope": "fleet",
                "roles": None,
                "fixable": False,
                "risk": None,
            },
            {
                "id": "disk-blank",
                "summary": "The disk is blank.",
                "scope": "node",
                "roles": ["storage"],
                "fixable": True,
                "risk": "destructive",
            },
        ],
    }


@pytest.mark.parametrize("wanted", ["N16", "n16"])
def test_a_row_of_the_catalogue_has_a_page(wanted: str) -> None:
    assert explain(wanted, CHECKS, FIXES, Style()) == (
        "N16\n\n"
        "Symptom: `connection to ...:24007 failed (No route to host)`\n\n"
        "Cause: Trailing REJECT/DROP rule\n\n"
        "Detect: `iptables-save`, `nft list ruleset`\n\n"
        "Fix: Insert accept before it, persist; never flush\n\n"
        "Source: hk#882\n\n"
        "hk = heketi/heketi\n"
    )


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("disk-blnk", "did you mean disk-blank"),
        ("N43", r"its rows are N\[1-42\], C\[1-17\], D\[1-15\]"),
        ("zzz", "gkprep list"),
        ("\x1b[2J", r"gkprep list"),
    ],
)
def test_an_unknown_id_is_a_usage_error_with_a_hint(wanted: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint) as caught:
        explain(wanted, CHECKS, FIXES, Style())
    assert str(caught.value).isprintable()


def test_the_catalogue_is_whole() -> None:
    rows = catalogue.rows(catalogue.load())
    numbered = [("N", 42), ("C", 17), ("D", 15)]
    assert list(rows) == [f"{kind}{n}" for kind, last in numbered for n in range(1, last + 1)]
    names = {kind: [name for name, _ in rows[f"{kind}1"].columns] for kind, _ in numbered}
    assert names == {
        "N": ["Symptom", "Cause", "Detect", "Fix", "Source"],
        "C": ["Symptom", "Detect first", "Work around", "Source"],
        "D": ["Behaviour"],
    }


def test_a_bar_inside_a_cell_is_no_border() -> None:
    columns = dict(catalogue.rows(catalogue.load())["N1"].columns)
    assert (
        columns["Detect"]
        == "`test -d /sys/module/target_core_user || modprobe -n target_core_user`"
    )


def test_a_row_that_does_not_fit_its_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="row N1 has 2 columns, its table 3"):
        catalogue.rows("|#|Symptom|Cause|\n|-|-|-|\n|N1|only this|\n")


def test_abbreviations() -> None:
    known = catalogue.abbreviations(catalogue.load())
    assert known["gk"] == "gluster/gluster-kubernetes"
    assert known["oa"] == "openshift/openshift-ansible (release-3.11)"
    assert known["[T]"].endswith("under bash 5.2")
    assert known["[G]"] == "a guess"


def test_there_is_one_copy_of_the_catalogue() -> None:
    """docs/ has the file, the package a link to it, which a build turns into a copy."""
    documented, installed = (
        ROOT / "docs/failure-catalogue.md",
        ROOT / "preflight/failure-catalogue.md",
    )
    assert installed.is_symlink()
    assert installed.samefile(documented)
    assert catalogue.load() == documented.read_text("utf-8")
