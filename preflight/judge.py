"""Checks x facts -> findings -> verdict. Pure functions.

Here "could not find out" becomes an ERROR finding: an `Unknown` fact, a check that breaks, and a
check that finds nothing at all are three ways of not knowing. A check that has all facts and still
cannot decide about one of several subjects says so itself (`plugin.unknown`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from preflight.errors import Unknown
from preflight.model import Check, Facts, Finding, Fix, FleetCheck, Node, Probe, Status, Verdict


def needs(
    checks: Iterable[Check | FleetCheck], node: Node, fixes: Mapping[str, Fix] | None = None
) -> Iterator[Probe[object]]:
    """All probes that `checks`, and their `fixes`, want asked of `node`, repeats included.

    One that cannot say asks for nothing: a check is an ERROR when it is judged, and what a fix does
    not know it leaves to a person.
    """
    for check in checks:
        if isinstance(check, FleetCheck) or node.role in check.roles:
            for each in (check, (fixes or {}).get(check.id)):
                if each:
                    with suppress(Exception, SystemExit):
                        yield from list(each.needs(node))


def judge(checks: Sequence[Check | FleetCheck], fleet: Mapping[str, Facts]) -> tuple[Finding, ...]:
    """Judge every node by every check that is for its role, and the fleet by the rest."""
    return tuple(finding for check in checks for finding in _judge_one(check, fleet))


def _judge_one(check: Check | FleetCheck, fleet: Mapping[str, Facts]) -> Iterator[Finding]:
    if isinstance(check, FleetCheck):
        for finding in _attempt("", lambda: check.test(fleet)):
            yield replace(finding, check=check.id)
        return
    for facts in fleet.values():
        if facts.node.role in check.roles:
            for finding in _judge_node(check, facts):
                about = finding.subject if check.about_nodes and finding.subject else None
                yield replace(finding, check=check.id, node=facts.node.name, about=about)


def _judge_node(check: Check, facts: Facts) -> Iterator[Finding]:
    """One ERROR for a node that gave no answer at all; else the check's parts, each by itself."""
    if facts.silent:
        yield Finding("", Status.ERROR, str(facts.lost), cure=facts.cure)
        return
    try:
        list(check.needs(facts.node))
        parts = list(check.parts(facts.node))
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - a check that breaks has found nothing out
        yield _broken("", exc)
        return
    for subject, test in parts:
        yield from _attempt(subject, partial(test, facts))


def _attempt(subject: str, test: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Pass on what `test` finds; an ERROR last, where it cannot find out, breaks or is silent."""
    silent = True
    try:
        for finding in test():
            _require_whole(finding)
            silent = False
            yield finding
    except Unknown as exc:
        yield Finding(subject, Status.ERROR, str(exc))
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - likewise; SystemExit would be a verdict
        yield _broken(subject, exc)
    else:
        if silent:
            yield Finding(subject, Status.ERROR, "the check found nothing, which is no pass")


def _broken(subject: str, exc: BaseException) -> Finding:
    return Finding(subject, Status.ERROR, f"the check broke: {type(exc).__name__}: {exc}")


def _require_whole(finding: object) -> None:
    """Raise TypeError for what a plugin must not find: reports rely on words being words."""
    if not isinstance(finding, Finding):
        raise TypeError(f"a check yields findings, not {type(finding).__name__}")
    words = (finding.subject, finding.saw, finding.want, finding.says, finding.cure)
    wrong = next((word for word in words if not isinstance(word, str)), "")
    if not isinstance(wrong, str):
        raise TypeError(f"a finding is made of text, not of {wrong!r}")


def verdict(findings: Iterable[Finding], *, strict: bool) -> Verdict:
    """A FAIL blocks, then an ERROR leaves it unknown; `strict` counts WARN as FAIL.

    So does a SKIP: the finding that it leaves the word to fails, unless its check was left out, and
    then nobody has judged that subject.
    """
    seen = {finding.status for finding in findings}
    if Status.FAIL in seen or (strict and Status.WARN in seen):
        return Verdict.BLOCKED
    if seen & {Status.ERROR, Status.SKIP} or not seen:
        return Verdict.UNKNOWN
    return Verdict.READY
