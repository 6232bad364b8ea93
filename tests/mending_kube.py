"""What tests of `gkprep fix` and `gkprep undo` of a real cluster share.

The nodes are not there, so that a run that asked them anything would not be ready.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from preflight import reach, registry, repair
from preflight.model import Facts, Plan, Step
from preflight.repair import Repair, Way
from tests.kube.plane import Plane
from tests.kube_site import Json, Site

KEY = "a-key-that-nobody-sees"
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"heketi": "pod"}},
        "template": {
            "metadata": {"labels": {"heketi": "pod"}},
            "spec": {"containers": [{"name": "heketi", "image": "heketi/heketi:dev"}]},
        },
    },
}
SERVICE = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 1}]}}
SECRET = {"apiVersion": "v1", "kind": "Secret", "stringData": {"heketi.db": KEY}}


def named(manifest: Json, name: str) -> Json:
    return {**manifest, "metadata": {"name": name}}


def gkprep(site: Site, *words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What it prints, in `folder` where that matters; nothing of it is a key."""
    program = Path(sys.executable).with_name("gkprep")
    done = subprocess.run(
        [str(program), *words],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=site.environment,
        cwd=folder,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    assert KEY not in done.stdout + done.stderr
    assert base64.b64encode(KEY.encode()).decode() not in done.stdout + done.stderr
    return done


def fix(site: Site, check: str, *words: str) -> tuple[int, Json]:
    done = gkprep(site, "fix", str(site.inventory), "--only", check, "-o", "json", *words)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def undo(site: Site, report: Json) -> tuple[int, Json]:
    shown = gkprep(site, "undo", report["run"], "--dry-run", "-o", "json")
    assert shown.stdout, shown.stderr
    done = gkprep(site, "undo", report["run"], "--yes", "-o", "json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def subjects(report: Json) -> list[str]:
    return [action["subject"] for action in report["plan"]["actions"]]


def left(report: Json) -> list[str]:
    return [each["why"] for each in report["plan"]["left"]]


def wanted(site: Site, check: str) -> reach.Wanted:
    return reach.Wanted(
        local=False,
        parallel=1,
        accept_new=False,
        ask_become_pass=False,
        inventory=site.inventory,
        only=(check,),
    )


def interrupted(site: Site, check: str, meanwhile: Callable[[], object]) -> Repair:
    """What comes of a fix where something happens while the question stands."""

    def consent(planned: Plan) -> tuple[str, ...]:
        assert planned.actions
        meanwhile()
        return ()

    with reach.reach(wanted(site, check)) as fleet:
        return repair.repair(fleet, registry.fixes(), Way("1", 60), consent)


def known(site: Site, check: str) -> Facts:
    """What the controller tells for one check."""
    with reach.reach(wanted(site, check)) as fleet:
        [facts] = fleet.survey(reach.UNHURRIED).facts.values()
        return facts


def taken(step: Step, fed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        step.argv, check=False, capture_output=True, text=True, input=fed, timeout=60
    )


@pytest.fixture
def other(kube: Plane) -> Iterator[str]:
    """The namespace of another deployment, of which only heketi's account is left."""
    with kube.namespace() as name:
        kube.kubectl("-n", name, "create", "serviceaccount", "heketi-service-account")
        yield name
