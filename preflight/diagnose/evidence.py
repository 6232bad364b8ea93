"""The nouns of a diagnosis, frozen: what was read, and what it comes to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import TypeVar

from preflight.diagnose.masks import masked
from preflight.facts.kubernetes.pods import Part
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


INSIDE = frozenset({Kind.JOURNAL, Kind.SYSTEMCTL, Kind.PROBE})
"""What a pod says of itself now, when somebody asks in it."""


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
class Quote:
    """Lines as they stand in what was read: those that a row of the table knows, for one."""

    origin: str
    object: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Trouble:
    """Something that is not as it must be, whatever the cause: a pod that is not ready.

    `beside` is what else was said of it, for one that no row of the table explains.
    """

    object: str
    node: str | None
    saw: str
    origin: str
    beside: tuple[Quote, ...] = ()


@dataclass(frozen=True)
class Unread:
    """What could not be read, or not whole, and why.

    `needed`: as long as it is not known, nobody can say that all is well.
    """

    origin: str
    why: str
    needed: bool = True


@dataclass(frozen=True)
class Place:
    """Where a pod runs, and what for; `node` is None as long as no node has taken it.

    `by_host`: the node is what its machine calls itself, and not what the API calls it.
    """

    pod: str
    node: str | None
    namespace: str
    part: Part | None = None
    by_host: bool = False


@dataclass(frozen=True)
class Log:
    """A log of heketi's, or a part of it: what it comes to, only all of them together tell."""

    text: str
    origin: str
    namespace: str = ""


@dataclass(frozen=True)
class Reading:
    """All that was read. `works` are the objects that are as they must be.

    `logs` are heketi's, as long as they were not read together.
    `notes` say what else a person has to know of what was read: that it is old, for one.
    """

    evidence: tuple[Evidence, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    works: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    unread: tuple[Unread, ...] = ()
    logs: tuple[Log, ...] = ()
    notes: tuple[str, ...] = ()


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
    notes: tuple[str, ...] = ()


def part(pod: str) -> Part | None:
    """What the pod of that name is for; None for one that is no business of gk-deploy's.

    What makes pods adds one word to their name, or two: heketi-exporter-7f8b5-x2v4q is none.
    """
    longest_first = sorted(Part, key=lambda each: -len(each.value))
    ours = (p for p in longest_first if re.fullmatch(rf"{p.value}(-[a-z0-9]+){{0,2}}", pod))
    return next(ours, None)


def together(readings: Iterable[Reading]) -> Reading:
    """All of `readings` as one, and each piece of evidence at its node, where any of them knows.

    What a pod that is ready by now said, or what was said about it, is history, and left out.
    Heketi's keys are taken out of all of it.
    """
    all_of = list(readings)
    places = _known_places(place for each in all_of for place in each.places)
    broken = {trouble.object for each in all_of for trouble in each.troubles}
    worked = dict.fromkeys(work for each in all_of for work in each.works)
    works = tuple(work for work in worked if work not in broken)
    return Reading(
        tuple(
            _placed(piece, places)
            for each in all_of
            for piece in map(_masked, each.evidence)
            if not _history(piece, set(works))
        ),
        tuple(
            dict.fromkeys(
                _placed_trouble(_masked(t), places) for each in all_of for t in each.troubles
            )
        ),
        works,
        tuple(places.values()),
        tuple(dict.fromkeys(_masked(unread) for each in all_of for unread in each.unread)),
        notes=tuple(note for each in all_of for note in each.notes),
    )


Told = TypeVar("Told", Evidence, Trouble, Unread)


def _masked(told: Told) -> Told:
    """Without keys: in texts, and in commands that a copied terminal has before them."""
    words = {
        each.name: masked(value)
        for each in fields(told)
        if isinstance(value := getattr(told, each.name), str)
    }
    return replace(told, **words)  # type: ignore[arg-type]


def _known_places(places: Iterable[Place]) -> dict[str, Place]:
    """By pod; what one output left out of it, another may tell.

    The node is called what the API calls it, wherever that was said.
    """
    known: dict[str, Place] = {}
    for place in sorted(places, key=lambda each: each.by_host):
        had = known.get(place.pod, place)
        known[place.pod] = Place(
            place.pod,
            had.node or place.node,
            had.namespace or place.namespace,
            had.part or place.part,
            had.by_host if had.node else place.by_host,
        )
    return known


def _history(piece: Evidence, well: set[str]) -> bool:
    """Heketi's log, and what it says of its Gluster pods, stays news while these are ready."""
    return piece.object in well and piece.kind is not Kind.HEKETI


def _placed(piece: Evidence, places: dict[str, Place]) -> Evidence:
    place = places.get(piece.object.removeprefix("pod "))
    if place is None:
        return piece
    namespace = piece.namespace or place.namespace
    if piece.kind in INSIDE and place.node and not place.by_host:
        return replace(piece, node=place.node, namespace=namespace)
    return replace(piece, node=piece.node or place.node, namespace=namespace)


def _placed_trouble(trouble: Trouble, places: dict[str, Place]) -> Trouble:
    place = places.get(trouble.object.removeprefix("pod "))
    return replace(trouble, node=trouble.node or place.node) if place else trouble
