"""Every scenario on a real machine: break, look, ask LVM, put right, look again.

    break   a blank disk is brought into the state
    look    `gkprep check` over SSH finds what the scenario says, and has not written one byte
    ask     heketi's own pvcreate refuses the disk with the words of the finding, or takes it
            where the finding quotes none
    cure    by hand, as the scenario or the finding itself says
    look    the check passes, and what it passes, pvcreate takes

Another machine than node3: GKPREP_SCENARIOS_ON=node1.
"""

from __future__ import annotations

import importlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from preflight.collect import collect
from preflight.judge import judge, needs
from preflight.model import Check, Device, Finding, Limits, Node, Output, Status
from preflight.plugin import THEN
from tests import installed
from tests.lab import Lab, Machine
from tests.lab.errors import CommandError
from tests.record import run
from tests.scenarios import DISK, Scenario, scenarios

pytestmark = pytest.mark.lab

SCENARIOS = scenarios()

# Whatever a scenario built on the disk goes, from the top down; then the disk reads as zeros.
BLANK = f"""
swapoff -a
for point in $(lsblk -nro MOUNTPOINTS {DISK} | sed 's/\\\\x0a/\\n/g'); do umount "$point"; done
vgchange --quiet --quiet -an
mdadm --quiet --stop --scan
dmsetup remove_all
losetup -D
set -e
wipefs --quiet --all {DISK}
blkdiscard --force --zeroout {DISK}
blockdev --rereadpt {DISK}
udevadm settle"""


def pvcreate(disk: str) -> str:
    """What heketi 10 runs in the pod (executors/cmdexec/device.go), without the writing.

    udev looks at a disk that was open for writing once more, and would be in the way of what comes
    next.
    """
    return f"""
pvcreate --test -qq --metadatasize=128M --dataalignment=256K {disk}
status=$?
udevadm settle
exit $status"""


PVCREATE = pvcreate(DISK)

# Sectors written to and discarded on the disk since it is there (sysfs-block in the kernel's ABI
# documentation: 7th and 14th number), and a hash of where tables, labels and superblocks are.
WRITTEN = f"""
sync
set -- $(cat /sys/class/block/sda/stat)
echo "$7 ${{14}}" $({{ head -c 4M {DISK}; tail -c 1M {DISK}; }} | sha256sum)"""


@dataclass(frozen=True)
class Bench:
    """A machine that scenarios are played on, and what gkprep finds on its disk."""

    machine: Machine
    local = False

    def run(self, script: str, _limits: Limits) -> Output:
        """What `collect` sends, through the connection that the laboratory keeps open."""
        return run(script, self.machine.name)

    def blank(self) -> None:
        """An unused disk full of zeros, whatever was there; on a new machine if need be."""
        if self.machine.run(BLANK, check=False).returncode:
            self.machine.reset()
            self.machine.run(BLANK)

    def play(self, commands: str) -> None:
        """What root types; CommandError at the first command that fails."""
        self.machine.run(f"set -e\n{commands}\nudevadm settle", timeout=120)

    def look(self, name: str) -> list[Finding]:
        """What the check finds on the disk."""
        module = name.replace("-", "_")
        check: Check = getattr(importlib.import_module(f"checks.{module}"), module)
        here = self.machine
        node = Node(here.name, here.address, here.storage, devices=(Device(DISK),))
        facts = collect(node, needs([check], node), self, Limits())
        return [f for f in judge([check], {node.name: facts}) if f.subject == DISK]

    def token(self) -> str | None:
        """The token of what is on the disk now."""
        [finding] = self.look("device-clean")
        return finding.token


@pytest.fixture(scope="module")
def bench(lab: Lab) -> Bench:
    machine = lab.machines[os.environ.get("GKPREP_SCENARIOS_ON", "node3")]
    machine.reset()
    return Bench(machine)


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(bench: Bench, name: str) -> None:
    scenario, check = SCENARIOS[name], name.partition("/")[0]
    bench.blank()
    bench.play(scenario.broken)
    before = bench.machine.run(WRITTEN).stdout
    finding = expected(bench.look(check), scenario)
    assert bench.machine.run(WRITTEN).stdout == before
    assert_lvm_agrees(bench, finding)
    if scenario.status is not Status.PASS:
        bench.play(typed(finding) if scenario.cure is None else scenario.cure)
        after = bench.look(check)
        assert {finding.status for finding in after} == {Status.PASS}
        assert_lvm_agrees(bench, after[0])


def expected(findings: list[Finding], scenario: Scenario) -> Finding:
    """The one finding that is as the scenario says; all others pass."""
    told = [f for f in findings if f.status is scenario.status and scenario.describes(f.saw)]
    assert len(told) == 1, findings
    assert {f.status for f in findings if f not in told} <= {Status.PASS}, findings
    assert (told[0].token is not None) is scenario.token
    return told[0]


def typed(finding: Finding) -> str:
    """The cure word for word; what could cost data stands behind a comment, for after the look."""
    look, _, erase = finding.cure.rpartition(THEN)
    return f"{look}\n{erase}"


def assert_lvm_agrees(bench: Bench, finding: Finding) -> None:
    """What a finding quotes is what LVM says, word for word; where it quotes nothing, LVM takes it.

    Behind ` (` a quotation may go on with the words of another version. A disk in service passes,
    and LVM keeps its hands off; that one passes which nothing uses says nothing of what is on it.
    """
    if finding.status is Status.PASS and finding.check != "device-clean":
        return
    done = bench.machine.run(PVCREATE, check=False)
    words = flat(done.stdout + done.stderr)
    if finding.says:
        assert done.returncode
        assert flat(finding.says.partition(" (")[0]) in words
    elif not finding.saw.startswith("in service"):
        assert done.returncode == 0, words


def flat(text: str) -> str:
    return " ".join(text.split())


def test_a_state_that_was_not_reached_is_an_error(bench: Bench) -> None:
    with pytest.raises(CommandError):
        bench.play("false; true\nfalse\ntrue")


def test_a_token_is_the_same_at_every_look_from_everywhere_until_the_disk_changes(
    bench: Bench, lab: Lab, gkprep: str, tmp_path: Path
) -> None:
    bench.blank()
    bench.play(f"mkfs.ext4 -q -L one {DISK}")
    seen = bench.token()
    assert seen
    assert bench.token() == seen
    machine = bench.machine
    words = ["check", "--only", "device-clean", "-o", "json"]
    installed.install(machine, tmp_path)
    put = "mkdir -p /root/site && cat >/root/site/inventory.yaml"
    machine.run(put, stdin=lab.inventory.read_bytes())
    inside = machine.run(f"cd /root/site && gkprep {' '.join(words)} --local", check=False)
    outside = lab.exec([gkprep, *words, "--limit", machine.name])
    assert tokens(inside.stdout) == tokens(outside.stdout) == [seen]
    bench.play(f"tune2fs -L two {DISK}")
    assert bench.token() != seen
    bench.play(f"tune2fs -L one {DISK}")
    assert bench.token() != seen, "the superblock has a time of its own"


def tokens(report: str) -> list[str]:
    return [finding["token"] for finding in json.loads(report)["findings"]]
