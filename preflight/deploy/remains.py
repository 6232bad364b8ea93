"""What of a deployment is in the cluster, and what of it is whose. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from preflight.deploy.cluster import Cluster, untold
from preflight.errors import Unknown
from preflight.facts import deployment as facts
from preflight.facts import kubernetes
from preflight.facts.kubernetes import (
    ACCOUNT,
    BINDING,
    CONFIG,
    COPY_JOB,
    DATABASE,
    ENDPOINTS,
    Volume,
    kubectl,
    site,
)
from preflight.facts.kubernetes.pods import DAEMONSET
from preflight.model import Facts

OWN = "heketidbstorage"
"""heketi's own volume, which holds its database and nothing of anybody's."""

Key = tuple[str, str]
"""An object by its kind and name."""

Own = tuple[str, str, bool]
"""The same of one that gkprep deletes itself, and whether it is in the namespace."""

BOUND: Key = ("ClusterRoleBinding", BINDING)

CLEARED: frozenset[Key] = frozenset(
    {
        ("Secret", CONFIG),
        ("Secret", DATABASE),
        ("Job", COPY_JOB),
        ("Endpoints", ENDPOINTS),
    }
)
"""What gkprep deletes itself where it lacks the label that gk-deploy deletes by: data, no program.

gk-deploy labels the secret in a second step, and heketi-cli not all that it makes.
"""

KNOWN: frozenset[Key] = CLEARED | {
    DAEMONSET,
    ("ServiceAccount", ACCOUNT),
    BOUND,
    *product(("Deployment", "Service", "Endpoints"), (facts.HEKETI, facts.DEPLOY_HEKETI)),
    ("Service", ENDPOINTS),
}
"""What gk-deploy and heketi make, by kind and name, and do not let anybody choose."""

GENERATIONS = 3
"""Deployment, ReplicaSet, Pod: so long are the lines of owners."""


@dataclass(frozen=True)
class Stock:
    """What would be lost: volumes as heketi has them, and as the cluster has them.

    `unknown` is why heketi could not tell, empty where it did or where there is none; `heketi`:
    there is one.
    """

    volumes: tuple[str, ...] = ()
    claims: tuple[Volume, ...] = ()
    unknown: str = ""
    heketi: bool = True

    @property
    def number(self) -> int:
        """How many volumes there are: a claim's is one of heketi's, or of one that was."""
        return len({*self.volumes, *(each.path or each.name for each in self.claims)})

    def lines(self) -> tuple[str, ...]:
        """Each for a person to read: whose it is, and whether this heketi knows it.

        One that it does not know counts as well: an earlier deployment has left it, and its bricks
        may be on the same Gluster.
        """
        claimed = {each.path for each in self.claims}
        told = [
            f"volume {name}, which heketi knows: of no claim"
            for name in self.volumes
            if name not in claimed
        ]
        told += [
            f"volume {each.path or 'without a name'}, which {self._knows(each)}:"
            f" {each.name}, {each.phase}, of claim {each.claim}"
            for each in self.claims
        ]
        return tuple(told)

    def _knows(self, volume: Volume) -> str:
        if volume.path in self.volumes:
            return "heketi knows"
        if self.unknown:
            return "heketi may know"
        return "this heketi does not know" if self.heketi else "no heketi here knows"


@dataclass(frozen=True)
class Remains:
    """Objects as `Kind name` that are this deployment's, and what is in the way of taking it back.

    `objects` are those that the deployer deletes, `own` those that gkprep does, and `stays` what
    neither would. `against` are reasons to refuse: the deployer would delete what others have
    made, or need.
    """

    objects: tuple[str, ...]
    own: tuple[Own, ...]
    stays: tuple[str, ...] = ()
    against: tuple[str, ...] = ()


def stock(cluster: Cluster, key: Path) -> Stock:
    """What volumes there are. Raises DeployError where the cluster does not tell its own."""
    words = kubectl(cluster.controller)
    asked, there = kubernetes.volumes(words), facts.heketis(words, cluster.namespace)
    heketi = facts.known(words, cluster.namespace, key)
    told = cluster.ask(asked, there, heketi)
    try:
        bound, heketis = told[asked], told[there]
    except Unknown as exc:
        raise untold("which volumes there are", exc) from exc
    if not any(each.name == facts.HEKETI for each in heketis):
        return Stock((), bound, heketi=False)
    try:
        names = tuple(name for name in told[heketi].volumes if name != OWN)
    except Unknown as exc:
        return Stock((), bound, str(exc))
    return Stock(names, bound)


def remains(cluster: Cluster) -> Remains:
    """What is there now. Raises DeployError where the cluster does not tell."""
    words, namespace = kubectl(cluster.controller), cluster.namespace
    told = cluster.ask(
        kubernetes.objects(words, namespace),
        kubernetes.selected(words, namespace),
        kubernetes.binding(words),
        kubernetes.needs_binding(words, namespace),
        kubernetes.nodes(words),
        facts.pods(words, namespace),
        facts.storage_class(words),
        facts.keys(words, namespace),
    )
    try:
        return _remains(told, words, namespace)
    except Unknown as exc:
        raise untold("what is left in the cluster", exc) from exc


def _remains(told: Facts, words: str, namespace: str) -> Remains:
    taken = told[kubernetes.selected(words, namespace)]
    owners = {(each.kind, each.name): each.owner for each in taken}
    binding = _Bound.of(told, words, namespace)
    strangers = [key for key in owners if not _known(key, owners)]
    ours = [key for key in owners if key not in strangers and key != BOUND]
    if binding.ours and BOUND in owners:
        ours.append(BOUND)
    there = [(each.kind, each.name) for each in told[kubernetes.objects(words, namespace)]]
    unlabelled = [key for key in there if key in KNOWN and not _goes(key, ours)]
    if binding.ours and BOUND not in owners:
        unlabelled.append(BOUND)
    stays = [key for key in unlabelled if key not in CLEARED]
    pods = [
        ("Pod", pod.name)
        for pod in told[facts.pods(words, namespace)]
        # Whatever has a pod's label: what nothing here has made, nothing here takes along.
        if pod.owner and pod.owner not in stays and _known(pod.owner, owners)
    ]
    going = [key for key in there if _goes(key, ours) and key in KNOWN]
    objects = [" ".join(key) for key in dict.fromkeys((*ours, *going, *pods))]
    if objects or unlabelled:  # without any the labels are another deployment's
        objects += _labels(told, words)
    return Remains(
        tuple(objects),
        (*((*key, True) for key in unlabelled if key in CLEARED), *_own(told, words, namespace)),
        tuple(map(" ".join, stays)),
        (*_strange(strangers, namespace), *binding.against(taken=BOUND in owners)),
    )


def _known(key: Key, owners: Mapping[Key, Key | None]) -> bool:
    """Whether it is the deployment's: by its own name, or as part of what is."""
    for _ in range(GENERATIONS):
        owner = owners.get(key)
        if key in KNOWN or owner is None:
            break
        key = owner
    return key in KNOWN


def _goes(key: Key, ours: Collection[Key]) -> bool:
    """Whether an abort deletes it; endpoints go with their service."""
    return key in ours or (key[0] == "Endpoints" and ("Service", key[1]) in ours)


def _strange(strangers: Sequence[Key], namespace: str) -> Iterator[str]:
    if not strangers:
        return
    named = ", ".join(f"{kind} {name}" for kind, name in strangers)
    yield (
        f"gk-deploy would delete {named} too, for a label heketi, deploy-heketi or glusterfs, and"
        f" that is none of what it makes in namespace {namespace}. If you need it take the label"
        " off, otherwise delete it yourself"
    )


@dataclass(frozen=True)
class _Bound:
    """Whose the binding is: `ours` if nobody else needs it, who those are, or whom it is for."""

    ours: bool = False
    others: tuple[str, ...] = ()
    stale: str = ""

    @classmethod
    def of(cls, told: Facts, words: str, namespace: str) -> _Bound:
        binding = told[kubernetes.binding(words)]
        if binding is None:
            return cls()
        own = f"ServiceAccount {namespace}/{ACCOUNT}"
        others = tuple(
            each
            for each in told[kubernetes.needs_binding(words, namespace)]
            if each != own and not each.endswith(f" of namespace {namespace}")
        )
        if own in binding.subjects:
            return cls(ours=not others, others=others)
        return cls(others=others, stale=", ".join(binding.subjects) or "nobody")

    def against(self, *, taken: bool) -> Iterator[str]:
        """Why an abort, which deletes it where it is `taken`, must not be."""
        which = f"the cluster role binding {BINDING}, which an abort deletes,"
        if taken and self.others:
            yield f"{which} is needed by {', '.join(self.others)}"
        elif taken and self.stale:
            yield (
                f"{which} is for {self.stale}, not for this deployment, and nobody needs it:"
                " `gkprep fix --only kubernetes-binding` deletes it, and can be undone"
            )


def _labels(told: Facts, words: str) -> Iterator[str]:
    """On the inventory's nodes alone: those are the ones that gk-deploy knows of."""
    listed = {node.name for node in site(told.node).nodes}
    for member in told[kubernetes.nodes(words)]:
        if member.label and member.name in listed:
            yield f"label {kubernetes.LABEL} of node {member.name}"


def _own(told: Facts, words: str, namespace: str) -> Iterator[Own]:
    made = told[facts.storage_class(words)]
    if made and made.own and dict(made.parameters).get("secretNamespace") == namespace:
        yield ("StorageClass", facts.STORAGE_CLASS, False)
    secret = told[facts.keys(words, namespace)]
    if secret and secret.own:
        yield ("Secret", facts.SECRET, True)
