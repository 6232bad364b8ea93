"""A running cluster -> evidence: kubectl, asked on the machine that gkprep runs on.

The controller is a node like any other to `collect`: first one script asks what there is, then one
for each pod that is not ready, or that is heketi's, side by side. Nothing is changed, and nothing
is asked of a pod but its own words: systemctl, its journal, and what its readiness probe runs.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from preflight.collect import collect, side_by_side
from preflight.diagnose import deployment, inside, objects
from preflight.diagnose.evidence import Evidence, Kind, Log, Place, Reading, Trouble, Unread, part
from preflight.errors import Unknown
from preflight.facts.kubernetes.command import KUBECTL, kubectl, site
from preflight.facts.kubernetes.pods import Part
from preflight.facts.kubernetes.shapes import Object, get, items, named, word
from preflight.model import Facts, Limits, Node, Probe, Site
from preflight.transport import Shell

LOG_LINES, JOURNAL_LINES, BYTES = 5000, 200, 1 << 20

UNITS = ("glusterd", "rpcbind.socket", "rpcbind", "gluster-blockd", "tcmu-runner")

ANY = frozenset(range(256))
"""Exit statuses of what fails without telling us anything: a pod that had no earlier container."""


@dataclass(frozen=True)
class Asked:
    """One question to a pod, and what its answer is evidence of."""

    probe: Probe[str]
    read: Callable[[str], Iterable[Reading]]
    wanted: bool = True


def read(
    controller: Node,
    shell: Callable[[Node], Shell],
    limits: Limits,
    parallel: int,
) -> list[Reading]:
    """All that the cluster says to the controller.

    Never raises for what the cluster does: what it did not say is in the readings.
    """
    run = Kubectl(controller)
    first = {what: run.objects(what) for what in OBJECTS}
    facts = collect(controller, first.values(), shell(controller), limits)
    if isinstance(why := _answer(facts, first[PODS]), Unknown):
        trouble = Trouble("cluster", None, f"it could not be asked: {why}", run.shown)
        return [Reading(troubles=(trouble,))]
    readings: list[Reading] = []
    for what, probe in first.items():
        if isinstance(answer := _answer(facts, probe), Unknown):
            readings.append(_unread(f"{run.shown} {what}", str(answer), needed=what not in EVENTS))
    found = {what: _objects(facts, probe) for what, probe in first.items()}
    pods = [pod for pod in objects.current(found[PODS]) if _named(pod)]
    readings += _absent(pods, found[DAEMONSETS], site(controller))
    readings += _nodes(found[NODES], pods, site(controller))
    readings += objects.read(pods, GET_PODS)
    readings += objects.read(found[DAEMONSETS], f"kubectl get {DAEMONSETS}")
    claims = [*found[CLAIMS], *found[CLASSES]]
    readings += objects.read(claims, f"kubectl get {CLAIMS}")
    events = [event for what in EVENTS for event in found[what]]
    present = [*pods, *found[WAITING], *found[CLAIMS]]
    readings += objects.read(_of_today(events, present), "kubectl get events")
    readings += _unmounted(found[MOUNTS], found[WAITING])
    asked = {str(pod["metadata"]["name"]): list(questions(pod, run)) for pod in pods}
    nodes = {str(pod["metadata"]["name"]): _node(pod) or None for pod in pods}
    asks = {
        name: partial(
            collect, controller, [each.probe for each in about], shell(controller), limits
        )
        for name, about in asked.items()
        if about
    }
    answers = side_by_side(asks, parallel=parallel, on_done=lambda _: None)
    for name, known in answers.items():
        readings += _answers(name, nodes[name], asked[name], known)
    return deployment.joined(readings)


PODS, DAEMONSETS, NODES, CLASSES = "pods", "daemonsets", "nodes", "storageclasses"
CLAIMS = "persistentvolumeclaims --all-namespaces"
WAITING = "pods --all-namespaces --field-selector=status.phase=Pending"
MOUNTS = "events --all-namespaces --field-selector=reason=FailedMount"
EVENTS = (
    "events",
    "events --all-namespaces --field-selector=involvedObject.kind=PersistentVolumeClaim",
    MOUNTS,
)
OBJECTS = (PODS, DAEMONSETS, CLAIMS, CLASSES, NODES, WAITING, *EVENTS)
"""What `kubectl get` is asked for. Claims, and pods that mount volumes, are anywhere."""


class Kubectl:
    """kubectl's commands as probes, every word quoted."""

    def __init__(self, controller: Node) -> None:
        namespace = site(controller).deployer.namespace
        self.start = f"{kubectl(controller)} -n {shlex.quote(namespace)}"
        self.shown = f"kubectl -n {namespace} get"

    def objects(self, what: str) -> Probe[object]:
        """`kubectl get WHAT -o json`."""
        command = f"{self.start} get {what} -o json"
        return Probe(f"kubectl.get {what}", command, json.loads, by=KUBECTL)

    def text(self, name: str, *words: str, rcs: frozenset[int] = frozenset({0})) -> Probe[str]:
        """What the command prints."""
        command = f"{self.start} {shlex.join(words)}"
        return Probe(f"kubectl.{name}", command, str, rcs=rcs, by=KUBECTL)

    def inside(self, name: str, pod: str, script: str, *words: str) -> Probe[str]:
        """What `script` prints in the pod, errors too and not without end.

        It ends with 0 whatever came of it: another status is kubectl's, and means that it was
        not run.
        """
        bounded = f"{{ {script}; }} 2>&1 | head -c {BYTES}; exit 0"
        return self.text(name, "exec", pod, "--", "sh", "-c", bounded, "sh", *words)


def questions(pod: Object, run: Kubectl) -> Iterator[Asked]:
    """What to ask of `pod`: of heketi its log; of another one that is not ready, why."""
    name = str(pod["metadata"]["name"])
    role, ready = objects.role(pod), objects.is_ready(pod)
    if role in {Part.HEKETI, Part.DEPLOY_HEKETI}:
        yield from _logs(name, run, _heketis_log)
    elif role and not ready:
        yield from _logs(name, run, _log)
    if role is Part.GLUSTER and not ready and get(pod, "status").get("phase") == "Running":
        yield from _inside(pod, name, run)


def _logs(
    name: str, run: Kubectl, read: Callable[[str, str, str], Iterable[Reading]]
) -> Iterator[Asked]:
    """Its log, and first that of the container before it: there may have been none."""
    words = ("logs", name, f"--tail={LOG_LINES}", f"--limit-bytes={BYTES}")
    origin = f"kubectl logs {name}"
    before = run.text("logs.previous", *words, "--previous", rcs=ANY)
    yield Asked(before, partial(read, name, f"{origin} --previous"), wanted=False)
    yield Asked(run.text("logs", *words), partial(read, name, origin))


def _heketis_log(_name: str, origin: str, text: str) -> Iterator[Reading]:
    yield Reading(logs=(Log(text, origin),))


def _log(name: str, origin: str, text: str) -> Iterator[Reading]:
    if text.strip():
        yield Reading((Evidence(Kind.LOGS, f"pod {name}", None, text, origin),))


def _inside(pod: Object, name: str, run: Kubectl) -> Iterator[Asked]:
    what, origin = f"pod {name}", f"kubectl exec {name} --"
    status = f"systemctl status {' '.join(UNITS)} --no-pager -l"
    journal = f"journalctl --no-pager -n {JOURNAL_LINES}"
    yield Asked(
        run.inside("systemctl", name, status),
        lambda text: [inside.status(text, what, f"{origin} systemctl status")],
    )
    yield Asked(
        run.inside("journal", name, journal),
        lambda text: inside.journal(text, what, f"{origin} {journal}"),
    )
    if words := _readiness(pod):
        told = f"{origin} (what its readiness probe runs)"
        yield Asked(
            run.inside("probe", name, '"$@"', *words),
            lambda text: [Reading((Evidence(Kind.PROBE, what, None, text, told),))],
        )


def _readiness(pod: Object) -> Sequence[str]:
    """The words that the kubelet runs to find out whether the pod is ready."""
    for container in items(get(pod, "spec"), "containers"):
        command = get(get(container, "readinessProbe"), "exec").get("command")
        if isinstance(command, list) and all(isinstance(word, str) for word in command):
            return command
    return ()


def _answers(
    name: str, node: str | None, asked: Iterable[Asked], facts: Facts
) -> Iterator[Reading]:
    """What the pod answered; that it could not be asked, ready or not, is evidence too (C14)."""
    for each in asked:
        answer = _answer(facts, each.probe)
        if not isinstance(answer, Unknown):
            yield from each.read(str(answer))
        elif each.wanted:
            said = Evidence(Kind.PROBE, "kubectl", node, str(answer), f"kubectl, of {name},")
            yield Reading((said,), unread=(Unread(f"pod {name}", str(answer), needed=False),))


GET_PODS = f"kubectl get {PODS}"


def _absent(pods: Iterable[Object], sets: Iterable[Object], site: Site) -> Iterator[Reading]:
    """Storage nodes without a Gluster pod; where there is none at all, nothing can be well.

    That one is missing on a node is a sign only where something would make it there: before a
    deployment there is none on any.
    """
    on = {_node(pod) for pod in pods if objects.role(pod) is Part.GLUSTER}
    if not on:
        what, saw, origin = f"namespace {site.deployer.namespace}", "no GlusterFS pods", GET_PODS
        evidence = Evidence(Kind.PODS, what, None, saw, origin)
        yield Reading((evidence,), (Trouble(what, None, saw, origin),))
        if not any(part(named(each)[0]) is Part.GLUSTER for each in sets):
            return
    for name in (node.name for node in site.storage):
        if name not in on:
            what, saw, origin = f"node {name}", "no GlusterFS pod on it", GET_PODS
            evidence = Evidence(Kind.PODS, what, name, saw, origin)
            yield Reading((evidence,), (Trouble(what, name, saw, origin),) if on else ())


def _nodes(nodes: Iterable[Object], pods: Iterable[Object], site: Site) -> Iterator[Reading]:
    """What is wrong with the nodes that the deployment is on."""
    ours = {
        *(node.name for node in site.storage),
        *(_node(pod) for pod in pods if objects.role(pod)),
    }
    for each in nodes:
        if named(each)[0] in ours:
            yield objects.node(each, "kubectl get nodes")


def _node(pod: Object) -> str:
    return word(get(pod, "spec").get("nodeName"))


def _of_today(events: Iterable[Object], present: Iterable[Object]) -> list[Object]:
    """Without those about pods and claims that are gone: events are kept for an hour longer.

    One that was asked for twice is there once.
    """
    known = {(each.get("kind"), *named(each)) for each in present}
    kept: dict[str, Object] = {}
    for event in events:
        about = get(event, "involvedObject")
        kind, own = about.get("kind"), (about.get("name"), about.get("namespace"))
        if kind not in {"Pod", "PersistentVolumeClaim"} or (kind, *own) in known:
            kept.setdefault(json.dumps(event, sort_keys=True), event)
    return list(kept.values())


def _unmounted(events: Iterable[Object], waiting: Iterable[Object]) -> Iterator[Reading]:
    """Anybody's pods that wait for a Gluster volume; the rest of what waits is not ours."""
    pods = {named(pod): pod for pod in waiting}
    for event in events:
        about = get(event, "involvedObject")
        pod = pods.get((word(about.get("name")), word(about.get("namespace"))))
        message = word(event.get("message"))
        # Those of the deployment's own are troubles already.
        if pod is not None and objects.role(pod) is None and MOUNTED.search(message):
            name, namespace = named(pod)
            node, saw = _node(pod) or None, "it cannot mount a Gluster volume"
            trouble = Trouble(f"pod {name}", node, saw, "kubectl get events")
            yield Reading(troubles=(trouble,), places=(Place(name, node, namespace),))


MOUNTED = re.compile(r"glusterfs|no volume plugin matched")
"""What FailedMount says of a Gluster volume: its paths and commands have the word (N13, C3)."""


def _named(pod: Object) -> bool:
    return bool(named(pod)[0])


def _objects(facts: Facts, probe: Probe[object]) -> list[Object]:
    answer = _answer(facts, probe)
    return [] if isinstance(answer, Unknown) else list(objects.listed(answer))


def _answer(facts: Facts, probe: Probe[Any]) -> object:
    try:
        answer: object = facts[probe]
    except Unknown as exc:
        return exc
    return answer


def _unread(origin: str, why: str, *, needed: bool) -> Reading:
    return Reading(unread=(Unread(origin, why, needed),))
