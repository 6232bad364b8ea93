"""Check, plan, apply, check again: what `gkprep fix` and `gkprep undo` do.

The second check says how it went.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from preflight.apply import Applied, apply
from preflight.journal import Journal, Record, runs_folder, undone
from preflight.model import Done, Fix, Limits, Plan
from preflight.plan import plan
from preflight.reach import Reach
from preflight.survey import Survey
from preflight.undo import SERVES, reverse


@dataclass(frozen=True)
class Repair:
    """What was found, what was to be done about it, what was done, and what is found now.

    `run` is what `gkprep undo` calls it, None where nothing was begun; `now` is `before` then.
    """

    before: Survey
    plan: Plan
    now: Survey
    applied: Mapping[str, Applied]
    run: str | None = None

    @property
    def stopped(self) -> dict[str, str]:
        """Nodes that did not do all they were to do, and why."""
        return {name: each.stopped for name, each in self.applied.items() if each.stopped}

    @property
    def done(self) -> tuple[Done, ...]:
        """Every step of every node, in order."""
        return tuple(done for each in self.applied.values() for done in each.done)


def repair(
    fleet: Reach,
    fixes: Mapping[str, Fix],
    *,
    version: str,
    timeout: float,
    consent: Callable[[Plan], bool],
) -> Repair:
    """Put right what fails on `fleet`, if `consent` is given to the plan.

    `timeout` is the most, in seconds, that the steps of one node may take together.
    """
    before = fleet.survey(Limits())
    planned = plan(before.findings, before.facts, fixes)
    if not consent(planned):
        return Repair(before, planned, before, {})
    journal = Journal.begun(runs_folder(), "fix", fleet.nodes, version=version, local=fleet.local)
    return _carried_out(before, planned, fleet, timeout, journal)


def take_back(
    record: Record,
    fleet: Reach,
    *,
    version: str,
    timeout: float,
    consent: Callable[[Plan], bool],
) -> Repair:
    """Undo what is left of a run to undo, if `consent` is given to the plan; likewise.

    Whether a node serves is asked before, for the plan, and again when consent was given.
    """
    folder = runs_folder()
    before = fleet.survey(Limits())
    already = undone(folder, record.run)
    planned = reverse(record, fleet.ask(SERVES, Limits()), already)
    if not consent(planned):
        return Repair(before, planned, before, {})
    planned = reverse(record, fleet.ask(SERVES, Limits()), already)
    journal = Journal.begun(
        folder, "undo", fleet.nodes, version=version, local=fleet.local, undoes=record.run
    )
    return _carried_out(before, planned, fleet, timeout, journal, keep_going=True)


def _carried_out(  # noqa: PLR0913 - all that a plan is carried out with
    before: Survey,
    planned: Plan,
    fleet: Reach,
    timeout: float,
    journal: Journal,
    *,
    keep_going: bool = False,
) -> Repair:
    applied = take(planned, fleet, timeout, journal, keep_going=keep_going)
    journal.close()  # not after an interrupt: such a run did not come to its end
    return Repair(before, planned, fleet.survey(Limits()), applied, journal.run)


def take(
    planned: Plan, fleet: Reach, timeout: float, journal: Journal, *, keep_going: bool
) -> dict[str, Applied]:
    """Apply a plan, with progress on standard error."""
    limits = replace(Limits(), node=timeout)
    nodes = {node.name: node for node in fleet.nodes}
    names = dict.fromkeys(action.finding.node or "" for action in planned.actions)
    with fleet.progress(names) as progress:
        return apply(
            planned,
            nodes,
            connect=fleet.connect,
            limits=limits,
            parallel=fleet.parallel,
            journal=journal,
            on_done=lambda applied: progress.done(applied.node),
            keep_going=keep_going,
        )
