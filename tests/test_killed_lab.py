"""gkprep ended by SIGKILL after each step in turn, on a real machine.

A run is killed as soon as one step is on record; the next goes on from there and is killed in turn,
until one has nothing left to do. Then all of them are undone, the newest first.
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from preflight.journal import FILE, Record, read
from tests.by_hand import TCP
from tests.lab import Lab, Machine
from tests.mending import STATE, STATES, told

pytestmark = pytest.mark.lab

Json = dict[str, Any]
MOST = 30
"""Runs after which something is wrong: there are not so many steps."""

# Of four modules and four ranges of ports one each is left: the others would only be more of it.
MODULES = "dm_snapshot dm_mirror dm_thin_pool"
PORTS = " ".join(f"--add-port={ports}/tcp" for ports in TCP[1:])
PARTLY = f"""
set -e
modprobe --all {MODULES}
printf '%s\\n' {MODULES} >/etc/modules-load.d/somebody.conf
firewall-cmd --zone=internal {PORTS}
firewall-cmd --permanent --zone=internal {PORTS}"""


@dataclass
class Story:
    """The machine, and what was done to it."""

    lab: Lab
    gkprep: str
    machine: Machine
    killed: list[str] = field(default_factory=list)
    before: tuple[str, list[tuple[str, ...]]] = ("", [])

    @property
    def folder(self) -> Path:
        return self.lab.home / ".local/state/gkprep/runs"

    def runs(self) -> set[str]:
        return {path.name for path in self.folder.glob("*")}

    def run(self, command: str, *words: str) -> tuple[int, Json]:
        done = self.lab.exec([self.gkprep, command, *words, "-o", "json"], timeout=600)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def state(self) -> str:
        return self.machine.run(STATE, check=False).stdout

    def fix(self) -> list[str]:
        return [self.gkprep, "fix", "--yes", "--limit", self.machine.name]

    def kill_after_a_step(self) -> bool:
        """Kill a run when one of its steps is done; whether there was any left to do."""
        before = self.runs()
        with subprocess.Popen(
            self.lab.command(self.fix()),
            env=self.lab.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            end = time.monotonic() + 300
            while process.poll() is None and time.monotonic() < end:
                for name in self.runs() - before:
                    journal = self.folder / name / FILE
                    if journal.exists() and '"event": "end"' in journal.read_text():
                        process.kill()
                        self.killed.append(name)
                        return True
                time.sleep(0.02)
            assert process.poll() is not None, "it neither ended nor did anything"
        last = self.runs() - before
        held = any(not read(self.folder / name).taken for name in last)
        if held:  # the node is still at the step that it had begun
            time.sleep(5)
        else:
            self.killed += last
        return bool(last)


@pytest.fixture(scope="module")
def story(lab: Lab, gkprep: str) -> Story:
    machine = lab.machines["node2"]
    machine.reset()
    machine.run(PARTLY, timeout=120)
    story = Story(lab, gkprep, machine)
    _, report = story.run("check", "--limit", machine.name)
    story.before = (story.state(), told(report))
    return story


def test_however_often_it_is_killed_the_next_one_goes_on(story: Story) -> None:
    assert any(not story.kill_after_a_step() for _ in range(MOST)), story.killed
    # Once stopped and disabled, the port is free, and what else would be done there is not needed.
    assert len(story.killed) >= len(STATES), story.killed
    code, report = story.run("fix", "--yes", "--limit", story.machine.name)
    assert (code, report["verdict"], report["plan"]["actions"]) == (0, "ready", [])


def test_the_journals_tell_all_that_was_done(story: Story) -> None:
    records = [read(story.folder / name) for name in story.killed]
    taken = [taken for record in records for taken in record.taken]
    assert {taken.done.check for taken in taken} == {*STATES}
    assert all(record.taken[0].done.rc == 0 for record in records)
    assert all(each.done.rc in {0, None} for each in taken)
    assert not any(record.over for record in records if _was_cut_short(record))


def _was_cut_short(record: Record) -> bool:
    return record.taken[-1].done.rc is None


def test_all_of_it_is_undone(story: Story) -> None:
    for name in reversed(story.killed):
        code, report = story.run("undo", name, "--yes")
        assert (code, report["plan"]["left"]) == (0, []), report["actions"]
    assert (story.state(), told(report)) == story.before
