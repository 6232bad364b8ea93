"""The whole story: three broken machines and a cluster, checked, put right, deployed, and undone.

The machines are real, and so is the control plane, which lives in their network; the kubelets are
played. Each machine is broken by another of every check's states (`scenarios/<check>/mended.py`).
Told in order: each test goes on from where the one before it stopped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest
import yaml

from tests.kube import Plane
from tests.kube.standins import GK_DEPLOY, HEKETI, real_gk_deploy, real_heketi
from tests.lab import Lab
from tests.mending import STATES, Json, Story, break_all, broken, failing, told
from tests.test_scenarios import PVCREATE

pytestmark = pytest.mark.lab

NAMESPACE = "storage"


@pytest.fixture(scope="module")
def plane(lab: Lab) -> Iterator[Plane]:
    """A control plane in the machines' network, with the namespace for a deployment."""
    os.environ["GKPREP_KUBE"] = f"story-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    plane = Plane.default(lab.netns)
    if why := plane.missing():
        pytest.skip(f"no control plane: {why}")
    lab.reset()
    try:
        plane.up()
        plane.kubectl("create", "namespace", NAMESPACE)
        plane.heketi(real_heketi() or HEKETI)
        yield plane
    finally:
        plane.down()


@pytest.fixture(scope="module")
def story(lab: Lab, gkprep: str, plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Broken machines, and the inventory that has the cluster too."""
    inventory = tmp_path_factory.mktemp("story") / "inventory.yaml"
    described = yaml.safe_load(lab.inventory.read_text())
    described["deployer"] = {
        "gk_deploy": str(real_gk_deploy() or GK_DEPLOY),
        "namespace": NAMESPACE,
        "kubectl": plane.client,
        "kubeconfig": str(plane.kubeconfig),
    }
    inventory.write_text(yaml.safe_dump(described))
    break_all(lab)
    return Story(lab, gkprep, inventory)


def test_broken_machines_are_seen(story: Story) -> None:
    code, report = story.run("check")
    assert (code, report["verdict"], failing(report)) == (1, "blocked", {*STATES})


def test_nothing_is_deployed_on_them(story: Story, plane: Plane) -> None:
    code, report = story.run("deploy", "--yes")
    assert (code, report["verdict"]) == (1, "blocked")
    assert "deployment" not in report
    assert plane.get("daemonset", "", NAMESPACE)["items"] == []


def test_without_consent_nothing_is_changed(story: Story) -> None:
    before = story.states()
    code, report = story.run("fix")
    assert (code, report["verdict"], report["actions"]) == (1, "blocked", [])
    assert report["plan"]["left"] == report["plan"]["withheld"] == []
    assert story.states() == before
    story.seen["broken"] = {"states": before, "report": report}


@pytest.mark.parametrize("number", range(3))
def test_each_machine_is_broken_as_it_was_meant_to_be(story: Story, number: int) -> None:
    report, node = story.seen["broken"]["report"], [*story.lab.machines][number]
    for check, state in broken(number).items():
        saw = {
            f["saw"]
            for f in report["findings"]
            if (f["check"], f["node"], f["status"]) == (check, node, "fail")
        }
        assert any(fnmatchcase(each, state.saw) for each in saw), (check, saw)
        assert check in {a["check"] for a in report["plan"]["actions"] if a["node"] == node}


def test_one_command_makes_three_broken_machines_ready(story: Story) -> None:
    for machine in [*story.lab.machines.values()][::2]:
        assert machine.run(PVCREATE, check=False).returncode != 0
    code, report = story.run("fix", "--yes")
    assert failing(report, "before") == {*STATES}
    assert (code, report["verdict"], failing(report)) == (0, "ready", set())
    assert {action["rc"] for action in report["actions"]} == {0}
    for machine in story.lab.machines.values():
        machine.run(PVCREATE)


def test_to_fix_again_plans_nothing(story: Story) -> None:
    code, report = story.run("fix", "--yes")
    nothing: Json = {"actions": [], "withheld": [], "left": [], "spent": []}
    assert (code, report["plan"], report["actions"]) == (0, nothing, [])


def test_one_more_deploys_and_proves_it_with_a_volume(story: Story, plane: Plane) -> None:
    code, report = story.run("deploy", "--yes", "--smoke-test", "--", "-w", "120")
    assert (code, report["verdict"]) == (0, "ready"), report
    assert report["deployment"]["forced"] == []
    stages = [line for line in story.shown.splitlines() if ": done in " in line]
    assert [line.split()[1:4] for line in stages] == [[str(n), "of", "6"] for n in range(1, 7)]
    passed: dict[str, list[str]] = {}
    for finding in report["findings"]:
        assert finding["status"] == "pass", finding
        passed.setdefault(finding["check"], []).append(finding["subject"])
    assert passed["heketi-topology"] == ["node1", "node2", "node3"]
    assert passed["smoke-test"] == ["volume"]
    made = plane.get("storageclass", "glusterfs-storage")
    assert made["provisioner"] == "kubernetes.io/glusterfs"
    assert plane.get("pv")["items"] == []


def test_undo_brings_everything_back(story: Story) -> None:
    listing = story.lab.exec([story.gkprep, "undo"]).stdout
    match = re.match(r"(\S+)  \S+ \S+  fix  can be undone  \d+ steps on 3 nodes: ", listing)
    assert match, listing
    code, report = story.run("undo", match[1], "--yes")
    assert code == 0, report["plan"]
    assert {action["rc"] for action in report["actions"]} == {0}
    assert told(report) == told(story.seen["broken"]["report"])
    assert story.states() == story.seen["broken"]["states"]
