"""Disks that are plugged into a machine that runs, and hashed from outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.lab import Lab, LabError
from tests.lab.shelf import BLOCK, LONGEST, checksums, digest, shelf

MIB = 1 << 20


def written(path: Path, size: int, *parts: tuple[int, bytes]) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for offset, data in parts:
            file.seek(offset)
            file.write(data)
    return path


def test_a_hole_and_zeros_are_the_same_content(tmp_path: Path) -> None:
    text = (3 * MIB + 5, b"text")
    holes = written(tmp_path / "holes", 9 * MIB + 512, text)
    zeros = written(tmp_path / "zeros", 9 * MIB + 512, (0, bytes(9 * MIB + 512)), text)
    assert holes.stat().st_blocks < zeros.stat().st_blocks
    assert digest(holes) == digest(zeros)


@pytest.mark.parametrize("offset", [0, BLOCK - 1, BLOCK, 5 * BLOCK, 8 * BLOCK + 511])
def test_one_byte_anywhere_makes_another_checksum(tmp_path: Path, offset: int) -> None:
    size = 8 * BLOCK + 512
    blank = digest(written(tmp_path / "blank", size))
    one = written(tmp_path / "one", size, (offset, b"1"))
    two = written(tmp_path / "two", size, (offset, b"2"))
    assert len({blank, digest(one), digest(two)}) == 3


def test_the_same_bytes_in_another_place_or_size_are_another_content(tmp_path: Path) -> None:
    first = written(tmp_path / "first", 2 * BLOCK, (0, b"text"))
    second = written(tmp_path / "second", 2 * BLOCK, (BLOCK, b"text"))
    longer = written(tmp_path / "longer", 2 * BLOCK + 1, (0, b"text"))
    assert len({digest(first), digest(second), digest(longer)}) == 3


@pytest.mark.lab
def test_what_a_machine_writes_is_in_the_checksum_and_nothing_stays_behind(lab: Lab) -> None:
    machine = lab.machines["node3"]
    before = machine.run("lsblk --nodeps --noheadings --output NAME").stdout
    with shelf({machine: ["shelf-a", "shelf-b"]}, size=8 * MIB) as disks:
        a, b = disks["shelf-a"], disks["shelf-b"]
        blank = a.checksum()
        assert b.checksum() == blank
        serial = machine.run(f"lsblk --nodeps --noheadings --output SERIAL {a.kernel}").stdout
        assert serial.strip() == "shelf-a"
        machine.run(f"printf text | dd of={a.path} seek=1000 conv=notrunc")
        assert a.checksum() != blank
        assert b.checksum() == blank
        machine.run(f"dd if=/dev/zero of={a.kernel} seek=1000 count=1 conv=notrunc")
        assert checksums([a, b]) == {"shelf-a": blank, "shelf-b": blank}
    machine.run("udevadm settle")
    assert machine.run("lsblk --nodeps --noheadings --output NAME").stdout == before
    assert not any(os.path.lexists(disk.file) for disk in disks.values())


@pytest.mark.lab
def test_a_serial_number_that_udev_would_cut_short_is_refused(lab: Lab) -> None:
    with (
        pytest.raises(LabError, match=f"{LONGEST} characters"),
        shelf({lab.machines["node3"]: ["x" * (LONGEST + 1)]}),
    ):
        pass
