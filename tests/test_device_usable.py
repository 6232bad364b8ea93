"""device-usable on facts given as values: every branch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from checks.device_usable import device_usable
from preflight.errors import Unknown
from preflight.facts import block, usage
from preflight.facts.block import GIB, Block, Target
from preflight.facts.usage import Mount, Swap
from preflight.judge import judge
from preflight.model import Device, Facts, Finding, Node, Status

SDA = Block("sda", "8:0", "disk", 40 * GIB)
SDA1 = Block("sda1", "8:1", "part", 39 * GIB, parent="sda")
SDB = Block("sdb", "8:16", "disk", 16 * GIB, model="QEMU", serials=("LAB1",), wwns=("0x5",))
LINK = "/dev/disk/by-id/scsi-LAB1"
WHERE = {"/dev/sdb": "8:16", LINK: "8:16", "/dev/sda1": "8:1"}


def found(*devices: Device, disk: Block = SDB, **known: object) -> list[Finding]:
    node = Node("node1", "192.0.2.1", "192.0.2.1", devices=devices)
    values: dict[str, object] = {block.devices.name: (SDA, SDA1, disk)}
    for probe in (usage.mounts, usage.swaps):
        values[probe.name] = known.get(probe.name.partition(".")[2], frozenset())
    for device in devices:
        path = device.path
        values[block.target(path).name] = Target(path != "/dev/sdz", WHERE.get(path))
    return list(judge([device_usable], {"node1": Facts(node, values)}))


def one(disk: Block = SDB, **pins: Any) -> Finding:
    [finding] = found(Device("/dev/sdb", **pins), disk=disk)
    return finding


def test_a_whole_writable_roomy_disk_passes_and_is_described() -> None:
    finding = one()
    assert (finding.status, finding.subject) == (Status.PASS, "/dev/sdb")
    assert finding.saw == "/dev/sdb (16.0 GiB, QEMU, serial LAB1)"


@pytest.mark.parametrize(
    ("size", "status"),
    [
        (int(2.2 * GIB) - 512, Status.FAIL),
        (int(2.2 * GIB) + 512, Status.WARN),
        (10 * GIB - 512, Status.WARN),
        (10 * GIB, Status.PASS),
    ],
)
def test_size(size: int, status: Status) -> None:
    assert one(replace(SDB, size=size)).status is status


@pytest.mark.parametrize("kind", ["rom", "loop", "lvm", "raid", "crypt", "mpath"])
def test_only_a_disk_is_a_disk(kind: str) -> None:
    finding = one(replace(SDB, kind=kind))
    assert finding.status is Status.FAIL
    assert f"of type {kind}" in finding.saw


def test_a_partition_is_none() -> None:
    [finding] = found(Device("/dev/sda1"))
    assert finding.status is Status.FAIL
    assert "of type part" in finding.saw


def test_read_only_fails() -> None:
    finding = one(replace(SDB, writable=False))
    assert (finding.status, finding.cure) == (Status.FAIL, "blockdev --setrw /dev/sdb")


def test_what_is_not_there_or_no_block_device_fails() -> None:
    missing, file = found(Device("/dev/sdz"), Device("/dev/null"))
    assert missing.status is file.status is Status.FAIL
    assert missing.saw.startswith("not there; unused whole disks: /dev/sdb")
    assert file.saw == "not a block device"


def test_two_paths_to_one_disk_fail() -> None:
    first, second = found(Device("/dev/sdb"), Device(LINK))
    assert (first.status, second.status) == (Status.PASS, Status.FAIL)
    assert second.saw == "the same disk as /dev/sdb"


@pytest.mark.parametrize(
    ("pins", "status"),
    [
        ({"serial": "LAB1"}, Status.PASS),
        ({"wwn": "0x5"}, Status.PASS),
        ({"serial": "LAB2"}, Status.FAIL),
        ({"serial": "LAB1", "wwn": "0x6"}, Status.FAIL),
    ],
)
def test_a_pinned_disk_must_be_the_one(pins: dict[str, Any], status: Status) -> None:
    finding = one(**pins)
    assert finding.status is status
    if status is Status.FAIL:
        assert finding.want == ", ".join(f"{name} {value}" for name, value in pins.items())


def test_identities_are_the_same_in_any_case() -> None:
    assert one(serial="lab1", wwn="0X5").status is Status.PASS


def test_without_a_name_the_candidates_are_listed() -> None:
    [finding] = found()
    assert (finding.status, finding.subject) == (Status.FAIL, "devices")
    assert "/dev/sdb (16.0 GiB, QEMU, serial LAB1)" in finding.saw
    assert "/dev/sda " not in finding.saw


@pytest.mark.parametrize(
    "known",
    [
        {"mounts": {Mount("8:16", "/dev/sdb", "/", "ext4")}},
        {"mounts": {Mount("8:16", "/dev/sdb", "/mnt", "ext4", 812, "database")}},
        {"mounts": {Mount("0:41", "/dev/sdb", "/mnt", "btrfs")}},
        {"swaps": {Swap("8:16", "/dev/sdb")}},
        {"disk": replace(SDB, holders=("dm-0",), claimed=True)},
        {"disk": replace(SDB, size=0)},
    ],
)
def test_a_disk_in_use_is_no_candidate(known: dict[str, Any]) -> None:
    [finding] = found(**known)
    assert finding.saw == "none is named; unused whole disks: none"


def test_without_candidates_it_fails_all_the_same() -> None:
    [finding] = found(Device("/dev/sdz"), mounts=Unknown("usage.mounts: stat: not found"))
    assert finding.status is Status.FAIL
    assert finding.saw == "not there; other disks are not shown: usage.mounts: stat: not found"


def test_what_is_not_known_is_no_pass() -> None:
    node = Node("node1", "192.0.2.1", None, devices=(Device("/dev/sdb"),))
    values: dict[str, object] = {block.devices.name: Unknown("no sysfs")}
    [finding] = judge([device_usable], {"node1": Facts(node, values)})
    assert finding.status is Status.ERROR
