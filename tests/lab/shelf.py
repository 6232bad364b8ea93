"""Small disks plugged into machines that run, and read from outside.

Behind each is a sparse file of this computer's, which hashes it whole in no time; an emulated
machine takes long for a few MiB.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .machine import Machine

SIZE = 320 << 20
"""Bytes of a disk: mkfs.xfs wants 300 MB, and heketi's pvcreate takes 128 MiB for metadata."""
LONGEST = 20
"""Characters of a serial number that QEMU puts where udev takes a disk's name from."""
BLOCK = 1 << 20
"""Bytes that are read and hashed together."""
SEEN_SECONDS = 120.0
"""How long a machine may take to name its new disks: twelve on each of three take 10 to 45 s."""

# Prints the kernel's path of each disk, once udev is done with them.
FIND = """
for link in {}; do
  until [ -b "$link" ]; do sleep 0.2; done
done
udevadm settle
readlink -f {}"""


@dataclass(frozen=True)
class Disk:
    """A disk on the shelf: `path` is its stable path there, `kernel` the one of today."""

    machine: Machine
    serial: str
    file: Path
    kernel: str

    @property
    def path(self) -> str:
        """As udev calls it after its serial number."""
        return by_id(self.serial)

    def checksum(self) -> str:
        """SHA-256 of all that is on it, after the machine has written out what it held back."""
        flush([self])
        return digest(self.file)


@contextmanager
def shelf(wanted: Mapping[Machine, Sequence[str]], size: int = SIZE) -> Iterator[dict[str, Disk]]:
    """Plug in a blank disk for each serial number; all of them, by that number.

    A machine that is put back meanwhile comes up without them.
    """
    if long := [name for names in wanted.values() for name in names if len(name) > LONGEST]:
        raise LabError(f"a serial number has {LONGEST} characters at most: {' '.join(long)}")
    folders = {machine: machine.emulator.place.state / "shelf" / machine.name for machine in wanted}
    files = {m: [folder / f"{name}.raw" for name in wanted[m]] for m, folder in folders.items()}
    try:
        with ThreadPoolExecutor() as pool:
            plugged = pool.map(lambda m: _plug(m, files[m], size), wanted)
            yield {disk.serial: disk for disks in plugged for disk in disks}
    finally:
        for machine, names in wanted.items():
            for name in names:
                machine.emulator.unplug(name)
            for file in files[machine]:
                file.unlink(missing_ok=True)


def by_id(serial: str) -> str:
    """The link that udev makes for a disk of QEMU's."""
    return f"/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_{serial}"


def checksums(disks: Sequence[Disk]) -> dict[str, str]:
    """The checksum of each, by serial number."""
    flush(disks)
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda disk: digest(disk.file), disks)
        return {disk.serial: each for disk, each in zip(disks, found, strict=True)}


def flush(disks: Sequence[Disk]) -> None:
    """Have the machines write out everything; they open the disks for reading only."""
    ordered = sorted(disks, key=lambda disk: disk.machine.name)
    groups = [list(group) for _, group in groupby(ordered, key=lambda disk: disk.machine)]

    def flushed(group: list[Disk]) -> None:
        group[0].machine.run(f"sync; blockdev --flushbufs {_words(d.kernel for d in group)}")

    with ThreadPoolExecutor() as pool:
        list(pool.map(flushed, groups))


def digest(file: Path) -> str:
    """SHA-256 over the size and each block that is not all zeros, with its place.

    Where the file has holes makes no difference, but they need not be read.
    """
    with file.open("rb", buffering=0) as source:
        size = source.seek(0, os.SEEK_END)
        total = hashlib.sha256(b"%d" % size)
        for offset in _blocks(source.fileno(), size):
            data = os.pread(source.fileno(), BLOCK, offset)
            if data != bytes(len(data)):
                total.update(b" %d " % offset + data)
    return total.hexdigest()


def _blocks(descriptor: int, size: int) -> Iterator[int]:
    """Offsets of the blocks that are not all hole."""
    at = 0
    while at < size:
        try:
            at = os.lseek(descriptor, at, os.SEEK_DATA) // BLOCK * BLOCK
        except OSError:  # ENXIO: nothing but a hole from here on
            return
        yield at
        at += BLOCK


def _plug(machine: Machine, files: Sequence[Path], size: int) -> list[Disk]:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as empty:
            empty.truncate(size)
        machine.emulator.plug(file, file.stem)
    links = _words(by_id(file.stem) for file in files)
    found = machine.run(FIND.format(links, links), timeout=SEEN_SECONDS).stdout.split()
    if len(found) != len(files):
        raise LabError(f"{machine.name} has {len(found)} of {len(files)} disks: {found}")
    return [Disk(machine, file.stem, file, name) for file, name in zip(files, found, strict=True)]


def _words(words: Iterator[str]) -> str:
    return shlex.join(words)
