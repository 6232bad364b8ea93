"""The laboratory itself: broken as promised, by the machines' own tools and without gkprep."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab import Lab, Machine

pytestmark = pytest.mark.lab

RESET_SECONDS = 45.0  # measured: 8 s when nothing else runs on two cores
PORTS = ("2222", "24007", "24008", "49152", "49251")


@pytest.fixture(scope="module")
def machine(lab: Lab) -> Machine:
    started = time.monotonic()
    lab.reset("node3")
    assert time.monotonic() - started < RESET_SECONDS
    return lab.machines["node3"]


def says(machine: Machine, command: str) -> str:
    return machine.run(command, check=False).stdout.strip()


def test_the_disk_holds_an_empty_table_that_lvm_refuses(machine: Machine) -> None:
    assert says(machine, "wipefs --noheadings --output TYPE /dev/sda").split() == ["gpt"] * 2 + [
        "PMBR"
    ]
    assert says(machine, "lsblk -nro TYPE /dev/sda") == "disk"
    refused = machine.run("pvcreate /dev/sda", check=False)
    assert refused.returncode != 0
    assert "/dev/sda: device is partitioned" in refused.stderr


def test_firewalld_runs_with_the_ports_closed(machine: Machine) -> None:
    assert says(machine, "firewall-cmd --state") == "running"
    zone = f"firewall-cmd --get-zone-of-interface=$({owner(machine)})"
    for port in PORTS:
        query = f"firewall-cmd --zone=$({zone}) --query-port={port}/tcp"
        assert says(machine, query) == "no"


def owner(machine: Machine) -> str:
    """The command that names the interface of the storage address."""
    return f"ip -o -4 address | awk '/ {machine.storage}\\// {{ print $2 }}'"


def test_the_modules_are_there_and_not_loaded(machine: Machine) -> None:
    for name in ("dm_snapshot", "dm_mirror", "dm_thin_pool", "target_core_user"):
        assert says(machine, f"test -e /sys/module/{name}; echo $?") == "1"
        assert machine.run(f"modinfo {name}").returncode == 0


def test_there_is_no_helper_to_mount_gluster(machine: Machine) -> None:
    assert machine.run("command -v mount.glusterfs", check=False).returncode != 0
    assert machine.run("mount -t glusterfs nowhere:/v /mnt", check=False).returncode != 0


def test_systemd_holds_port_111_for_rpcbind(machine: Machine) -> None:
    assert says(machine, "systemctl is-active rpcbind.socket") == "active"
    assert '("systemd",pid=1,' in says(machine, "ss -Hltnp sport = :111")


def test_the_machines_meet_on_the_storage_network(lab: Lab, machine: Machine) -> None:
    other = lab.machines["node1"]
    assert machine.run(f"ping -c 1 -W 5 {other.storage}").returncode == 0


def test_its_network_is_invisible_from_outside(machine: Machine) -> None:
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    assert machine.address.rpartition(".")[0] not in routes


def test_the_shell_reaches_the_machines_with_nothing_said(machine: Machine) -> None:
    command = [sys.executable, "-m", "tests.lab", "shell", "ssh", machine.name, "hostname"]
    root = Path(__file__).parent.parent
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=root, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, machine.name)


def test_what_was_put_right_is_broken_again_by_reset(lab: Lab, machine: Machine) -> None:
    machine.run("wipefs --all /dev/sda && modprobe dm_mirror && systemctl stop rpcbind.socket")
    assert says(machine, "wipefs -n /dev/sda") == ""
    lab.reset(machine.name)
    assert "gpt" in says(machine, "wipefs -n /dev/sda")
    assert says(machine, "test -e /sys/module/dm_mirror; echo $?") == "1"
    assert says(machine, "systemctl is-active rpcbind.socket") == "active"
    drift = abs(time.time() - float(says(machine, "date +%s")))
    assert drift < 10
