"""Findings x fixes -> what is to be done. A pure function.

The order on a node is by risk: what could cost something comes last, for a node on which a harmless
step already failed is not one to take chances on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from preflight.errors import Unfixable, Unknown
from preflight.facts.block import Block, devices
from preflight.model import Action, Facts, Finding, Fix, Left, Overwrite, Plan, Risk, Status

BY_RISK = (Risk.SAFE, Risk.DISRUPTIVE, Risk.DESTRUCTIVE)


def plan(
    findings: Iterable[Finding],
    fleet: Mapping[str, Facts],
    fixes: Mapping[str, Fix],
    consents: Collection[str] = (),
) -> Plan:
    """What puts right every FAIL among `findings`, what waits for a consent, what is left.

    `fleet` holds the facts that the findings rest on, by node. `consents` are tokens; those beside
    the devices of the inventory count as well. A WARN is nobody's to change.
    """
    failing = [finding for finding in findings if finding.status is Status.FAIL]
    actions, left = [], []
    for finding in failing:
        outcome = _answer(finding, fleet, fixes)
        if isinstance(outcome, Left):
            left.append(outcome)
        else:
            actions.append(outcome)
    actions, twice = _once(actions, fleet)
    given = {finding: _given(finding, fleet, consents) for finding in failing if finding.token}
    withheld = {action.finding for action in actions if given.get(action.finding) is False}
    named = {finding.token for finding in given}
    stale = (_beside(finding, fleet) for finding, consent in given.items() if not consent)
    return Plan(
        actions=tuple(_sorted((a for a in actions if a.finding not in withheld), fleet)),
        left=(*left, *twice),
        withheld=tuple(_sorted((a for a in actions if a.finding in withheld), fleet)),
        spent=tuple(dict.fromkeys(t for t in (*consents, *stale) if t and t not in named)),
    )


def _given(finding: Finding, fleet: Mapping[str, Facts], consents: Collection[str]) -> bool:
    """Whether a person has named just this: on the command line, or beside the device."""
    return finding.token in consents or finding.token == _beside(finding, fleet)


def _beside(finding: Finding, fleet: Mapping[str, Facts]) -> str | None:
    """The token that the inventory has beside the device."""
    devices = fleet[finding.node].node.devices if finding.node else ()
    return next((device.wipe for device in devices if device.path == finding.subject), None)


def _sorted(actions: Iterable[Action], fleet: Mapping[str, Facts]) -> list[Action]:
    nodes = {name: number for number, name in enumerate(fleet)}
    return sorted(
        actions, key=lambda each: (nodes[each.finding.node or ""], BY_RISK.index(each.risk))
    )


def _once(actions: Iterable[Action], fleet: Mapping[str, Facts]) -> tuple[list[Action], list[Left]]:
    """Nothing is written to a disk that is seen twice: behind two entries, or on two nodes.

    By any serial number or WWN that it has in common with another; the place that a disk is plugged
    in is each node's own.
    """
    seen: dict[str, list[str]] = {}
    for node, facts in fleet.items():
        for disk in _disks(facts):
            for name in {value.casefold() for value in (*disk.serials, *disk.wwns)}:
                seen.setdefault(name, []).append(f"{node} {disk.path}")
    written = Counter(
        (action.finding.node, step.identity) for action in actions for step in _overwrites(action)
    )
    alone, twice = [], []
    for action in actions:
        why = ""
        for step in _overwrites(action):
            again = [places for name in _names(step) if len(places := seen.get(name, [])) > 1]
            if again:
                why = f"the same disk is seen more than once: {', '.join(again[0])}"
            elif written[action.finding.node, step.identity] > 1:
                why = "the same disk is named more than once"
        if why:
            twice.append(Left(action.finding, why))
        else:
            alone.append(action)
    return alone, twice


def _names(step: Overwrite) -> list[str]:
    return [value.casefold() for key, value in step.identity if key != "path" and value]


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
