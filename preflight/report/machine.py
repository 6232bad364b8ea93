"""The report for a program: `-o json`, a contract (docs/report.md, schemas/report.schema.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from preflight.model import (
    Act,
    Action,
    Deployment,
    Done,
    Facts,
    Finding,
    Overwrite,
    Plan,
    Prospect,
)
from preflight.report.printable import decodable
from preflight.report.run import Run

SCHEMA = 1


def render(run: Run) -> str:
    """`run` as one JSON object; ASCII, which is UTF-8 too, so no locale can spoil it."""
    return dumps(report(run))


def report(run: Run) -> dict[str, object]:
    """What that object holds."""
    told: dict[str, object] = {
        "schema": SCHEMA,
        "gkprep": run.version,
        "command": run.command,
        "started": timestamp(run.started),
        "seconds": round(run.seconds, 3),
        "verdict": run.verdict.value,
        "nodes": [_node(facts) for facts in run.facts.values()],
        "findings": [_finding(run, finding) for finding in run.findings],
        "actions": [_done(done) for done in run.done],
    }
    if run.plan is not None:
        told["plan"] = _plan(run.plan)
        told["before"] = [_finding(run, finding) for finding in run.before]
        told["run"] = run.run
        told["stopped"] = [
            {"node": decodable(node), "why": decodable(why)} for node, why in run.stopped.items()
        ]
    if run.prospect is not None:
        told["prospect"] = _prospect(run.prospect)
        told["before"] = [_finding(run, finding) for finding in run.before]
        told["deployment"] = _deployment(run.deployment) if run.deployment else None
    return told


def _prospect(prospect: Prospect) -> dict[str, object]:
    return {
        "command": [decodable(word) for word in prospect.command],
        "patches": [{"id": row, "title": title} for row, title in prospect.changes.items()],
        "makes": [decodable(made) for made in prospect.makes],
        "objects": [decodable(made) for made in prospect.objects],
        "deleted": [decodable(each) for each in prospect.deleted],
        "forced": list(prospect.forced),
        "warnings": [decodable(each) for each in prospect.warnings],
    }


def _deployment(deployment: Deployment) -> dict[str, object]:
    return {
        "deployer": deployment.name,
        "stages": [
            {
                "title": stage.title,
                "seconds": None if stage.seconds is None else round(stage.seconds, 3),
                "done": stage.ended,
            }
            for stage in deployment.stages
        ],
        "rc": deployment.rc,
        "stopped": decodable(deployment.stopped) or None,
        "log": decodable(str(deployment.log)),
        "forced": list(deployment.forced),
    }


def _done(done: Done) -> dict[str, object]:
    return {
        "node": decodable(done.node),
        "check": done.check,
        "argv": [decodable(word) for word in done.step.argv],
        "rc": done.rc,
        "undo": _undo(done.step),
    }


def _undo(step: Act) -> list[str] | None:
    if isinstance(step, Overwrite):
        return ["restore", *step.argv[1:]]
    return [decodable(word) for word in step.undo.argv] if step.undo else None


def _plan(plan: Plan) -> dict[str, object]:
    return {
        "actions": [planned(action) for action in plan.actions],
        "withheld": [planned(action) for action in plan.withheld],
        "left": [{**_about(left.finding), "why": decodable(left.why)} for left in plan.left],
        "spent": [decodable(token) for token in plan.spent],
    }


def planned(action: Action) -> dict[str, object]:
    """One action of a plan, with all that tells it from another: two that differ are not equal."""
    token = action.finding.token
    return {
        **_about(action.finding),
        "token": None if token is None else decodable(token),
        "risk": action.risk.value,
        "steps": [_step(step) for step in action.steps],
    }


def _about(finding: Finding) -> dict[str, object]:
    return {
        "check": finding.check,
        "node": None if finding.node is None else decodable(finding.node),
        "subject": decodable(finding.subject),
    }


def _step(step: Act) -> dict[str, object]:
    fed = b"" if isinstance(step, Overwrite) else step.stdin
    pin = step.pin if isinstance(step, Overwrite) else ""
    return {
        "argv": [decodable(word) for word in step.argv],
        "stdin": decodable(fed.decode("utf-8", "surrogateescape")) if fed else None,
        "shown": decodable(step.shown),
        "pin": pin or None,
        "undo": _undo(step),
    }


def dumps(value: Mapping[str, object]) -> str:
    """JSON text that ends with a newline; every string in it must be encodable."""
    return json.dumps(value, indent=2) + "\n"


def timestamp(moment: datetime) -> str:
    """RFC 3339, to the second; raises ValueError for a time without a zone: it is no moment."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment.isoformat(timespec="seconds")


def _node(facts: Facts) -> dict[str, object]:
    return {
        "name": decodable(facts.node.name),
        "address": decodable(facts.node.address),
        "reachable": not facts.silent,
        "error": None if facts.lost is None else decodable(facts.lost),
    }


def _finding(run: Run, finding: Finding) -> dict[str, object]:
    risk = run.risk(finding)
    return {
        "check": finding.check,
        "node": None if finding.node is None else decodable(finding.node),
        "about": None if finding.about is None else decodable(finding.about),
        "subject": decodable(finding.subject),
        "status": finding.status.value,
        "saw": decodable(finding.saw),
        "want": decodable(finding.want),
        "says": decodable(finding.says),
        "cure": decodable(finding.cure),
        "fixable": risk is not None,
        "risk": None if risk is None else risk.value,
        "token": None if finding.token is None else decodable(finding.token),
    }
