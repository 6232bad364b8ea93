"""Check, gate, deploy, verify: what `gkprep deploy` does. Checks say how it went, not gk-deploy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from preflight import judge, prompt
from preflight.collect import collect
from preflight.deploy import gate, objects, smoke
from preflight.deploy.cluster import LIMITS, Cluster
from preflight.deploy.deployer import Deployer, Reading, Work
from preflight.deploy.keys import ADMIN_FILE, Keys, keys
from preflight.deploy.place import Place, claimed
from preflight.deploy.redact import Redactor
from preflight.deploy.run import GRACE, SLOW, Conversation, Options, run
from preflight.deploy.verify import copies
from preflight.deploy.watch import Watch
from preflight.errors import DeployError, TransportError, Unknown
from preflight.facts import deployment as facts
from preflight.facts.kubernetes.command import kubectl
from preflight.journal import state_folder
from preflight.model import (
    Check,
    Deployment,
    Finding,
    Inventory,
    Node,
    Prospect,
    Stage,
    Status,
    Verdict,
)
from preflight.reach import UNHURRIED, Reach
from preflight.report.printable import visible
from preflight.report.stages import Stages, meanwhile
from preflight.survey import Survey

HIDDEN = Keys("***", "***")
CHECK = "deployment"
UNDER_WAY = facts.DEPLOY_HEKETI
ENDING = 1.5
"""Seconds that what was started gets to end in, less than an interrupt leaves for all."""

NAMED = 5
"""So many files are named of those that a deployer has changed."""


@dataclass(frozen=True)
class Terms:
    """How to go about it: `forced` are checks to pass over, `environ` may hold heketi's keys.

    `volumes` is how many of them an abort may leave without a heketi.
    """

    options: Options = field(default_factory=Options)
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
    work = Work(inventory, known, terms.options.words, terms.options.wait)
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
        made = make(cluster, deployer, work, Run(deployer.command, deployer.reading()), found)
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
    return replace(found, findings=gate.continued(found.findings, peers))


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
    return deployer.difference(Work(inventory, known))


def prospect(deployer: Deployer, work: Work) -> Prospect:
    """What would be done. Raises DeployError where the deployer is not what gkprep knows."""
    place = Place(Path("PRIVATE"))
    namespace = work.inventory.deployer.namespace
    return Prospect(
        command=tuple(deployer.command(work, place, HIDDEN)),
        changes=deployer.changes(work),
        objects=(f"Secret {namespace}/{facts.SECRET}", f"StorageClass {facts.STORAGE_CLASS}"),
    )


def keys_folder(cluster: Cluster) -> Path:
    """Where heketi's keys for this deployment are kept: by cluster, whatever it is called here.

    A cluster is known by the UID of its namespace kube-system, which lives as long as it does.
    Raises DeployError where it does not tell.
    """
    asked = facts.cluster(kubectl(cluster.controller))
    try:
        uid = cluster.ask(asked)[asked]
    except Unknown as exc:
        raise DeployError(f"which cluster this is could not be found out: {exc}") from exc
    return state_folder() / "keys" / f"{uid}-{cluster.namespace}"


def known_keys(cluster: Cluster, folder: Path, environ: Mapping[str, str]) -> Keys:
    """Heketi's keys: those of one that is there, or what `keys` makes of all other sources.

    Raises DeployError where the cluster does not tell, or where a heketi is there with keys that
    are nowhere to be read.
    """
    words = kubectl(cluster.controller)
    there, secret = facts.heketis(words, cluster.namespace), facts.keys(words, cluster.namespace)
    told = cluster.ask(there, secret)
    try:
        heketis, kept = told[there], told[secret]
    except Unknown as exc:
        raise DeployError(f"which keys heketi has could not be found out: {exc}") from exc
    stored = kept.keys if kept and kept.own else None  # another's keys are not for heketi
    running = next(((each.admin, each.user) for each in heketis if each.admin and each.user), None)
    if heketis and not (running or stored):
        raise DeployError(
            f"{heketis[0].name} is there with keys that gkprep cannot read, so it was deployed"
            " by other means: deploy with those"
        )
    of_heketi = running or (stored if heketis else None)
    return keys(
        folder,
        environ,
        Keys(*of_heketi) if of_heketi else None,
        Keys(*stored) if stored else None,
    )


def refuse_secret(cluster: Cluster) -> None:
    """Raise DeployError where the secret for heketi's keys would be written over another's."""
    asked = facts.keys(kubectl(cluster.controller), cluster.namespace)
    try:
        there = cluster.ask(asked)[asked]
    except Unknown as exc:
        raise DeployError(f"which secrets there are could not be found out: {exc}") from exc
    if there and not there.own:
        raise DeployError(
            f"the secret {facts.SECRET} in namespace {cluster.namespace} is not gkprep's: it has"
            f" not the label {'='.join(facts.OWN)}. gkprep keeps heketi's keys in one of that"
            " name, and writes over none: delete it if nobody needs it, or deploy in another"
            " namespace"
        )


@dataclass(frozen=True)
class Run:
    """What to run of a deployer, and what reads it."""

    command: Callable[[Work, Place, Keys], Sequence[str]]
    reading: Reading


def make(cluster: Cluster, deployer: Deployer, work: Work, way: Run, found: Keys) -> Deployment:
    """Run the deployer to its end in a private place, of which the log is left.

    An interrupt ends it, with all that it has started. Raises DeployError where it cannot be begun.
    """
    place = Place.made(state_folder() / "deployments")
    reading = way.reading
    try:
        deployer.prepare(work, place)
        given = place.given()
        command = way.command(work, place, found)
        with place.open_log() as log, Watch(cluster) as watch:
            redactor = Redactor((found.admin, found.user))
            silence = SLOW * work.wait + GRACE
            heard = Conversation(reading, redactor, log, silence, watch.lost)
            with Stages(lambda: _with_pods(reading.stages(time.monotonic()), watch.waits())):
                done = run(cluster.connect(cluster.controller), place, command, heard)
        place.quiet(ENDING)
        written = place.written(given)
    except TransportError as exc:
        raise DeployError(f"{deployer.name} could not be started: {exc}") from exc
    except (KeyboardInterrupt, SystemExit):
        _tell_interrupted(place, deployer.name, reading)
        raise
    finally:
        place.quiet(ENDING)
        place.empty()
    now = time.monotonic()
    why = reading.ended(done.rc, now)
    reasons = (heard.stopped or done.lost or why, _wrote(deployer.name, written))
    stopped = "; ".join(filter(None, reasons))
    return Deployment(deployer.name, reading.stages(now), done.rc, stopped, place.log)


def _wrote(name: str, files: Sequence[str]) -> str:
    """Why it is no success where it has changed what it was given; empty where it has not.

    What it was checked and patched as is then not what has run.
    """
    if not files:
        return ""
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    named = ", ".join(visible(file) for file in files[:NAMED])
    return f"{name} wrote to what it was given: {named}{more} (D3)"


def _with_pods(stages: Sequence[Stage], pods: str) -> tuple[Stage, ...]:
    """The stages, the one that waits with the pods that it waits for."""
    return tuple(
        replace(stage, waits=f"{pods}; {stage.waits}") if pods and stage.waits else stage
        for stage in stages
    )


def _tell_interrupted(place: Place, name: str, reading: Reading) -> None:
    """How far it was, and what comes next; whether that goes on, the next run's checks know."""
    place.quiet(ENDING)
    stages = reading.stages(time.monotonic())
    running = (stage.title for stage in stages if stage.seconds and stage.ended is None)
    prompt.show(
        f"gkprep: {name} was ended, at: {next(running, 'its start')}. What it has made is still"
        " there. gkprep deploy goes on from there, or says what to abort first; its log:"
        f" {place.log}\n"
    )


def verified(cluster: Cluster, checks: Sequence[Check], *, smoke_too: bool) -> Survey:
    """Make the StorageClass, judge what there is now, and then, if it is good, ask for a volume."""
    namespace, node = cluster.namespace, cluster.controller
    asked = facts.service(kubectl(node), namespace)
    trouble: tuple[Finding, ...] = ()
    with meanwhile("verification", "the cluster, and heketi in it"):
        try:
            service = cluster.ask(asked)[asked]
            if service and service.ip:
                cluster.apply(objects.storage_class(namespace, service.ip, copies=copies(node)))
        except (DeployError, Unknown) as exc:
            why = Finding(facts.STORAGE_CLASS, Status.FAIL, f"it could not be made: {exc}")
            trouble = (replace(why, check="storage-class", node=node.name),)
        known = collect(node, judge.needs(checks, node), cluster.connect(node), LIMITS)
    findings = (*judge.judge(checks, {node.name: known}), *trouble)
    if smoke_too and judge.verdict(findings, strict=False) is Verdict.READY:
        with meanwhile(smoke.CHECK, smoke.NORMAL):
            found = smoke.smoke_test(cluster)
        findings += (replace(found, check=smoke.CHECK, node=node.name),)
    return Survey({node.name: known}, findings)
