"""The nouns of a diagnosis, frozen: what was read, and what it comes to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from preflight.model import Verdict


class Kind(Enum):
    """Where a text comes from; the table's `where` names these."""

    GK_DEPLOY = "gk-deploy"
    DESCRIBE = "describe"
    EVENTS = "events"
    PODS = "pods"
    DAEMONSET = "daemonset"
    PROBE = "probe"
    LOGS = "logs"
    JOURNAL = "journal"
    SYSTEMCTL = "systemctl"
    HEKETI = "heketi"
    PVC = "pvc"
    NODES = "nodes"


@dataclass(frozen=True)
class Evidence:
    """One text about one object: `pod glusterfs-abc`, `daemonset glusterfs`, `gk-deploy`, ...

    `node` is the Kubernetes node that it is about, None where the text does not tell or where it
    is about all of them. `origin` is the command or the file that it came from.
    """

    kind: Kind
    object: str
    node: str | None
    text: str
    origin: str
    namespace: str = ""

    @property
    def wide(self) -> bool:
        """Whether it may be about any node; a pod is on one, even where nobody knows which."""
        return self.node is None and not self.object.startswith("pod ")


@dataclass(frozen=True)
class Trouble:
    """Something that is not as it must be, whatever the cause: a pod that is not ready."""

    object: str
    node: str | None
    saw: str
    origin: str


@dataclass(frozen=True)
class Unread:
    """What could not be read, or not whole, and why."""

    origin: str
    why: str


@dataclass(frozen=True)
class Place:
    """Where a pod runs; `node` is None as long as no node has taken it."""

    pod: str
    node: str | None
    namespace: str


@dataclass(frozen=True)
class Reading:
    """All that was read. `works` are the objects that are as they must be."""

    evidence: tuple[Evidence, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    works: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    unread: tuple[Unread, ...] = ()


@dataclass(frozen=True)
class Quote:
    """The lines that a row of the table knows, as they stand in what was read."""

    origin: str
    object: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Cause:
    """Why something does not work, by catalogue id, and what ends it.

    `cure` are commands, in order and fit to be copied; `advice` is what a person has to do or to
    decide. A `general` one says what failed, and not yet why.
    """

    id: str
    cause: str
    node: str | None
    object: str
    evidence: tuple[Quote, ...]
    cure: tuple[str, ...]
    advice: str
    source: str
    general: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """What it comes to: READY where all is well, BLOCKED where a cause was found, else UNKNOWN.

    `unexplained` are the troubles that no cause is about.
    """

    verdict: Verdict
    causes: tuple[Cause, ...]
    unexplained: tuple[Trouble, ...]
    works: tuple[str, ...]
    unread: tuple[Unread, ...]


class Part(Enum):
    """What a pod is for; the names are those of gk-deploy's templates."""

    GLUSTER = "glusterfs"
    DEPLOY_HEKETI = "deploy-heketi"
    COPY_JOB = "heketi-storage-copy-job"
    HEKETI = "heketi"


def part(pod: str) -> Part | None:
    """What the pod of that name is for; None for one that is no business of gk-deploy's."""
    longest_first = sorted(Part, key=lambda each: -len(each.value))
    return next((each for each in longest_first if re.match(rf"{each.value}(-|$)", pod)), None)


def together(readings: Iterable[Reading]) -> Reading:
    """All of `readings` as one, and each piece of evidence at its node, where any of them knows.

    What a pod that is ready by now said, or what was said about it, is history, and left out.
    """
    all_of = list(readings)
    places = _known_places(place for each in all_of for place in each.places)
    works = tuple(dict.fromkeys(work for each in all_of for work in each.works))
    broken = {trouble.object for each in all_of for trouble in each.troubles}
    return Reading(
        tuple(
            _placed(piece, places)
            for each in all_of
            for piece in each.evidence
            if not _history(piece, set(works) - broken)
        ),
        tuple(dict.fromkeys(_placed_trouble(t, places) for each in all_of for t in each.troubles)),
        works,
        tuple(places.values()),
        tuple(dict.fromkeys(unread for each in all_of for unread in each.unread)),
    )


def _known_places(places: Iterable[Place]) -> dict[str, Place]:
    """By pod; what one output left out of it, another may tell."""
    known: dict[str, Place] = {}
    for place in places:
        had = known.get(place.pod, place)
        node, namespace = had.node or place.node, had.namespace or place.namespace
        known[place.pod] = Place(place.pod, node, namespace)
    return known


def _history(piece: Evidence, well: set[str]) -> bool:
    """Heketi's log, and what it says of its Gluster pods, stays news while these are ready."""
    return piece.object in well and piece.kind is not Kind.HEKETI


def _placed(piece: Evidence, places: dict[str, Place]) -> Evidence:
    place = places.get(piece.object.removeprefix("pod "))
    if place is None:
        return piece
    namespace = piece.namespace or place.namespace
    return replace(piece, node=piece.node or place.node, namespace=namespace)


def _placed_trouble(trouble: Trouble, places: dict[str, Place]) -> Trouble:
    place = places.get(trouble.object.removeprefix("pod "))
    return replace(trouble, node=trouble.node or place.node) if place else trouble
