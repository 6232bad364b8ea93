"""Why a deployment did not come to what it was to: what is diagnosed, and with what in hand."""

from __future__ import annotations

from preflight.deploy import flow
from preflight.deploy.flow import Outcome
from preflight.diagnose import deployment, look
from preflight.diagnose.evidence import Diagnosis, Evidence, Kind, Reading, Trouble
from preflight.model import Deployment, Finding, Status
from preflight.reach import UNHURRIED, Reach

ORIGIN = "gkprep deploy"


def why(fleet: Reach, outcome: Outcome) -> Diagnosis | None:
    """What is found in the cluster, in the deployer's output and on the nodes; None where it did.

    None too where nothing was begun.
    """
    if outcome.deployment is None or outcome.now is None or not flow.unsuccessful(outcome):
        return None
    unmet = [each for each in outcome.now.findings if each.status is Status.FAIL]
    return look.of_cluster(
        fleet,
        outcome.before,
        UNHURRIED,
        log=outcome.deployment.log,
        also=in_hand(unmet, outcome.deployment),
    ).diagnosis


def in_hand(unmet: list[Finding], made: Deployment) -> Reading:
    """What was to be verified and was not: troubles, with the events that told of them.

    What broke the deployer off, its output tells better; where it ended with 0, that tells nothing.
    """
    told = [each for each in unmet if each.check != flow.CHECK]
    said = [
        Evidence(Kind.EVENTS, f"{each.check} {each.subject}", None, each.says, ORIGIN)
        for each in told
        if each.says
    ]
    troubles = [Trouble(f"{each.check} {each.subject}", None, each.saw, ORIGIN) for each in told]
    if made.stopped and made.rc == 0:
        own = deployment.unproven(made.name, made.stopped, ORIGIN)
        said, troubles = [*said, *own.evidence], [*troubles, *own.troubles]
    return Reading(evidence=tuple(said), troubles=tuple(troubles))
