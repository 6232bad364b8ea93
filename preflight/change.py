"""Consent: what `gkprep fix` and `gkprep undo` show, ask, and count as a yes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from preflight import prompt
from preflight.model import Action, Overwrite, Plan
from preflight.report import planned as page
from preflight.report.printable import visible
from preflight.report.style import Style


@dataclass(frozen=True)
class Terms:
    """On what terms the command line lets a plan be applied.

    `text`: the report is for a person, and the plan part of it. `max_wipe` is the most disks that
    may be erased, None for as many as there are; `reboot`: the nodes are to be restarted, whatever
    there is to do besides. `write` prints on standard output.
    """

    yes: bool
    dry_run: bool
    text: bool
    write: Callable[[str], None]
    max_wipe: int | None = None
    reboot: bool = False

    def agreed(self, plan: Plan, nodes: int) -> Collection[str] | None:
        """Show the plan, and whether it may be applied: the tokens typed on top, or None for no.

        There must be something to do.
        """
        if self.text:
            self.write(self._page(plan, nodes, Style.of(sys.stdout)))
        if self.dry_run or not (plan.actions or plan.withheld or self.reboot):
            return None
        if not self.yes and prompt.somebody() and not (self.text and sys.stdout.isatty()):
            prompt.show(self._page(plan, nodes, Style.of(sys.stderr)))
        typed = () if self.yes else _typed(plan.withheld)
        something = plan.actions or typed or self.reboot
        if not something or not self._few_enough(plan, typed):
            return None
        return typed if self.yes or prompt.consent(len(typed)) else None

    def _page(self, plan: Plan, nodes: int, style: Style) -> str:
        return page.render(plan, nodes, style, reboot=self.reboot)

    def _few_enough(self, plan: Plan, typed: Collection[str]) -> bool:
        agreed = [action for action in plan.withheld if action.finding.token in typed]
        steps = [step for action in (*plan.actions, *agreed) for step in action.steps]
        wiped = sum(isinstance(step, Overwrite) for step in steps)
        if self.max_wipe is None or wiped <= self.max_wipe:
            return True
        prompt.show(
            f"{wiped} disks would be erased, and --max-wipe allows {self.max_wipe}:"
            " nothing was changed\n"
        )
        return False


def _typed(withheld: Iterable[Action]) -> tuple[str, ...]:
    """The tokens of those actions that a person types at a terminal; an empty line is a no."""
    typed = []
    for action in withheld:
        finding = action.finding
        what = f"{finding.node}  {finding.check}  {finding.subject}: {finding.saw}"
        question = "    its token, to do this as well; Enter to leave it alone: "
        said = prompt.answer(f"{visible(what)}\n{question}")
        while said and said != finding.token:
            said = prompt.answer(f"    that is not its token\n{question}")
        if said:
            typed.append(said)
    return tuple(typed)
