"""What of a deployment is in the cluster, and what of it is whose. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from preflight.deploy.cluster import Cluster
from preflight.errors import DeployError, Unknown
from preflight.facts import deployment as facts
from preflight.facts import kubernetes
from preflight.facts.kubernetes import ACCOUNT, Volume, kubectl, site
from preflight.model import Facts

OWN = "heketidbstorage"
"""heketi's own volume, which holds its database and nothing of anybody's."""

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
"""What gk-deploy and heketi call their objects, and do not let anybody choose."""


@dataclass(frozen=True)
class Stock:
    """What would be lost: volumes as heketi has them, and as the cluster has them.

    `unknown` is why heketi could not tell, empty where it did or where there is none.
    """

    volumes: tuple[str, ...] = ()
    claims: tuple[Volume, ...] = ()
    unknown: str = ""

    @property
    def number(self) -> int:
        """How many volumes there are: a claim's is one of heketi's."""
        return max(len(self.volumes), len(self.claims))

    def lines(self) -> tuple[str, ...]:
        """Each for a person to read."""
        told = [f"volume {name} of heketi's" for name in self.volumes]
        told += [f"{each.name}, {each.phase}, of claim {each.claim}" for each in self.claims]
        return tuple(told)


@dataclass(frozen=True)
class Remains:
    """Objects as `Kind name` that are this deployment's, and what is in the way of taking it back.

    `own` are those that gkprep made, as (kind, name, whether it is in the namespace); `stranger`
    is the namespace of another deployment that would be hit too, empty where there is none.
    """

    objects: tuple[str, ...]
    own: tuple[tuple[str, str, bool], ...]
    stranger: str = ""


def stock(cluster: Cluster, key: Path) -> Stock:
    """What volumes there are. Raises DeployError where the cluster does not tell its own."""
    words = kubectl(cluster.controller)
    asked, there = kubernetes.volumes(words), facts.heketis(words, cluster.namespace)
    heketi = facts.known(words, cluster.namespace, key)
    told = cluster.ask(asked, there, heketi)
    try:
        bound, heketis = told[asked], told[there]
    except Unknown as exc:
        raise DeployError(f"which volumes there are could not be found out: {exc}") from exc
    if not any(each.name == facts.HEKETI for each in heketis):
        return Stock((), bound)
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
        kubernetes.binding(words),
        kubernetes.nodes(words),
        facts.pods(words, namespace),
        facts.storage_class(words),
        facts.keys(words, namespace),
    )
    try:
        return _remains(told, words, namespace)
    except Unknown as exc:
        raise DeployError(f"what is left in the cluster could not be found out: {exc}") from exc


def _remains(told: Facts, words: str, namespace: str) -> Remains:
    found = [
        f"{each.kind} {each.name}"
        for each in told[kubernetes.objects(words, namespace)]
        if each.name in NAMES or (each.kind, each.name) == ("DaemonSet", "glusterfs")
    ]
    found += [f"Pod {pod.name}" for pod in told[facts.pods(words, namespace)]]
    binding, stranger = told[kubernetes.binding(words)], ""
    if binding and f"ServiceAccount {namespace}/{ACCOUNT}" in binding.subjects:
        found.append(f"ClusterRoleBinding {kubernetes.BINDING}")
    elif binding:
        subject = next(iter(binding.subjects), "nobody nowhere/nobody")
        stranger = subject.partition(" ")[2].partition("/")[0]
    if found:  # without any the labels are another deployment's
        found += _labels(told, words)
    return Remains(tuple(found), tuple(_own(told, words, namespace)), stranger)


def _labels(told: Facts, words: str) -> Iterator[str]:
    """On the inventory's nodes alone: those are the ones that gk-deploy knows of."""
    listed = {node.name for node in site(told.node).nodes}
    for member in told[kubernetes.nodes(words)]:
        if member.label and member.name in listed:
            yield f"label {kubernetes.LABEL} of node {member.name}"


def _own(told: Facts, words: str, namespace: str) -> Iterator[tuple[str, str, bool]]:
    made = told[facts.storage_class(words)]
    if made and made.own and dict(made.parameters).get("secretNamespace") == namespace:
        yield ("StorageClass", facts.STORAGE_CLASS, False)
    if told[facts.keys(words, namespace)]:
        yield ("Secret", facts.SECRET, True)
