"""What gkprep asks of a program that deploys GlusterFS, so that another is added as a file.

What it needs to be there is checked like all else, by checks of the controller; whether it has done
its work is judged by checks too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from preflight.deploy.keys import Keys
from preflight.deploy.place import Place
from preflight.model import Check, Facts, Inventory, Node, Probe, Stage


@dataclass(frozen=True)
class Work:
    """One deployment that is to be made: for `inventory`, from what is known of the controller.

    `keys` are heketi's; `options` what a person adds to the command line, `wait` in seconds.
    """

    inventory: Inventory
    controller: Facts
    options: tuple[str, ...] = ()
    wait: int = 900


class Reading(Protocol):
    """Reads what the deployer prints, as it comes."""

    def feed(self, text: str, now: float) -> None:
        """Take in the next piece; `now` is in seconds, of a clock that never goes back."""
        ...

    def stages(self, now: float) -> tuple[Stage, ...]:
        """All stages, and how far they are."""
        ...

    def ended(self, rc: int | None, now: float) -> str:
        """Why it was no success, now that it has ended with `rc`; empty where it was one.

        `rc` is its exit status as a shell has it, None where that never came.
        """
        ...


class Deployer(Protocol):
    """A program that deploys."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def needs(self, controller: Node) -> Iterable[Probe[object]]:
        """What has to be known of the controller for all else here."""
        ...

    def changes(self, work: Work) -> Mapping[str, str]:
        """What is changed in its private copy: catalogue id -> what for. Raises DeployError."""
        ...

    def difference(self, work: Work) -> str:
        """The same as a unified diff. Raises DeployError."""
        ...

    def prepare(self, work: Work, place: Place) -> None:
        """Put the private copy, and what else it needs, into `place`. Raises DeployError."""
        ...

    def command(self, work: Work, place: Place, keys: Keys) -> Sequence[str]:
        """The command that deploys."""
        ...

    def abort(self, work: Work, place: Place, keys: Keys) -> Sequence[str]:
        """The command that takes a deployment back, as far as it can."""
        ...

    def reading(self) -> Reading:
        """A reader of what it prints."""
        ...

    def verification(self, key: Path) -> tuple[Check, ...]:
        """What a deployment is judged by; `key` is the file with heketi's admin key."""
        ...
