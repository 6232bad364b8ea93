"""Heketi's keys for one cluster and namespace: where they are kept, and whose they are by now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from preflight.deploy.cluster import Cluster, untold
from preflight.deploy.keys import Keys, any_keys, keys
from preflight.errors import DeployError, Unknown
from preflight.facts import deployment as facts
from preflight.facts.kubernetes.command import kubectl
from preflight.journal import state_folder


def keys_folder(cluster: Cluster) -> Path:
    """Where heketi's keys for this deployment are kept: by cluster, whatever it is called here.

    Raises DeployError where the cluster does not tell.
    """
    return state_folder() / "keys" / f"{identity(cluster)}-{cluster.namespace}"


def identity(cluster: Cluster) -> str:
    """The UID of its namespace kube-system, which lives as long as it does. Raises DeployError."""
    return cluster.answer(facts.cluster(kubectl(cluster.controller)), "which cluster this is")


def known_keys(cluster: Cluster, folder: Path, environ: Mapping[str, str]) -> Keys:
    """Heketi's keys: those of one that is there, or what `keys` makes of all other sources.

    Raises DeployError where the cluster does not tell, or where a heketi is there with keys that
    are nowhere to be read.
    """
    told = _told(cluster)
    if told.heketi and not told.running:
        raise DeployError(
            f"{told.heketi} is there with keys that gkprep cannot read, so it was deployed"
            " by other means: deploy with those"
        )
    return keys(folder, environ, told.running, told.stored)


def keys_to_abort(cluster: Cluster, folder: Path) -> Keys:
    """Those of a heketi that is there, which is asked with them what would be lost; else any.

    An abort wants some whatever it does (D1). What the environment says is for a deployment.
    Raises DeployError where the cluster does not tell.
    """
    return any_keys(folder, _told(cluster).running)


@dataclass(frozen=True)
class _Told:
    """What the cluster says of keys: a heketi's name, if there is one, and both keys of it."""

    heketi: str
    running: Keys | None
    stored: Keys | None


def _told(cluster: Cluster) -> _Told:
    words = kubectl(cluster.controller)
    there, secret = facts.heketis(words, cluster.namespace), facts.keys(words, cluster.namespace)
    told = cluster.ask(there, secret)
    try:
        heketis, kept = told[there], told[secret]
    except Unknown as exc:
        raise untold("which keys heketi has", exc) from exc
    # Another's keys are not for heketi.
    stored = Keys(*kept.keys) if kept and kept.own and kept.keys else None
    given = next(
        (Keys(each.admin, each.user) for each in heketis if each.admin and each.user), None
    )
    return _Told(
        heketi=heketis[0].name if heketis else "",
        running=given or (stored if heketis else None),
        stored=stored,
    )


def refuse_secret(cluster: Cluster) -> None:
    """Raise DeployError where the secret for heketi's keys would be written over another's."""
    asked = facts.keys(kubectl(cluster.controller), cluster.namespace)
    there = cluster.answer(asked, "which secrets there are")
    if there and not there.own:
        raise DeployError(
            f"the secret {facts.SECRET} in namespace {cluster.namespace} is not gkprep's: it has"
            f" not the label {'='.join(facts.OWN)}. gkprep keeps heketi's keys in one of that"
            " name, and writes over none: delete it if nobody needs it, or deploy in another"
            " namespace"
        )
