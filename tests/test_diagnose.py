"""`gkprep diagnose` on saved output: every row on its sample, and what must explain nothing.

`GKPREP_UPDATE_GOLDENS=1 pytest tests/test_diagnose.py` writes tests/golden/diagnose anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from preflight.diagnose import page, saved
from preflight.diagnose.evidence import Diagnosis, Kind, together
from preflight.diagnose.masks import masked
from preflight.diagnose.saved import MOST_BYTES
from preflight.diagnose.table import Table, parse
from preflight.errors import TableError, UsageError
from preflight.model import Verdict
from preflight.registry import checks
from preflight.report.printable import visible
from preflight.report.style import Style
from tests.command import unattended
from tests.diagnosed import (
    PROVENANCE,
    ROWS,
    SAMPLES,
    TABLE,
    diagnosed,
    expected,
    is_of,
    run_of,
    without,
)
from tests.site import Home

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden/diagnose"
SCHEMA = json.loads((ROOT / "preflight/schemas/report.schema.json").read_text())
UPDATE = bool(os.environ.get("GKPREP_UPDATE_GOLDENS"))

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


# --- every row on its sample ------------------------------------------------------------------


@every_sample
def test_a_sample_is_explained_by_its_row_and_no_other(sample: str) -> None:
    row, found = expected(sample), diagnosed(SAMPLES / sample)
    assert [is_of(cause, row) for cause in found.causes] == [True], found.causes
    assert found.verdict is Verdict.BLOCKED
    assert [cause.node for cause in found.causes] == [PROVENANCE[sample]["node"]]
    assert not found.unexplained


@every_sample
def test_without_its_row_no_other_takes_its_place(sample: str) -> None:
    row = expected(sample)
    found = diagnosed(SAMPLES / sample, without(row))
    assert not any(is_of(cause, row) or not cause.general for cause in found.causes)


def test_every_row_has_a_sample_and_every_sample_its_provenance() -> None:
    assert {sample.partition(".")[0] for sample in PROVENANCE} == set(ROWS)
    assert {path.name for path in SAMPLES.iterdir()} == set(PROVENANCE)
    assert all(known["from"] for known in PROVENANCE.values())


@every_sample
def test_what_is_quoted_stands_in_the_file_that_is_named(sample: str) -> None:
    for cause in diagnosed(SAMPLES / sample).causes:
        assert cause.evidence
        for quote in cause.evidence:
            text = (SAMPLES / sample / quote.origin.partition(": ")[0]).read_text("utf-8")
            reported = "check.json" in quote.origin
            assert quote.lines
            assert reported or all(line in text for line in quote.lines)


def test_every_pattern_of_a_row_is_in_one_of_its_samples() -> None:
    for name, row in ROWS.items():
        texts = [
            piece
            for sample in PROVENANCE
            if sample.partition(".")[0] == name
            for piece in together(saved.read(SAMPLES / sample)).evidence
        ]
        for clause in (*row.every, *row.some):
            told = [p for p in texts if p.kind in clause.where and clause.pattern.search(p.text)]
            assert told, (name, clause.pattern.pattern)


def test_cures_are_commands_that_gkprep_has() -> None:
    ids = {check.id for check in checks()}
    known = {"check", "fix", "deploy", "diagnose", "explain"}
    for row in TABLE.rows:
        for command in row.cure:
            first, *words = command.split()
            assert first in {"gkprep", "kubectl", "{kubectl}"}
            assert first != "gkprep" or words[0] in known
            assert {words[at + 1] for at, word in enumerate(words) if word == "--only"} <= ids


def test_the_most_certain_cause_comes_first(tmp_path: Path) -> None:
    """Two nodes, one with more evidence than the other; and a general row goes with neither."""
    shutil.copytree(SAMPLES / "N11", tmp_path / "a")
    shutil.copytree(SAMPLES / "N6", tmp_path / "b")
    shutil.copytree(SAMPLES / "C8", tmp_path / "c")
    found = diagnosed(tmp_path)
    assert [cause.id for cause in found.causes] == ["N11", "N6"]
    assert [len(cause.evidence) for cause in found.causes] == [2, 2]


def test_a_finding_of_gkpreps_makes_a_cause_more_certain_and_is_quoted(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "N11", tmp_path, dirs_exist_ok=True)
    shutil.copy(SAMPLES / "N11-2/check.json", tmp_path)
    (cause,) = diagnosed(tmp_path).causes
    assert (cause.id, cause.node) == ("N11", "node2")
    assert "rpcbind-port fail port 111: saw tcp+udp held by systemd, pid 1" in [
        line for quote in cause.evidence for line in quote.lines
    ]


def test_the_same_failure_on_two_nodes_is_two_causes_with_two_cures(tmp_path: Path) -> None:
    text = (SAMPLES / "N6/gk-deploy.log").read_text("utf-8")
    bad = re.search(r"^Adding device /dev/sda \.\.\. Unable.*$", text, re.MULTILINE)
    assert bad
    first, _, rest = text.partition("Adding device /dev/sda ... OK")
    write(tmp_path, {"gk-deploy.log": first + bad[0] + rest})
    found = diagnosed(tmp_path)
    assert [cause.node for cause in found.causes] == ["node1", "node2"]
    assert [cause.cure for cause in found.causes] == [
        (f"gkprep fix --only device-clean --limit {node}",) for node in ("node1", "node2")
    ]


# --- the two failures of every walk-through ------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "node", "pod", "namespace"),
    [
        ("N11", "node2", "glusterfs-c7k4d", "glusterfs"),
        ("N11.journal", "node-181", "glusterfs-74rsl", "NAMESPACE"),
    ],
)
def test_ready_0_of_1_names_port_111_the_socket_the_node_and_the_whole_cure(
    sample: str, node: str, pod: str, namespace: str
) -> None:
    (cause,) = diagnosed(SAMPLES / sample).causes
    assert all(word in cause.cause for word in ("ort 111", "rpcbind.socket", node))
    assert cause.object == f"pod {pod}"
    assert cause.cure == (
        f"gkprep fix --only rpcbind-port --limit {node} --yes",
        f"kubectl -n {namespace} delete pod {pod}",
    )
    assert "not tried again" in cause.advice


def test_the_empty_log_of_that_pod_is_no_evidence_and_no_mishap() -> None:
    assert (SAMPLES / "N11/logs-glusterfs-c7k4d.txt").read_bytes() == b""
    assert not diagnosed(SAMPLES / "N11").unread


@pytest.mark.parametrize(
    ("sample", "device"),
    [("N6", "/dev/sda"), ("N6.filter", "/dev/sdb"), ("N6.ignored", "/dev/sdb")],
)
def test_pvcreate_that_finds_a_table_names_disk_node_and_cure(sample: str, device: str) -> None:
    (cause,) = diagnosed(SAMPLES / sample).causes
    node = PROVENANCE[sample]["node"]
    assert f"{device} on {node} carries a partition table" in cause.cause
    assert cause.cure == (f"gkprep fix --only device-clean --limit {node}",)


# --- what explains nothing --------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Device /dev/sdb is 16 GiB and was found by a filter.",
        "Device /mnt not found (or ignored by filtering).",
        "failed check: systemctl -q is-active sshd.service",
        "bind: Address already in use",
        "nginx: [emerg] bind() to 0.0.0.0:111 failed (98: Address already in use)",
        (
            "rpcbind.socket - RPCbind Server Activation Socket\n     Loaded: loaded\n"
            "     Active: active (running)\n\nother.socket - Other\n     Loaded: loaded\n"
            "     Active: failed (Result: resources)"
        ),
        "mount: unknown filesystem type 'ntfs'",
        "dial tcp 203.0.113.7:443: i/o timeout",
        "dial tcp: lookup registry.example.com: no such host",
        "Can't open configuration file exclusively.",
        'no matches for kind "Ingress" in version "extensions/v1beta1"',
        "unknown flag: --show-labels",
        "Volume data already exists",
        'endpoints "web" already exists',
        "thin: registered",
        "signature verified",
        "Unknown option 'foo'",
        "Token used after expiry",
        "the topology says Unable",
    ],
)
def test_near_misses_are_no_cause(tmp_path: Path, text: str) -> None:
    found = diagnosed(write(tmp_path, {"a.log": text}))
    assert (found.causes, found.verdict) == ((), Verdict.UNKNOWN)


def test_a_healthy_deployment_is_healthy_whatever_its_logs_remember(tmp_path: Path) -> None:
    found = diagnosed(write(tmp_path, HEALTHY))
    assert (found.verdict, found.causes, found.unexplained) == (Verdict.READY, (), ())


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        (("pods.txt", "heketi-7f8b5d6c9d-x2v4q  ", "deploy-heketi-7f8b5-x2v4 "), None),
        (("pods.txt", "glusterfs-zrm9p           1/1", "glusterfs-zrm9p           0/1"),
         "pod glusterfs-zrm9p"),
        (("daemonset.txt", "3         3         3", "3         3         2"),
         "daemonset glusterfs"),
        (("claims.txt", "Bound     pvc", "Pending   pvc"), "pvc data-0"),
        (("gk-deploy.log", "Deployment complete!", ""), "gk-deploy"),
    ],
)  # fmt: skip
def test_what_is_not_well_is_never_healthy(
    tmp_path: Path, change: tuple[str, str, str], trouble: str | None
) -> None:
    name, old, new = change
    files = {**HEALTHY, name: HEALTHY[name].replace(old, new)}
    assert files[name] != HEALTHY[name]
    del files["heketi.log"]
    found = diagnosed(write(tmp_path, files))
    assert found.verdict is not Verdict.READY
    told = {each.object for each in found.unexplained} | {cause.object for cause in found.causes}
    assert trouble is None or trouble in told


def test_pods_of_others_are_no_trouble(tmp_path: Path) -> None:
    files = {**HEALTHY, "others.txt": "NAME   READY   STATUS\nweb-0   0/1     CrashLoopBackOff\n"}
    assert diagnosed(write(tmp_path, files)).verdict is Verdict.READY


def test_what_is_not_ready_and_not_explained_is_shown_as_it_was_seen(tmp_path: Path) -> None:
    text = "NAME              READY   STATUS    NODE\nglusterfs-zrm9p   0/1     Pending   node3\n"
    found = diagnosed(write(tmp_path, {"pods.txt": text}))
    (trouble,) = found.unexplained
    assert found.verdict is Verdict.UNKNOWN
    assert (trouble.object, trouble.node, trouble.saw) == (
        "pod glusterfs-zrm9p",
        "node3",
        "Pending, ready 0/1",
    )


# --- what is taken for well, and what is not ----------------------------------------------------


def test_without_a_ready_gluster_pod_nothing_is_healthy(tmp_path: Path) -> None:
    """heketi's pod and a finished log are there all the same where the storage is gone."""
    lines = HEALTHY["pods.txt"].splitlines(keepends=True)
    heketi = "".join(line for line in lines if not line.startswith("glusterfs"))
    found = diagnosed(write(tmp_path, {**HEALTHY, "pods.txt": heketi}))
    assert found.verdict is not Verdict.READY


DAEMONSET = """\
Name:           glusterfs
Namespace:      glusterfs
Desired Number of Nodes Scheduled: 3
Current Number of Nodes Scheduled: 3
Number of Nodes Scheduled with Available Pods: {available}
Pods Status:  3 Running / 0 Waiting / 0 Succeeded / 0 Failed
"""


@pytest.mark.parametrize(("available", "saw"), [(3, None), (2, "2 of 3 pods ready")])
def test_a_described_daemonset_is_judged_by_its_available_pods(
    tmp_path: Path, available: int, saw: str | None
) -> None:
    described = DAEMONSET.format(available=available)
    found = diagnosed(write(tmp_path, {**HEALTHY, "daemonset.txt": described}))
    assert (found.verdict is Verdict.READY) == (saw is None)
    (trouble,) = together(saved.read(tmp_path)).troubles or (None,)
    assert (trouble.saw if trouble else None) == saw


FAILED_RERUN = """\
Using Kubernetes CLI.
Using namespace "glusterfs".
Creating initial resources ... OK
Waiting for GlusterFS pods to start ... pods not found.
"""


@pytest.mark.parametrize("more", [FAILED_RERUN, "error: signal: killed\n"])
def test_what_comes_after_deployment_complete_counts(tmp_path: Path, more: str) -> None:
    log = HEALTHY["gk-deploy.log"] + more
    found = diagnosed(write(tmp_path, {**HEALTHY, "heketi.log": "", "gk-deploy.log": log}))
    assert found.verdict is not Verdict.READY


@pytest.mark.parametrize("before", ["", "$ ./gk-deploy -y\n"])
def test_a_failed_run_before_the_one_that_came_to_its_end_is_history(
    tmp_path: Path, before: str
) -> None:
    log = f"{before}{FAILED_RERUN}{before}{HEALTHY['gk-deploy.log']}root@node1:~# \n"
    found = diagnosed(write(tmp_path, {**HEALTHY, "gk-deploy.log": log}))
    assert (found.verdict, found.causes) == (Verdict.READY, ())


def test_a_finished_log_does_not_outweigh_what_a_pod_says_of_itself(tmp_path: Path) -> None:
    pods = "".join(
        line for line in HEALTHY["pods.txt"].splitlines(keepends=True) if "heketi" not in line
    )
    files = {"gk-deploy.log": HEALTHY["gk-deploy.log"], "pods.txt": pods}
    assert diagnosed(write(tmp_path, files)).verdict is Verdict.READY
    status = (SAMPLES / "N11/glusterfs-c7k4d/systemctl.txt").read_text("utf-8")
    write(tmp_path, {"systemctl.txt": status})
    found = diagnosed(tmp_path)
    assert [cause.id for cause in found.causes] == ["N11"]


def test_a_file_that_could_not_be_read_could_hold_what_is_wrong(tmp_path: Path) -> None:
    write(tmp_path, HEALTHY)
    (tmp_path / "core").write_bytes(bytes(100))
    found = diagnosed(tmp_path)
    assert (found.verdict, found.causes, found.unexplained) == (Verdict.UNKNOWN, (), ())
    assert "not all that tells could be read" in FORMS["200.txt"](found)


def test_of_a_big_log_the_end_is_enough(tmp_path: Path) -> None:
    filler = "[heketi] INFO 2026/11/22 09:41:07 nothing to see here\n"
    write(tmp_path, {**HEALTHY, "heketi.log": filler * (MOST_BYTES // len(filler) + 1)})
    found = diagnosed(tmp_path)
    assert found.unread
    assert found.verdict is Verdict.READY


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


# --- keys -------------------------------------------------------------------------------------

KEY = "kEy0fHeketis"


@pytest.mark.parametrize(
    "line",
    [
        f"heketi-cli --user admin --secret '{KEY}' topology load",
        f"heketi-cli --secret={KEY} topology load",
        f"./gk-deploy --admin-key {KEY} --user-key {KEY}",
        f'  restuserkey: "{KEY}"',
        f'{{"restuserkey": "{KEY}"}}',
        f"HEKETI_ADMIN_KEY={KEY}",
        f"      HEKETI_USER_KEY:  {KEY}",
        f"sed -e 's/\\${{HEKETI_ADMIN_KEY}}/{KEY}/' -e 's/\\${{HEKETI_USER_KEY}}/{KEY}/'",
        f"- name: HEKETI_ADMIN_KEY\n  value: {KEY}",
        f"kubectl create secret generic x --from-literal=key={KEY}",
    ],
)
def test_keys_are_in_no_evidence_and_no_report(tmp_path: Path, line: str) -> None:
    text = f"$ {line}\n{line} unknown flag: --show-all\n{line}\n"
    log = f"Using Kubernetes CLI.\n{line}\n"
    write(tmp_path, {"a.log": text, "b.log": f"unknown flag: --show-all {line}\n", "c.log": log})
    reading = together(saved.read(tmp_path))
    found = diagnosed(tmp_path)
    assert reading.troubles
    for told in (repr(reading), *(form(found) for form in FORMS.values())):
        assert KEY not in told
    assert masked(line) != line
    assert masked("no --secrets, no key: here") == "no --secrets, no key: here"


# --- forms of files -----------------------------------------------------------------------------


@pytest.mark.parametrize("sample", ["N11", "N13", "C9", "N6"])
def test_files_with_line_ends_of_windows_say_the_same(tmp_path: Path, sample: str) -> None:
    shutil.copytree(SAMPLES / sample, tmp_path, dirs_exist_ok=True)
    for path in tmp_path.rglob("*.*"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    plain = diagnosed(SAMPLES / sample)
    found = diagnosed(tmp_path)
    assert [(c.id, c.node, c.object) for c in found.causes] == [
        (c.id, c.node, c.object) for c in plain.causes
    ]


def test_json_in_a_copied_terminal_is_read_as_json(tmp_path: Path) -> None:
    text = f"$ kubectl get pods -o json\n{json.dumps(POD_JSON, indent=1)}\n$ date\nToday\n"
    (cause,) = diagnosed(write(tmp_path, {"page.txt": text})).causes
    assert (cause.id, cause.node, cause.object) == ("N11", "node2", "pod glusterfs-c7k4d")


def test_every_document_of_a_file_is_read(tmp_path: Path) -> None:
    names = ("glusterfs-aaaaa", "glusterfs-bbbbb")
    pods = [f"kind: Pod\nmetadata: {{name: {name}}}\n" for name in names]
    write(tmp_path, {"pods.yaml": "---\n".join(pods)})
    assert [each.object for each in diagnosed(tmp_path).unexplained] == [f"pod {n}" for n in names]
    texts = [json.dumps({"kind": "Pod", "metadata": {"name": name}}, indent=1) for name in names]
    (tmp_path / "pods.yaml").write_text("\n".join(texts))
    assert [each.object for each in diagnosed(tmp_path).unexplained] == [f"pod {n}" for n in names]


@pytest.mark.parametrize("text", ['{"kind": "List", "items": [', "apiVersion: v1\nkind: [\n"])
def test_what_begins_like_json_or_yaml_and_is_none_is_named(tmp_path: Path, text: str) -> None:
    found = diagnosed(write(tmp_path, {**HEALTHY, "cut": text}))
    assert found.verdict is Verdict.UNKNOWN
    assert [unread.origin for unread in found.unread] == ["cut"]


# --- files ------------------------------------------------------------------------------------


def test_files_that_hold_nothing_to_read_are_named_and_stop_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"empty": "", "good/gk-deploy.log": (SAMPLES / "C2/gk-deploy.log").read_text()})
    (tmp_path / "binary").write_bytes(b"\x7fELF\0\0\0" * 100)
    (tmp_path / "bytes.log").write_bytes(b"\xff\xfe unknown flag: --show-labels \x1b[2J\n")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(tmp_path / "pipe")
    found = diagnosed(tmp_path)
    assert [cause.id for cause in found.causes] == ["C2"]
    assert {unread.origin: unread.why for unread in found.unread} == {
        "binary": "no text",
        "link": "no regular file",
        "pipe": "no regular file",
    }


def test_of_very_many_files_the_first_are_read_and_it_is_said(tmp_path: Path) -> None:
    for number in range(saved.MOST_FILES + 1):
        (tmp_path / f"{number:05d}").touch()
    assert [unread.why for unread in diagnosed(tmp_path).unread] == [
        "only the first 2000 files were read"
    ]


def test_a_file_that_goes_away_is_named(tmp_path: Path) -> None:
    (reading,) = saved.file(tmp_path / "gone", "gone")
    assert [unread.why for unread in reading.unread] == ["No such file or directory"]


def test_of_a_huge_file_the_end_is_read(tmp_path: Path) -> None:
    early, late = "Error: unknown flag: --show-all\n", "Volume heketidbstorage already exists\n"
    filler = "nothing to see here\n" * (MOST_BYTES // 20 + 1)
    found = diagnosed(write(tmp_path, {"huge.log": early + filler + late}))
    assert [cause.id for cause in found.causes] == ["D8"]
    assert [unread.why for unread in found.unread] == ["only the last 8 MiB were read"]


CONDITIONS = "Name: glusterfs-abc\nStatus: Running\nContainers:\nConditions:\n"
HOSTILE = [
    *(
        text * 20_000
        for text in (
            " rpcbind.socket - x\n",
            "\n",
            " Normal",
            "Name: a\n",
            "(((([",
            " a.",
            "a",
            "0.",
        )
    ),
    CONDITIONS + "  Type   True\n" * 20_000,
    CONDITIONS + "  \t \n" * 20_000,
    "mount -t glusterfs " * 20_000,
    "mount -t glusterfs x\n" * 20_000,
    "--secret " * 20_000,
    "HEKETI_" * 20_000,
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: repr(text[-20:]))
def test_hostile_files_take_no_time(tmp_path: Path, hostile: str) -> None:
    """A few seconds is what ten thousand lines of anything may take: no pattern runs away."""
    began = time.process_time()
    assert diagnosed(write(tmp_path, {"a.log": hostile})).causes == ()
    assert time.process_time() - began < 5


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory"):
        saved.read(tmp_path / "none")


def test_nothing_at_all_could_not_be_told(tmp_path: Path) -> None:
    assert diagnosed(tmp_path) == Diagnosis(Verdict.UNKNOWN, (), (), (), ())


# --- what files are recognised as -------------------------------------------------------------


def test_describes_of_several_objects_are_told_apart(tmp_path: Path) -> None:
    good = (SAMPLES / "N11/describe.txt").read_text("utf-8")
    good = good.replace("glusterfs-c7k4d", "glusterfs-2x8vq").replace("node2", "node1")
    good = re.sub(r"(Ready +)False", r"\1True", good)
    bad = (SAMPLES / "N11/describe.txt").read_text("utf-8")
    reading = together(saved.read(write(tmp_path, {"all.txt": f"{good}\n\n{bad}"})))
    assert reading.works == ("pod glusterfs-2x8vq",)
    assert [trouble.object for trouble in reading.troubles] == ["pod glusterfs-c7k4d"]
    assert {piece.object for piece in reading.evidence} == {"pod glusterfs-c7k4d"}


POD_JSON = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "kind": "Pod",
            "metadata": {"name": "glusterfs-c7k4d", "namespace": "glusterfs"},
            "spec": {"nodeName": "node2", "containers": [{"name": "glusterfs"}]},
            "status": {
                "phase": "Running",
                "containerStatuses": [{"name": "glusterfs", "ready": False, "restartCount": 0}],
            },
        },
        {
            "kind": "Event",
            "involvedObject": {"kind": "Pod", "name": "glusterfs-c7k4d", "namespace": "glusterfs"},
            "type": "Warning",
            "reason": "Unhealthy",
            "message": "Readiness probe failed: failed check: systemctl -q is-active"
            " gluster-blockd.service",
        },
    ],
}
POD_YAML = """\
apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: glusterfs-c7k4d, namespace: glusterfs}
  spec: {nodeName: node2, containers: [{name: glusterfs}]}
  status:
    phase: Running
    containerStatuses: [{name: glusterfs, ready: false}]
- kind: Event
  involvedObject: {kind: Pod, name: glusterfs-c7k4d}
  type: Warning
  reason: Unhealthy
  message: "Readiness probe failed: failed check: systemctl -q is-active gluster-blockd.service"
kind: List
"""


@pytest.mark.parametrize(
    ("name", "text"), [("all.json", json.dumps(POD_JSON)), ("all.yaml", POD_YAML)]
)
def test_objects_as_json_and_yaml_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    (cause,) = diagnosed(write(tmp_path, {name: text})).causes
    assert (cause.id, cause.general, cause.node) == ("N11", True, "node2")
    assert "kubectl -n glusterfs exec glusterfs-c7k4d" in cause.cure[1]


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "List", "items": 3}',
        '{"kind": "List", "items": [null, 3, {"kind": 7}, {"kind": "Pod"}]}',
        '{"kind": "Pod", "metadata": [], "spec": {"nodeName": {}}, "status": {"phase": 3}}',
        '{"kind": "Event", "involvedObject": 3, "message": {}}',
        '{"kind": "DaemonSet", "metadata": {"name": "glusterfs"}, "status": {}}',
        '{"kind": "PersistentVolumeClaim"}',
        '{"schema": 1, "gkprep": "0", "findings": [{"check": 1}, 3]}',
        '{"schema": 1, "gkprep": "0", "findings": null}',
        "[" * 100_000,
        "{" * 100_000,
        "kind: &a [*a, *a]",
        "apiVersion: v1\nkind: [\n",
        "Name:\n\nEvents:\n",
        "NAME READY STATUS\n\n \nx",
    ],
)
def test_malformed_objects_stop_nothing(tmp_path: Path, text: str) -> None:
    found = diagnosed(write(tmp_path, {"a.txt": text, "b.log": "unknown flag: --show-all\n"}))
    assert [cause.id for cause in found.causes] == ["C2"]


def test_a_copied_terminal_is_taken_apart_at_its_prompts() -> None:
    reading = together(saved.read(SAMPLES / "N11.journal"))
    kinds = {piece.kind: piece.object for piece in reading.evidence}
    assert kinds == {Kind.LOGS: "pod glusterfs-74rsl", Kind.JOURNAL: "pod glusterfs-74rsl"}


def test_a_page_with_both_failures_of_a_walk_through_tells_both(tmp_path: Path) -> None:
    """As people write them down: prose, fences, prompts, and what each command printed."""
    text = """\
The pod stays at 0/1:

```console
$ kubectl exec glusterfs-74rsl -- /usr/local/bin/status-probe.sh readiness
failed check: systemctl -q is-active gluster-blockd.service
$ kubectl exec glusterfs-74rsl -- systemctl cat rpcbind.service
# /usr/lib/systemd/system/rpcbind.service
[Unit]
Description=RPC bind service
$ ss -nplt | grep 111
LISTEN     0      128          *:111         *:*      users:(("systemd",pid=1,fd=29))
```

Later the log of heketi says

> Device /dev/sdb excluded by a filter
"""
    found = diagnosed(write(tmp_path, {"page.md": text}))
    assert [(cause.id, cause.object) for cause in found.causes] == [
        ("N6", "log"),
        ("N11", "pod glusterfs-74rsl"),
    ]


def test_events_of_old_and_new_kubectls_name_their_pod(tmp_path: Path) -> None:
    message = "Readiness probe failed: failed check: systemctl -q is-active glusterd.service"
    old = (
        "LASTSEEN   FIRSTSEEN   COUNT     NAME                               KIND      TYPE\n"
        f"3s         5m          9         glusterfs-mr7cw.1537b2e6d6a0a5a4   Pod       {message}\n"
    )
    new = (
        "LAST SEEN   TYPE      REASON      OBJECT                MESSAGE\n"
        "5m          Normal    Pulled      pod/glusterfs-mr7cw   Container image present\n"
        f"3s          Warning   Unhealthy   pod/glusterfs-mr7cw   {message}\n"
    )
    for number, text in enumerate((old, new)):
        folder = tmp_path / str(number)
        reading = together(saved.read(write(folder, {"events.txt": text})))
        assert [piece.object for piece in reading.evidence] == ["pod glusterfs-mr7cw"]
        assert [cause.object for cause in diagnosed(folder).causes] == ["pod glusterfs-mr7cw"]


# --- the report -------------------------------------------------------------------------------

PAGES = ("N11", "N11.journal", "N6", "N6.filter", "N2.without-a-node", "C14-2")
FORMS: dict[str, Callable[[Diagnosis], str]] = {
    "80.txt": lambda found: page.render(run_of(found), found, Style(80)),
    "200.txt": lambda found: page.render(run_of(found), found, Style(200)),
    "80.ansi": lambda found: page.render(run_of(found), found, Style(80, plain=False)),
    "json": lambda found: page.render_json(run_of(found), found),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sample", PAGES)
def test_golden(sample: str, form: str) -> None:
    path, report = GOLDEN / f"{sample}.{form}", FORMS[form](diagnosed(SAMPLES / sample))
    if UPDATE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(report, "utf-8")
        pytest.skip("written anew")
    assert report == path.read_text("utf-8")


def test_no_golden_is_without_its_case() -> None:
    wanted = {f"{sample}.{form}" for sample in PAGES for form in FORMS}
    assert {path.name for path in GOLDEN.iterdir()} == wanted


@every_sample
@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_keep_to_the_width_but_for_commands_and_long_words(sample: str, width: int) -> None:
    for line in FORMS["80.txt"](diagnosed(SAMPLES / sample)).splitlines():
        assert line.isascii()
    found = diagnosed(SAMPLES / sample)
    for line in page.render(run_of(found), found, Style(width)).splitlines():
        command = re.match(r" +(cure: )?(gkprep|kubectl) ", line)
        assert len(line) <= width or command or len(line.split()) == 1, line


@every_sample
def test_json_keeps_to_the_schema_and_has_the_commands_whole(sample: str) -> None:
    found = diagnosed(SAMPLES / sample)
    report = json.loads(FORMS["json"](found))
    Draft202012Validator(SCHEMA, format_checker=FormatChecker()).validate(report)
    assert [cause["cure"] for cause in report["causes"]] == [[*c.cure] for c in found.causes]


def test_what_could_not_be_told_is_a_page_too(tmp_path: Path) -> None:
    pods = HEALTHY["pods.txt"].replace(
        "glusterfs-zrm9p           1/1", "glusterfs-zrm9p           0/1"
    )
    write(tmp_path, {"pods.txt": pods})
    (tmp_path / "core").write_bytes(bytes(100))
    found = diagnosed(tmp_path)
    assert FORMS["80.txt"](found).splitlines() == [
        "+ as it must be: pod glusterfs-2x8vq, pod glusterfs-c7k4d, pod",
        "  heketi-7f8b5d6c9d-x2v4q",
        "- core: no text",
        "",
        "? pod glusterfs-zrm9p on node3",
        "    saw Running, ready 0/1    (pods.txt)",
        "",
        "UNKNOWN  1 unexplained in 0.3 s",
    ]
    (trouble,) = json.loads(FORMS["json"](found))["unexplained"]
    assert trouble == {
        "object": "pod glusterfs-zrm9p",
        "node": "node3",
        "saw": "Running, ready 0/1",
        "origin": "pods.txt",
        "evidence": [],
    }


def test_of_a_cause_on_many_nodes_the_first_few_are_shown_and_json_has_all(tmp_path: Path) -> None:
    text = (SAMPLES / "N6/gk-deploy.log").read_text("utf-8")
    head, _, rest = text.partition("Creating node node1")
    bad = re.search(r"^Adding device /dev/sda \.\.\. Unable.*$", rest, re.MULTILINE)
    assert bad
    nodes = "".join(f"Creating node n{n:02d} ... ID: 0\n{bad[0]}\n" for n in range(12))
    found = diagnosed(write(tmp_path, {"gk-deploy.log": f"{head}{nodes}Error loading\n"}))
    report = FORMS["200.txt"](found)
    assert report.count("x N6 ") == 8
    assert "... N6 4 more times (-o json lists them)" in report
    assert report.splitlines()[-1].startswith("FOUND  12 causes in ")
    assert len(json.loads(FORMS["json"](found))["causes"]) == 12


def test_hostile_text_forges_nothing(tmp_path: Path) -> None:
    pod = "glusterfs-c7k4d"
    bad = "Cannot use /dev/sda\x1b[2J;rm$(id)\u202e: device is partitioned"
    text = (SAMPLES / "N6/gk-deploy.log").read_text("utf-8")
    text = text.replace("Cannot use /dev/sda: device is partitioned", bad).replace(
        "node node2", "node $(id)';rm\x07"
    )
    write(tmp_path, {"gk-deploy.log": text, f"{pod}\x1b[1m.log": "unknown flag: --show-all"})
    found = diagnosed(tmp_path)
    for report in (FORMS["80.txt"](found), FORMS["200.txt"](found)):
        assert report.replace("\n", "").isprintable()
        assert report.isascii()
    json.loads(FORMS["json"](found))
    partition = next(cause for cause in found.causes if cause.id == "N6")
    # What came from the text is one quoted word; what cannot be shown is not offered for copying.
    assert partition.cure == ("gkprep fix --only device-clean --limit '$(id)'\"'\"';rm\x07'",)
    assert visible(partition.cure[0]) not in FORMS["200.txt"](found)


# --- the table --------------------------------------------------------------------------------

GOOD = r"""
rows:
  - id: N1
    cause: "{device} on {node}"
    any: [{where: [logs], pattern: 'Device (?P<device>\S+) broke'}]
    advice: mend it
    source: nowhere
without: [{id: N2, why: no text}]
"""


def test_a_good_table_is_read() -> None:
    assert isinstance(parse(GOOD, "t.yaml"), Table)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("id: N1\n", "id: X1\n", "row X1: id: saw X1; allowed: a row of the failure catalogue"),
        ("id: N1\n", "name: N1\n", "a row: unknown key 'name' in a row"),
        ("source:", "sauce:", "row N1: unknown key 'sauce' in a row; did you mean 'source'?"),
        ("    source: nowhere\n", "", "row N1: the key 'source' is missing in a row: where it is"),
        ("[logs]", "[loggs]", "row N1: where: saw loggs; allowed: a list of gk-deploy, describe"),
        ("[logs]", "logs", "row N1: where: saw logs; allowed: a list of gk-deploy"),
        (r"'Device (?P<device>\S+) broke'", "'('", "pattern: saw '(', missing ), unterminated"),
        (r"'Device (?P<device>\S+) broke'", "'a*'", "matches no empty text"),
        ("{device} on", "{disk} on", "row N1: saw {disk}; allowed: {node}, {pod}, {namespace}"),
        ("(?P<device>", "(?P<node>", "row N1: the group 'node' has the name of a field"),
        ("    advice: mend it\n", "", "row N1: nothing that helps; allowed: `cure` or `advice`"),
        ("    any: [{where: [logs], pattern: 'Device (?P<device>\\S+) broke'}]\n", "",
         "row N1: nothing to match; allowed: `all` or `any`"),
        ("rows:\n", "rows: []\nrest:\n", "rows: saw an empty list; allowed: a list of causes"),
        ("why: no text", "because: no text", "unknown key 'because' in a failure"),
        ("without:", "with:", "unknown key 'with' in the table; did you mean 'without'?"),
        ("rows:", "\trows:", "a tab; YAML is indented with spaces"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_file_row_what_and_allowed(old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(TableError) as caught:
        parse(GOOD.replace(old, new), "t.yaml")
    assert told in str(caught.value)
    assert re.match(r"t\.yaml:\d+:\d+: ", str(caught.value))


def test_all_mistakes_are_told_at_once() -> None:
    text = GOOD.replace("id: N1\n", "id: X1\n").replace("source:", "sauce:")
    with pytest.raises(TableError) as caught:
        parse(text, "t.yaml")
    assert len(str(caught.value).splitlines()) == 3  # the third: `source` is missing


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


@pytest.mark.parametrize(("sample", "code"), [("N11", 1), ("C8", 1), (None, 3)])
def test_exit_codes_of_the_command(
    gkprep: str, home: Home, sample: str | None, code: int, tmp_path: Path
) -> None:
    folder = SAMPLES / sample if sample else write(tmp_path / "none", {"a": "?"})
    done = unattended([gkprep, "diagnose", "--from", str(folder)], home)
    assert (done.returncode, done.stderr) == (code, "")


def test_healthy_is_0(gkprep: str, home: Home, tmp_path: Path) -> None:
    folder = write(tmp_path / "healthy", HEALTHY)
    done = unattended([gkprep, "diagnose", "--from", str(folder)], home)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("HEALTHY  nothing is wrong in ")


def test_json_of_the_command(gkprep: str, home: Home) -> None:
    argv = [gkprep, "diagnose", "--from", str(SAMPLES / "N6"), "-o", "json"]
    report = json.loads(unattended(argv, home).stdout)
    assert (report["command"], report["verdict"]) == ("diagnose", "blocked")
    assert [cause["id"] for cause in report["causes"]] == ["N6"]


@pytest.mark.parametrize("more", [["inventory.yaml"], ["--limit", "a"], ["--only", "x"]])
def test_a_folder_and_nodes_do_not_go_together(gkprep: str, home: Home, more: list[str]) -> None:
    argv = [gkprep, "diagnose", *more, "--from", str(SAMPLES / "N6")]
    done = unattended(argv, home)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--from reads a folder" in done.stderr
