"""A kubelet that answers late, on machines that are busy: reached, and not known to be well."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from checks.kubelet_reach import kubelet_reach
from preflight.facts import kubernetes
from preflight.facts.kubernetes import Image, Try, images, kubelets, tried
from preflight.model import Status
from tests.judged import FINE, found

LATE = Try("no answer within 12 s", late=True)


def test_c14_an_exec_that_is_late_where_the_kubelet_answers_is_no_verdict() -> None:
    late = replace(FINE, exec=LATE)
    finding = found(kubelet_reach, kubelet=late)["node1"]
    assert finding.status is Status.ERROR
    assert "exec: no answer within 12 s, though it answers otherwise" in finding.saw


def test_c14_a_kubelet_that_answers_nothing_in_time_is_out_of_reach() -> None:
    finding = found(kubelet_reach, kubelet=replace(FINE, health=LATE, logs=LATE, exec=LATE))[
        "node1"
    ]
    assert (finding.status, finding.saw) == (Status.FAIL, "exec: no answer within 12 s")


def standin(folder: Path, *answers: str) -> str:
    """A kubectl that answers so, and anything else with an empty object."""
    kubectl = folder / "kubectl"
    kubectl.write_text(
        "\n".join(("#!/bin/sh", 'case "$*" in', *answers, "*) echo '{}';;", "esac\n"))
    )
    kubectl.chmod(0o755)
    return str(kubectl)


def answer(command: str, shell: str = "sh") -> str:
    """What a probe's command prints, within seconds."""
    argv = [shell, "-c", command]
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, timeout=10).stdout


def test_an_image_that_answers_too_late_is_said_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "PATIENCE", 1)
    probe = kubernetes.image(
        standin(tmp_path, "*exec*) exec sleep 30;;", "*pods*) echo pod-1;;"), "n"
    )
    assert probe.parse(answer(probe.command)) == Image("pod-1", complaint="no answer within 1 s")


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_ways_are_tried_side_by_side(
    tmp_path: Path, shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell}")
    monkeypatch.setattr(kubelets, "PATIENCE", 2)
    kubectl = standin(
        tmp_path,
        "*healthz*|*exec*) sleep 1; echo ok;;",
        "*logs*) exec sleep 30;;",
        "*pods*) echo pod ns pod c;;",
    )
    probe = kubernetes.kubelet(kubectl, "node1")
    done = subprocess.run(
        [shell, "-c", probe.command], check=True, stdout=subprocess.PIPE, text=True, timeout=3
    )
    told = probe.parse(done.stdout)
    assert (told.pod, told.health, told.exec) == ("ns/pod", Try(""), Try(""))
    assert told.logs == Try(f"no answer within {tried.PATIENCE} s", late=True)


@pytest.mark.parametrize(
    ("pods", "listed"),
    [
        ("exec sleep 30", Try("no answer within 1 s", late=True)),
        ("echo 'Error from server: no' >&2; exit 1", Try("Error from server: no")),
        ("echo pod ns pod c; echo EOF >&2; exit 1", Try("EOF")),
        ("echo 'Warning: old' >&2; echo pod ns pod c", Try("")),
        (":", Try("")),
    ],
)
def test_how_pods_were_listed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pods: str, listed: Try
) -> None:
    monkeypatch.setattr(kubelets, "PATIENCE", 1)
    monkeypatch.setattr(tried, "PATIENCE", 1)
    kubectl = standin(tmp_path, f"*pods*) {pods};;", "*healthz*) echo ok;;", "*logs*|*exec*) :;;")
    probe = kubernetes.kubelet(kubectl, "node1")
    told = probe.parse(answer(probe.command))
    assert (told.health, told.listed) == (Try(""), listed)
    assert bool(told.pod) is ("Warning" in pods)
