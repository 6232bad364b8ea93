"""After `gkprep fix`: three restarts, a real Gluster, and what is left of it afterwards.

One story on three real machines, told in order: put right and restarted; bricks as heketi makes
them, a volume of three replicas, a file that another node reads; then a node in service, on which
nothing is erased and nothing undone; then the cluster is gone, and its remains are put aside with
a token each, and come back with all that was in them.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab, Machine
from tests.scenarios import DISK, HEKETI_ID, VG
from tests.scenarios.device_clean.lvm import BRICK, HEKETI
from tests.test_scenarios import PVCREATE

pytestmark = pytest.mark.lab

Json = dict[str, Any]

# Debian's Gluster is 10, which takes any port above 49152 (catalogue N40).
POLICY = "policy: {brick_ports: 49152-60999}\n"
MOUNTED = f"/var/lib/heketi/mounts/{VG}/brick_{HEKETI_ID}"
FSTAB = f"{BRICK} {MOUNTED} xfs rw,inode64,noatime,nouuid 1 2"
# As heketi 10 does it on each node (executors/cmdexec/brick.go).
BRICKS = f"""
set -e
{HEKETI}
mkfs.xfs -q -i size=512 -n size=8192 {BRICK}
mkdir -p {MOUNTED}
echo '{FSTAB}' >>/var/lib/heketi/fstab
mount -o rw,inode64,noatime,nouuid {BRICK} {MOUNTED}
mkdir {MOUNTED}/brick"""
VOLUME = f"vol_{HEKETI_ID}"
WORDS = "written on one node, read on another"
# What the end of all pods leaves behind: no process, no mount; the state, and the group.
GONE = f"""
umount /mnt 2>/dev/null
systemctl stop glusterd
for pid in $(pgrep -x glusterfsd; pgrep -x glusterfs); do kill $pid; done
until umount {MOUNTED}; do sleep 1; done"""


@dataclass
class Story:
    """The machines, and what gkprep said of them on the way."""

    lab: Lab
    gkprep: str
    inventory: Path
    runs: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def run(self, *words: str) -> tuple[int, Json]:
        done = self.lab.exec([self.gkprep, *words, "-o", "json"], timeout=1500)
        assert "Traceback" not in done.stderr
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def fix(self, *words: str) -> tuple[int, Json]:
        """`gkprep fix --yes`; which run it was is kept, for the undo."""
        code, report = self.run("fix", str(self.inventory), "--yes", *words)
        if report["actions"]:
            self.runs.append(self.lab.exec([self.gkprep, "undo"]).stdout.split()[0])
        return code, report

    def everywhere(self, command: str, timeout: float = 600) -> list[str]:
        with ThreadPoolExecutor() as pool:
            asked = pool.map(
                lambda m: m.run(command, timeout=timeout).stdout, self.lab.machines.values()
            )
            return list(asked)

    @property
    def first(self) -> Machine:
        return next(iter(self.lab.machines.values()))


@pytest.fixture(scope="module")
def story(lab: Lab, gkprep: str, tmp_path_factory: pytest.TempPathFactory) -> Story:
    lab.reset()
    inventory = tmp_path_factory.mktemp("site") / "inventory.yaml"
    inventory.write_text(lab.inventory.read_text() + POLICY)
    return Story(lab, gkprep, inventory)


def seen(report: Json, status: str, key: str = "findings") -> dict[str, str]:
    """By check, what was seen of what has that status; one node speaks for all."""
    return {f["check"]: f["saw"] for f in report[key] if f["status"] == status}


def test_what_was_put_right_lasts_over_a_restart(story: Story) -> None:
    booted = story.everywhere("cat /proc/sys/kernel/random/boot_id")
    code, report = story.fix("--reboot")
    assert (code, report["verdict"], seen(report, "fail")) == (0, "ready", {})
    assert set(booted).isdisjoint(story.everywhere("cat /proc/sys/kernel/random/boot_id"))


def test_a_volume_of_three_replicas_works_over_the_storage_network(story: Story) -> None:
    story.everywhere("apt-get -qq install -y glusterfs-server && systemctl start glusterd")
    story.everywhere(BRICKS)
    machines = list(story.lab.machines.values())
    for machine in machines[1:]:
        story.first.run(f"gluster --mode=script peer probe {machine.storage}")
    bricks = " ".join(f"{machine.storage}:{MOUNTED}/brick" for machine in machines)
    story.first.run(
        f"until [ $(gluster pool list | grep -c Connected) = 3 ]; do sleep 1; done\n"
        f"gluster --mode=script volume create {VOLUME} replica 3 {bricks}\n"
        f"gluster --mode=script volume start {VOLUME}",
        timeout=300,
    )
    story.everywhere(f"mount -t glusterfs {story.first.storage}:/{VOLUME} /mnt")
    machines[1].run(f"echo '{WORDS}' >/mnt/file && sync /mnt/file")
    assert machines[2].run("cat /mnt/file").stdout == f"{WORDS}\n"
    ports = story.first.run(f"gluster volume status {VOLUME} | awk '/^Brick/ {{print $3}}'").stdout
    assert all(49152 <= int(port) <= 60999 for port in ports.split()), ports


def test_a_node_in_service_is_not_broken(story: Story) -> None:
    story.everywhere("modprobe -r target_core_user")
    code, report = story.fix()
    assert (code, seen(report, "fail")) == (0, {})
    assert {action["risk"] for action in report["plan"]["actions"]} == {"safe"}
    assert report["plan"]["withheld"] == report["plan"]["left"] == []
    for check in ("device-clean", "device-idle", "gluster-state"):
        assert seen(report, "pass")[check].startswith("in service")


def test_nothing_is_undone_on_a_node_in_service(story: Story) -> None:
    code, report = story.run("undo", story.runs[0], "--yes")
    assert (code, report["actions"], report["plan"]["actions"]) == (1, [], [])
    assert {left["why"] for left in report["plan"]["left"]} == {
        f"in service: {VG} with 1 brick mounted"
    }


def test_remains_wait_for_their_tokens_the_state_first(story: Story) -> None:
    story.everywhere(GONE, timeout=120)
    code, report = story.fix()
    assert (code, report["actions"]) == (1, [])
    [left, *_] = [each for each in report["plan"]["left"] if each["check"] == "device-clean"]
    assert left["why"] == (
        f"/var/lib/glusterd/vols ({VOLUME}) still mentions it: see gluster-state, which comes first"
    )
    story.tokens = [
        word
        for finding in report["findings"]
        if finding["token"]
        for word in ("--wipe", finding["token"])
    ]
    assert len(story.tokens) == 2 * 6, "the state and the disk of three nodes"
    code, report = story.fix(*story.tokens)
    assert {action["check"] for action in report["actions"]} == {"gluster-state"}
    assert code == 1
    code, report = story.fix(*story.tokens)
    assert (code, report["verdict"]) == (0, "ready")
    moved = story.everywhere("ls -d /var/lib/glusterd.* && ! test -e /var/lib/glusterd")
    assert all(".gkprep-" in name for name in moved)
    story.everywhere(PVCREATE)


def test_they_come_back_with_all_that_was_in_them(story: Story) -> None:
    of_disks, of_state = story.runs[-1], story.runs[-2]
    for run in (of_disks, of_state):
        code, report = story.run("undo", run, "--yes")
        assert (code, report["plan"]["left"]) == (0, [])
    tokens = {finding["token"] for finding in report["findings"] if finding["token"]}
    assert tokens == set(story.tokens) - {"--wipe"}
    read = f"vgchange -qq -ay {VG}; udevadm settle; mount -o ro,nouuid {BRICK} /mnt"
    for found in story.everywhere(f"{read} && cat /mnt/brick/file && umount /mnt && ls {DISK}"):
        assert found.startswith(WORDS)
    assert story.everywhere("ls /var/lib/glusterd/vols") == [f"{VOLUME}\n"] * 3
