"""A node that serves already: whatever Gluster itself uses is in service, and nothing is broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from preflight.model import Check, Role
from preflight.registry import checks
from tests import installed
from tests.by_hand import CURES, put_right
from tests.lab import Lab, Machine
from tests.scenarios import HEKETI_ID, VG
from tests.scenarios.device_clean.lvm import HEKETI

pytestmark = pytest.mark.lab

IN_SERVICE = {"device-idle", "device-clean", "rpcbind-port"}
BRICK = f"brick_{HEKETI_ID}"
UNIT = "gluster-pod.service"
SLICE = "kubepods-besteffort-pod0a1b2c3d_0a1b_2c3d_4e5f_0123456789ab.slice"

# Under the names of what runs in a Gluster pod: the kernel calls a process as its file is called.
LISTEN = """
import signal, socket, sys
held = []
for port in map(int, sys.argv[1:]):
    for family in socket.AF_INET, socket.AF_INET6:
        for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
            held.append(socket.socket(family, kind))
            if family == socket.AF_INET6:
                held[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            held[-1].bind(("", port))
            if kind == socket.SOCK_STREAM:
                held[-1].listen()
signal.pause()
"""
PORTS = {"glusterd": "24007 24008", "glusterfsd": "49152", "rpcbind": "111"}
START = "\n".join(f"/run/pod/{name} /run/pod/listen {ports} &" for name, ports in PORTS.items())

# Mounted as heketi does it (executors/cmdexec/brick.go), where only the pod sees it.
POD = f"""\
set -e
mkdir -p /var/lib/heketi/mounts/{VG}/{BRICK}
mount -o rw,inode64,noatime,nouuid /dev/{VG}/{BRICK} /var/lib/heketi/mounts/{VG}/{BRICK}
{START}
wait"""

SERVE = f"""
set -e
wipefs --quiet --all /dev/sda
{HEKETI}
mkfs.xfs -q -i size=512 -n size=8192 /dev/{VG}/{BRICK}
mkdir -p /run/pod
for name in {" ".join(PORTS)}; do ln -sf /usr/bin/python3 /run/pod/$name; done
cat >/run/pod/listen <<'LISTEN'
{LISTEN}
LISTEN
cat >/run/pod/pod <<'POD'
{POD}
POD
systemd-run --quiet --unit={UNIT} --slice={SLICE} --property=PrivateMounts=yes sh /run/pod/pod
for port in {" ".join(PORTS.values())}; do
  until ss -Hln6 sport = :$port | grep -q tcp; do sleep 0.2; done
done"""

Json = dict[str, Any]


@pytest.fixture(scope="module")
def machine(lab: Lab) -> Iterator[Machine]:
    """All requirements met by hand, and the disk and the ports in the hands of a Gluster pod."""
    machine = lab.machines["node1"]
    machine.reset()
    put_right([machine], *sorted(CURES.keys() - {"device-clean"}))
    machine.run(SERVE, timeout=300)
    yield machine
    machine.run(f"systemctl stop {UNIT}; vgchange --quiet --activate n {VG}", check=False)


@pytest.fixture(scope="module")
def findings(lab: Lab, gkprep: str, machine: Machine) -> list[Json]:
    """What `gkprep check` finds over SSH, while the pod runs."""
    return check(lab, gkprep, machine)


def check(lab: Lab, gkprep: str, machine: Machine) -> list[Json]:
    command = [gkprep, "check", str(lab.inventory), "--limit", machine.name, "-o", "json"]
    return told(lab.exec(command, timeout=300).stdout)


def told(report: str) -> list[Json]:
    found: list[Json] = json.loads(report)["findings"]
    return found


def test_every_finding_passes(findings: list[Json]) -> None:
    asked = {
        check.id for check in checks() if isinstance(check, Check) and Role.STORAGE in check.roles
    }
    assert {finding["check"] for finding in findings} == asked
    assert [finding for finding in findings if finding["status"] != "pass"] == []


@pytest.mark.parametrize("name", sorted(IN_SERVICE))
def test_what_gluster_uses_is_in_service(findings: list[Json], name: str) -> None:
    [finding] = [finding for finding in findings if finding["check"] == name]
    assert finding["saw"].startswith("in service: ")


def test_the_rest_is_judged_as_ever(findings: list[Json]) -> None:
    others = [finding for finding in findings if finding["check"] not in IN_SERVICE]
    assert len({finding["check"] for finding in others}) > 1
    assert [finding for finding in others if "in service" in finding["saw"]] == []


def test_it_is_the_same_from_inside(
    machine: Machine, findings: list[Json], lab: Lab, tmp_path: Path
) -> None:
    installed.install(machine, tmp_path / "installed")
    (tmp_path / "site").mkdir()
    (tmp_path / "site/inventory.yaml").write_bytes(lab.inventory.read_bytes())
    machine.push(tmp_path / "site", "/root/site")
    command = "cd /root/site && gkprep check --local inventory.yaml -o json"
    assert told(machine.run(command, check=False, timeout=300).stdout) == findings


def test_without_the_pod_the_disk_is_a_leftover(lab: Lab, gkprep: str, machine: Machine) -> None:
    """Last, for it ends the pod."""
    machine.run(f"systemctl stop {UNIT}")
    found = {finding["check"]: finding for finding in check(lab, gkprep, machine)}
    assert found["device-idle"]["saw"].endswith("is active: 5 volumes, but no brick is mounted")
    assert {name for name, finding in found.items() if finding["status"] == "fail"} == {
        "device-idle",
        "device-clean",
    }
    assert found["rpcbind-port"]["saw"] == "free, and nothing takes it at boot"
