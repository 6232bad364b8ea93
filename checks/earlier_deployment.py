"""earlier-deployment: nothing is in the cluster that gk-deploy would stumble over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from preflight.facts import kubernetes
from preflight.facts.kubernetes import CONFIG, ENDPOINTS, LABEL, Listed, Member, Planned, Unreadable
from preflight.plugin import (
    Facts,
    Finding,
    Node,
    Site,
    controller_check,
    fail,
    look_first,
    ok,
    warn,
)

WANT = "nothing of an earlier deployment"
DAEMONSET, LABELLED = ("DaemonSet", "glusterfs"), "glusterfs"
HEKETI, SERVICE = ("Deployment", "heketi"), ("Service", "heketi")
DEPLOY_HEKETI = ("Deployment", "deploy-heketi")
BEGUN = (DEPLOY_HEKETI, ("Service", "deploy-heketi"))
JOB = ("Job", kubernetes.COPY_JOB)
STORAGE_SERVICE, STORAGE_ENDPOINTS = ("Service", ENDPOINTS), ("Endpoints", ENDPOINTS)
DATABASE = ("Secret", kubernetes.DATABASE)
STORED = (JOB, STORAGE_SERVICE, STORAGE_ENDPOINTS, DATABASE)


@controller_check(
    lambda node: [
        kubernetes.nodes(kubernetes.kubectl(node)),
        kubernetes.objects(kubernetes.kubectl(node), kubernetes.site(node).deployer.namespace),
        kubernetes.topology(kubernetes.kubectl(node), kubernetes.site(node).deployer.namespace),
    ]
)
def earlier_deployment(facts: Facts) -> Iterator[Finding]:
    """No earlier deployment in the cluster spoils this one.

    Checks: in the inventory's `deployer.namespace`, the objects that gk-deploy and heketi make,
    by their names; the topology in the secret heketi-config-secret, against the inventory, from
    which one that cannot be read differs too; and
    the label storagenode=glusterfs on nodes that the inventory does not list.

    Why: gk-deploy goes on with what it finds. The secret is never written anew: an edited topology
    is not loaded. Once the copy job was made, every further run ends in
    `Volume heketidbstorage already exists`, or `endpoints "heketi-storage-endpoints" already
    exists`. Where heketi runs, it loads nothing, and says `Deployment complete!`. Where there is
    a Deployment heketi, nothing is a leftover, ready or not: the endpoints and the secret are what
    its pod mounts.

    By hand: where heketi runs, add nodes and disks with `heketi-cli node add` and `heketi-cli
    device add`. Where a deployment broke off, `gkprep deploy --abort` shows what it would delete,
    and asks; volumes and disks are not touched by it: see gluster-state and device-clean then.

    Source: catalogue C11, D5, D8, D9, D10, D11; gluster-kubernetes deploy/gk-deploy.
    """
    words, site = kubernetes.kubectl(facts.node), kubernetes.site(facts.node)
    namespace = site.deployer.namespace
    objects = facts[kubernetes.objects(words, namespace)]
    left = Left({(each.kind, each.name): each for each in objects}, f"{words} -n {namespace}")
    stored = facts[kubernetes.topology(words, namespace)]
    findings = [
        *(left.heketi() or (*_secret(left, stored, site), *left.broken_off())),
        *_labels(facts[kubernetes.nodes(words)], site, words),
    ]
    yield from findings or [ok("objects", "none", WANT)]


@dataclass(frozen=True)
class Left:
    """What is there, by kind and name, and how kubectl is called for it."""

    objects: dict[tuple[str, str], Listed]
    kubectl: str

    def there(self, *keys: tuple[str, str]) -> list[str]:
        """Those of `keys` that exist, as `kind/name`."""
        return [f"{kind.lower()}/{name}" for kind, name in keys if (kind, name) in self.objects]

    def heketi(self) -> tuple[Finding, ...]:
        """A heketi that was deployed: gk-deploy makes it last, so whatever else is there is its.

        One that serves is in use, and so no fault, but nothing more comes of gk-deploy. One that is
        not ready may just restart: to delete what it mounts would be the end of it.
        """
        heketi = self.objects.get(HEKETI)
        if not heketi:
            return ()
        if not heketi.ready:
            saw = f"deployment/heketi is there, {heketi.ready} of {heketi.wanted} pods ready"
            cure = f"{self.kubectl} describe pods --selector=heketi=pod"
            return (fail("heketi", saw, "ready, or not there yet", cure=cure),)
        saw = "it runs already, so gk-deploy would load nothing, and say that it is complete"
        cure = "heketi-cli node add, heketi-cli device add"
        return (warn("heketi", saw, "not there yet, or nothing to add", cure=cure),)

    def broken_off(self) -> Iterator[Finding]:
        """What a deployment has left that did not come to its end, the latest step first."""
        halted = self.there(SERVICE)
        if halted:
            saw = f"{halted[0]} is there, and no deployment/heketi behind it"
            cure = f"{self.kubectl} describe {halted[0]}"
            yield fail("heketi", saw, "ready, or not there yet", cure=cure)
        begun, stored = self.there(*BEGUN), self.there(*STORED)
        if stored and (begun or JOB in self.objects):
            says = "Volume heketidbstorage already exists"
            yield fail("heketi-storage", f"there: {', '.join(stored)}", WANT, says=says, cure=ABORT)
        elif stored:
            says = f'endpoints "{ENDPOINTS}" already exists'
            names = " ".join(stored)
            delete = look_first(f"{self.kubectl} get {names}", f"{self.kubectl} delete {names}")
            cure = ABORT if halted else delete
            yield fail("heketi-storage", f"there: {names}", WANT, says=says, cure=cure)
        if begun and not stored:
            saw = f"there: {', '.join(begun)}; gk-deploy goes on with what its heketi knows"
            yield warn("deploy-heketi", saw, WANT, cure=ABORT)
        if DAEMONSET in self.objects:
            pods = self.objects[DAEMONSET]
            saw = f"there, {pods.ready} of {pods.wanted} pods ready; it stays as it is"
            yield warn("daemonset/glusterfs", saw, WANT, cure=ABORT)


ABORT = "gkprep deploy --abort"


def _secret(
    left: Left, stored: tuple[Planned, ...] | Unreadable | None, site: Site
) -> Iterator[Finding]:
    """gk-deploy never writes this secret anew: what it holds is what gets loaded (D9)."""
    if ("Secret", CONFIG) not in left.objects:
        return
    want = "the inventory's topology, or no secret yet"
    if isinstance(stored, Unreadable):
        differences = [f"what it holds cannot be read: {stored.why}"]
    else:
        differences = _differences(stored or (), site.storage)
    if not differences:
        yield ok(CONFIG, "the inventory's topology", want)
        return
    there = left.there(("Secret", CONFIG), *BEGUN)
    yield fail(
        CONFIG,
        f"another topology, which gk-deploy would load: {'; '.join(differences)}",
        want,
        cure=look_first(
            f"{left.kubectl} get {' '.join(there)}", f"{left.kubectl} delete {' '.join(there)}"
        ),
    )


def _differences(stored: Iterable[Planned], nodes: Iterable[Node]) -> list[str]:
    """What is not in the stored topology as it is in the inventory, a node at a time."""
    old = {node.name: node for node in stored}
    new = {
        node.name: Planned(
            node.name, node.storage or "", node.zone, tuple(device.path for device in node.devices)
        )
        for node in nodes
    }
    found = []
    for name in sorted({*old, *new}):
        if name not in new:
            found.append(f"{name} is in it, and not in the inventory")
        elif name not in old:
            found.append(f"{name} is not in it")
        else:
            found += _changed(old[name], new[name])
    return found


def _changed(old: Planned, new: Planned) -> Iterator[str]:
    if old.storage != new.storage:
        yield f"{new.name} has storage {old.storage}, not {new.storage}"
    if old.zone != new.zone:
        yield f"{new.name} has zone {old.zone}, not {new.zone}"
    if {*old.devices} != {*new.devices}:
        yield f"{new.name} has {' '.join(old.devices) or 'no device'}"


def _labels(members: Iterable[Member], site: Site, words: str) -> Iterator[Finding]:
    """The DaemonSet runs on whatever carries the label, whoever put it there."""
    ours = {node.name for node in site.storage}
    for member in members:
        if member.label == LABELLED and member.name not in ours:
            saw = f"labelled {LABEL}={LABELLED}: a GlusterFS pod will run there too"
            cure = look_first(
                f"{words} get node {member.name} --show-labels",
                f"{words} label node {member.name} {LABEL}-",
            )
            yield warn(member.name, saw, "the label on storage nodes alone", cure=cure)
