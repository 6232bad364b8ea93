"""One run of a deployer, from a private place that is filled to a log that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from preflight import prompt
from preflight.deploy.cluster import Cluster
from preflight.deploy.credentials import identity
from preflight.deploy.deployer import Deployer, Reading, Work
from preflight.deploy.keys import Keys
from preflight.deploy.place import Place
from preflight.deploy.redact import Redactor
from preflight.deploy.run import GRACE, SLOW, Conversation, run
from preflight.deploy.watch import Watch
from preflight.errors import DeployError, TransportError
from preflight.journal.deployments import Deployed, deployments_folder
from preflight.model import Deployment, Stage
from preflight.report.printable import visible
from preflight.report.stages import Stages

ENDING = 1.5
"""Seconds that what was started gets to end in, less than an interrupt leaves for all."""

LATE = 240.0
"""Seconds after which it is worth asking why pods are not ready: 112 were measured on slow machines
where all is well."""

NAMED = 5
"""So many files are named of those that a deployer has changed."""


@dataclass(frozen=True)
class Run:
    """What to run of a deployer, and what reads it."""

    command: Callable[[Work, Place, Keys], Sequence[str]]
    reading: Reading
    cut_short: str
    """What a person is told to do where it is interrupted."""

    back: bool = False
    """It is an abort."""


def make(cluster: Cluster, deployer: Deployer, work: Work, way: Run, found: Keys) -> Deployment:
    """Run the deployer to its end in a private place, of which the log and a record are left.

    An interrupt ends it, with all that it has started. Raises DeployError where it cannot be begun.
    """
    which = identity(cluster)
    record = Deployed(deployer.name, which, cluster.namespace, back=way.back)
    place = Place.made(deployments_folder(), deployer.name)
    reading = way.reading
    try:
        deployer.prepare(work, place)
        place.keep(record)
        given = place.given()
        command = way.command(work, place, found)
        with place.open_log() as log, Watch(cluster) as watch:
            redactor = Redactor((found.admin, found.user))
            silence = SLOW * work.options.wait + GRACE
            heard = Conversation(reading, redactor, log, silence, watch.lost)
            with Stages(lambda: _with_pods(reading.stages(time.monotonic()), watch.waits())):
                done = run(cluster.connect(cluster.controller), place, command, heard)
        place.quiet(ENDING)
        written = place.written(given)
    except TransportError as exc:
        raise DeployError(f"{deployer.name} could not be started: {exc}") from exc
    except (KeyboardInterrupt, SystemExit):
        _tell_interrupted(place, deployer.name, way)
        raise
    finally:
        place.quiet(ENDING)
        place.empty()
    now = time.monotonic()
    why = reading.ended(done.rc, now)
    reasons = (heard.stopped or done.lost or why, _wrote(deployer.name, written))
    stopped = "; ".join(filter(None, reasons))
    with suppress(DeployError):  # the log tells nearly as much, and what was made has to be told
        place.keep(replace(record, rc=done.rc, stopped=stopped))
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
    return tuple(map(partial(_waiting, pods), stages))


def _waiting(pods: str, stage: Stage) -> Stage:
    """One that is late, told of with what says why: a deployer itself waits for half an hour."""
    if not (pods and stage.waits):
        return stage
    late = "; `gkprep diagnose` beside this tells why" if (stage.seconds or 0) > LATE else ""
    return replace(stage, waits=f"{pods}{late}; {stage.waits}")


def _tell_interrupted(place: Place, name: str, way: Run) -> None:
    """How far it was, and what comes next; whether that goes on, the next run's checks know."""
    place.quiet(ENDING)
    stages = way.reading.stages(time.monotonic())
    running = (stage.title for stage in stages if stage.seconds and stage.ended is None)
    prompt.show(
        f"gkprep: {name} was ended, at: {next(running, 'its start')}. {way.cut_short}; its log:"
        f" {place.log}\n"
    )
