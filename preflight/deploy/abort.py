"""Takes a deployment back as far as the deployer can, and tells what is left.

Its exit status tells nothing: it is 1 however it went (D2). What it leaves on the nodes, disks and
directories (D11), the nodes' own checks see, and `gkprep fix` clears.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from preflight import prompt
from preflight.collect import collect
from preflight.deploy.cluster import LIMITS, Cluster
from preflight.deploy.credentials import keys_folder, keys_to_abort
from preflight.deploy.deployer import Deployer, Work
from preflight.deploy.flow import HIDDEN, Consent, Outcome, Terms
from preflight.deploy.keys import ADMIN_FILE
from preflight.deploy.making import Run, make
from preflight.deploy.place import Place, claimed
from preflight.deploy.remains import Own, Remains, Stock, stock
from preflight.errors import DeployError, UsageError
from preflight.facts import kubernetes
from preflight.facts.kubernetes import kubectl, site
from preflight.model import Finding, Inventory, Node, Prospect, Stage
from preflight.plugin import fail, look_first, ok, unknown
from preflight.reach import UNHURRIED, Reach
from preflight.report.printable import visible
from preflight.report.run import many
from preflight.survey import Survey

CHECK = "abort"
GONE = 120.0
"""Seconds that pods get to end in: their grace period is 30."""

PAUSE = 2.0
WANT = "nothing of the deployment"
AGAIN = "The StorageClass is deleted already; gkprep deploy makes it again"
GOES_ON = "What it has not taken back is still there. gkprep deploy --abort goes on from there"


class Backwards:
    """Reads what an abort prints, which has no stages and tells nothing of how it went (D2)."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._over: float | None = None

    def feed(self, text: str, now: float) -> None:
        """Take note that it goes on."""
        del text
        self._began = self._began or now

    def stages(self, now: float) -> tuple[Stage, ...]:
        """The one that there is."""
        took = None if self._began is None else (self._over or now) - self._began
        return (Stage("deletion of objects", took, None if self._over is None else True),)

    def ended(self, rc: int | None, now: float) -> str:
        """What is left in the cluster says how it went."""
        del rc
        self._over = now
        return ""


def abort(
    fleet: Reach, inventory: Inventory, deployer: Deployer, terms: Terms, consent: Consent
) -> Outcome:
    """Take the deployment back, if `consent` is given.

    Raises UsageError where there are volumes and `terms` do not give their number, where what
    others have made, or need, would be deleted too, and where the namespace is nowhere.
    """
    controller = fleet.controller
    cluster = Cluster(controller, fleet.connect)
    there = deployer.remains(cluster)
    refuse_strangers(there)
    nothing = Survey({}, ())
    if not (there.objects or there.own or there.stays):
        require_namespace(cluster)
        return Outcome(nothing, now=Survey({}, tuple(judged((), controller))), back=True)
    folder = keys_folder(cluster)
    found_keys = keys_to_abort(cluster, folder)
    lost = stock(cluster, folder / ADMIN_FILE)
    refuse_loss(lost, terms.volumes)
    known = collect(controller, deployer.needs(controller), fleet.connect(controller), LIMITS)
    work = Work(inventory, known, terms.options)
    planned = Prospect(
        command=tuple(deployer.abort(work, Place(Path("PRIVATE"), deployer.name), HIDDEN)),
        changes=deployer.changes(work),
        deleted=(*there.objects, *(f"{kind} {name}" for kind, name, _ in there.own)),
        warnings=(
            *(f"stays, without a heketi: {line}" for line in lost.lines()),
            *(f"stays, without {deployer.name}'s label: {each}" for each in there.stays),
        ),
    )
    if not consent(planned):
        return Outcome(nothing, planned, back=True)
    with claimed(folder):
        # The question may have stood for hours.
        now = deployer.remains(cluster)
        refuse_strangers(now)
        refuse_loss(stock(cluster, folder / ADMIN_FILE), terms.volumes)
        if no_more_volumes(cluster, [each for each in now.own if each in there.own]):
            try:
                refuse_loss(stock(cluster, folder / ADMIN_FILE), terms.volumes)
            except UsageError as exc:
                raise UsageError(f"{exc}. {AGAIN}") from exc
        way = Run(deployer.abort, Backwards(), GOES_ON, back=True)
        made = make(cluster, deployer, work, way, found_keys)
        found = tuple(finished(cluster, deployer, there))
    nodes = fleet.survey(UNHURRIED)
    return Outcome(
        nothing, planned, made, Survey(nodes.facts, (*nodes.findings, *found)), back=True
    )


def require_namespace(cluster: Cluster) -> None:
    """Raise UsageError where there is no such namespace: what is looked for is elsewhere, then."""
    asked = kubernetes.namespace(kubectl(cluster.controller), cluster.namespace)
    if cluster.answer(asked, "whether there is a namespace") is None:
        raise UsageError(
            f"there is no namespace {cluster.namespace} in this cluster: deployer.namespace,"
            " deployer.kubeconfig and deployer.context in the inventory say where to look"
        )


def no_more_volumes(cluster: Cluster, own: Sequence[Own]) -> bool:
    """Delete the StorageClass among gkprep's `own`: from then on nobody can ask for a volume.

    One that was asked for between the counting and the end of heketi would be nobody's. Whether
    there was one; raises DeployError where it stays.
    """
    classes = [each for each in own if each[0] == "StorageClass"]
    for kind, name, namespaced in classes:
        cluster.delete(kind, name, namespaced=namespaced)
    return bool(classes)


def refuse_strangers(there: Remains) -> None:
    """Raise UsageError where gk-deploy would delete what others have made, or need."""
    if there.against:
        raise UsageError("; ".join(there.against))


def refuse_loss(found: Stock, allowed: int | None) -> None:
    """Raise UsageError unless as many volumes as there are may be lost, and all are known."""
    if not found.unknown and (allowed or 0) == found.number:
        return
    volumes, are = many(found.number, "volume"), "is" if found.number == 1 else "are"
    prompt.show("".join(f"    {visible(line)}\n" for line in found.lines()))
    if found.unknown:
        raise UsageError(
            f"which volumes heketi has could not be found out: {found.unknown}. Have heketi run, or"
            " delete its Deployment yourself if nobody needs what it knows"
        )
    if allowed is None:
        raise UsageError(
            f"an abort would leave {volumes} without a heketi: delete what you do not need first,"
            f" with its claim, or say --abort-volumes {found.number}"
        )
    raise UsageError(f"there {are} {volumes}, not {allowed}: --abort-volumes {found.number}")


def finished(cluster: Cluster, deployer: Deployer, there: Remains) -> Iterator[Finding]:
    """Delete what gkprep has made, wait for the pods to end, and judge what is left."""
    controller = cluster.controller
    try:
        still = deployer.remains(cluster).own  # one that is not ours any more is not to go
        for kind, name, namespaced in filter(still.__contains__, there.own):
            cluster.delete(kind, name, namespaced=namespaced)
        now = _wait(cluster, deployer)
    except DeployError as exc:
        yield replace(unknown("cluster", str(exc), WANT), check=CHECK, node=controller.name)
        return
    own = tuple(f"{kind} {name}" for kind, name, _ in now.own)
    yield from judged((*now.objects, *now.stays, *own), controller)


def _wait(cluster: Cluster, deployer: Deployer) -> Remains:
    end = time.monotonic() + GONE
    while True:
        now = deployer.remains(cluster)
        ending = any(each.startswith("Pod ") for each in now.objects)
        if not ending or time.monotonic() > end:
            return now
        time.sleep(PAUSE)


def judged(remaining: Sequence[str], controller: Node) -> Iterator[Finding]:
    """Each object that is left, or that there is none."""
    node, words = controller.name, kubectl(controller)
    within = f"{words} --namespace={site(controller).deployer.namespace}"
    if not remaining:
        space = site(controller).deployer.namespace
        gone = ok("cluster", f"nothing of a deployment is left in namespace {space}")
        yield replace(gone, check=CHECK, node=node)
    for each in remaining:
        kind, _, name = each.partition(" ")
        look = f"{within} describe {kind.lower()} {name}"
        delete = f"{within} delete {kind.lower()} {name}"
        if kind == "label":
            member = name.rpartition(" ")[2]
            look = f"{words} get node {member} --show-labels"
            delete = f"{words} label node {member} {kubernetes.LABEL}-"
        found = fail(each, "still there", "gone", cure=look_first(look, delete))
        yield replace(found, check=CHECK, node=node)
