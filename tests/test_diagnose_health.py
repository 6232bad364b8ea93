"""What `gkprep diagnose` calls healthy, and what it never does."""

from __future__ import annotations

from pathlib import Path

import pytest

from preflight.diagnose import saved
from preflight.diagnose.evidence import together
from preflight.diagnose.saved import MOST_BYTES
from preflight.model import Verdict
from tests.diagnosed import FORMS, HEALTHY, SAMPLES, diagnosed, write


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
