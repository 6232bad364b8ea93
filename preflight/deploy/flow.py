"""Check, gate, deploy, verify: what `gkprep deploy` does. Checks say how it went, not gk-deploy."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from preflight import judge
from preflight.collect import collect
from preflight.deploy import gate, objects, smoke
from preflight.deploy.cluster import LIMITS, Cluster
from preflight.deploy.credentials import keys_folder, known_keys, refuse_secret
from preflight.deploy.deployer import Deployer, Options, Work
from preflight.deploy.keys import ADMIN_FILE, Keys
from preflight.deploy.making import Run, make
from preflight.deploy.place import Place, claimed
from preflight.deploy.verify import storage_class
from preflight.errors import DeployError, Unknown
from preflight.facts import deployment as facts
from preflight.facts.kubernetes.command import kubectl
from preflight.model import (
    Check,
    Deployment,
    Finding,
    Inventory,
    Node,
    Prospect,
    Status,
    Verdict,
)
from preflight.reach import UNHURRIED, Reach
from preflight.report.stages import meanwhile
from preflight.survey import Survey

HIDDEN = Keys("***", "***")
CHECK = "deployment"
STORAGE_CLASS = storage_class.id
UNDER_WAY = facts.DEPLOY_HEKETI
GOES_ON = (
    "What it has made is still there. gkprep deploy goes on from there, or says what to abort first"
)


@dataclass(frozen=True)
class Terms:
    """How to go about it: `forced` are checks to pass over, `environ` may hold heketi's keys.

    `volumes` is how many of them an abort may leave without a heketi.
    """

    options: Options
    forced: tuple[str, ...] = ()
    smoke: bool = False
    volumes: int | None = None
    strict: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)


@dataclass(frozen=True)
class Outcome:
    """What was found before, and, where it was begun, how it went and what is found now.

    `back`: it was an abort.
    """

    before: Survey
    prospect: Prospect | None = None
    deployment: Deployment | None = None
    now: Survey | None = None
    back: bool = False


Consent = Callable[[Prospect], bool]


def deploy(
    fleet: Reach, inventory: Inventory, deployer: Deployer, terms: Terms, consent: Consent
) -> Outcome:
    """Deploy on `fleet`, one node of which is the controller, if `consent` is given.

    Nothing is begun unless all is green, but for the checks that a person said to go without.
    Raises DeployError where it cannot be begun, UsageError for keys that cannot be.
    """
    controller = fleet.controller
    cluster = Cluster(controller, fleet.connect)
    before = going_on(cluster, fleet.survey(UNHURRIED))
    ready = gate.verdict(before.findings, terms.forced, strict=terms.strict)
    if ready is not Verdict.READY:
        return Outcome(before)
    refuse_secret(cluster)
    known = before.facts[controller.name]
    work = Work(inventory, known, terms.options)
    planned = replace(
        prospect(deployer, work),
        forced=gate.overridden(before.findings, terms.forced, strict=terms.strict),
        warnings=tuple(
            f"{each.node or 'cluster'}: {each.check}: saw {each.saw}, want {each.want}"
            for each in before.findings
            if each.status is Status.WARN and each.check not in terms.forced
        ),
    )
    if not consent(planned):
        return Outcome(before, planned)
    folder = keys_folder(cluster)
    with claimed(folder):
        found = known_keys(cluster, folder, terms.environ)
        refuse_secret(cluster)  # the question may have stood for hours
        cluster.apply(objects.secret(cluster.namespace, found))
        way = Run(deployer.command, deployer.reading(), GOES_ON)
        made = make(cluster, deployer, work, way, found)
        made = replace(made, forced=planned.forced)
        if made.stopped:
            return Outcome(before, planned, made, failed(before, controller, made))
        checks = deployer.verification(folder / ADMIN_FILE)
        return Outcome(before, planned, made, verified(cluster, checks, smoke_too=terms.smoke))


def unsuccessful(outcome: Outcome) -> bool:
    """Whether it was begun, and did not bring about all that it was to; an abort is none."""
    if outcome.back or outcome.deployment is None or outcome.now is None:
        return False
    return judge.verdict(outcome.now.findings, strict=False) is not Verdict.READY


def going_on(cluster: Cluster, found: Survey) -> Survey:
    """What was found, in the light of a deployment that broke off and that a rerun goes on with."""
    if not any(
        (each.check, each.subject, each.status) == ("earlier-deployment", UNDER_WAY, Status.WARN)
        for each in found.findings
    ):
        return found
    words, key = kubectl(cluster.controller), keys_folder(cluster) / ADMIN_FILE
    asked = facts.known(words, cluster.namespace, key, UNDER_WAY)
    try:
        peers = cluster.ask(asked)[asked].peers
    except Unknown:  # then what was found has to speak for itself
        return found
    return replace(found, findings=gate.continued(found.findings, found.facts, peers))


def failed(before: Survey, controller: Node, made: Deployment) -> Survey:
    """What there is to tell of a deployment that broke off; the causes are a diagnosis's."""
    want = "exit 0, its last line, heketi's address, and nothing written to what it was given"
    finding = Finding(made.name, Status.FAIL, made.stopped, want, cure="gkprep diagnose")
    told = replace(finding, check=CHECK, node=controller.name)
    return Survey({controller.name: before.facts[controller.name]}, (told,))


def patches(fleet: Reach, inventory: Inventory, deployer: Deployer) -> str:
    """What is changed in the deployer's private copy, as a unified diff; no node is asked."""
    controller = fleet.controller
    probes = deployer.needs(controller)
    known = collect(controller, probes, fleet.connect(controller), LIMITS)
    return deployer.difference(Work(inventory, known, deployer.options(())))


def prospect(deployer: Deployer, work: Work) -> Prospect:
    """What would be done. Raises DeployError where the deployer is not what gkprep knows."""
    place = Place(Path("PRIVATE"), deployer.name)
    namespace = work.inventory.deployer.namespace
    return Prospect(
        command=tuple(deployer.command(work, place, HIDDEN)),
        changes=deployer.changes(work),
        makes=tuple(deployer.makes(work)),
        objects=(f"Secret {namespace}/{facts.SECRET}", f"StorageClass {facts.STORAGE_CLASS}"),
    )


def verified(cluster: Cluster, checks: Sequence[Check], *, smoke_too: bool) -> Survey:
    """Make the StorageClass, judge what there is now, and then, if it is good, ask for a volume."""
    node = cluster.controller
    with meanwhile("verification", "the cluster, and heketi in it"):
        trouble = provide(cluster)
        known = collect(node, judge.needs(checks, node), cluster.connect(node), LIMITS)
    findings = tuple(
        replace(each, saw=f"{each.saw}: {trouble}")
        if trouble and each.check == STORAGE_CLASS and each.status is Status.FAIL
        else each
        for each in judge.judge(checks, {node.name: known})
    )
    if smoke_too and judge.verdict(findings, strict=False) is Verdict.READY:
        with meanwhile(smoke.CHECK, smoke.NORMAL):
            found = smoke.smoke_test(cluster)
        findings += (replace(found, check=smoke.CHECK, node=node.name),)
    return Survey({node.name: known}, findings)


def provide(cluster: Cluster) -> str:
    """Make the StorageClass where there is none; why it could not be made, for its check to tell.

    One that is there is judged as it is: what it is for cannot be changed.
    """
    words, namespace = kubectl(cluster.controller), cluster.namespace
    behind, there = facts.service(words, namespace), facts.storage_class(words)
    try:
        told = cluster.ask(behind, there)
        service = told[behind]
        if service and service.ip and told[there] is None:
            copies = facts.copies(cluster.controller)
            cluster.apply(objects.storage_class(namespace, service.ip, copies=copies))
    except (DeployError, Unknown) as exc:
        return f"it could not be made: {exc}"
    return ""
