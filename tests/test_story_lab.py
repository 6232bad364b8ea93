"""The whole story: three broken machines and a cluster, checked, put right, deployed, a volume.

The machines are real, and so is the control plane, which lives in their network; the kubelets are
played. Told in order: each test goes on from where the one before it stopped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kube import Plane
from tests.kube.standins import GK_DEPLOY, HEKETI, real_gk_deploy, real_heketi
from tests.lab import Lab

pytestmark = pytest.mark.lab

Json = dict[str, Any]
NAMESPACE = "storage"


@dataclass(frozen=True)
class Story:
    """Machines, cluster, and the inventory that has both."""

    lab: Lab
    plane: Plane
    gkprep: str
    inventory: Path

    def run(self, command: str, *words: str) -> tuple[int, Json, str]:
        """Exit status, report, and what was shown on the way."""
        argv: list[str | Path] = [self.gkprep, command, self.inventory, "-o", "json", *words]
        done = self.lab.exec(argv, timeout=900)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def story(lab: Lab, gkprep: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    os.environ["GKPREP_KUBE"] = f"story-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    plane = Plane.default(lab.netns)
    if why := plane.missing():
        pytest.skip(f"no control plane: {why}")
    lab.reset()
    try:
        plane.up()
        plane.kubectl("create", "namespace", NAMESPACE)
        plane.heketi(real_heketi() or HEKETI)
        inventory = tmp_path_factory.mktemp("story") / "inventory.yaml"
        described = yaml.safe_load(lab.inventory.read_text())
        described["deployer"] = {
            "gk_deploy": str(real_gk_deploy() or GK_DEPLOY),
            "namespace": NAMESPACE,
            "kubectl": plane.client,
            "kubeconfig": str(plane.kubeconfig),
        }
        inventory.write_text(yaml.safe_dump(described))
        yield Story(lab, plane, gkprep, inventory)
    finally:
        plane.down()


def test_broken_machines_are_seen_and_nothing_is_deployed_on_them(story: Story) -> None:
    code, report, _ = story.run("check")
    assert (code, report["verdict"]) == (1, "blocked")
    code, report, _ = story.run("deploy", "--yes")
    assert (code, report["verdict"]) == (1, "blocked")
    assert "deployment" not in report
    assert story.plane.get("daemonset", "", NAMESPACE)["items"] == []


def test_one_command_puts_them_right(story: Story) -> None:
    code, report, _ = story.run("fix", "--yes")
    assert (code, report["verdict"]) == (0, "ready"), report["findings"]


def test_one_more_deploys_and_proves_it_with_a_volume(story: Story) -> None:
    code, report, shown = story.run("deploy", "--yes", "--smoke-test", "--", "-w", "120")
    assert (code, report["verdict"]) == (0, "ready"), report
    assert report["deployment"]["forced"] == []
    stages = [line for line in shown.splitlines() if ": done in " in line]
    assert [line.split()[1:4] for line in stages] == [[str(n), "of", "6"] for n in range(1, 7)]
    passed: dict[str, list[str]] = {}
    for finding in report["findings"]:
        assert finding["status"] == "pass", finding
        passed.setdefault(finding["check"], []).append(finding["subject"])
    assert passed["heketi-topology"] == ["node1", "node2", "node3"]
    assert passed["smoke-test"] == ["volume"]
    made = story.plane.get("storageclass", "glusterfs-storage")
    assert made["provisioner"] == "kubernetes.io/glusterfs"
    assert story.plane.get("pv")["items"] == []
