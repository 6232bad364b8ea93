"""The report for a CI server: `-o junit`, in the dialect that Surefire writes and Jenkins reads.

One suite a node and one for the fleet, one case for each subject of a check. All text is made
visible() first: XML 1.0 has no way at all to write most control characters (section 2.2).
Format: jenkinsci/xunit-plugin junit-10.xsd.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from preflight.model import Facts, Finding, Status
from preflight.report.machine import timestamp
from preflight.report.printable import safe, visible
from preflight.report.run import Run, worst

FLEET = "cluster"
KINDS = {Status.FAIL: "failure", Status.ERROR: "error", Status.SKIP: "skipped"}
# A skip leaves the word to another finding. Where none has it, nobody has judged that subject: a
# reader that counts failures and errors alone must not take the run for a good one.
UNEXPLAINED = {**KINDS, Status.SKIP: "error"}


def render(run: Run) -> str:
    """`run` as one XML document; ASCII, which is UTF-8 too, so no locale can spoil it."""
    root = Element("testsuites", name=f"gkprep {run.command}", time=_seconds(run.seconds))
    for facts in run.facts.values():
        findings = [finding for finding in run.findings if finding.node == facts.node.name]
        _suite(root, run, facts, findings)
    if fleet := [finding for finding in run.findings if finding.node is None]:
        _suite(root, run, None, fleet)
    if run.deployment and run.deployment.forced:
        _passed_over(root, run, run.deployment.forced)
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    indent(root)
    xml = tostring(root, encoding="us-ascii", xml_declaration=False).decode("ascii")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}\n'


def _suite(root: Element, run: Run, facts: Facts | None, findings: Iterable[Finding]) -> None:
    """One node, with the time that asking it took; judging takes none, so cases take 0."""
    name = facts.node.name if facts else FLEET
    suite = SubElement(root, "testsuite", name=visible(name))
    cases: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        cases.setdefault((finding.check, finding.subject), []).append(finding)
    for (check, subject), group in cases.items():
        case = SubElement(
            suite,
            "testcase",
            classname=visible(f"{name}.{check}"),
            name=visible(subject or check),
            time="0.000",
        )
        _outcome(case, run, group)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    suite.set("time", _seconds(facts.elapsed if facts else 0.0))
    suite.set("timestamp", timestamp(run.started))
    if facts:
        suite.set("hostname", visible(facts.node.address))


def _passed_over(root: Element, run: Run, checks: Sequence[str]) -> None:
    """The checks that were not green, and that a person said to deploy without."""
    suite = SubElement(root, "testsuite", name="force-unready")
    for check in checks:
        case = SubElement(
            suite, "testcase", classname=f"force-unready.{check}", name=check, time="0.000"
        )
        SubElement(case, "skipped", message="not green, and passed over by --force-unready")
    for count, number in (("tests", len(checks)), ("failures", 0), ("errors", 0)):
        suite.set(count, str(number))
    suite.set("skipped", str(len(checks)))
    suite.set("time", _seconds(0))
    suite.set("timestamp", timestamp(run.started))


def _outcome(case: Element, run: Run, findings: Sequence[Finding]) -> None:
    """The worst finding is the outcome; what was seen besides is the output of the case."""
    status = worst(finding.status for finding in findings)
    decisive = [finding for finding in findings if finding.status is status]
    explained = any(finding.status in {Status.FAIL, Status.ERROR} for finding in run.findings)
    kinds = KINDS if explained else UNEXPLAINED
    kind = "failure" if status is Status.WARN and run.strict else kinds.get(status)
    if kind:
        message = "; ".join(visible(finding.saw) for finding in decisive)
        outcome = SubElement(case, kind, type=status.value, message=message)
        if status is not Status.SKIP:
            outcome.text = _details(decisive)
    rest = [finding for finding in findings if not kind or finding.status is not status]
    if rest:
        SubElement(case, "system-out").text = _details(rest)


def _details(findings: Iterable[Finding]) -> str:
    """What each finding says, a labelled line a part; a command only where it is shown exactly."""
    lines = []
    for finding in findings:
        parts = (
            (finding.status.value, finding.saw),
            ("want", finding.want),
            ("would fail with", finding.says),
            ("by hand", finding.cure if safe(finding.cure) else ""),
            ("token", finding.token or ""),
        )
        lines += [f"{label}: {visible(text)}" for label, text in parts if text]
        if finding.status not in {Status.PASS, Status.SKIP}:
            lines.append(f"why: gkprep explain {finding.check}")
    return "\n".join(lines)


def _seconds(seconds: float) -> str:
    """Seconds as the schema's SUREFIRE_TIME wants them: no sign, no exponent."""
    return f"{max(seconds, 0):.3f}"
