"""What `gkprep diagnose` calls healthy, and what it never does."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
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


def test_what_was_cut_from_a_big_file_could_hold_what_is_wrong(tmp_path: Path) -> None:
    """A log may have anything before it: whoever saved it may have added to a file."""
    filler = "[heketi] INFO 2026/11/22 09:41:07 nothing to see here\n"
    bad = HEALTHY["pods.txt"].replace(
        "glusterfs-zrm9p           1/1", "glusterfs-zrm9p           0/1"
    )
    write(tmp_path, {**HEALTHY, "heketi.log": bad + filler * (MOST_BYTES // len(filler) + 1)})
    found = diagnosed(tmp_path)
    assert [unread.why for unread in found.unread] == ["only the last 8 MiB were read"]
    assert found.verdict is Verdict.UNKNOWN


def test_what_is_wrong_may_lie_in_a_folder_that_was_not_read(tmp_path: Path) -> None:
    write(tmp_path / "saved", HEALTHY)
    elsewhere = write(tmp_path / "elsewhere", {"pods.txt": BAD_ROW})
    (tmp_path / "saved/more").symlink_to(elsewhere, target_is_directory=True)
    found = diagnosed(tmp_path / "saved")
    assert {unread.origin: unread.why for unread in found.unread} == {
        "more": "a link to a folder, not followed"
    }
    assert found.verdict is Verdict.UNKNOWN


def test_a_folder_that_cannot_be_entered_is_named_and_nothing_is_healthy(tmp_path: Path) -> None:
    """Its path is too long, which stops root as well."""
    write(tmp_path, HEALTHY)
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(PATH_MAX // len(LONG_NAME) + 1):
            os.mkdir(LONG_NAME, dir_fd=here)
            inner = os.open(LONG_NAME, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = inner
    finally:
        os.close(here)
    found = diagnosed(tmp_path)
    assert [unread.why for unread in found.unread] == ["File name too long"]
    assert found.verdict is Verdict.UNKNOWN


PATH_MAX, LONG_NAME = 4096, "x" * 255
BAD_ROW = "NAME              READY   STATUS    NODE\nglusterfs-zrm9p   0/1     Running   node3\n"

GET_ALL = """\
NAME                          READY   STATUS    RESTARTS   AGE   IP           NODE
pod/glusterfs-zrm9p           {ready}     Running   0          16m   10.78.0.13   node3
pod/heketi-7f8b5d6c9d-x2v4q   1/1     Running   0          4m    10.2.1.7     node1

NAME             TYPE        CLUSTER-IP    EXTERNAL-IP   PORT(S)    AGE
service/heketi   ClusterIP   10.0.12.34    <none>        8080/TCP   4m

NAME                       DESIRED   CURRENT   READY   UP-TO-DATE   AVAILABLE   AGE
daemonset.apps/glusterfs   3         3         {count}       3            3           16m

NAME                     READY   UP-TO-DATE   AVAILABLE   AGE
deployment.apps/heketi   1/1     1            1           4m

NAME                                DESIRED   CURRENT   READY   AGE
replicaset.apps/heketi-7f8b5d6c9d   1         1         0       4m
"""
"""What `kubectl get all -o wide` prints, but for columns at the end."""


@pytest.mark.parametrize(("ready", "count", "well"), [("1/1", 3, True), ("0/1", 2, False)])
def test_several_kinds_together_are_told_apart(
    tmp_path: Path, ready: str, count: int, *, well: bool
) -> None:
    write(tmp_path, {**HEALTHY, "all.txt": GET_ALL.format(ready=ready, count=count)})
    found = diagnosed(tmp_path)
    assert (found.verdict is Verdict.READY) == well
    reading = together(saved.read(tmp_path))
    assert [(each.object, each.node) for each in reading.troubles] == (
        [] if well else [("pod glusterfs-zrm9p", "node3"), ("daemonset glusterfs", None)]
    )


@pytest.mark.parametrize(
    "dress",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("0/1", "\x1b[1;31m0/1\x1b[0m"),
        lambda text: f"\x1b]0;node1\x07{text}",
        lambda text: textwrap.indent(text, "    "),
        lambda text: "It looks so:\n\n" + textwrap.indent(text, "    "),
        lambda text: textwrap.indent(text, "> "),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace("\n", "\r\r\n"),
        lambda text: text.replace(" ", "\xa0"),
    ],
    ids=["bom", "colour", "title", "indented", "prose", "quoted", "cr", "crcrlf", "hard blanks"],
)
def test_a_table_is_one_whatever_it_went_through(
    tmp_path: Path, dress: Callable[[str], str]
) -> None:
    write(tmp_path, HEALTHY)
    (tmp_path / "more.txt").write_bytes(dress(BAD_ROW).encode())
    found = diagnosed(tmp_path)
    assert found.verdict is not Verdict.READY
    troubles = together(saved.read(tmp_path)).troubles
    assert [(each.object, each.node) for each in troubles] == [("pod glusterfs-zrm9p", "node3")]
