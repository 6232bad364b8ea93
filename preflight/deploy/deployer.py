"""What gkprep asks of a program that deploys GlusterFS, so that another is added as a file.

What it needs to be there is checked like all else, by checks of the controller; whether it has done
its work is judged by checks too. docs/adding-a-deployer.md goes through one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from preflight.deploy.cluster import Cluster
from preflight.deploy.keys import Keys
from preflight.deploy.place import Place
from preflight.deploy.remains import Remains
from preflight.diagnose import evidence
from preflight.model import Check, Facts, Inventory, Node, Probe, Stage
from preflight.transport import Connector


@dataclass(frozen=True)
class Options:
    """What a person adds to the deployer's command line, checked; `wait` is in seconds."""

    words: tuple[str, ...]
    wait: int


@dataclass(frozen=True)
class Work:
    """One deployment that is to be made: for `inventory`, from what is known of the controller."""

    inventory: Inventory
    controller: Facts
    options: Options


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

    def obtain(self, controller: Node, connect: Connector, agreed: Callable[[str], bool]) -> None:
        """Have the program where it is nowhere, if the question is `agreed` to. DeployError."""
        ...

    def options(self, words: Sequence[str]) -> Options:
        """What a person has put behind `--`. Raises UsageError for what cannot be."""
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

    def makes(self, work: Work) -> Iterable[str]:
        """What it makes in the cluster, as `Kind name`."""
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
        """A reader of what it prints as it deploys."""
        ...

    def printed(self, text: str, origin: str) -> evidence.Reading:
        """What it printed, as a diagnosis reads it."""
        ...

    def remains(self, cluster: Cluster) -> Remains:
        """What of a deployment is in the cluster now. Raises DeployError."""
        ...

    def verification(self, key: Path) -> tuple[Check, ...]:
        """What a deployment is judged by; `key` is the file with heketi's admin key."""
        ...
