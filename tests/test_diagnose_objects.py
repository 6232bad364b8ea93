"""Objects of the API in `gkprep diagnose`: pods, claims, nodes, and what nobody explains."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from preflight.model import Verdict
from tests.diagnosed import FORMS, HEALTHY, SAMPLES, SCHEMA, diagnosed, write


def pod_json(name: str, owner: str = "", **changes: Any) -> dict[str, Any]:
    """A ready pod of core/v1, as far as it is read."""
    kind = "DaemonSet" if owner == "glusterfs" else "ReplicaSet"
    pod: dict[str, Any] = {
        "kind": "Pod",
        "metadata": {"name": name, "ownerReferences": [{"kind": kind, "name": owner}]},
        "spec": {"nodeName": "node1", "containers": [{"name": "c"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "c", "ready": True}],
        },
    }
    for part in ("metadata", "spec", "status"):
        pod[part].update(changes.get(part, {}))
    return pod


LOST = {"conditions": [{"type": "Ready", "status": "False", "reason": "NodeLost"}]}
GLUSTER_POD: dict[str, Any] = {"metadata": {"labels": {"glusterfs": "pod"}}}
HEKETI_POD: dict[str, Any] = {"metadata": {"labels": {"heketi": "pod"}}}
WELL = (pod_json("glusterfs-abcde", "glusterfs", **GLUSTER_POD), pod_json("store-1", **HEKETI_POD))


def objects_of(folder: Path, *pods: dict[str, Any]) -> Path:
    return write(folder, {"pods.json": json.dumps({"kind": "List", "items": pods})})


def test_pods_are_known_by_their_labels_whatever_they_are_called(tmp_path: Path) -> None:
    assert diagnosed(objects_of(tmp_path, *WELL)).verdict is Verdict.READY
    exporter = pod_json("heketi-6f-abc", metadata={"labels": {"app": "exporter"}})
    assert diagnosed(objects_of(tmp_path, WELL[0], exporter)).verdict is Verdict.UNKNOWN


def test_by_name_alone_an_exporter_of_heketis_is_not_heketi(tmp_path: Path) -> None:
    pods = HEALTHY["pods.txt"].replace("heketi-7f8b5d6c9d-x2v4q  ", "heketi-exporter-7f8b-x2v4")
    assert diagnosed(write(tmp_path, {"pods.txt": pods})).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "change",
    [
        {"status": LOST},
        {"status": {"conditions": []}},
        {"metadata": {"labels": {"heketi": "pod"}, "deletionTimestamp": "2026-11-22T09:20:41Z"}},
    ],
)
def test_ready_containers_alone_make_no_ready_pod(tmp_path: Path, change: dict[str, Any]) -> None:
    heketi = pod_json("heketi-6f-abc", "heketi-6f", **{**HEKETI_POD, **change})
    found = diagnosed(objects_of(tmp_path, WELL[0], heketi))
    assert found.verdict is Verdict.UNKNOWN
    assert [each.object for each in found.unexplained] == ["pod heketi-6f-abc"]


@pytest.mark.parametrize(
    ("owner", "node", "well"),
    [("heketi-6f", "node2", True), ("other-6f", "node2", False), ("glusterfs", "node2", False),
     ("glusterfs", "node1", True)],
)  # fmt: skip
def test_a_pod_that_failed_is_history_beside_a_ready_one_of_its_owner(
    tmp_path: Path, owner: str, node: str, *, well: bool
) -> None:
    """A DaemonSet's is only where the ready one is on the same node."""
    labels = GLUSTER_POD if owner == "glusterfs" else HEKETI_POD
    failed = pod_json(
        f"{owner}-zzzzz", owner, **labels, status={"phase": "Failed", "conditions": []},
        spec={"nodeName": node},
    )  # fmt: skip
    heketi = pod_json("heketi-6f-abcde", "heketi-6f", **HEKETI_POD)
    found = diagnosed(objects_of(tmp_path, WELL[0], heketi, failed))
    assert (found.verdict is Verdict.READY) == well


CLAIM = {
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "web-0", "namespace": "shop"},
    "status": {"phase": "Pending"},
}
GOLD = {"kind": "StorageClass", "metadata": {"name": "gold"}}


@pytest.mark.parametrize(
    ("spec", "provisioner", "ours"),
    [
        ({"storageClassName": ""}, "", False),
        ({}, "", False),
        ({"storageClassName": "local-path"}, "", False),
        ({"storageClassName": "glusterfs-storage"}, "", True),
        ({"storageClassName": "gold"}, "rancher.io/local-path", False),
        ({"storageClassName": "gold"}, "kubernetes.io/glusterfs", True),
    ],
)
def test_only_claims_that_heketi_is_asked_for_are_trouble(
    tmp_path: Path, spec: dict[str, str], provisioner: str, *, ours: bool
) -> None:
    claims = [{**CLAIM, "spec": spec}, {**GOLD, "provisioner": provisioner}]
    found = diagnosed(objects_of(write(tmp_path, HEALTHY), *WELL, *claims))
    assert (found.verdict is not Verdict.READY) == ours


@pytest.mark.parametrize(("of", "ours"), [("", False), ("local-path", False), ("gluster", True)])
def test_so_it_is_with_a_described_claim(tmp_path: Path, of: str, *, ours: bool) -> None:
    described = (
        f"Name:          data-0\nNamespace:     shop\nStorageClass:  {of}\n"
        "Status:        Pending\nAccess Modes:  \n"
    )
    found = diagnosed(write(tmp_path, {**HEALTHY, "claim.txt": described}))
    assert (found.verdict is not Verdict.READY) == ours


def test_the_node_is_called_what_the_api_calls_it(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "N11", tmp_path, dirs_exist_ok=True)
    journal = tmp_path / "glusterfs-c7k4d/journal.txt"
    journal.write_text(
        "Nov 24 03:14:15 node2 systemd[1]: rpcbind.socket failed to listen on sockets:"
        " Address already in use\n"
    )
    for name in ("pods.txt", "describe.txt"):
        text = (tmp_path / name).read_text("utf-8")
        (tmp_path / name).write_text(re.sub(r"\bnode2\b", "node2.example.com", text), "utf-8")
    (cause,) = diagnosed(tmp_path).causes
    assert cause.node == "node2.example.com"
    assert "--limit node2.example.com" in cause.cure[0]


def test_a_cause_explains_nothing_on_another_node(tmp_path: Path) -> None:
    """gk-deploy's own failure, and a pod that waits for its image."""
    files = {
        "gk-deploy.log": (SAMPLES / "C2/gk-deploy.log").read_text("utf-8"),
        "pods.txt": "NAME              READY   STATUS             NODE\n"
        "glusterfs-zrm9p   0/1     ImagePullBackOff   node3\n",
    }
    found = diagnosed(write(tmp_path, files))
    assert [cause.id for cause in found.causes] == ["C2"]
    assert [each.object for each in found.unexplained] == ["pod glusterfs-zrm9p"]


def test_what_nobody_explains_is_shown_with_what_was_said_beside_it(tmp_path: Path) -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    status = {
        "phase": "Pending",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{"name": "c", "ready": False, "state": {"waiting": waiting}}],
    }
    pod = pod_json("glusterfs-zrm9p", "glusterfs", **GLUSTER_POD, status=status)
    events = [
        {
            "kind": "Event",
            "involvedObject": {"kind": "Pod", "name": "glusterfs-zrm9p"},
            "type": "Warning",
            "reason": "Failed",
            "message": message,
        }
        for message in ("first", "toomanyrequests: You have reached your pull rate limit.")
    ]
    check = {"check": "firewall-ports", "node": "node1", "status": "fail", "subject": "24007"}
    other = {**check, "check": "time-sync", "status": "warn"}
    report = {
        "schema": 1,
        "gkprep": "0",
        "findings": [{**each, "saw": "x"} for each in (check, other)],
    }
    write(tmp_path, {"check.json": json.dumps(report)})
    found = diagnosed(objects_of(tmp_path, pod, *events))
    (trouble,) = found.unexplained
    assert [line for quote in trouble.beside for line in quote.lines] == [
        "container c waiting: ImagePullBackOff: Back-off pulling image",
        "Warning Failed toomanyrequests: You have reached your pull rate limit.",
        "firewall-ports fail 24007: saw x",
    ]
    assert "toomanyrequests" in FORMS["200.txt"](found)
    Draft202012Validator(SCHEMA, format_checker=FormatChecker()).validate(
        report := json.loads(FORMS["json"](found))
    )
    assert len(report["unexplained"][0]["evidence"]) == 3
