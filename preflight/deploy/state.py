"""What is known of a deployment while it runs: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Phase:
    """One of the steps of a deployment."""

    number: int
    title: str


PHASES = tuple(
    Phase(number, title)
    for number, title in enumerate(
        (
            "service account and its rights",
            "GlusterFS pods",
            "deploy-heketi and its topology",
            "heketi's own volume, and its database copied there",
            "deploy-heketi removed",
            "heketi",
        ),
        start=1,
    )
)


class Standing(Enum):
    """How a phase stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Progress:
    """A phase, since when it runs, and how many seconds it took once it has ended."""

    phase: Phase
    standing: Standing = Standing.PENDING
    since: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Wait:
    """What gk-deploy waits for, and why that may take its time."""

    what: str
    normal: str


class Reply(Enum):
    """What heketi made of a node or a device."""

    ASKED = "asked"
    ADDED = "added"
    FOUND = "found"  # from an earlier run
    REFUSED = "refused"


@dataclass(frozen=True)
class Placed:
    """A node of the topology, or one of its devices; `device` is empty for the node itself."""

    node: str
    device: str
    reply: Reply


@dataclass(frozen=True)
class State:
    """All that is known by now. `complete`: the last line, if no other came after it.

    `placed` is in the order of the topology. `given_up` is the line with which it gave up.
    """

    phases: tuple[Progress, ...] = tuple(Progress(phase) for phase in PHASES)
    wait: Wait | None = None
    placed: tuple[Placed, ...] = ()
    address: str | None = None
    complete: bool = False
    given_up: str = ""

    @property
    def current(self) -> Progress | None:
        """The phase that runs, or ran last; None before the first."""
        begun = [each for each in self.phases if each.since is not None]
        return begun[-1] if begun else None


@dataclass(frozen=True)
class Result:
    """Whether a deployment succeeded; else why not, and the rows of the catalogue that tell more.

    A success still has to be verified in the cluster: that all nodes have their pod (D6), and that
    heketi's topology is ours (D9).
    """

    success: bool
    why: str = ""
    ids: tuple[str, ...] = ()
