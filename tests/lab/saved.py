"""The saved state `broken`: disks and memory of the three machines as the seed found them.

Kept beside the image and shared by all laboratories. Nothing writes to it: machines run on
overlays, so it cannot be spoilt by a killed process. It holds for one version of QEMU, one
accelerator and one hardware only, and its name says which.
"""

from __future__ import annotations

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from . import hardware, host
from .image import forget_old
from .node import NODES
from .place import locked
from .progress import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .image import Image
    from .machine import Machine

BREAK = Path(__file__).parent / "recipe" / "break.sh"


def located(image: Image) -> Path:
    """Folder of the saved state, with a folder for each node; it exists once `ensure` ran."""
    return image.folder / f"broken-{hardware.fingerprint(NODES, host.accelerator(image))}"


def ensure(image: Image, machines: Sequence[Machine]) -> None:
    """Boot, break and save the machines unless that was done before. The network must exist.

    Machines that run are ended; afterwards none runs.
    """
    folder = located(image)
    if folder.exists():
        os.utime(folder)
        return
    with locked(folder.with_suffix(".lock"), "another first boot"):
        if folder.exists():
            return
        for machine in machines:
            machine.power_off()
        work = folder.with_suffix(".building")
        shutil.rmtree(work, ignore_errors=True)
        forget_old(image.folder, "broken-*")
        say("no saved state yet: booting the machines, about a minute")
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda machine: _break(machine, work), machines))
                say("saving their state")
                list(pool.map(lambda machine: _save(machine, work), machines))
        finally:
            for machine in machines:
                machine.power_off()
        os.sync()  # or a power cut could leave a name without its contents
        work.rename(folder)


def _break(machine: Machine, work: Path) -> None:
    emulator = replace(machine.emulator, disks=work / machine.name)
    emulator.make_disks()
    emulator.spawn()
    machine.remote.wait()
    say(f"{machine.name} answers")
    machine.settle()
    machine.run("sh -s", stdin=BREAK.read_bytes(), timeout=240)
    say(f"{machine.name} is broken as wanted")
    machine.remote.hang_up()


def _save(machine: Machine, work: Path) -> None:
    emulator = replace(machine.emulator, disks=work / machine.name)
    time.sleep(2)  # sshd ends the session that was just hung up
    emulator.save(work / machine.name / "memory")
