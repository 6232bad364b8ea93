"""What heketi's log remembers, and what of it is history: it has done the same since."""

from __future__ import annotations

from pathlib import Path

import pytest

from preflight.diagnose import deployment
from preflight.diagnose.evidence import Log
from tests.diagnosed import SAMPLES, diagnosed, write
from tests.heketi_log import PVCREATE, failed, ran, target

FAILURE = (SAMPLES / "N6/heketi.log").read_text("utf-8")
AGAIN = "[heketi] INFO 2026/11/22 09:52:30 Adding device /dev/sda to node 0f1e\n"


def causes(folder: Path, log: str) -> list[str]:
    return [cause.id for cause in diagnosed(write(folder, {"heketi.log": log})).causes]


@pytest.mark.parametrize("pod", ["glusterfs-c7k4d", "glusterfs-newer"])
def test_what_the_same_command_has_done_since_is_history(tmp_path: Path, pod: str) -> None:
    """On the same node, whichever pod is there by now."""
    assert causes(tmp_path, FAILURE) == ["N6"]
    assert causes(tmp_path, FAILURE + ran(PVCREATE, target(pod=pod))) == []


@pytest.mark.parametrize(
    "log",
    [
        FAILURE + ran(PVCREATE, target("node1", "glusterfs-2x8vq")),
        FAILURE + ran(PVCREATE.replace("sda", "sdb"), target()),
        FAILURE + ran("vgs", target()),
        ran(PVCREATE, target()) + FAILURE,
        FAILURE + ran(PVCREATE, target()) + FAILURE,
        FAILURE + AGAIN + ran(PVCREATE, target()).replace("Ran", "Will run"),
        FAILURE + AGAIN + failed("echo", target(), f"] Ran command [{PVCREATE}] on {target()}"),
    ],
    ids=[
        "another node",
        "another disk",
        "another command",
        "before",
        "and again",
        "will",
        "quoted",
    ],
)
def test_what_only_looks_like_it_is_no_success(tmp_path: Path, log: str) -> None:
    assert causes(tmp_path, log) == ["N6"]


DONE = ran(PVCREATE, target())
BEFORE = DONE.replace("09:52:31", "09:30:00")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"heketi.log": DONE, "heketi.previous.log": FAILURE}, []),
        ({"after/heketi.log": DONE, "before/heketi.log": FAILURE}, []),
        ({"1.log": FAILURE, "2.log": FAILURE + DONE}, []),
        ({"1.log": FAILURE + DONE, "2.log": FAILURE}, []),
        ({"all.txt": f"$ kubectl logs heketi\n{DONE}$ kubectl logs -p heketi\n{FAILURE}"}, []),
        ({"heketi.log": FAILURE, "heketi.previous.log": BEFORE}, ["N6"]),
        ({"1.log": FAILURE + DONE, "2.log": FAILURE + DONE + FAILURE}, ["N6"]),
        # By a clock that was put back: of one log, the order is known without it.
        ({"heketi.log": FAILURE + BEFORE}, []),
    ],
    ids=[
        "restart",
        "folders",
        "copies",
        "a copy of before",
        "terminal",
        "and after",
        "again",
        "clock",
    ],
)
def test_all_that_heketi_logged_is_read_as_one(
    tmp_path: Path, files: dict[str, str], told: list[str]
) -> None:
    assert [cause.id for cause in diagnosed(write(tmp_path, files)).causes] == told


def test_of_several_logs_the_one_that_complains_is_quoted(tmp_path: Path) -> None:
    write(tmp_path, {"1.log": FAILURE, "2.log": BEFORE})
    (cause,) = diagnosed(tmp_path).causes
    assert {quote.origin for quote in cause.evidence} == {"1.log"}


def test_the_end_of_a_record_is_as_late_as_what_follows_it() -> None:
    """What a log that was cut begins with is not what heketi did first of all."""
    later = ran("vgs", target()).replace("09:52", "10:00")
    cut = f"  Cannot use /dev/sdb: device is partitioned\n]\n{later}"
    whole = failed(PVCREATE, target(), "Cannot use /dev/sda: device is partitioned") + DONE
    pieces = deployment.heketi([Log(whole, "1.log"), Log(cut, "2.log")]).evidence
    assert [piece.origin for piece in pieces if "Cannot use" in piece.text] == ["2.log"]


def test_bricks_have_a_new_name_at_each_attempt(tmp_path: Path) -> None:
    lvcreate = "/usr/sbin/lvm lvcreate -qq --thin vg_{}/tp_{} --name brick_{}"
    group, other = "a" * 32, "b" * 32
    thin = "thin: Required device-mapper target(s) not detected in your kernel."
    log = failed(lvcreate.format(group, "1" * 32, "2" * 32), target(), thin) + AGAIN
    assert causes(tmp_path, log) == ["N2"]
    elsewhere = ran(lvcreate.format(other, "3" * 32, "4" * 32), target())
    assert causes(tmp_path, log + elsewhere) == ["N2"]
    assert causes(tmp_path, log + ran(lvcreate.format(group, "3" * 32, "4" * 32), target())) == []


def test_so_it_is_with_a_heketi_of_old(tmp_path: Path) -> None:
    log = (SAMPLES / "N6.ignored/heketi.log").read_text("utf-8")
    command = "pvcreate --metadatasize=128M --dataalignment=256K '/dev/sdb'"
    told = f"Host: k8s-node-02 Pod: glusterfs-fthvm Command: {command}\nResult: created\n"
    assert causes(tmp_path, log) == ["N6"]
    assert (
        causes(tmp_path, f"{log}[kubeexec] DEBUG 2018/04/04 14:20:01 kubeexec.go:250: {told}") == []
    )


@pytest.mark.parametrize(
    ("sample", "node", "mended"),
    [("N18", "192.168.175.129", True), ("N18", "node2", False), ("C5", "node1", True),
     ("N17", "node1", True)],
)  # fmt: skip
def test_what_keeps_heketi_from_its_pods_is_history_once_it_was_in_one(
    tmp_path: Path, sample: str, node: str, *, mended: bool
) -> None:
    """With all that was said of it, in each layer of heketi: D12's words too."""
    log = (SAMPLES / sample / "heketi.log").read_text("utf-8")
    assert causes(tmp_path, log) == [sample]
    after = causes(tmp_path, log + ran("systemctl status glusterd", target(node)))
    assert after == ([] if mended else [sample])


def test_of_two_failures_that_run_into_one_another_both_must_have_been_done(tmp_path: Path) -> None:
    other = target("node3", "glusterfs-zrm9p")
    both = FAILURE + failed(PVCREATE, other, "Cannot use /dev/sda: device is partitioned")
    log = both + ran(PVCREATE, target())
    assert causes(tmp_path, log) == ["N6", "N6"]
    assert causes(tmp_path, log + ran(PVCREATE, other)) == []


def test_a_line_without_a_record_is_kept() -> None:
    """The end of a record that the file has not whole."""
    text = f"  Cannot use /dev/sda: device is partitioned\n]\n{ran(PVCREATE, target())}"
    (piece,) = deployment.heketi([Log(text, "heketi.log")]).evidence
    assert piece.text.startswith("  Cannot use /dev/sda")
