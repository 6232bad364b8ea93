"""The report of `gkprep diagnose`.

`GKPREP_UPDATE_GOLDENS=1 pytest tests/test_diagnose_page.py` writes tests/golden/diagnose anew.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from preflight.diagnose import page
from preflight.report.printable import visible
from preflight.report.style import Style
from tests.diagnosed import FORMS, HEALTHY, SAMPLES, SCHEMA, diagnosed, every_sample, run_of, write

GOLDEN = Path(__file__).parent / "golden/diagnose"
UPDATE = bool(os.environ.get("GKPREP_UPDATE_GOLDENS"))
PAGES = ("N11", "N11.journal", "N6", "N6.filter", "N2.without-a-node", "C14-2")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sample", PAGES)
def test_golden(sample: str, form: str) -> None:
    path, report = GOLDEN / f"{sample}.{form}", FORMS[form](diagnosed(SAMPLES / sample))
    if UPDATE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(report, "utf-8")
        pytest.skip("written anew")
    assert report == path.read_text("utf-8")


def test_no_golden_is_without_its_case() -> None:
    wanted = {f"{sample}.{form}" for sample in PAGES for form in FORMS}
    assert {path.name for path in GOLDEN.iterdir()} == wanted


@every_sample
@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_keep_to_the_width_but_for_commands_and_long_words(sample: str, width: int) -> None:
    for line in FORMS["80.txt"](diagnosed(SAMPLES / sample)).splitlines():
        assert line.isascii()
    found = diagnosed(SAMPLES / sample)
    for line in page.render(run_of(found), found, Style(width)).splitlines():
        command = re.match(r" +(cure: )?(gkprep|kubectl) ", line)
        assert len(line) <= width or command or len(line.split()) == 1, line


@every_sample
def test_json_keeps_to_the_schema_and_has_the_commands_whole(sample: str) -> None:
    found = diagnosed(SAMPLES / sample)
    report = json.loads(FORMS["json"](found))
    Draft202012Validator(SCHEMA, format_checker=FormatChecker()).validate(report)
    assert [cause["cure"] for cause in report["causes"]] == [[*c.cure] for c in found.causes]


def test_what_could_not_be_told_is_a_page_too(tmp_path: Path) -> None:
    pods = HEALTHY["pods.txt"].replace(
        "glusterfs-zrm9p           1/1", "glusterfs-zrm9p           0/1"
    )
    write(tmp_path, {"pods.txt": pods})
    (tmp_path / "core").write_bytes(bytes(100))
    found = diagnosed(tmp_path)
    assert FORMS["80.txt"](found).splitlines() == [
        "+ as it must be: pod glusterfs-2x8vq, pod glusterfs-c7k4d, pod",
        "  heketi-7f8b5d6c9d-x2v4q",
        "- core: no text",
        "",
        "? pod glusterfs-zrm9p on node3",
        "    saw Running, ready 0/1    (pods.txt)",
        "",
        "UNKNOWN  1 unexplained in 0.3 s",
    ]
    (trouble,) = json.loads(FORMS["json"](found))["unexplained"]
    assert trouble == {
        "object": "pod glusterfs-zrm9p",
        "node": "node3",
        "saw": "Running, ready 0/1",
        "origin": "pods.txt",
        "evidence": [],
    }


def test_of_a_cause_on_many_nodes_the_first_few_are_shown_and_json_has_all(tmp_path: Path) -> None:
    text = (SAMPLES / "N6/gk-deploy.log").read_text("utf-8")
    head, _, rest = text.partition("Creating node node1")
    bad = re.search(r"^Adding device /dev/sda \.\.\. Unable.*$", rest, re.MULTILINE)
    assert bad
    nodes = "".join(f"Creating node n{n:02d} ... ID: 0\n{bad[0]}\n" for n in range(12))
    found = diagnosed(write(tmp_path, {"gk-deploy.log": f"{head}{nodes}Error loading\n"}))
    report = FORMS["200.txt"](found)
    assert report.count("x N6 ") == 8
    assert "... N6 4 more times (-o json lists them)" in report
    assert report.splitlines()[-1].startswith("FOUND  12 causes in ")
    assert len(json.loads(FORMS["json"](found))["causes"]) == 12


def test_hostile_text_forges_nothing(tmp_path: Path) -> None:
    pod = "glusterfs-c7k4d"
    bad = "Cannot use /dev/sda\x1b[2J;rm$(id)\u202e: device is partitioned"
    text = (SAMPLES / "N6/gk-deploy.log").read_text("utf-8")
    text = text.replace("Cannot use /dev/sda: device is partitioned", bad).replace(
        "node node2", "node $(id)';rm\x07"
    )
    write(tmp_path, {"gk-deploy.log": text, f"{pod}\x1b[1m.log": "unknown flag: --show-all"})
    found = diagnosed(tmp_path)
    for report in (FORMS["80.txt"](found), FORMS["200.txt"](found)):
        assert report.replace("\n", "").isprintable()
        assert report.isascii()
    json.loads(FORMS["json"](found))
    partition = next(cause for cause in found.causes if cause.id == "N6")
    # What came from the text is one quoted word; what cannot be shown is not offered for copying.
    assert partition.cure == ("gkprep fix --only device-clean --limit '$(id)'\"'\"';rm\x07'",)
    assert visible(partition.cure[0]) not in FORMS["200.txt"](found)
