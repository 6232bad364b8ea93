"""What gkprep's own checks found -> evidence, for the table to join with the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from preflight.controller import HERE, NAME, OTHERWISE
from preflight.diagnose.evidence import Evidence, Kind, Reading, Trouble, Unread
from preflight.facts.kubernetes.shapes import items
from preflight.model import Facts, Finding, Status

TOLD = frozenset({Status.FAIL, Status.WARN})
ORIGIN = "gkprep check"


def findings(found: Iterable[Finding], controller: str) -> Reading:
    """What fails, or is doubtful; `CHECK STATUS SUBJECT: saw ...` is what patterns see of it.

    `controller` is what the machine that deploys is called among the nodes.
    """
    return Reading(
        tuple(
            _evidence(
                each.check,
                _about(each.node, each.about, controller),
                (each.status.value, each.subject, each.saw),
                ORIGIN,
            )
            for each in found
            if each.status in TOLD
        )
    )


def unmet(found: Iterable[Finding], controller: str) -> Reading:
    """What a deployment is judged by, and does not come to: here it is the trouble itself.

    What it says is read like an event; what could not be found out, or was not asked, stays unread.
    """
    told = [
        (each, f"{each.check} {each.subject}".rstrip(), _about(each.node, each.about, controller))
        for each in found
    ]
    failed = [each for each in told if each[0].status is Status.FAIL]
    said = [
        Evidence(Kind.EVENTS, what, node, each.says, ORIGIN)
        for each, what, node in failed
        if each.says
    ]
    seen = [
        replace(
            _evidence(each.check, node, (each.status.value, each.subject, each.saw), ORIGIN),
            object=what,
        )
        for each, what, node in failed
    ]
    return Reading(
        evidence=(*said, *seen),
        troubles=tuple(Trouble(what, node, each.saw, ORIGIN) for each, what, node in failed),
        unread=tuple(
            Unread(what, each.saw, needed=each.status is Status.ERROR)
            for each, what, _ in told
            if each.status in {Status.ERROR, Status.SKIP}
        ),
    )


def _about(node: str | None, about: str | None, controller: str | None) -> str | None:
    """The node that a finding is about; of the controller's, the one it names, or all of them."""
    return about or (None if node == controller else node)


def unreached(facts: Mapping[str, Facts]) -> Reading:
    """Nodes that could not be asked, or not all; the cluster tells of them without that."""
    return Reading(
        unread=tuple(
            Unread(f"node {name}", known.lost, needed=False)
            for name, known in facts.items()
            if known.lost
        )
    )


def is_report(document: object) -> bool:
    """Whether this is a report of `gkprep check -o json`."""
    return isinstance(document, Mapping) and {"schema", "gkprep", "findings"} <= set(document)


def report(document: Mapping[str, Any], origin: str) -> Reading:
    """The same out of a saved report; what is no finding in it is passed over."""
    told = {status.value for status in TOLD}
    keys = ("check", "node", "status", "subject", "saw")
    whole = [each for each in items(document, "findings") if set(keys) <= set(each)]
    controller = _controller(document)
    return Reading(
        tuple(
            _evidence(
                str(each["check"]),
                _about(_named(each, "node"), _named(each, "about"), controller),
                (str(each["status"]), str(each["subject"]), str(each["saw"])),
                origin,
            )
            for each in whole
            if each["status"] in told
        )
    )


def _controller(document: Mapping[str, Any]) -> str | None:
    """What the report calls it; a node may have its name where it is not in it at all."""
    names = [each.get("name") for each in items(document, "nodes") if each.get("address") == HERE]
    return next((name for name in (OTHERWISE, NAME) if name in names), None)


def _named(finding: Mapping[str, Any], key: str) -> str | None:
    value = finding.get(key)
    return None if value is None else str(value)


def _evidence(check: str, node: str | None, told: tuple[str, str, str], origin: str) -> Evidence:
    status, subject, saw = told
    text = f"{check} {status} {subject}: saw {saw}"
    return Evidence(Kind.NODES, f"check {check}", node, text, origin)
