"""Reports: whole outputs against goldens, and what must hold for every one of them.

`GKPREP_UPDATE_GOLDENS=1 pytest tests/test_report.py` writes tests/golden/report anew; read the
difference before it is committed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from preflight.model import (
    Action,
    Done,
    Extent,
    Guard,
    Left,
    Overwrite,
    Plan,
    Risk,
    Status,
    Step,
    Verdict,
)
from preflight.plugin import fail, skip
from preflight.report import Run, exit_code, junit, machine, text
from preflight.report.names import fold, where
from preflight.report.printable import bounded, decodable, safe, visible
from preflight.report.run import WORST_FIRST, tally
from preflight.report.style import Style
from tests.report_runs import (
    HOSTILE,
    RUNS,
    THREE,
    answered,
    broken,
    nothing,
    ready,
    run,
    silent,
    unknown,
)

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden/report"
SCHEMA = json.loads((ROOT / "preflight/schemas/report.schema.json").read_text())
# What is shipped lets keys be added; what is written today has those and no others.
CLOSED = {
    **SCHEMA,
    "additionalProperties": False,
    "$defs": {
        name: {**part, "additionalProperties": False} for name, part in SCHEMA["$defs"].items()
    },
}
UPDATE = bool(os.environ.get("GKPREP_UPDATE_GOLDENS"))

FORMATS: dict[str, Callable[[Run], str]] = {
    "txt": lambda run: text.render(run, Style()),
    "80.ansi": lambda run: text.render(run, Style(80, plain=False)),
    "json": machine.render,
    "xml": junit.render,
}
LARGE = {
    "fleet-of-200"
}  # thousands of findings: their JSON and XML are held to rules, not to files
CASES = [
    (case, form)
    for case in RUNS
    for form in FORMATS
    if case not in LARGE or form not in {"json", "xml"}
]
SGR = re.compile(r"\x1b\[[0-9;]*m")

every_run = pytest.mark.parametrize("case", RUNS)


def golden(case: str, form: str) -> Path:
    return GOLDEN / f"{case}.{exit_code(RUNS[case]().verdict)}.{form}"


@pytest.mark.parametrize(("case", "form"), CASES)
def test_golden(case: str, form: str) -> None:
    path, report = golden(case, form), FORMATS[form](RUNS[case]())
    if UPDATE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(report, "utf-8")
        pytest.skip("written anew")
    assert report == path.read_text("utf-8")


def test_no_golden_is_without_its_case() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {golden(*case).name for case in CASES}


# --- the exit code, and what is counted ------------------------------------------------------


def test_exit_codes() -> None:
    assert {verdict: exit_code(verdict) for verdict in Verdict} == {
        Verdict.READY: 0,
        Verdict.BLOCKED: 1,
        Verdict.UNKNOWN: 3,
    }


@every_run
def test_the_verdict_line_counts_what_json_counts(case: str) -> None:
    """Checks x nodes by their worst finding, computed here from the JSON as docs/report.md says."""
    made = RUNS[case]()
    units: dict[tuple[str, str | None], list[str]] = {}
    for finding in json.loads(machine.render(made))["findings"]:
        units.setdefault((finding["check"], finding["node"]), []).append(finding["status"])
    order = ["fail", "error", "warn", "pass", "skip"]
    counted = Counter(min(statuses, key=order.index) for statuses in units.values())
    words = {"failing": "fail", "unknown": "error", "warning": "warn", "warnings": "warn"}
    words |= {"passed": "pass", "skipped": "skip"}
    line = text.render(made, Style()).splitlines()[-1]
    said = re.findall(r"(\d+) (failing|unknown|warnings?|passed|skipped)", line)
    assert {words[word]: int(count) for count, word in said} == counted
    assert line.startswith(made.verdict.value.upper())


def test_four_findings_of_one_check_on_one_node_are_one_failing_check() -> None:
    one_node = [
        f for f in broken().findings if f.node == "node-181" and f.check == "kernel-modules"
    ]
    assert len(one_node) == 4
    assert tally(one_node) == {Status.FAIL: 1}


def test_a_run_without_findings_says_so() -> None:
    assert text.render(nothing(), Style()) == "UNKNOWN  nothing was checked on 1 node in 2.1 s\n"


def test_the_order_of_severity_knows_every_status() -> None:
    assert set(WORST_FIRST) == set(Status)


# --- text ------------------------------------------------------------------------------------


@every_run
def test_plain_text_is_ascii_and_moves_no_cursor(case: str) -> None:
    for width in (None, 80):
        report = text.render(RUNS[case](), Style(width, plain=True))
        assert report.isascii()
        assert report.replace("\n", "").isprintable()


@every_run
def test_the_only_escapes_on_a_terminal_are_our_own_colours(case: str) -> None:
    report = SGR.sub("", text.render(RUNS[case](), Style(80, plain=False)))
    assert report.replace("\n", "").isprintable()


@every_run
def test_colour_changes_nothing_but_the_look(case: str) -> None:
    plain = text.render(RUNS[case](), Style(80, plain=True))
    fancy = SGR.sub("", text.render(RUNS[case](), Style(80, plain=False)))
    for glyph, ascii_glyph in {"✓": "+", "✗": "x", "–": "-"}.items():  # noqa: RUF001 - the glyph itself
        fancy = re.sub(f"^{glyph}", ascii_glyph, fancy, flags=re.MULTILINE)
    assert fancy == plain


@pytest.mark.parametrize("width", [60, 80, 200])
@every_run
def test_lines_keep_to_the_width_but_for_commands_and_long_words(case: str, width: int) -> None:
    for line in text.render(RUNS[case](), Style(width)).splitlines():
        command = re.match(
            r" +(by hand: | {9})?(\S+ )*(wipefs|modprobe|firewall-cmd|systemctl|gkprep)", line
        )
        token = line.lstrip().startswith("token ")
        one_word = len(line.split()) == 1
        passed = line.startswith("+ ")  # a line each, however narrow the terminal
        assert len(line) <= width or command or token or one_word or (passed and width < 80), line


@every_run
def test_commands_stand_on_one_line_as_they_are(case: str) -> None:
    made = RUNS[case]()
    lines = {
        line.strip().removeprefix("by hand: ") for line in text.render(made, Style(80)).splitlines()
    }
    troubles = [f for f in made.findings if f.status in {Status.FAIL, Status.WARN} and f.cure]
    whole = [finding.cure for finding in troubles if safe(finding.cure)]
    assert case in {"values", "many"} or set(whole) <= lines  # in those two only the first few
    assert lines.isdisjoint({visible(f.cure) for f in troubles} - set(whole))


@every_run
def test_without_a_terminal_nothing_is_wrapped(case: str) -> None:
    made = RUNS[case]()
    report = text.render(made, Style())
    for finding in made.findings:
        one_for_many = case in {"values", "many"} and finding.check == "device-clean"
        if finding.status is Status.FAIL and finding.says and not one_for_many:
            shown = visible(finding.says, ascii_only=True)
            assert f"would fail with: {bounded(shown, text.SAYS)}\n" in report


def test_failures_come_last_and_passes_first() -> None:
    lines = text.render(RUNS["unreachable"](), Style()).splitlines()
    marks = [line[0] for line in lines if line and line[0] in "+-!x?"]
    assert marks == sorted(marks, key="+-!x?".index)
    assert lines[-1].startswith("BLOCKED")


def test_identical_findings_are_said_once() -> None:
    report = text.render(broken(), Style())
    assert report.count("saw gpt (empty table)") == 1
    assert "device-clean        all 3 nodes: node-181 node-182 node-183" in report
    assert report.count("why: gkprep explain kernel-modules") == 1


def test_an_unreachable_node_is_named_once() -> None:
    report = text.render(RUNS["unreachable"](), Style())
    assert report.count("node-182") == 1
    assert (
        "? node-182  unreachable: connection timed out after 10 s    (7 checks unknown)\n" in report
    )


@pytest.mark.parametrize("width", [None, 80])
def test_what_makes_a_node_answer_stands_whole_on_a_line(width: int | None) -> None:
    command = f"ssh-keyscan -H -t ed25519 -p 2201 node-182 >> ~/{'long/' * 60}known_hosts"
    lost = replace(silent(THREE[1], "host key is unknown: " + "x" * 80), cure=command)
    lines = text.render(run([lost], unknown(lost)), Style(width)).splitlines()
    assert f"    by hand: {command}" in lines


def test_tokens_do_not_break_the_grouping() -> None:
    report = text.render(RUNS["tokens"](), Style())
    assert "2 of 3 nodes: node-181 node-183" in report
    for node, token in (("node-181", "df9a1c2b77d0"), ("node-183", "b7d00c1a2b3f")):
        assert f"    token {node} {token}\n" in report


def test_two_hundred_nodes_are_a_couple_of_screens() -> None:
    assert len(text.render(RUNS["fleet-of-200"](), Style(200)).splitlines()) <= 2 * 50
    assert len(text.render(ready(), Style(80)).splitlines()) <= 24


def test_a_hostile_node_forges_no_line() -> None:
    for style in (Style(), Style(80), Style(80, plain=False)):
        lines = SGR.sub("", text.render(RUNS["hostile"](), style)).splitlines()
        assert sum(line.startswith(("READY", "BLOCKED", "UNKNOWN")) for line in lines) == 1
        assert any("[red]markup[/red]" in line for line in lines)


# --- JSON ------------------------------------------------------------------------------------


@every_run
def test_json_keeps_the_contract(case: str) -> None:
    report = machine.render(RUNS[case]())
    assert report.isascii()
    Draft202012Validator(CLOSED, format_checker=FormatChecker()).validate(json.loads(report))


def test_a_later_report_with_more_keys_is_valid_too() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    report = json.loads(machine.render(broken()))
    later = {**report, "more": 1, "findings": [{**f, "more": 1} for f in report["findings"]]}
    Draft202012Validator(SCHEMA).validate(later)
    assert not Draft202012Validator(CLOSED).is_valid(later)


def test_a_run_that_changes_nodes_keeps_the_contract() -> None:
    made = broken()
    step = Step(("true",), undo=Step(("false",)))
    guard = Guard((), lambda _: None)
    erase = Overwrite("/dev/sdb", (), (Extent(510, 2),), bytes(2), guard, pin="abcdef012345")
    failed = next(finding for finding in made.findings if finding.status is Status.FAIL)
    actions = (Action(failed, Risk.SAFE, (step, erase)),)
    done = (Done("node-181", "x", step, 0), Done("node-181", "x", erase))
    withheld = Action(replace(failed, token="abcdef012345"), Risk.DESTRUCTIVE, (erase,))
    plan = Plan(actions, (Left(failed, "why not"),), (withheld,), ("fedcba543210",))
    changed = replace(made, command="fix", plan=plan, before=made.findings, done=done)
    changed = replace(changed, run="20261125-193718-cd23", stopped={"node-181": "why"})
    report = json.loads(machine.render(changed))
    Draft202012Validator(CLOSED, format_checker=FormatChecker()).validate(report)
    assert [(each["argv"][0], each["rc"]) for each in report["actions"]] == [
        ("true", 0),
        ("erase", None),
    ]
    assert report["actions"][1]["undo"] == ["restore", "/dev/sdb", "510+2"]
    assert report["before"] == report["findings"]


def test_every_key_is_always_there() -> None:
    objects = [SCHEMA, *SCHEMA["$defs"].values()]
    changing = {"plan", "before", "run", "stopped"}  # of fix and undo
    changing |= {"prospect", "deployment"}  # of deploy
    changing |= {"causes", "unexplained", "works", "unread", "notes"}  # of diagnose
    always = [[key for key in SCHEMA["properties"] if key not in changing]]
    always += [list(part["properties"]) for part in objects[1:]]
    assert [part["required"] for part in objects] == always


def test_json_has_the_keys_of_the_contract_in_order() -> None:
    report = json.loads(machine.render(broken()))
    assert list(report) == SCHEMA["required"]
    assert list(report["nodes"][0]) == SCHEMA["$defs"]["node"]["required"]
    assert list(report["findings"][0]) == SCHEMA["$defs"]["finding"]["required"]
    assert datetime.fromisoformat(report["started"]).tzinfo is not None


def test_what_can_be_fixed_has_a_risk_and_nothing_else_has() -> None:
    findings = json.loads(machine.render(broken()))["findings"]
    told = {(f["check"], f["status"]): (f["fixable"], f["risk"]) for f in findings}
    assert told[("device-clean", "fail")] == (True, "destructive")
    assert told[("rpcbind-port", "fail")] == (True, "disruptive")
    assert told[("mount-glusterfs", "fail")] == (False, None)
    assert told[("device-idle", "pass")] == (False, None)
    passes = json.loads(machine.render(ready()))["findings"]
    assert {f["risk"] for f in passes} == {None}


def test_a_silent_node_is_unreachable_and_a_broken_answer_is_not() -> None:
    nodes = json.loads(machine.render(RUNS["unreachable"]()))["nodes"]
    assert [(n["reachable"], n["error"]) for n in nodes] == [
        (True, None),
        (False, "connection timed out after 10 s"),
        (True, None),
    ]
    assert json.loads(machine.render(RUNS["open-question"]()))["nodes"][2]["reachable"] is True


def test_json_loses_nothing_of_hostile_text_but_what_no_utf8_can_hold() -> None:
    report = json.loads(machine.render(RUNS["hostile"]()))
    saw = [f["saw"] for f in report["findings"] if f["status"] == "fail"]
    assert saw == [HOSTILE.replace("\udcff", r"\xff").replace("\ud800", r"\ud800")]
    json.dumps(report, ensure_ascii=False).encode("utf-8")


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        machine.timestamp(datetime(2026, 11, 24))  # noqa: DTZ001 - that it has none is the point


# --- JUnit -----------------------------------------------------------------------------------


@every_run
def test_junit_counts_add_up(case: str) -> None:
    made = RUNS[case]()
    root = ET.fromstring(junit.render(made))
    assert len(root) == len(made.facts) + any(finding.node is None for finding in made.findings)
    for suite in root:
        cases = suite.findall("testcase")
        for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(count, "")) == sum(case.find(tag) is not None for case in cases)
        assert int(suite.get("tests", "")) == len(cases)
        assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)
    for count in ("tests", "failures", "errors"):
        assert int(root.get(count, "")) == sum(int(suite.get(count, "")) for suite in root)


@every_run
def test_junit_fails_just_where_the_exit_code_does(case: str) -> None:
    made = RUNS[case]()
    root = ET.fromstring(junit.render(made))
    assert (int(root.get("failures", "")) > 0) is (made.verdict is Verdict.BLOCKED)
    troubles = int(root.get("failures", "")) + int(root.get("errors", ""))
    assert (troubles > 0) is (made.verdict is not Verdict.READY and bool(made.findings))


def test_junit_shows_what_nobody_has_judged_as_an_error() -> None:
    node, skipped = THREE[0], ("device-clean", THREE[0].name, skip("/dev/sdb", "no disk"))
    lonely = run([answered(node)], [skipped])
    assert lonely.verdict is Verdict.UNKNOWN
    assert ET.fromstring(junit.render(lonely)).get("errors") == "1"
    failing = ("device-usable", node.name, fail("/dev/sdb", "not there", "a disk"))
    explained = ET.fromstring(junit.render(run([answered(node)], [skipped, failing])))
    assert (explained.get("errors"), explained.get("failures")) == ("0", "1")


def test_junit_says_what_the_text_says() -> None:
    root = ET.fromstring(junit.render(broken()))
    case = root.find(".//testcase[@classname='node-181.device-clean']")
    assert case is not None
    failure = case.find("failure")
    assert failure is not None
    assert (case.get("name"), failure.get("message")) == ("/dev/sdb", "gpt (empty table)")
    assert failure.text == (
        "fail: gpt (empty table)\n"
        "want: no signature\n"
        "would fail with: Cannot use /dev/sdb: device is partitioned\n"
        "by hand: wipefs --all /dev/sdb\n"
        "why: gkprep explain device-clean"
    )


def test_warnings_fail_in_junit_only_when_strict() -> None:
    for case, failures in (("warning", "0"), ("strict", "2")):
        assert ET.fromstring(junit.render(RUNS[case]())).get("failures") == failures


def test_several_findings_on_one_subject_are_one_case_as_bad_as_the_worst() -> None:
    found = [("device-clean", "node-181", f) for f in broken().findings if f.subject == "/dev/sdb"][
        :1
    ]
    passed = next(f for f in ready().findings if f.subject == "/dev/sdb")
    made = run([ready().facts["node-181"]], [*found, ("device-clean", "node-181", passed)])
    root = ET.fromstring(junit.render(made))
    cases = root.findall(".//testcase")
    assert [[part.tag for part in case] for case in cases] == [["failure", "system-out"]]


# --- parts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("plain text, as it is\\x", "plain text, as it is\\x"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\rc\td", r"a\nb\rc\td"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("\udcff", r"\xff"),
        ("\ud800", r"\ud800"),
        ("\u202e\u2066\ufeff\u2028", r"\u202e\u2066\ufeff\u2028"),
        ("e\u0301", r"e\u0301"),
        ("\U000e0041", r"\U000e0041"),
        ("\u00a0", r"\xa0"),
        ("größer", "größer"),
    ],
)
def test_visible(hostile: str, shown: str) -> None:
    assert visible(hostile) == shown
    assert safe(hostile) is (hostile == shown)


def test_visible_in_ascii_has_only_ascii() -> None:
    assert visible("größer \U0001f600", ascii_only=True) == r"gr\xf6\xdfer \U0001f600"


def test_bounded_never_exceeds() -> None:
    assert bounded("x" * 10, 10) == "x" * 10
    assert bounded("x" * 11, 10) == "xxxxxxx..."


def test_decodable_keeps_what_utf8_can_hold() -> None:
    assert decodable("größer\x1b\udc80") == "größer\x1b\\x80"


@pytest.mark.parametrize(
    ("names", "folded"),
    [
        (["node-1", "node-2", "node-3"], ["node-[1-3]"]),
        (["node-3", "node-1", "node-2"], ["node-[1-3]"]),
        (["node-009", "node-010", "node-012"], ["node-[009-010,012]"]),
        (["node-9", "node-10", "node-11"], ["node-[9-11]"]),
        (["n1", "n01"], ["n1", "n01"]),
        (["a1.lan", "a2.lan", "b7.lan"], ["a[1-2].lan", "b7.lan"]),
        (["10.0.0.1", "10.0.0.2"], ["10.0.0.[1-2]"]),
        (["gold", "silver"], ["gold", "silver"]),
        (["rack1-n1", "rack1-n2", "rack2-n1"], ["rack1-n[1-2]", "rack2-n1"]),
        ([f"n{number}" for number in range(0, 14, 2)], ["n[0,2,4,6,8]", "n[10,12]"]),
        ([], []),
    ],
)
def test_fold(names: list[str], folded: list[str]) -> None:
    assert fold(names) == folded


@pytest.mark.parametrize(
    ("names", "of", "told"),
    [
        ([None], 1, "cluster"),
        (["node-1"], 3, "node-1"),
        (["node-1", "node-2"], 3, "2 of 3 nodes: node-1 node-2"),
        (["node-1", "node-2"], 2, "all 2 nodes: node-1 node-2"),
        ([f"n{number:03d}" for number in range(1, 188)], 200, "187 of 200 nodes: n[001-187]"),
        (["a\nb"], 1, r"a\nb"),
    ],
)
def test_where(names: list[str | None], of: int, told: str) -> None:
    assert where(names, of, ascii_only=True) == told


XTERM = {"TERM": "xterm", "LANG": "C.UTF-8"}


class Stream:
    """As much of a stream as `Style.of` looks at."""

    def __init__(self, encoding: str, *, terminal: bool) -> None:
        self.encoding = encoding
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("stream", "environ", "style"),
    [
        (Stream("utf-8", terminal=True), XTERM, Style(123, plain=False)),
        (Stream("UTF8", terminal=True), XTERM | {"NO_COLOR": ""}, Style(123, plain=False)),
        (Stream("utf-8", terminal=True), XTERM | {"NO_COLOR": "1"}, Style(123, plain=True)),
        (Stream("utf-8", terminal=True), XTERM | {"TERM": "dumb"}, Style(123, plain=True)),
        (Stream("utf-8", terminal=True), {"LANG": "C.UTF-8"}, Style(123, plain=True)),
        (Stream("ascii", terminal=True), XTERM, Style(123, plain=True)),
        (Stream("utf-8", terminal=False), XTERM, Style(None, plain=True)),
    ],
)
def test_style(
    stream: Stream, environ: dict[str, str], style: Style, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "123")
    assert Style.of(stream, environ) == style  # type: ignore[arg-type] # no more of it is looked at


def test_rich_is_imported_only_where_a_terminal_is_drawn_on() -> None:
    program = (
        "import sys\n"
        "from preflight.report import text, machine, junit, explain, progress\n"
        "from preflight.report.style import Style\n"
        "from tests.report_runs import ready\n"
        "text.render(ready(), Style()), machine.render(ready()), junit.render(ready())\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'rich']\n"
        "text.render(ready(), Style(80, plain=False))\n"
        "assert 'rich.console' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=60)


def test_the_runs_are_what_their_names_say() -> None:
    told = {case: RUNS[case]().verdict.value for case in RUNS}
    assert told["ready"] == told["warning"] == "ready"
    assert told["open-question"] == told["nothing"] == "unknown"
    assert told["strict"] == told["broken"] == told["alone"] == told["unreachable"] == "blocked"
    assert [each.name for each in THREE] == list(ready().facts)
