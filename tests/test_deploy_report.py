"""What is said of a deployment: before it, after it, and in every format."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from preflight.deploy.agreement import Agreement
from preflight.model import Deployment, Finding, Prospect, Stage, Status, Verdict
from preflight.report import Run, deploying, junit, machine
from preflight.report.style import Style

PLANNED = Prospect(
    command=("bash", "gk-deploy", "--admin-key", "***"),
    changes={"C1": "templates for apps/v1", "C2": "no --show-all"},
    makes=("DaemonSet glusterfs", "Service heketi"),
    objects=("Secret storage/heketi-admin-key",),
    forced=("device-clean",),
    warnings=("gk-deploy: an unknown one",),
)
MADE = Deployment(
    "gk-deploy",
    (Stage("rights", 1.5, ended=True), Stage("pods", 60.0, ended=False), Stage("heketi")),
    rc=1,
    stopped="gk-deploy ended with exit status 1: pods not found. (C8)",
    log=Path("/state/gk-deploy.log"),
    forced=("device-clean",),
)
FAILED = Finding("gk-deploy", Status.FAIL, MADE.stopped, check="deployment", node="controller")
RUN = Run(
    command="deploy",
    version="1",
    started=datetime(2026, 11, 26, tzinfo=timezone.utc),
    seconds=61.5,
    verdict=Verdict.BLOCKED,
    facts={},
    findings=(FAILED,),
    fixes={},
    prospect=PLANNED,
    deployment=MADE,
    unexplained=("deployment",),
)


def test_a_person_reads_what_is_not_green_before_anything_else() -> None:
    text = deploying.prospect(PLANNED, Style())
    assert text.startswith(
        "not green, and passed over: device-clean\n! gk-deploy: an unknown one\n\n"
    )
    assert "    bash gk-deploy --admin-key '***'\n" in text
    assert "    C1   templates for apps/v1\n    C2   no --show-all\n" in text
    assert "made by it\n    DaemonSet glusterfs, Service heketi\n" in text
    assert "made by gkprep\n    Secret storage/heketi-admin-key\n" in text
    assert "deleted" not in text


def test_what_goes_is_told_where_something_goes() -> None:
    text = deploying.prospect(Prospect(("x",), {}, deleted=("Pod heketi-1",)), Style())
    assert "deleted\n    Pod heketi-1\n" in text
    assert "changed in a private copy of it    nothing\n" in text


def test_the_outcome_has_stages_reason_log_and_what_was_forced() -> None:
    assert deploying.outcome(MADE, Style()).splitlines() == [
        "+ 1 rights      2 s",
        "x 2 pods       60 s",
        "  3 heketi",
        "",
        "gk-deploy failed: gk-deploy ended with exit status 1: pods not found. (C8)",
        "log: /state/gk-deploy.log",
        "not checked green, by --force-unready: device-clean",
        "",
    ]


def test_as_json() -> None:
    told = json.loads(machine.render(RUN))
    assert told["prospect"]["patches"][0] == {"id": "C1", "title": "templates for apps/v1"}
    assert told["prospect"]["forced"] == told["deployment"]["forced"] == ["device-clean"]
    assert told["deployment"]["stages"][1] == {"title": "pods", "seconds": 60.0, "done": False}
    assert told["deployment"]["rc"] == 1


def test_as_junit_what_was_passed_over_is_there() -> None:
    root = ET.fromstring(junit.render(RUN))
    [case] = root.findall("testsuite[@name='force-unready']/testcase")
    assert case.get("name") == "device-clean"
    assert case.find("skipped") is not None


@pytest.mark.parametrize(
    ("yes", "dry_run", "agreed"),
    [(True, False, True), (True, True, False), (False, False, False), (False, True, False)],
)
def test_only_yes_agrees_where_nobody_is_there(yes: bool, dry_run: bool, agreed: bool) -> None:
    written: list[str] = []
    agreement = Agreement(yes, dry_run, text=True, write=written.append)
    assert agreement.to(PLANNED) is agreed
    assert len(written) == 1
    assert agreement.to_obtain("Clone it?") is agreed
