"""What gkprep's own checks found on the nodes -> evidence, for the table to join with the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from preflight.diagnose.evidence import Evidence, Kind, Reading, Unread
from preflight.model import Facts, Finding, Status

TOLD = frozenset({Status.FAIL, Status.WARN})
ORIGIN = "gkprep check"


def findings(found: Iterable[Finding], origin: str = ORIGIN) -> Reading:
    """What fails, or is doubtful; `CHECK STATUS SUBJECT: saw ...` is what patterns see of it."""
    return Reading(
        tuple(
            _evidence(each.check, each.node, (each.status.value, each.subject, each.saw), origin)
            for each in found
            if each.status in TOLD
        )
    )


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
    found = document["findings"] if isinstance(document["findings"], list) else []
    keys = ("check", "node", "status", "subject", "saw")
    whole = [each for each in found if isinstance(each, Mapping) and set(keys) <= set(each)]
    return Reading(
        tuple(
            _evidence(
                str(each["check"]),
                None if each["node"] is None else str(each["node"]),
                (str(each["status"]), str(each["subject"]), str(each["saw"])),
                origin,
            )
            for each in whole
            if each["status"] in told
        )
    )


def _evidence(check: str, node: str | None, told: tuple[str, str, str], origin: str) -> Evidence:
    status, subject, saw = told
    text = f"{check} {status} {subject}: saw {saw}"
    return Evidence(Kind.NODES, f"check {check}", node, text, origin)
