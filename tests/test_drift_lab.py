"""What happens to a disk between the plan and the word to write: then nothing is written to it.

`gkprep fix` on a real machine, at a terminal; while it asks, something changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command import Seen, at_a_terminal
from tests.lab import Lab, Machine
from tests.lab.shelf import Disk, checksums, shelf
from tests.site import Home

pytestmark = pytest.mark.lab

QUESTION = r"Apply this plan\? \[y/N\] $"
NAMES = ("DRIFT1", "DRIFT2")
TURNS = 5
"""A letter is free again only when the last reader of the disk that had it has let go."""


@dataclass(frozen=True)
class Bench:
    """A machine with two small disks, each with an empty table, which a letter names."""

    lab: Lab
    gkprep: str
    machine: Machine
    disks: dict[str, Disk]
    folder: Path

    def command(self, devices: list[str]) -> list[str]:
        """`gkprep fix` on this machine with other disks than the laboratory's."""
        text = self.lab.inventory.read_text()
        old = f"[{{path: {self.machine.disk}, serial: {self.machine.node.serial}}}]"
        inventory = self.folder / "inventory.yaml"
        inventory.write_text(text.replace(old, f"[{', '.join(devices)}]"))
        command = [self.gkprep, "fix", str(inventory), "--limit", self.machine.name]
        return [*command, "--only", "device-clean"]

    def fix(self, devices: list[str], meanwhile: Callable[[], object]) -> Seen:
        """`gkprep fix`, a yes to its question, and what comes to pass before that."""
        argv = self.lab.command(self.command(devices))

        def yes() -> str:
            meanwhile()
            return "y"

        return at_a_terminal(argv, Home(self.lab.home), {QUESTION: yes}, patience=300)

    def labelled(self) -> dict[str, str]:
        """Both disks with an empty table, and what they hash to."""
        for disk in self.disks.values():
            self.machine.run(
                f"blkdiscard --force --zeroout {disk.path} && parted -s {disk.path} mklabel gpt"
            )
        return self.sums()

    def sums(self) -> dict[str, str]:
        return checksums(list(self.disks.values()))

    def letters(self) -> dict[str, str]:
        """The kernel's path of each disk, by serial number."""
        return {
            name: self.machine.run(f"readlink -f {disk.path}").stdout.strip()
            for name, disk in self.disks.items()
        }

    def swap(self) -> None:
        """Each disk gets the other's letter."""
        before = self.letters()
        wanted = dict(zip(NAMES, reversed(before.values()), strict=True))
        for _ in range(TURNS):
            self.replug(sorted(NAMES, key=wanted.__getitem__))
            if self.letters() == wanted:
                return
        pytest.fail(f"the kernel gave other letters {TURNS} times")

    def replug(self, order: list[str]) -> None:
        """Pull both out, and put them in again in that order."""
        letters = self.letters().values()
        for disk in self.disks.values():
            self.machine.emulator.unplug(disk.serial)
        gone = " ".join(f"[ ! -b {letter} ] &&" for letter in letters)
        self.machine.run(f"until {gone} true; do sleep 0.2; done", timeout=180)
        for name in order:
            disk = self.disks[name]
            self.machine.emulator.plug(disk.file, disk.serial)
            seen = f"until [ -b {disk.path} ]; do sleep 0.2; done; udevadm settle"
            self.machine.run(seen, timeout=180)


@pytest.fixture(scope="module")
def bench(lab: Lab, gkprep: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    machine = lab.machines["node1"]
    machine.reset()
    with shelf({machine: NAMES}, size=16 << 20) as disks:
        yield Bench(lab, gkprep, machine, disks, tmp_path_factory.mktemp("site"))


def test_letters_that_are_swapped_meanwhile(bench: Bench) -> None:
    sums = bench.labelled()
    seen = bench.fix([*bench.letters().values()], bench.swap)
    assert seen.returncode == 1
    told = "it is another disk, or has changed, since it was looked at; nothing was written to it"
    assert told in " ".join(seen.screen.split())
    assert bench.sums() == sums


def test_a_signature_that_appears_meanwhile(bench: Bench) -> None:
    bench.labelled()
    disk = bench.disks[NAMES[0]]
    after: dict[str, str] = {}

    def appears() -> None:
        bench.machine.run(f"mkfs.ext4 -q -F -E offset=1048576 {disk.path} 8M; udevadm settle")
        after.update(bench.sums())

    seen = bench.fix([disk.path], appears)
    assert seen.returncode == 1
    assert "nothing was written to it" in " ".join(seen.screen.split())
    assert bench.sums() == after


def test_one_disk_behind_two_entries(bench: Bench) -> None:
    sums = bench.labelled()
    disk = bench.disks[NAMES[0]]
    letter = bench.letters()[disk.serial]
    command = bench.command([disk.path, letter])
    done = bench.lab.exec([*command, "--yes"], timeout=300)
    assert done.returncode == 1
    assert done.stdout.count("the same disk is named more than once") == 2
    assert bench.sums() == sums


def test_a_saved_plan_is_applied_just_so_and_undone_to_the_byte(bench: Bench) -> None:
    before = bench.labelled()
    command = bench.command([disk.path for disk in bench.disks.values()])
    dry = bench.lab.exec([*command, "--dry-run", "-o", "json"], timeout=300)
    assert dry.returncode == 1
    plan = bench.folder / "plan.json"
    plan.write_text(dry.stdout)
    apply = [*command, "--plan", str(plan), "--yes"]
    changed = bench.disks[NAMES[1]]
    write = f"dd of={changed.path} bs=1 seek=8192 conv=notrunc status=none"
    bench.machine.run(f"printf x | {write}")
    sums = bench.sums()
    done = bench.lab.exec(apply, timeout=300)
    assert (done.returncode, bench.sums()) == (2, sums)
    assert f"device-clean {changed.path} is not to be done now; nothing was changed" in done.stderr
    bench.machine.run(f"printf '\\0' | {write}")
    assert bench.sums() == before
    assert bench.lab.exec(apply, timeout=300).returncode == 0
    assert set(bench.sums().values()).isdisjoint(before.values())
    run = bench.lab.exec([bench.gkprep, "undo"]).stdout.split()[0]
    assert bench.lab.exec([bench.gkprep, "undo", run, "--yes"], timeout=300).returncode == 0
    assert bench.sums() == before
