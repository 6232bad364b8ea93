"""One machine, as people and tests see it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from . import saved
from .emulator import Emulator
from .errors import LabError
from .remote import Remote

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from .image import Image
    from .node import Node
    from .place import Place


class Machine:
    """A node of the laboratory that can be asked, broken, cut off, and put back."""

    def __init__(self, node: Node, place: Place, image: Image) -> None:
        self.node = node
        self.emulator = Emulator(node, place, image, place.state / "disks" / node.name)
        self.remote = Remote(node, place)
        self._place = place
        self._image = image

    @property
    def name(self) -> str:
        """Host name, and the name in the inventory."""
        return self.node.name

    @property
    def address(self) -> str:
        """Address for SSH."""
        return self.node.address

    @property
    def storage(self) -> str:
        """Address for Gluster."""
        return self.node.storage

    @property
    def disk(self) -> str:
        """Path of the data disk there."""
        return self.node.disk

    def run(
        self,
        command: str,
        *,
        check: bool = True,
        timeout: float | None = 60.0,
        stdin: bytes | None = None,
        user: str = "root",
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command there; see `Remote.run`."""
        return self.remote.run(command, check=check, timeout=timeout, stdin=stdin, user=user)

    def push(self, local: Path, remote: str, *, user: str = "root") -> None:
        """Copy what is inside the folder `local` into the folder `remote`."""
        self.remote.push(local, remote, user=user)

    def reset(self) -> None:
        """Back to the broken state of the seed, running, with the right time. Seconds."""
        with self._place.locked():
            self.load()
            self.answer()

    def load(self) -> None:
        """Fresh disks and the saved memory, in a fresh process.

        Loading into the process that runs would be no faster, and the processor's time stamp
        counter does not go back with the rest: the guest's clocks jump, and systemd kills what
        seems to hang.
        """
        state = saved.located(self._image) / self.name
        if not state.exists():
            raise LabError("no saved state here: bring the lab up first")
        self.power_off()
        self.emulator.make_disks(state)
        self.emulator.spawn(state / "memory")
        self.emulator.resume()

    def answer(self) -> None:
        """Wait until a loaded machine can be used."""
        self.remote.wait()
        self.remote.set_clock()

    def power_off(self) -> None:
        """Pull the plug. What the guest had not written yet is lost: `run("sync")` before."""
        self.remote.hang_up()
        self.emulator.stop()

    def start(self) -> None:
        """Boot from its disks as they are, and wait until systemd has started everything."""
        self.emulator.spawn()
        self.remote.wait()
        self.settle()

    def reboot(self) -> None:
        """Reboot the system there in good order, and wait until it is up again."""
        before = self._boot_id()
        self.run("systemctl reboot", check=False)
        self.remote.hang_up()
        deadline = time.monotonic() + 240
        while True:
            self.remote.wait()
            if self._boot_id() != before:
                break
            if time.monotonic() > deadline:
                raise LabError(f"{self.name} did not reboot")
            time.sleep(1)
        self.settle()

    def settle(self) -> None:
        """Wait until systemd has nothing left to start; failed units are the caller's business."""
        self.run("systemctl is-system-running --wait", check=False, timeout=240)

    def pause(self) -> None:
        """Make the node hang: its address is there, nothing answers."""
        self.emulator.pause()

    def resume(self) -> None:
        """End a `pause`. The node's clock stood still meanwhile and is set."""
        self.emulator.resume()
        self.remote.hang_up()
        self.answer()

    def _boot_id(self) -> str:
        return self.run("cat /proc/sys/kernel/random/boot_id", check=False).stdout
