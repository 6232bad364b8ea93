"""`gkprep fix` on three real machines: broken, mended, mended again, and undone.

Each machine is broken by another of every check's states (`scenarios/<check>/mended.py`). One
story, told in order: each test goes on from where the one before it stopped.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import pytest

from preflight import registry
from tests.lab import Lab, Machine
from tests.scenarios import Mended, mended
from tests.test_scenarios import PVCREATE

pytestmark = pytest.mark.lab

Json = dict[str, Any]
STATES, BY_TOKEN = (
    {check: states for check, states in mended().items() if states[0].token is token}
    for token in (False, True)
)

# What is on the disk where tables and superblocks are, and the files that a fix writes.
STATE = """
{ head -c 4M /dev/sda; tail -c 1M /dev/sda; } | sha256sum
cat /etc/modules-load.d/*.conf
for zone in internal work; do
  firewall-cmd --zone=$zone --list-ports; firewall-cmd --permanent --zone=$zone --list-ports
done
systemctl is-enabled rpcbind.socket rpcbind.service; systemctl is-active rpcbind.socket
cat /var/lib/glusterd/kept /var/log/glusterfs/kept
dpkg-query -W -f '${db:Status-Abbrev} ${binary:Package} ${Version}\\n' | grep '^.i' | sha256sum"""

FOLDERS = """
for folder in /var/lib/glusterd /var/lib/heketi; do
  [ ! -e $folder ] || tar -C / -cf - --sort=name ${folder#/} | sha256sum
done"""


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

    def folders(self) -> list[str]:
        """What Gluster left on the machines, with its files' contents, owners and times."""
        return [machine.run(FOLDERS).stdout for machine in self.lab.machines.values()]


def broken(number: int, table: dict[str, list[Mended]] = STATES) -> dict[str, Mended]:
    """By check, how the machine of that number is broken."""
    return {check: states[number % len(states)] for check, states in table.items()}


def break_all(lab: Lab, table: dict[str, list[Mended]] = STATES) -> None:
    def break_it(number: int, machine: Machine) -> None:
        commands = "\n".join(state.broken for state in broken(number, table).values())
        machine.run(f"set -e\n{commands}\nudevadm settle", timeout=120)

    with ThreadPoolExecutor() as pool:
        list(pool.map(break_it, range(len(lab.machines)), lab.machines.values()))


@pytest.fixture(scope="module")
def story(lab: Lab, gkprep: str) -> Story:
    lab.reset()
    break_all(lab)
    return Story(lab, gkprep)


def failing(report: Json, key: str = "findings") -> set[str]:
    return {finding["check"] for finding in report[key] if finding["status"] == "fail"}


def told(report: Json) -> list[tuple[str, ...]]:
    """All that was found, but for process ids."""
    return [
        (f["check"], str(f["node"]), f["subject"], f["status"], re.sub(r"pid \d+", "", f["saw"]))
        for f in report["findings"]
        if f["node"]
    ]


def test_every_fix_has_a_state_that_it_ends() -> None:
    assert {*STATES, *BY_TOKEN} == {*registry.fixes()}


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


def test_undo_brings_everything_back(story: Story) -> None:
    listing = story.lab.exec([story.gkprep, "undo"]).stdout
    match = re.match(r"(\S+)  \S+ \S+  fix  can be undone  \d+ steps on 3 nodes: ", listing)
    assert match, listing
    code, report = story.run("undo", match[1], "--yes")
    assert code == 0, report["plan"]
    assert {action["rc"] for action in report["actions"]} == {0}
    assert told(report) == told(story.seen["broken"]["report"])
    assert story.states() == story.seen["broken"]["states"]


def test_what_takes_a_token_is_mended_with_it_and_comes_back(story: Story) -> None:
    break_all(story.lab, BY_TOKEN)
    chosen = [word for check in BY_TOKEN for word in ("--only", check)]
    code, report = story.run("fix", "--yes", *chosen)
    before = story.folders()
    assert (code, failing(report), report["actions"]) == (1, {*BY_TOKEN}, [])
    for number, node in enumerate(story.lab.machines):
        for check, state in broken(number, BY_TOKEN).items():
            assert (check, node, "fail", state.saw) in {
                (f["check"], f["node"], f["status"], f["saw"]) for f in report["findings"]
            }
    tokens = [word for f in report["findings"] if f["token"] for word in ("--wipe", f["token"])]
    code, after = story.run("fix", "--yes", *chosen, *tokens)
    assert (code, failing(after)) == (0, set())
    assert {action["rc"] for action in after["actions"]} == {0}
    code, again = story.run("fix", "--yes", *chosen)
    assert (code, again["plan"]["actions"], again["actions"]) == (0, [], [])
    code, undone = story.run("undo", after["run"], "--yes")
    assert (code, undone["plan"]["left"]) == (0, [])
    assert [each for each in told(undone) if each[0] in BY_TOKEN] == told(report)
    assert story.folders() == before


def test_ufw_is_opened_and_closed_again(story: Story) -> None:
    machine = story.lab.machines["node1"]
    machine.run(
        "apt-get -qq install -y ufw && systemctl disable --now firewalld"
        " && ufw allow 22/tcp && ufw --force enable",
        timeout=240,
    )
    before = machine.run("ufw status").stdout
    chosen = ("--limit", machine.name, "--only", "firewall-ports")
    code, report = story.run("fix", "--yes", *chosen)
    assert (failing(report, "before"), code, failing(report)) == ({"firewall-ports"}, 0, set())
    assert {action["argv"][0] for action in report["actions"]} == {"ufw"}
    opened = machine.run("ufw status").stdout
    assert all(port in opened for port in ("2222/tcp", "24007", "24008", "49152:49251/tcp"))
    code, again = story.run("fix", "--yes", *chosen)
    assert (code, again["plan"]["actions"]) == (0, [])
    code, undone = story.run("undo", report["run"], "--yes")
    assert code == 0, undone["plan"]
    assert machine.run("ufw status").stdout == before
    assert "firewall-ports" in failing(undone)
