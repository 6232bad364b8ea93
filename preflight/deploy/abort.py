"""Takes a deployment back as far as the deployer can, and tells what is left.

Its exit status tells nothing: it is 1 however it went (D2). What it leaves on the nodes, disks and
directories (D11), the nodes' own checks see, and `gkprep fix` clears.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from preflight import prompt
from preflight.collect import collect
from preflight.deploy.cluster import LIMITS, Cluster
from preflight.deploy.deployer import Deployer, Work
from preflight.deploy.flow import (
    HIDDEN,
    Consent,
    Outcome,
    Run,
    Terms,
    keys_folder,
    make,
    stored_keys,
)
from preflight.deploy.keys import ADMIN_FILE, keys
from preflight.deploy.place import Place
from preflight.errors import DeployError, Unknown, UsageError
from preflight.facts import deployment as facts
from preflight.facts import kubernetes
from preflight.facts.kubernetes import claims
from preflight.facts.kubernetes.command import kubectl
from preflight.model import Finding, Inventory, Prospect, Stage
from preflight.plugin import fail, ok
from preflight.reach import UNHURRIED, Reach
from preflight.report.printable import visible
from preflight.survey import Survey

OWN = "heketidbstorage"
"""heketi's own volume, which holds its database and nothing of anybody's."""

CHECK = "abort"
GONE = 120.0
"""Seconds that pods get to end in: their grace period is 30."""

PAUSE = 2.0
OWN_OBJECTS = (  # what gkprep made: kind, name, and whether it is in the namespace
    ("StorageClass", facts.STORAGE_CLASS, False),
    ("Secret", facts.SECRET, True),
)
NAMES = frozenset(
    {
        "heketi",
        "deploy-heketi",
        "heketi-storage-copy-job",
        "heketi-storage-endpoints",
        "heketi-config-secret",
        "heketi-storage-secret",
    }
)


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
        return (Stage("objects deleted", took, None if self._over is None else True),)

    def ended(self, rc: int | None, now: float) -> str:
        """What is left in the cluster says how it went."""
        del rc
        self._over = now
        return ""


@dataclass(frozen=True)
class Stock:
    """What would be lost: volumes as heketi has them, and as the cluster has them.

    `unknown` is why heketi could not tell, empty where it did or where there is none.
    """

    volumes: tuple[str, ...]
    claims: tuple[claims.Volume, ...]
    unknown: str = ""

    @property
    def number(self) -> int:
        """How many volumes there are: a claim's is one of heketi's."""
        return max(len(self.volumes), len(self.claims))


def abort(
    fleet: Reach, inventory: Inventory, deployer: Deployer, terms: Terms, consent: Consent
) -> Outcome:
    """Take the deployment back, if `consent` is given.

    Raises UsageError where there are volumes, and `terms` do not give their number.
    """
    controller = next(node for node in fleet.nodes if node.site)
    cluster = Cluster(controller, fleet.connect)
    folder = keys_folder(cluster)
    refuse_loss(stock(cluster, folder / ADMIN_FILE), terms.volumes)
    known = collect(controller, deployer.needs(controller), fleet.connect(controller), LIMITS)
    work = Work(inventory, known)
    planned = Prospect(
        command=tuple(deployer.abort(work, Place(Path("PRIVATE")), HIDDEN)),
        changes=deployer.changes(work),
        deleted=(*left(cluster), *(f"{kind} {name}" for kind, name, _ in OWN_OBJECTS)),
    )
    before = Survey({controller.name: known}, ())
    if not consent(planned):
        return Outcome(before, planned, back=True)
    found_keys = keys(folder, terms.environ, lambda: stored_keys(cluster))
    made = make(cluster, deployer, work, Run(deployer.abort, Backwards()), found_keys)
    for kind, name, namespaced in OWN_OBJECTS:
        cluster.delete(kind, name, namespaced=namespaced)
    found = judged(wait_until_gone(cluster), controller.name)
    nodes = fleet.survey(UNHURRIED)
    now = Survey(nodes.facts, (*nodes.findings, *found))
    return Outcome(before, planned, made, now, back=True)


def stock(cluster: Cluster, key: Path) -> Stock:
    """What volumes there are. Raises DeployError where the cluster does not tell its own."""
    words = kubectl(cluster.controller)
    asked = claims.volumes(words)
    heketi = facts.known(words, cluster.namespace, key)
    told = cluster.ask(asked, heketi, kubernetes.objects(words, cluster.namespace))
    try:
        bound = told[asked]
        there = any(
            (each.kind, each.name) == ("Deployment", "heketi")
            for each in told[kubernetes.objects(words, cluster.namespace)]
        )
    except Unknown as exc:
        raise DeployError(f"which volumes there are could not be found out: {exc}") from exc
    if not there:
        return Stock((), bound)
    try:
        names = tuple(name for name in told[heketi].volumes if name != OWN)
    except Unknown as exc:
        return Stock((), bound, str(exc))
    return Stock(names, bound)


def refuse_loss(found: Stock, allowed: int | None) -> None:
    """Raise UsageError unless as many volumes as there are may be lost."""
    if allowed == found.number or (allowed is None and not found.number and not found.unknown):
        return
    told = [f"volume {name}" for name in found.volumes]
    told += [f"{each.name}, {each.phase}, of claim {each.claim}" for each in found.claims]
    if found.unknown:
        told.append(f"heketi could not tell what else there is: {found.unknown}")
    prompt.show("".join(f"    {visible(line)}\n" for line in told))
    raise UsageError(
        f"an abort would leave {found.number} volumes without a heketi: delete their claims first,"
        f" or say --abort-volumes {found.number}"
    )


def left(cluster: Cluster) -> tuple[str, ...]:
    """What of a deployment is in the cluster, as `Kind name`. Raises DeployError."""
    words = kubectl(cluster.controller)
    asked = (kubernetes.objects(words, cluster.namespace), kubernetes.binding(words))
    nodes, pods = kubernetes.nodes(words), facts.pods(words, cluster.namespace)
    told = cluster.ask(*asked, nodes, pods)
    try:
        found = [
            f"{each.kind} {each.name}" for each in told[asked[0]] if _deployed(each.kind, each.name)
        ]
        found += [f"Pod {pod.name}" for pod in told[pods]]
        if told[asked[1]]:
            found.append(f"ClusterRoleBinding {kubernetes.BINDING}")
        found += [
            f"label {kubernetes.LABEL} of node {each.name}" for each in told[nodes] if each.label
        ]
    except Unknown as exc:
        raise DeployError(f"what is left in the cluster could not be found out: {exc}") from exc
    return tuple(found)


def _deployed(kind: str, name: str) -> bool:
    """Whether gk-deploy or heketi gives that name; a token of the service account has a suffix."""
    if kind == "DaemonSet":
        return name == "glusterfs"
    if kind == "Secret" and name.startswith("heketi-service-account-"):
        return False  # the account's own: it goes with that
    return name in NAMES


def wait_until_gone(cluster: Cluster) -> tuple[str, ...]:
    """What is still left when pods had their time to end."""
    end = time.monotonic() + GONE
    while (found := left(cluster)) and time.monotonic() < end:
        if not any(each.startswith("Pod ") for each in found):
            break
        time.sleep(PAUSE)
    return found


def judged(remaining: Sequence[str], node: str) -> Iterator[Finding]:
    """Each object that is left, or that there is none."""
    if not remaining:
        yield replace(ok("cluster", "nothing of the deployment is left"), check=CHECK, node=node)
    for each in remaining:
        kind, _, name = each.partition(" ")
        cure = f"kubectl delete {kind.lower()} {name}"
        if kind == "label":
            cure = f"kubectl label node {name.rpartition(' ')[2]} {kubernetes.LABEL}-"
        found = fail(each, "still there", "gone", cure=cure)
        yield replace(found, check=CHECK, node=node)
