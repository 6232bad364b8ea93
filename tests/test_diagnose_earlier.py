"""What the last deployment from here printed is read by a later `gkprep diagnose`, or left out."""

from __future__ import annotations

import os
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from preflight.controller import controller
from preflight.diagnose import earlier, match
from preflight.diagnose.evidence import Diagnosis, Reading
from preflight.journal.deployments import Deployed, deployments_folder, keep
from preflight.model import Inventory, Limits
from preflight.transport.local import Here
from tests.cluster_answers import Cluster, well
from tests.diagnosed import SAMPLES, TABLE

NOW = datetime(2026, 11, 26, 15, 40, tzinfo=timezone.utc)
FAILED = Deployed(
    "gk-deploy", "uid-1", "gluster fs", rc=1, stopped="gk-deploy ended with exit status 1"
)


@pytest.fixture
def plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    plane = well(tmp_path / "cluster")
    uid = {"metadata": {"name": "kube-system", "uid": "uid-1"}}
    plane.answers("/api/v1/namespaces/kube-system", uid)
    plane.has("daemonsets,deployments")
    return plane


def kept(made: Deployed, sample: str = "C1", *, at: datetime = NOW - timedelta(hours=3)) -> Path:
    """A deployment that began, and last said something, at that time."""
    folder = deployments_folder() / f"{at:%Y%m%d-%H%M%S}-0000"
    folder.mkdir(parents=True)
    keep(folder, made)
    log = folder / "gk-deploy.log"
    shutil.copy(SAMPLES / sample / "gk-deploy.log", log)
    os.utime(log, (at.timestamp(), at.timestamp()))
    return log


def read(plane: Cluster) -> Reading:
    node = controller(Inventory((), deployer=plane.deployer))
    return earlier.read(node, Here(None), Limits(), NOW)


def told(reading: Reading) -> Diagnosis:
    return match.diagnose(reading, TABLE)


def ids(reading: Reading) -> list[str]:
    return [cause.id for cause in told(reading).causes]


def object_of(kind: str, name: str, made: datetime) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": name, "creationTimestamp": f"{made:%Y-%m-%dT%H:%M:%SZ}"},
    }


@pytest.mark.parametrize("sample", ["C1", "C2", "C4", "D8", "D14"])
def test_what_a_failed_deployment_printed_is_read_and_dated(plane: Cluster, sample: str) -> None:
    log = kept(FAILED, sample)
    reading = read(plane)
    assert ids(reading) == [sample]
    origin = "gk-deploy's output of 2026-11-26 12:40 UTC"
    assert reading.notes == (f"{origin} (3 hours ago) is read too, the last from here: {log}",)
    assert {quote.origin for cause in told(reading).causes for quote in cause.evidence} == {origin}


def test_one_that_was_killed_before_its_end_is_read(plane: Cluster) -> None:
    kept(Deployed("gk-deploy", "uid-1", "gluster fs"))
    assert ids(read(plane)) == ["C1"]


def test_what_was_seen_of_one_that_ended_with_0_and_was_no_success_is_told(
    plane: Cluster,
) -> None:
    why = "gk-deploy wrote to what it was given: deploy/left (D3)"
    log = kept(Deployed("gk-deploy", "uid-1", "gluster fs", rc=0, stopped=why))
    log.write_text("heketi is now running and accessible via http://10.0.0.1:8080 .\n")
    os.utime(log, (NOW.timestamp(), NOW.timestamp()))
    assert "D3" in ids(read(plane))


@pytest.mark.parametrize(
    "later",
    [
        Deployed("gk-deploy", "uid-1", "gluster fs", rc=0, stopped=""),
        Deployed("gk-deploy", "uid-1", "gluster fs", back=True, rc=1, stopped=""),
        Deployed("gk-deploy", "uid-1", "gluster fs", back=True),
    ],
)
def test_a_later_success_or_abort_takes_its_place(plane: Cluster, later: Deployed) -> None:
    kept(FAILED)
    kept(later, at=NOW - timedelta(hours=2))
    assert read(plane) == Reading()


@pytest.mark.parametrize(
    "other",
    [
        Deployed("gk-deploy", "uid-2", "gluster fs"),
        Deployed("gk-deploy", "uid-1", "elsewhere", rc=0, stopped=""),
    ],
)
def test_those_of_other_clusters_and_namespaces_count_for_nothing(
    plane: Cluster, other: Deployed
) -> None:
    kept(other, at=NOW - timedelta(hours=1))
    assert read(plane) == Reading()
    kept(FAILED)
    assert ids(read(plane)) == ["C1"]


@pytest.mark.parametrize(
    ("kind", "name"), [("DaemonSet", "glusterfs"), ("Deployment", "heketi")]
)  # fmt: skip
def test_one_that_somebody_has_deployed_after_is_named_and_not_read(
    plane: Cluster, kind: str, name: str
) -> None:
    kept(FAILED)
    of_then, of_others = NOW - timedelta(hours=4), object_of("Deployment", "web", NOW)
    plane.has("daemonsets,deployments", object_of(kind, name, of_then), of_others)
    assert ids(read(plane)) == ["C1"]
    plane.has("daemonsets,deployments", object_of(kind, name, NOW - timedelta(hours=2)))
    reading = read(plane)
    assert (reading.evidence, reading.troubles, reading.notes) == ((), (), ())
    [unread] = reading.unread
    assert unread.why.startswith(f"not read: {kind.lower()} {name} is newer")
    assert not unread.needed


def test_one_of_last_week_is_named_and_not_read(plane: Cluster) -> None:
    log = kept(FAILED, at=NOW - timedelta(days=8))
    reading = read(plane)
    assert (reading.evidence, reading.troubles, reading.notes) == ((), (), ())
    [unread] = reading.unread
    assert unread.why == f"not read: it is of 8 days ago; --from {log.parent} does"


def test_a_cluster_that_does_not_say_which_it_is_has_no_log(plane: Cluster) -> None:
    kept(FAILED)
    (plane.folder / "raw/api/v1/namespaces/kube-system").unlink()
    assert read(plane) == Reading()


@pytest.mark.parametrize("text", ["", "{}", '{"cluster": "uid-1"}', "[1]"])
def test_a_record_that_cannot_be_read_is_none(plane: Cluster, text: str) -> None:
    log = kept(FAILED)
    (log.parent / "deployment.json").write_text(text)
    assert read(plane) == Reading()


def test_a_log_that_is_gone_is_named(plane: Cluster) -> None:
    kept(FAILED).unlink()
    [unread] = read(plane).unread
    assert "No such file" in unread.why
