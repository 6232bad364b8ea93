"""Pods (core/v1): what each is for in a deployment of gk-deploy's, and whether it does it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from preflight.facts.kubernetes import names
from preflight.facts.kubernetes.shapes import Object, get, items, named, word


class Part(Enum):
    """What a pod is for; the names are those of gk-deploy's templates."""

    GLUSTER = "glusterfs"
    DEPLOY_HEKETI = "deploy-heketi"
    COPY_JOB = names.COPY_JOB
    HEKETI = "heketi"


DAEMONSET = ("DaemonSet", "glusterfs")
"""What makes the Gluster pods; gk-deploy lets nobody choose its name."""

LABELS = (
    ("glusterfs", "pod", Part.GLUSTER),
    ("deploy-heketi", "pod", Part.DEPLOY_HEKETI),
    ("heketi", "pod", Part.HEKETI),
    ("job-name", names.COPY_JOB, Part.COPY_JOB),
)
"""A label and its value, and what a pod is for that has it; gk-deploy selects by these."""


@dataclass(frozen=True)
class Pod:
    """One pod.

    `node` is empty while it has none, `ready` of `wanted` containers are, `waits` is why it is not
    ready (the kubelet's reason), empty where nothing gives one. `stands`: its condition Ready
    holds, which a node that is lost takes back, and it is not being deleted (`leaves`). `owner` is
    the kind and name of what has made it, None of one that somebody made by hand.
    """

    name: str
    part: Part | None
    node: str
    phase: str
    ready: int
    wanted: int
    waits: str = ""
    stands: bool = True
    leaves: bool = False
    namespace: str = ""
    owner: tuple[str, str] | None = None

    @property
    def is_gluster(self) -> bool:
        """Whether it is a Gluster pod of the deployment's, and not one that only has the label."""
        return self.part is Part.GLUSTER and self.owner == DAEMONSET

    @property
    def is_ready(self) -> bool:
        """Whether all of it is ready, and here to stay."""
        return self.stands and self.wanted > 0 and self.ready == self.wanted


def read(item: Object) -> Pod:
    """The pod that `item` is; what is missing in it is empty."""
    status, spec = get(item, "status"), get(item, "spec")
    containers = items(status, "containerStatuses")
    ready = sum(each.get("ready") is True for each in containers)
    wanted = len(items(spec, "containers")) or len(containers)
    lost = _lost(item, status)
    name, namespace = named(item)
    return Pod(
        name=name,
        part=_part(get(get(item, "metadata"), "labels")),
        node=word(spec.get("nodeName")),
        phase=word(status.get("phase")),
        ready=ready,
        wanted=wanted,
        waits=next(_reasons(status), lost if ready == wanted else ""),
        stands=not lost,
        leaves=_leaves(item),
        namespace=namespace,
        owner=_owner(item),
    )


def _part(labels: Object) -> Part | None:
    return next((part for key, value, part in LABELS if labels.get(key) == value), None)


def _owner(item: Object) -> tuple[str, str] | None:
    """The controller among its owners, of which an object has one at most."""
    owners = items(get(item, "metadata"), "ownerReferences")
    return next(
        (
            (word(each.get("kind")), word(each.get("name")))
            for each in owners
            if each.get("controller") is True
        ),
        None,
    )


def _leaves(item: Object) -> bool:
    return bool(get(item, "metadata").get("deletionTimestamp"))


def _lost(item: Object, status: Object) -> str:
    """Why its containers' being ready does not count; empty where it does."""
    if _leaves(item):
        return "being deleted"
    conditions = {each.get("type"): each.get("status") for each in items(status, "conditions")}
    return "" if conditions.get("Ready") == "True" else "its condition Ready does not hold"


def _reasons(status: Object) -> Iterator[str]:
    """The reasons of containers that wait, then those of conditions that are not met."""
    for each in items(status, "containerStatuses"):
        if reason := word(get(get(each, "state"), "waiting").get("reason")):
            yield reason
    for each in items(status, "conditions"):
        if each.get("status") != "True" and each.get("reason") == "Unschedulable":
            yield f"Unschedulable: {word(each.get('message'))}"
