"""What `kubectl get -o json` and `-o yaml` print: objects of the API -> evidence.

Shapes are those of core/v1, apps/v1 and batch/v1; whatever is missing in an object is read as
empty, since a file may be cut down by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from preflight.diagnose.evidence import Evidence, Kind, Place, Reading, Trouble, part
from preflight.facts.kubernetes import pods
from preflight.facts.kubernetes.claims import GLUSTERFS
from preflight.facts.kubernetes.pods import Part
from preflight.facts.kubernetes.shapes import Object, get, items, named, word

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
    replaced = {_owner(each) for each in present if each.get("kind") == "Pod" and is_ready(each)}
    return [
        each
        for each in present
        if each.get("kind") != "Pod" or not _ended(each) or _owner(each) not in replaced
    ]


def _ended(each: Object) -> bool:
    known = pods.read(each)
    return known.phase == "Failed" or known.leaves


def _owner(each: Object) -> tuple[str, ...]:
    """What makes pods in the place of this one; a DaemonSet does it node by node."""
    known = pods.read(each)
    for owner in items(get(each, "metadata"), "ownerReferences"):
        node = known.node if owner.get("kind") == "DaemonSet" else ""
        return (known.namespace, word(owner.get("kind")), word(owner.get("name")), node)
    node = known.node if role(each) is Part.GLUSTER else ""
    return (known.namespace, "", known.name.rpartition("-")[0], node)


def role(each: Object) -> Part | None:
    """What the pod is for, by its labels; by its name only where it has none."""
    known = pods.read(each)
    return known.part if get(get(each, "metadata"), "labels") else part(known.name)


def is_ready(each: Object) -> bool:
    """Whether the pod has done its work, or does it: ready by its condition, and here to stay.

    A kubelet that is gone leaves its containers ready; only the condition is taken back.
    """
    known = pods.read(each)
    return known.phase == "Succeeded" or known.stands


def pod(each: Object, origin: str) -> Reading:
    """A pod: what its containers wait for, or died of; others than gk-deploy's never trouble."""
    known, status = pods.read(each), get(each, "status")
    node, what = known.node or None, f"pod {known.name}"
    place = Place(known.name, node, known.namespace, role(each))
    if is_ready(each):
        return Reading(works=(what,), places=(place,))
    leaves = ", being deleted" if known.leaves else ""
    saw = f"{known.phase or 'Unknown'}, ready {known.ready}/{known.wanted}{leaves}"
    states = (line for each in items(status, "containerStatuses") for line in _states(each))
    text = "\n".join([saw, *_conditions(status), *states])
    evidence = Evidence(Kind.PODS, what, node, text, origin, known.namespace)
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
    if not (by == {GLUSTERFS} if by else may_be_heketis(of)):
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
