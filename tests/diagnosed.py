"""Samples of tests/samples/diagnose, and what a diagnosis makes of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from preflight.diagnose import match, page, saved, table
from preflight.diagnose.evidence import Cause, Diagnosis, together
from preflight.diagnose.table import Row, Table
from preflight.report import Run
from preflight.report.style import Style

SAMPLES = Path(__file__).parent / "samples/diagnose"
TABLE = table.load()


def provenance(text: str) -> dict[str, dict[str, Any]]:
    """Where samples are from; raises ValueError with every mistake in it."""
    told: dict[str, dict[str, Any]] = yaml.safe_load(text)
    keys = {"from": "where its text is from", "node": "the node that is named, or null"}
    wrong = []
    for sample, known in told.items():
        given = known if isinstance(known, dict) else {}
        wrong += [f"{sample}: no `{key}`; allowed: {keys[key]}" for key in keys.keys() - given]
        wrong += [
            f"{sample}: `{key}`; allowed: {' and '.join(keys)}" for key in given - keys.keys()
        ]
        if "from" in given and not given["from"]:
            wrong.append(f"{sample}: `from` is empty; allowed: {keys['from']}")
    if wrong:
        raise ValueError("\n".join(f"tests/samples/provenance.yaml: {each}" for each in wrong))
    return told


PROVENANCE = provenance((SAMPLES.parent / "provenance.yaml").read_text("utf-8"))


def named(rows: Sequence[Row]) -> dict[str, Row]:
    """Rows as samples call them: `N11`, and the second and third of that id `N11-2`, `N11-3`."""
    count: Counter[str] = Counter()
    names = {}
    for row in rows:
        count[row.id] += 1
        names[row.id if count[row.id] == 1 else f"{row.id}-{count[row.id]}"] = row
    return names


ROWS = named(TABLE.rows)


def row_of(sample: str) -> str:
    """The row that explains `sample`, whose name is ROW or ROW.VARIANT."""
    return sample.partition(".")[0]


def expected(sample: str) -> Row:
    """The same row itself; raises ValueError where the table has none of that name."""
    row = row_of(sample)
    if row not in ROWS:
        alike = [name for name in ROWS if name.partition("-")[0] == row.partition("-")[0]]
        raise ValueError(
            f"the sample {sample} is of no row of causes.yaml; allowed: ROW or ROW.VARIANT, where"
            f" ROW is one of {', '.join(alike or ROWS)}, by their places in the file"
        )
    return ROWS[row]


def without(row: Row) -> Table:
    return replace(TABLE, rows=tuple(each for each in TABLE.rows if each is not row))


def instead(row: Row, other: Row) -> Table:
    return replace(TABLE, rows=tuple(other if each is row else each for each in TABLE.rows))


def diagnosed(folder: Path, known: Table = TABLE) -> Diagnosis:
    return match.diagnose(together(saved.read(folder)), known)


def is_of(cause: Cause, row: Row) -> bool:
    """Whether `row` made `cause`; rows of one id differ in what they say or how sure they are."""
    words = [part for part in row.cause.replace("}", "{").split("{")[::2] if part.strip()]
    same = all(word.lower() in cause.cause.lower() for word in words)
    return cause.id == row.id and cause.general == row.general and same


def run_of(found: Diagnosis) -> Run:
    """The run that a report is made from, where no node was asked."""
    started = datetime(2026, 11, 24, 3, 14, 15, tzinfo=timezone.utc)
    return Run("diagnose", "0.1.0", started, 0.3, found.verdict, {}, (), {})


FORMS: dict[str, Callable[[Diagnosis], str]] = {
    "80.txt": lambda found: page.render(run_of(found), found, Style(80)),
    "200.txt": lambda found: page.render(run_of(found), found, Style(200)),
    "80.ansi": lambda found: page.render(run_of(found), found, Style(80, plain=False)),
    "json": lambda found: page.render_json(run_of(found), found),
}


SCHEMA = json.loads(
    (Path(__file__).parent.parent / "preflight/schemas/report.schema.json").read_text()
)

every_sample = pytest.mark.parametrize("sample", PROVENANCE)

HEALTHY = {
    "pods.txt": """\
NAME                      READY   STATUS      RESTARTS   AGE   IP           NODE
glusterfs-2x8vq           1/1     Running     0          16m   10.78.0.11   node1
glusterfs-c7k4d           1/1     Running     0          16m   10.78.0.12   node2
glusterfs-zrm9p           1/1     Running     0          16m   10.78.0.13   node3
heketi-7f8b5d6c9d-x2v4q   1/1     Running     0          4m    10.2.1.7     node1
""",
    "daemonset.txt": """\
NAME        DESIRED   CURRENT   READY   UP-TO-DATE   AVAILABLE   NODE SELECTOR           AGE
glusterfs   3         3         3       3            3           storagenode=glusterfs   16m
""",
    "claims.txt": """\
NAME     STATUS    VOLUME                                     CAPACITY   ACCESS MODES   \
STORAGECLASS        AGE
data-0   Bound     pvc-0d2a6f1e-6c1d-4c5b-9d0e-2f7a1b3c4d5e   1Gi        RWX            \
glusterfs-storage   2m
web-0    Pending                                                                        \
local-path          2m
""",
    "gk-deploy.log": """\
Using Kubernetes CLI.
Using namespace "glusterfs".
Checking for pre-existing resources...
  GlusterFS pods ... found.
Creating initial resources ... Error from server (AlreadyExists): error when creating \
"kube-templates/heketi-service-account.yaml": serviceaccounts "heketi-service-account" \
already exists
Error from server (AlreadyExists): clusterrolebindings.rbac.authorization.k8s.io "heketi-sa-view" \
already exists
OK
heketi topology loaded.

heketi is now running and accessible via http://10.0.12.34:8080 . To run
administrative commands you can install 'heketi-cli' and use it as follows:

Deployment complete!
""",
    # What was wrong and was put right since: heketi's log keeps it, and so do events for an hour.
    "heketi.log": (SAMPLES / "N6/heketi.log").read_text("utf-8"),
    "events.txt": """\
LAST SEEN   TYPE      REASON      OBJECT                MESSAGE
14m         Warning   Unhealthy   pod/glusterfs-c7k4d   Readiness probe failed: failed check: \
systemctl -q is-active glusterd.service
""",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder
