"""What a report is made of, the exit code that goes with it, and how its parts are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from preflight.model import (
    Deployment,
    Done,
    Facts,
    Finding,
    Fix,
    Plan,
    Prospect,
    Risk,
    Status,
    Verdict,
)
from preflight.plan import plan

# From the one that decides for its check to the one that matters least.
WORST_FIRST = (Status.FAIL, Status.ERROR, Status.WARN, Status.PASS, Status.SKIP)

EXIT_CODES = {Verdict.READY: 0, Verdict.BLOCKED: 1, Verdict.UNKNOWN: 3}


@dataclass(frozen=True)
class Run:
    """One run of a command, whole: all that any report is made from.

    `started` is an aware time, `seconds` how long the run took. `facts` holds every node of the
    run by name, in inventory order; `findings` are in the order of judging; `fixes` are the
    installed ones, by the id of the check they put right. `strict`: WARN counts as FAIL, and
    `verdict` was reached so. A run that changes nodes has a `plan`, `before` (what was found first)
    and `done`, the steps that were taken; `run` is what `gkprep undo` calls it, None where nothing
    was begun, `back` how many steps there are for that to take back, and `stopped` why nodes did
    not do all, by name. One that deploys has a `prospect`, what it was to do, and where that was
    begun a `deployment`. `unexplained` are checks that `gkprep explain` has no page for.
    """

    command: str
    version: str
    started: datetime
    seconds: float
    verdict: Verdict
    facts: Mapping[str, Facts]
    findings: tuple[Finding, ...]
    fixes: Mapping[str, Fix]
    strict: bool = False
    plan: Plan | None = None
    before: tuple[Finding, ...] = ()
    done: tuple[Done, ...] = ()
    run: str | None = None
    back: int = 0
    stopped: Mapping[str, str] = field(default_factory=dict)
    prospect: Prospect | None = None
    deployment: Deployment | None = None
    unexplained: Collection[str] = ()

    def risk(self, finding: Finding) -> Risk | None:
        """What putting `finding` right with `gkprep fix` may cost; None where it would not.

        Where it has a token, `fix` would only with that.
        """
        return self._risks.get(finding)

    def fixable(self, check: str) -> bool:
        """Whether `gkprep fix` would put anything right that `check` has found."""
        return any(self.risk(finding) for finding in self.findings if finding.check == check)

    def withheld(self, check: str) -> bool:
        """Whether `gkprep fix` would want a token for all that it would put right of `check`."""
        fixable = [f for f in self.findings if f.check == check and self.risk(f)]
        return all(finding.token for finding in fixable)

    @cached_property
    def _risks(self) -> Mapping[Finding, Risk]:
        """Planned once for the whole run; what was found `before` is in the run's own plan."""
        plans = (plan(self.findings, self.facts, self.fixes), self.plan or Plan())
        return {
            action.finding: action.risk
            for each in plans
            for action in (*each.actions, *each.withheld)
        }


def exit_code(verdict: Verdict) -> int:
    """0 ready, 1 blocked, 3 could not find out (2 is a usage error's, 130 an interrupt's)."""
    return EXIT_CODES[verdict]


def worst(statuses: Iterable[Status]) -> Status:
    """The status that decides where one check has several findings."""
    return min(statuses, key=WORST_FIRST.index)


def tally(findings: Iterable[Finding]) -> Counter[Status]:
    """Count checks: one check on one node is one, as is one check of the whole fleet.

    Each counts as its worst finding says, so four modules missing on one node are one failing
    check, and the numbers add up to checks x nodes.
    """
    return Counter(units(findings).values())


def units(findings: Iterable[Finding]) -> Mapping[tuple[str, str | None], Status]:
    """What each check says of each node, or (None) of the fleet: the worst of its findings."""
    found: dict[tuple[str, str | None], Status] = {}
    for finding in findings:
        unit = (finding.check, finding.node)
        found[unit] = worst((finding.status, found.get(unit, finding.status)))
    return found


def many(count: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
