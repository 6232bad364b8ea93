"""`gkprep fix --wipe` on disks of every kind: what it erases, what it leaves, what undo restores.

One story, told in order: each test goes on from where the one before it stopped. Every state has a
small disk of its own, and this computer hashes them whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab, home
from tests.lab.shelf import Disk, by_id, checksums, shelf
from tests.scenarios.consent import erasable, states, untouchable
from tests.test_scenarios import pvcreate

pytestmark = pytest.mark.lab

Json = dict[str, Any]

ERASABLE = states(erasable)
UNTOUCHABLE = states(untouchable)
STATES = {**ERASABLE, **UNTOUCHABLE}
SHELVES = {
    "node1": tuple(ERASABLE)[0::2],
    "node2": tuple(ERASABLE)[1::2],
    "node3": tuple(UNTOUCHABLE),
}
ONLY = ("--only", "device-clean", "--only", "device-idle")
TYPES = "wipefs --noheadings --output TYPE {} | sort -u"


@dataclass
class Story:
    """The laboratory with its disks by state, and what was seen on the way."""

    lab: Lab
    gkprep: str
    inventory: Path
    disks: dict[str, Disk]
    sums: dict[str, str] = field(default_factory=dict)
    findings: dict[str, Json] = field(default_factory=dict)

    def fix(self, *words: str) -> tuple[int, Json]:
        return self.run("fix", self.inventory, "--yes", "--only", "device-clean", *words)

    def consent(self) -> list[str]:
        """A token for everything that has one, in use or not."""
        return [f"--wipe={each['token']}" for each in self.findings.values() if each["token"]]

    def run(self, *words: str | Path) -> tuple[int, Json]:
        done = self.lab.exec([self.gkprep, *words, "-o", "json"], timeout=900)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def checksums(self) -> dict[str, str]:
        return checksums(list(self.disks.values()))


@pytest.fixture(scope="module")
def story(lab: Lab, gkprep: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    lab.reset()
    inventory = tmp_path_factory.mktemp("site") / "inventory.yaml"
    with shelf({lab.machines[node]: names for node, names in SHELVES.items()}) as disks:
        inventory.write_text(listing(lab))
        yield Story(lab, gkprep, inventory, disks)


def listing(lab: Lab) -> str:
    """The laboratory's inventory with the shelves' disks in place of its own."""
    text = home.inventory(lab.place)
    for machine in lab.machines.values():
        own = f"[{{path: {machine.disk}, serial: {machine.node.serial}}}]"
        ours = [{"path": by_id(name), "serial": name} for name in SHELVES[machine.name]]
        assert text.count(own) == 1
        text = text.replace(own, json.dumps(ours))  # which is YAML too
    return text


def about(findings: list[Json]) -> dict[str, list[Json]]:
    """Findings by the state that they are about."""
    names = {by_id(name): name for name in STATES}
    found: dict[str, list[Json]] = {name: [] for name in STATES}
    for finding in findings:
        if finding["subject"] in names:
            found[names[finding["subject"]]].append(finding)
    return found


def clean(findings: list[Json]) -> dict[str, Json]:
    """What device-clean says, by state."""
    found = about([each for each in findings if each["check"] == "device-clean"])
    return {name: own[0] for name, own in found.items() if own}


def test_every_disk_is_in_its_state(story: Story) -> None:
    def brought_about(node: str) -> dict[str, str]:
        return {name: bring_about(story.disks[name]) for name in SHELVES[node]}

    with ThreadPoolExecutor() as pool:
        types = {
            name: seen for each in pool.map(brought_about, SHELVES) for name, seen in each.items()
        }
    assert types == {name: state.types for name, state in STATES.items()}
    story.sums = story.checksums()


def bring_about(disk: Disk) -> str:
    """Break a disk as its state says; what `wipefs` lists then."""
    broken = STATES[disk.serial].on(disk.kernel)
    show = TYPES.format(disk.kernel)
    script = f"set -e\n{{\n{broken}\n}} >&2\nudevadm settle\n{show}"
    return " ".join(disk.machine.run(script, timeout=120).stdout.split())


def test_without_consent_not_a_byte_changes(story: Story) -> None:
    code, report = story.run("fix", story.inventory, "--yes", *ONLY)
    assert (code, report["actions"], report["plan"]["actions"]) == (1, [], [])
    found = about(report["findings"])
    assert {name: each for name, each in found.items() if not as_told(name, each)} == {}
    assert story.checksums() == story.sums
    story.findings = clean(report["findings"])


def as_told(name: str, findings: list[Json]) -> bool:
    """Whether the state is shown, with a token where nothing but consent is wanting."""
    shown = [each for each in findings if fnmatchcase(each["saw"], STATES[name].saw)]
    return any(name in UNTOUCHABLE or bool(each["token"]) for each in shown)


def test_a_change_of_the_disk_spends_its_token(story: Story) -> None:
    disk, old = story.disks["ext4"], story.findings["ext4"]["token"]
    disk.machine.run(f"tune2fs -L other {disk.kernel}; udevadm settle")
    story.sums = story.checksums()
    code, report = story.fix("--limit", disk.machine.name, "--wipe", old)
    assert (code, report["actions"], report["plan"]["actions"]) == (1, [], [])
    assert story.checksums() == story.sums
    now = clean(report["findings"])
    assert now["ext4"]["token"] not in {None, old}
    story.findings["ext4"] = now["ext4"]


def test_what_was_named_is_erased_and_what_is_in_use_is_not(story: Story) -> None:
    code, report = story.fix(*story.consent())
    assert (code, {action["rc"] for action in report["actions"]}) == (1, {0})
    assert set(clean(report["plan"]["actions"])) == set(ERASABLE)
    now = clean(report["findings"])
    assert {name for name in ERASABLE if now[name]["status"] != "pass"} == set()
    assert {name: now[name] for name in UNTOUCHABLE} == {
        name: story.findings[name] for name in UNTOUCHABLE
    }
    assert changed(story) == set(ERASABLE)


def changed(story: Story) -> set[str]:
    """The states whose disks are not, to the byte, as they were before."""
    return {name for name, each in story.checksums().items() if each != story.sums[name]}


def test_heketi_takes_every_disk_that_was_erased(story: Story) -> None:
    def refusals(node: str) -> dict[str, str]:
        disks = [story.disks[name] for name in SHELVES[node] if name in ERASABLE]
        asked = {d.serial: d.machine.run(pvcreate(d.kernel), check=False) for d in disks}
        return {name: done.stderr for name, done in asked.items() if done.returncode}

    with ThreadPoolExecutor() as pool:
        assert [each for each in pool.map(refusals, SHELVES) if each] == []


def test_to_fix_again_plans_nothing_for_them(story: Story) -> None:
    code, report = story.fix(*story.consent())
    assert (code, report["actions"], report["plan"]["actions"]) == (1, [], [])


def test_undo_brings_every_byte_back(story: Story) -> None:
    listing = story.lab.exec([story.gkprep, "undo"]).stdout
    match = re.match(r"(\S+)  \S+ \S+  fix  can be undone  \d+ steps on 2 nodes: ", listing)
    assert match, listing
    code, report = story.run("undo", match[1], "--yes")
    assert (code, {action["rc"] for action in report["actions"]}) == (0, {0})
    assert changed(story) == set()
    assert without_use(clean(report["findings"])) == without_use(story.findings)


def without_use(findings: dict[str, Json]) -> dict[str, Json]:
    """udev starts an array where it sees a member again, read-only: it is in use by then."""
    use: Json = {"cure": "", "fixable": None, "risk": None}
    return {name: {**finding, **use} for name, finding in findings.items()}
