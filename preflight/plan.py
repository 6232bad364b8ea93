"""Findings x fixes -> what is to be done. A pure function.

The order on a node is by risk: what could cost something comes last, for a node on which a harmless
step already failed is not one to take chances on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from preflight.errors import Unfixable, Unknown
from preflight.facts.block import Block, devices
from preflight.facts.disk.token import identity
from preflight.model import Action, Facts, Finding, Fix, Left, Overwrite, Plan, Risk, Status

BY_RISK = (Risk.SAFE, Risk.DISRUPTIVE, Risk.DESTRUCTIVE)


def plan(findings: Iterable[Finding], fleet: Mapping[str, Facts], fixes: Mapping[str, Fix]) -> Plan:
    """What puts right every FAIL among `findings`, and what is left to a person.

    `fleet` holds the facts that the findings rest on, by node. A WARN is nobody's to change.
    """
    actions, left = [], []
    for finding in findings:
        if finding.status is Status.FAIL:
            outcome = _answer(finding, fleet, fixes)
            if isinstance(outcome, Left):
                left.append(outcome)
            else:
                actions.append(outcome)
    actions, twice = _once(actions, fleet)
    left += twice
    nodes = {name: number for number, name in enumerate(fleet)}
    actions.sort(key=lambda action: (nodes[action.finding.node or ""], BY_RISK.index(action.risk)))
    return Plan(tuple(actions), tuple(left))


def _once(actions: Iterable[Action], fleet: Mapping[str, Facts]) -> tuple[list[Action], list[Left]]:
    """Nothing is written to a disk that is seen twice: behind two entries, or on two nodes."""
    seen = Counter(
        tuple(identity(disk).items())
        for facts in fleet.values()
        for disk in _disks(facts)
        if disk.serials or disk.wwns  # a place it is plugged in is each node's own
    )
    written = Counter(step.identity for action in actions for step in _overwrites(action))
    alone, twice = [], []
    for action in actions:
        named = [step.identity for step in _overwrites(action)]
        if any(seen[each] > 1 or written[each] > 1 for each in named):
            twice.append(Left(action.finding, "the same disk is seen more than once"))
        else:
            alone.append(action)
    return alone, twice


def _disks(facts: Facts) -> Iterable[Block]:
    try:
        return [block for block in facts[devices] if block.kind == "disk"]
    except Unknown:
        return ()


def _overwrites(action: Action) -> Iterable[Overwrite]:
    return [step for step in action.steps if isinstance(step, Overwrite)]


def _answer(
    finding: Finding, fleet: Mapping[str, Facts], fixes: Mapping[str, Fix]
) -> Action | Left:
    fix = fixes.get(finding.check)
    if fix is None or finding.node is None:
        return Left(finding, "a person has to decide")
    try:
        steps = tuple(fix.steps(finding, fleet[finding.node]))
    except (Unfixable, Unknown) as exc:
        return Left(finding, str(exc))
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - a fix that breaks changes nothing
        return Left(finding, f"the fix broke: {type(exc).__name__}: {exc}")
    return (
        Action(finding, fix.risk, steps) if steps else Left(finding, "the fix has no step for it")
    )
