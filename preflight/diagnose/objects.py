"""What `kubectl get -o json` and `-o yaml` print: objects of the API -> evidence.

Shapes are those of core/v1, apps/v1 and batch/v1; whatever is missing in an object is read as
empty, since a file may be cut down by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from preflight.diagnose.evidence import Evidence, Kind, Part, Place, Reading, Trouble, part

Object = Mapping[str, Any]

PROVISIONER = "kubernetes.io/glusterfs"
PROVISIONED_BY = (
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
)
CLASS_OF_OLD = "volume.beta.kubernetes.io/storage-class"


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
    """What each object says; kinds that say nothing of a deployment are passed over.

    StorageClasses among them tell whose claims are heketi's.
    """
    present = current(objects)
    classes = {
        named(each)[0]: word(each.get("provisioner"))
        for each in present
        if each.get("kind") == "StorageClass"
    }
    for each in present:
        if each.get("kind") == "PersistentVolumeClaim":
            yield claim(each, origin, classes)
        elif (reader := READERS.get(str(each.get("kind")))) is not None:
            yield reader(each, origin)


def current(objects: Iterable[Object]) -> list[Object]:
    """All but pods that have ended, or are being deleted, beside a ready one of their owner."""
    present = list(objects)
    pods = [each for each in present if each.get("kind") == "Pod"]
    replaced = {_owner(each) for each in pods if is_ready(each)}
    return [
        each
        for each in present
        if each.get("kind") != "Pod" or not _ended(each) or _owner(each) not in replaced
    ]


def _ended(each: Object) -> bool:
    return get(each, "status").get("phase") == "Failed" or _leaves(each)


def _owner(each: Object) -> tuple[str, ...]:
    """What makes pods in the place of this one; a DaemonSet does it node by node."""
    name, namespace = named(each)
    for owner in items(get(each, "metadata"), "ownerReferences"):
        node = word(get(each, "spec").get("nodeName")) if owner.get("kind") == "DaemonSet" else ""
        return (namespace, word(owner.get("kind")), word(owner.get("name")), node)
    node = word(get(each, "spec").get("nodeName")) if role(each) is Part.GLUSTER else ""
    return (namespace, "", name.rpartition("-")[0], node)


LABELS = (
    ("glusterfs", "pod", Part.GLUSTER),
    ("deploy-heketi", "pod", Part.DEPLOY_HEKETI),
    ("heketi", "pod", Part.HEKETI),
    ("job-name", "heketi-storage-copy-job", Part.COPY_JOB),
)
"""A label and its value, and what a pod is for that has it; gk-deploy selects by these."""


def role(each: Object) -> Part | None:
    """What the pod is for, by its labels; by its name only where it has none."""
    labels = get(get(each, "metadata"), "labels")
    if not labels:
        return part(named(each)[0])
    return next((what for key, value, what in LABELS if labels.get(key) == value), None)


def is_ready(each: Object) -> bool:
    """Whether the pod has done its work, or does it: ready by its condition, and here to stay.

    A kubelet that is gone leaves its containers ready; only the condition is taken back.
    """
    status = get(each, "status")
    if status.get("phase") == "Succeeded":
        return True
    conditions = {c.get("type"): c.get("status") for c in items(status, "conditions")}
    return conditions.get("Ready") == "True" and not _leaves(each)


def _leaves(each: Object) -> bool:
    return bool(get(each, "metadata").get("deletionTimestamp"))


def pod(each: Object, origin: str) -> Reading:
    """A pod: what its containers wait for, or died of; others than gk-deploy's never trouble."""
    name, namespace = named(each)
    node = word(get(each, "spec").get("nodeName")) or None
    status = get(each, "status")
    place = Place(name, node, namespace, role(each))
    what = f"pod {name}"
    if is_ready(each):
        return Reading(works=(what,), places=(place,))
    containers = items(status, "containerStatuses")
    ready = sum(container.get("ready") is True for container in containers)
    asked = len(items(get(each, "spec"), "containers")) or len(containers)
    phase = word(status.get("phase")) or "Unknown"
    saw = f"{phase}, ready {ready}/{asked}{', being deleted' if _leaves(each) else ''}"
    lines = [saw, *_conditions(status), *(line for c in containers for line in _states(c))]
    evidence = Evidence(Kind.PODS, what, node, "\n".join(lines), origin, namespace)
    troubles = (Trouble(what, node, saw, origin),) if place.part else ()
    return Reading((evidence,), troubles, places=(place,))


def node(each: Object, origin: str) -> Reading:
    """A node that is not Ready: its kubelet does not answer, or says so itself."""
    name, _ = named(each)
    conditions = [c for c in items(get(each, "status"), "conditions") if c.get("type") == "Ready"]
    if any(condition.get("status") == "True" for condition in conditions):
        return Reading()
    told = "".join(f": {word(c.get('reason'))}: {word(c.get('message'))}" for c in conditions)
    return Reading(troubles=(Trouble(f"node {name}", name, f"not Ready{told}", origin),))


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


def claim(each: Object, origin: str, classes: Mapping[str, str]) -> Reading:
    """A claim for a volume of heketi's: whether it is bound. `classes` are the known provisioners.

    Without any class, nothing is provisioned: somebody else gives it its volume.
    """
    name, namespace = named(each)
    notes = get(get(each, "metadata"), "annotations")
    of = word(get(each, "spec").get("storageClassName")) or word(notes.get(CLASS_OF_OLD))
    by = {word(notes.get(key)) for key in PROVISIONED_BY} - {""} or {classes.get(of, "")} - {""}
    if not (by == {PROVISIONER} if by else may_be_heketis(of)):
        return Reading()
    return bound(f"{namespace}/{name}", word(get(each, "status").get("phase")), origin)


def may_be_heketis(storage_class: str) -> bool:
    """By the name of its class, where nothing tells who provisions for it."""
    return "gluster" in storage_class or "heketi" in storage_class


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
