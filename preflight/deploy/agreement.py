"""How a deployment is agreed to: by --yes, or by a person at a terminal who has seen the plan."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from preflight import prompt
from preflight.model import Prospect
from preflight.report import deploying as page
from preflight.report.style import Style


@dataclass(frozen=True)
class Agreement:
    """What the command line says of it.

    `text`: the report is for a person, and the plan part of it. `write` prints on standard output.
    """

    yes: bool
    dry_run: bool
    text: bool
    write: Callable[[str], None]

    def to(self, planned: Prospect) -> bool:
        """Show the plan, and whether it may be carried out."""
        if self.text:
            self.write(page.prospect(planned, Style.of(sys.stdout)))
        if self.dry_run:
            return False
        if not self.yes and prompt.somebody() and not (self.text and sys.stdout.isatty()):
            prompt.show(page.prospect(planned, Style.of(sys.stderr)))
        return self.yes or _said_yes("Go on?")

    def to_obtain(self, question: str) -> bool:
        """Whether a deployer that is nowhere may be had, as the question says."""
        if self.dry_run:
            return False
        return self.yes or _said_yes(question)


def _said_yes(question: str) -> bool:
    return prompt.answer(f"{question} [y/N] ").lower() in {"y", "yes"}
