"""Check, plan, apply, check again: what `gkprep fix` and `gkprep undo` do.

The second check says how it went.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from preflight import judge
from preflight.apply import Applied, apply
from preflight.errors import JournalError, Unknown
from preflight.facts.block import devices
from preflight.facts.service import serving
from preflight.journal import Journal, Record, read, runs_folder, undone
from preflight.model import Done, Facts, Fix, Left, Limits, Plan, Risk, Verdict
from preflight.plan import plan
from preflight.reach import UNHURRIED, Reach
from preflight.reboot import restart
from preflight.saved import SavedPlan
from preflight.survey import Survey
from preflight.undo import NOTHING, SERVES, in_use, remaining, reverse

Consent = Callable[[Plan], "Collection[str] | None"]
"""Asked with a plan: the tokens that a person gave on top of it, or None where it is a no."""


FRESH = 1.0
"""Seconds that a script takes to say yes, and no person."""


@dataclass(frozen=True)
class Way:
    """How to go about it.

    `timeout` is the most, in seconds, that the steps of one node may take together, and its
    restart. `tokens` are consents to wipe, `saved` the plan that alone may be applied. With
    `strict`, a node with a warning is not ready for the next one to be begun.
    """

    version: str
    timeout: float
    tokens: tuple[str, ...] = ()
    saved: SavedPlan | None = None
    one_by_one: bool = False
    reboot: bool = False
    strict: bool = False


@dataclass(frozen=True)
class Repair:
    """What was found, what was to be done about it, what was done, and what is found now.

    `run` is what `gkprep undo` calls it, None where nothing was begun; `now` is `before` then.
    `stopped` says of each node that did not do all it was to do why. `due` is whether there was
    anything to do.
    """

    before: Survey
    plan: Plan
    now: Survey
    applied: Mapping[str, Applied] = field(default_factory=dict)
    stopped: Mapping[str, str] = field(default_factory=dict)
    run: str | None = None
    due: bool = False

    @property
    def done(self) -> tuple[Done, ...]:
        """Every step of every node, in order."""
        return tuple(done for each in self.applied.values() for done in each.done)


def repair(fleet: Reach, fixes: Mapping[str, Fix], way: Way, consent: Consent) -> Repair:
    """Put right what fails on `fleet`, if `consent` is given to the plan.

    Raises UsageError where a saved plan is not what would be done now.
    """
    # A client may see a storage node's disk.
    before = fleet.survey(UNHURRIED, also=(devices,), fixes=fixes)
    tokens = (*way.tokens, *(way.saved.tokens if way.saved else ()))
    planned = plan(before.findings, before.facts, fixes, tokens)
    if way.saved:
        planned = way.saved.only(planned)
    asked = time.monotonic()
    typed = consent(planned)
    due = bool(planned.actions) or way.reboot
    if typed is None:
        return Repair(before, planned, before, due=due)
    if typed:
        planned = plan(before.findings, before.facts, fixes, (*tokens, *typed))
    if time.monotonic() - asked > FRESH:
        planned = in_peace(planned, before.facts, fleet.ask(SERVES, UNHURRIED))
    journal = _journal(fleet, way, "fix")
    with _on_record(journal):
        if way.one_by_one:
            applied, stopped = _one_by_one(planned, before, fleet, way, journal)
        else:
            applied, stopped = _side_by_side(planned, fleet, way, journal)
        if way.reboot and not stopped:
            stopped |= restart(fleet, journal, way.timeout, strict=way.strict)
    journal.close()  # not after an interrupt: such a run did not come to its end
    now = fleet.survey(UNHURRIED)
    return Repair(before, planned, now, applied, stopped, journal.run, due=True)


def take_back(record: Record, fleet: Reach, way: Way, consent: Consent) -> Repair:
    """Undo what is left of a run to undo, if `consent` is given to the plan; likewise.

    Whether a node serves is asked before, for the plan, and again when consent took a while.
    """
    before = fleet.survey(UNHURRIED, also=SERVES)
    already = undone(runs_folder(), record.run)
    planned = reverse(record, before.facts, already)
    asked = time.monotonic()
    due = bool(planned.actions)
    if consent(planned) is None:
        return Repair(before, planned, before, due=due)
    if time.monotonic() - asked > FRESH:
        planned = reverse(record, fleet.ask(SERVES, UNHURRIED), already)
    journal = _journal(fleet, way, "undo", undoes=record.run)
    with _on_record(journal):
        applied, stopped = _side_by_side(planned, fleet, way, journal, keep_going=True)
    journal.close()
    now = fleet.survey(UNHURRIED)
    return Repair(before, planned, now, applied, stopped, journal.run, due=due)


def to_take_back(run: str) -> int:
    """How many steps of that run `gkprep undo` has to take back: one may have changed nothing."""
    return len(remaining(read(runs_folder() / run), NOTHING))


def _journal(fleet: Reach, way: Way, command: str, undoes: str | None = None) -> Journal:
    return Journal.begun(
        runs_folder(),
        command,
        fleet.nodes,
        version=way.version,
        local=fleet.local,
        undoes=undoes,
    )


@contextmanager
def _on_record(journal: Journal) -> Iterator[None]:
    """Where the journal could not be kept any further: what it has, and how that is taken back."""
    try:
        yield
    except JournalError as exc:
        journal.abandon()
        raise JournalError(f"{exc}; what was done until then: gkprep undo {journal.run}") from exc


def in_peace(planned: Plan, before: Mapping[str, Facts], now: Mapping[str, Facts]) -> Plan:
    """The plan without what would disturb a node that has come into service since it was made."""
    kept, left = [], list(planned.left)
    for action in planned.actions:
        name = action.finding.node or ""
        why = in_use(now.get(name))
        if why and why != _served(before[name]) and action.risk is not Risk.SAFE:
            left.append(Left(action.finding, why))
        else:
            kept.append(action)
    return replace(planned, actions=tuple(kept), left=tuple(left))


def _served(before: Facts) -> str:
    """What was known to serve as the plan was made, which has heeded it."""
    try:
        return serving(before)
    except Unknown:
        return ""


def _side_by_side(
    planned: Plan, fleet: Reach, way: Way, journal: Journal, *, keep_going: bool = False
) -> tuple[dict[str, Applied], dict[str, str]]:
    """Apply a plan, with progress on standard error; and why nodes stopped, where they did."""
    nodes = {node.name: node for node in fleet.nodes}
    names = dict.fromkeys(action.finding.node or "" for action in planned.actions)
    with fleet.progress(names) as progress:
        applied = apply(
            planned,
            nodes,
            connect=fleet.connect,
            limits=replace(Limits(), node=way.timeout),
            parallel=fleet.parallel,
            journal=journal,
            on_done=lambda applied: progress.done(applied.node),
            keep_going=keep_going,
        )
    return applied, {name: each.stopped for name, each in applied.items() if each.stopped}


def _one_by_one(
    planned: Plan, before: Survey, fleet: Reach, way: Way, journal: Journal
) -> tuple[dict[str, Applied], dict[str, str]]:
    """The same node by node, to the first that is not ready when it has taken its steps."""
    applied: dict[str, Applied] = {}
    for node in fleet.nodes:
        own = tuple(action for action in planned.actions if action.finding.node == node.name)
        stopped: dict[str, str] = {}
        findings = [each for each in before.findings if each.node == node.name]
        if own:
            done, stopped = _side_by_side(replace(planned, actions=own), fleet, way, journal)
            applied |= done
            findings = list(fleet.alone(node).survey(UNHURRIED).findings)
        if stopped or judge.verdict(findings, strict=way.strict) is not Verdict.READY:
            why = stopped.get(node.name, "it is not ready yet")
            return applied, {node.name: f"{why}; no further node was begun"}
    return applied, {}
