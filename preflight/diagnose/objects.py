"""What `kubectl get -o json` and `-o yaml` print: objects of the API -> evidence.

Shapes are those of core/v1, apps/v1 and batch/v1; whatever is missing in an object is read as
empty, since a file may be cut down by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from preflight.diagnose.evidence import Evidence, Kind, Place, Reading, Trouble, part

Object = Mapping[str, Any]

PROVISIONER = "kubernetes.io/glusterfs"
PROVISIONED_BY = (
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
)


def listed(document: object) -> list[Object]:
    """The objects of a List, or the one that the document is; nothing where it is neither."""
    if not isinstance(document, Mapping) or not isinstance(document.get("kind"), str):
        return []
    if not document["kind"].endswith("List"):
        return [document]
    items = document.get("items")
    # Items of a typed list (PodList) name no kind of their own.
    kind = document["kind"].removesuffix("List")
    found = items if isinstance(items, list) else []
    return [{"kind": kind, **item} for item in found if isinstance(item, Mapping)]


def read(objects: Iterable[Object], origin: str) -> Iterator[Reading]:
    """What each object says; kinds that say nothing of a deployment are passed over."""
    for each in objects:
        if (reader := READERS.get(str(each.get("kind")))) is not None:
            yield reader(each, origin)


def pod(each: Object, origin: str) -> Reading:
    """A pod: what its containers wait for, or died of; others than gk-deploy's never trouble."""
    name, namespace = named(each)
    node = word(get(each, "spec").get("nodeName")) or None
    status = get(each, "status")
    place = Place(name, node, namespace)
    containers = items(status, "containerStatuses")
    ready = sum(container.get("ready") is True for container in containers)
    asked = len(items(get(each, "spec"), "containers")) or len(containers)
    phase = word(status.get("phase")) or "Unknown"
    saw = f"{phase}, ready {ready}/{asked}"
    what = f"pod {name}"
    if phase == "Succeeded" or (asked and ready >= asked):
        return Reading(works=(what,), places=(place,))
    lines = [saw, *_conditions(status), *(line for c in containers for line in _states(c))]
    evidence = Evidence(Kind.PODS, what, node, "\n".join(lines), origin, namespace)
    troubles = (Trouble(what, node, saw, origin),) if part(name) else ()
    return Reading((evidence,), troubles, places=(place,))


def _conditions(status: Object) -> Iterator[str]:
    for condition in items(status, "conditions"):
        if condition.get("status") != "True" and condition.get("message"):
            told = f"{word(condition.get('reason'))}: {word(condition.get('message'))}"
            yield f"condition {word(condition.get('type'))}: {told}"


def _states(container: Object) -> Iterator[str]:
    for when in ("state", "lastState"):
        for state, detail in get(container, when).items():
            if state == "running" or not isinstance(detail, Mapping):
                continue
            code = f" exit {detail['exitCode']}" if "exitCode" in detail else ""
            told = ": ".join(
                filter(None, (word(detail.get("reason")), word(detail.get("message"))))
            )
            yield f"container {word(container.get('name'))} {state}{code}: {told}"


def event(each: Object, origin: str) -> Reading:
    """An event, by what it is about; a component that runs on a node names it as its source."""
    about = get(each, "involvedObject") or get(each, "regarding")
    kind, name = word(about.get("kind")).lower(), word(about.get("name"))
    node = word(get(each, "source").get("host")) or (name if kind == "node" else "") or None
    message = word(each.get("message")) or word(each.get("note"))
    text = f"{word(each.get('type'))} {word(each.get('reason'))} {message}"
    if each.get("type") == "Normal":
        return Reading()
    what = {"persistentvolumeclaim": "pvc"}.get(kind, kind)
    namespace = word(about.get("namespace"))
    return Reading((Evidence(Kind.EVENTS, f"{what} {name}", node, text, origin, namespace),))


def daemonset(each: Object, origin: str) -> Reading:
    """GlusterFS' own DaemonSet: whether all the pods that it wants are ready."""
    name, namespace = named(each)
    status, what = get(each, "status"), f"daemonset {name}"
    wanted, ready = (status.get(key) or 0 for key in ("desiredNumberScheduled", "numberReady"))
    if part(name) is None:
        return Reading()
    return counted(what, namespace, (int(wanted), int(ready)), origin)


def counted(what: str, namespace: str, numbers: tuple[int, int], origin: str) -> Reading:
    """What a DaemonSet with `numbers` (pods wanted, pods ready) comes to."""
    wanted, ready = numbers
    saw = f"{ready} of {wanted} pods ready" if wanted else "no node carries the label it looks for"
    if wanted and ready >= wanted:
        return Reading(works=(what,))
    evidence = Evidence(Kind.DAEMONSET, what, None, saw, origin, namespace)
    return Reading((evidence,), (Trouble(what, None, saw, origin),))


def claim(each: Object, origin: str) -> Reading:
    """A claim for a volume of heketi's: whether it is bound."""
    name, namespace = named(each)
    notes = get(get(each, "metadata"), "annotations")
    by = {word(notes.get(key)) for key in PROVISIONED_BY} - {""}
    if by and by != {PROVISIONER}:
        return Reading()
    return bound(f"{namespace}/{name}", word(get(each, "status").get("phase")), origin)


def bound(name: str, phase: str, origin: str) -> Reading:
    """What the claim NAMESPACE/NAME comes to; of one that is being deleted, nothing."""
    namespace, _, own = name.rpartition("/")
    if phase == "Bound":
        return Reading(works=(f"pvc {own}",))
    if phase not in {"Pending", "Lost"}:
        return Reading()
    evidence = Evidence(Kind.PVC, f"pvc {own}", None, phase, origin, namespace)
    return Reading((evidence,), (Trouble(f"pvc {own}", None, phase, origin),))


READERS: Mapping[str, Callable[[Object, str], Reading]] = {
    "Pod": pod,
    "Event": event,
    "DaemonSet": daemonset,
    "PersistentVolumeClaim": claim,
}


def named(each: Object) -> tuple[str, str]:
    """Name and namespace."""
    about = get(each, "metadata")
    return word(about.get("name")), word(about.get("namespace"))


def get(each: Object, key: str) -> Object:
    """The object under `key`; an empty one where there is none."""
    value = each.get(key)
    return value if isinstance(value, Mapping) else {}


def items(each: Object, key: str) -> list[Object]:
    """The objects in the list under `key`."""
    value = each.get(key)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def word(value: object) -> str:
    """The text that this is; empty for anything else."""
    return value if isinstance(value, str) else ""
