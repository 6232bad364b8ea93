"""Block devices as values: names, and what lies on what."""

from __future__ import annotations

import pytest

from preflight.facts.block import Block, by_number, stack

DISK = Block("sda", "8:0", "disk", 1)
PART = Block("sda1", "8:1", "part", 1, parent="sda", holders=("md0",))
ARRAY = Block("md0", "9:0", "raid", 1, label="raid1", holders=("dm-0",))
VOLUME = Block("dm-0", "253:0", "lvm", 1, label="vg-lv")
LOOP = Block("loop0", "7:0", "loop", 1, backing="253:0")
OTHER = Block("sdb", "8:16", "disk", 1, holders=("dm-1",))
FILE = Block("loop1", "7:1", "loop", 1, label="/root/file")
ALL = (OTHER, FILE, LOOP, VOLUME, ARRAY, PART, DISK)


def test_a_stack_is_all_that_lies_on_a_disk_from_the_bottom_up() -> None:
    assert stack(ALL, DISK) == (DISK, PART, ARRAY, VOLUME, LOOP)
    assert stack(ALL, OTHER) == (OTHER,)


def test_what_lies_on_a_disk_twice_is_in_its_stack_once() -> None:
    disk = Block("sda", "8:0", "disk", 1, holders=("dm-0", "dm-1"))
    below = Block("dm-1", "253:1", "lvm", 1, label="vg-tp_tdata", holders=("dm-0",))
    assert stack((disk, below, VOLUME), disk) == (disk, below, VOLUME)


def test_a_device_is_found_by_its_number() -> None:
    assert by_number(ALL, "9:0") is ARRAY
    assert by_number(ALL, "9:1") is by_number(ALL, None) is None


@pytest.mark.parametrize(
    ("label", "volume"),
    [
        ("vg-lv", ("vg", "lv")),
        ("a--b-c--d", ("a-b", "c-d")),
        ("a---b", ("a-", "b")),
        ("vg-pool-tpool", ("vg", "pool")),
        ("plain", ("plain", "")),
    ],
)
def test_a_logical_volume_is_named_by_its_label(label: str, volume: tuple[str, str]) -> None:
    assert Block("dm-0", "253:0", "lvm", 1, label=label).volume == volume
    assert Block("dm-0", "253:0", "dm", 1, label=label).volume == ("", "")


def test_mappings_are_known_by_their_labels_and_all_else_by_its_node() -> None:
    assert VOLUME.known_as == "/dev/mapper/vg-lv"
    assert (ARRAY.known_as, PART.known_as) == ("/dev/md0", "/dev/sda1")
    assert Block("cciss/c0d0", "104:0", "disk", 1).known_as == "/dev/cciss/c0d0"
