"""What is said where there is no kubectl, or no way by it: once, in its own words, with a cure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from preflight import registry
from preflight.controller import controller
from preflight.deploy.gk_deploy import GkDeploy
from preflight.facts import deployment, kubernetes
from preflight.model import Check, Role
from tests.judged import INVENTORY
from tests.kube.standins import GK_DEPLOY

NAMED = re.compile(r"\b(?:kubernetes|deployment)\.[a-z_]+\(|\bkubectl\.[a-z]+ ")
"""How a probe is called, which is nothing to a person."""


def gkprep(command: str, folder: Path, *words: str, **deployer: str) -> tuple[int, str, str]:
    """gkprep in a folder whose inventory has nodes that refuse, and that deployer."""
    inventory = folder / "inventory.yaml"
    nodes = [
        {"name": f"node{n}", "address": f"127.0.0.{n}", "storage": f"10.78.0.1{n}"}
        for n in (1, 2, 3)
    ]
    described = {
        "defaults": {"ssh": {"user": "root", "port": 1}, "devices": ["/dev/sdb"]},
        "nodes": nodes,
        "deployer": {"gk_deploy": str(GK_DEPLOY), **deployer},
    }
    inventory.write_text(yaml.safe_dump(described))
    program = Path(sys.executable).with_name("gkprep")
    done = subprocess.run(
        [program, command, inventory, *words],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder), "XDG_STATE_HOME": str(folder)},
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def failing(folder: Path) -> str:
    """A kubectl that is there, and has no kubeconfig to be led by; its words are 1.20.2's."""
    program = folder / "kubectl"
    program.write_text(
        "#!/bin/sh\n"
        'case $* in *"version --client"*)\n'
        '  echo \'{"clientVersion":{"major":"1","minor":"20","gitVersion":"v1.20.2"}}\'\n'
        "  exit ;;\n"
        "esac\n"
        "echo 'error: stat /nowhere: no such file or directory' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    return str(program)


@pytest.fixture(params=["no kubectl", "no kubeconfig"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "/nowhere/kubectl" if request.param == "no kubectl" else failing(tmp_path)


def test_all_that_hangs_on_kubectl_is_one_line(program: str, tmp_path: Path) -> None:
    code, out, _ = gkprep("deploy", tmp_path, "--dry-run", kubectl=program)
    assert code == 1
    assert "x kubectl " in out
    unknown = [line for line in out.splitlines() if line.startswith("?")]
    assert len(unknown) == 2, out  # the nodes, and the controller
    assert unknown[1].startswith("? controller  answered in part: kubectl: ")
    assert re.search(r"\(\d\d checks unknown\)$", unknown[1])
    assert "/nowhere" in unknown[1]
    assert not NAMED.search(out)


def test_an_abort_says_what_to_look_at(program: str, tmp_path: Path) -> None:
    code, out, err = gkprep("deploy", tmp_path, "--abort", "--dry-run", kubectl=program)
    assert (code, out) == (1, "")
    assert "what is left in the cluster could not be found out: kubectl: " in err
    assert "`gkprep check --only kubectl --only kubernetes-rights` tells what is in the way" in err
    assert not NAMED.search(err)


def test_a_diagnosis_says_it_in_kubectls_words(program: str, tmp_path: Path) -> None:
    code, out, _ = gkprep("diagnose", tmp_path, kubectl=program)
    assert code == 3
    assert "it could not be asked: kubectl: " in out
    assert not NAMED.search(out)


def test_every_probe_that_asks_the_cluster_says_by_what() -> None:
    """One that does not would be told of with its own name, and not be folded."""
    node = controller(INVENTORY)
    words = kubernetes.kubectl(node)
    every = [each for each in registry.checks() if isinstance(each, Check)]
    checks = [each for each in every if Role.CONTROLLER in each.roles]
    asked = [probe for check in checks for probe in check.needs(node)]
    asked += [
        probe for check in GkDeploy().verification(Path("key")) for probe in check.needs(node)
    ]
    asked += [
        deployment.keys(words, "n"),
        deployment.heketis(words, "n"),
        deployment.cluster(words),
        kubernetes.selected(words, "n"),
        kubernetes.needs_binding(words, "n"),
        kubernetes.volumes(words),
        kubernetes.claim(words, "n", "c"),
    ]
    told = (kubernetes.client(words), kubernetes.server(words))  # their answer is what went wrong
    assert len(asked) > 15
    assert [
        probe.name
        for probe in asked
        if words in probe.command and not probe.by and probe not in told
    ] == []
