"""Why a deployment did not come to what it was to: what is diagnosed, and with what in hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from preflight import judge
from preflight.deploy import flow, verify
from preflight.deploy.cluster import Cluster
from preflight.deploy.credentials import keys_folder
from preflight.deploy.deployer import Deployer
from preflight.deploy.flow import Outcome
from preflight.deploy.keys import ADMIN_FILE
from preflight.diagnose import deployment, look, nodes
from preflight.diagnose.evidence import Diagnosis, Reading, Unread, together
from preflight.errors import DeployError
from preflight.journal import deployments
from preflight.model import Deployment, Finding, Status
from preflight.reach import UNHURRIED, Reach

ORIGIN = "gkprep deploy"


def why(fleet: Reach, deployer: Deployer, outcome: Outcome) -> Diagnosis | None:
    """What is found in the cluster, in the deployer's output and on the nodes; None where it did.

    None too where nothing was begun.
    """
    if outcome.deployment is None or outcome.now is None or not flow.unsuccessful(outcome):
        return None
    own = in_hand(outcome.now.findings, outcome.deployment, fleet.controller.name)
    also = together([told(deployer, outcome.deployment.log), own])
    return look.of_cluster(fleet, outcome.before, UNHURRIED, also=also).diagnosis


def told(deployer: Deployer, log: Path) -> Reading:
    """What it printed, as far as that was kept."""
    origin = f"{deployer.name}'s output"
    try:
        return deployer.printed(deployments.printed(log), origin)
    except OSError as exc:
        why = f"{log} cannot be read: {exc.strerror}"
        return Reading(unread=(Unread(origin, why, needed=False),))


def in_hand(found: Sequence[Finding], made: Deployment, controller: str) -> Reading:
    """What was to be verified and was not: troubles, with the events that told of them.

    What broke the deployer off, its output tells better; where it ended with 0, that tells nothing.
    """
    unmet = nodes.unmet((each for each in found if each.check != flow.CHECK), controller)
    said, troubles = list(unmet.evidence), list(unmet.troubles)
    if made.stopped and made.rc == 0:
        own = deployment.unproven(made.name, made.stopped, ORIGIN)
        said, troubles = [*said, *own.evidence], [*troubles, *own.troubles]
    return replace(unmet, evidence=tuple(said), troubles=tuple(troubles))


def standing(fleet: Reach) -> tuple[Finding, ...]:
    """How the deployment that is there does, whoever made it: for `gkprep diagnose`.

    heketi's key is at hand where gkprep has deployed from here.
    """
    cluster, name = Cluster(fleet.controller, fleet.connect), fleet.controller.name
    unknown: tuple[Finding, ...] = ()
    key: Path | None = None
    try:
        kept = keys_folder(cluster) / ADMIN_FILE
        key = kept if kept.is_file() else None
    except DeployError as exc:
        unknown = (Finding("key", Status.ERROR, str(exc), check="heketi-topology", node=name),)
    checks = verify.standing(key)
    known = cluster.ask(*judge.needs(checks, fleet.controller))
    return (*judge.judge(checks, {name: known}), *unknown)
