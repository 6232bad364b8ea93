"""`gkprep fix` on three real machines: broken, mended, mended again, and undone.

One story, told in order: each test goes on from where the one before it stopped.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.lab import Lab
from tests.test_scenarios import PVCREATE

pytestmark = pytest.mark.lab

Json = dict[str, Any]
MENDED = {
    "device-clean",
    "firewall-ports",
    "kernel-modules",
    "mount-glusterfs",
    "rpcbind-port",
}
# What is on the disk where tables and superblocks are, and the files that a fix writes.
STATE = """
{ head -c 4M /dev/sda; tail -c 1M /dev/sda; } | sha256sum
cat /etc/modules-load.d/*.conf
firewall-cmd --zone=internal --list-ports; firewall-cmd --permanent --zone=internal --list-ports
systemctl is-enabled rpcbind.socket rpcbind.service; systemctl is-active rpcbind.socket
dpkg-query -W | sha256sum"""


@dataclass
class Story:
    """The laboratory, and what was seen on the way."""

    lab: Lab
    gkprep: str
    seen: dict[str, Json] = field(default_factory=dict)

    def run(self, *words: str) -> tuple[int, Json]:
        done = self.lab.exec([self.gkprep, *words, "-o", "json"], timeout=900)
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(done.stdout)

    def states(self) -> list[str]:
        """What the machines are like, in their own words."""
        machines = self.lab.machines.values()
        with ThreadPoolExecutor() as pool:
            asked = pool.map(lambda m: m.run(STATE, check=False, timeout=120).stdout, machines)
            return list(asked)


@pytest.fixture(scope="module")
def story(lab: Lab, gkprep: str) -> Story:
    lab.reset()
    return Story(lab, gkprep)


def failing(report: Json, key: str = "findings") -> set[str]:
    return {finding["check"] for finding in report[key] if finding["status"] == "fail"}


def test_without_consent_nothing_is_changed(story: Story) -> None:
    before = story.states()
    code, report = story.run("fix")
    assert (code, report["verdict"], report["actions"]) == (1, "blocked", [])
    assert {action["check"] for action in report["plan"]["actions"]} == MENDED
    assert report["plan"]["left"] == []
    assert story.states() == before
    story.seen["broken"] = {"states": before, "findings": report["findings"]}


def test_one_command_makes_three_broken_machines_ready(story: Story) -> None:
    for machine in story.lab.machines.values():
        assert machine.run(PVCREATE, check=False).returncode != 0
    code, report = story.run("fix", "--yes")
    assert failing(report, "before") == MENDED
    assert (code, report["verdict"], failing(report)) == (0, "ready", set())
    assert {action["rc"] for action in report["actions"]} == {0}
    for machine in story.lab.machines.values():
        machine.run(PVCREATE)


def test_to_fix_again_plans_nothing(story: Story) -> None:
    code, report = story.run("fix", "--yes")
    assert (code, report["plan"], report["actions"]) == (0, {"actions": [], "left": []}, [])


def test_undo_brings_everything_back(story: Story) -> None:
    listing = story.lab.exec([story.gkprep, "undo"]).stdout
    match = re.match(r"(\S+) .* fix  \d+ steps on 3 nodes$", listing.splitlines()[0])
    assert match, listing
    code, report = story.run("undo", match[1], "--yes")
    assert code == 0, report["plan"]
    assert {action["rc"] for action in report["actions"]} == {0}
    assert failing(report) == MENDED
    assert story.states() == story.seen["broken"]["states"]
