"""One QEMU process: started as a daemon, found again by its pid file, ended by its own id."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import hardware, host
from .errors import LabError
from .qmp import Qmp

if TYPE_CHECKING:
    from .image import Image
    from .node import Node
    from .place import Place

LOAD_SECONDS = 300.0
"""How long loading or saving the memory of a machine may take; 1 to 5 s is usual."""
END_SECONDS = 10.0
"""How long QEMU may take to end when asked, before it is killed."""
UNLIMITED = 1 << 40
"""Bytes a second for saving: QEMU's default protects a network, and there is none."""


@dataclass(frozen=True)
class Emulator:
    """The process behind a machine; `disks` is the folder of root.qcow2 and data.qcow2."""

    node: Node
    place: Place
    image: Image
    disks: Path

    @property
    def pid(self) -> int | None:
        """Id of the living process, else None.

        A pid file may be older than the process that has its number now: the command line
        tells. That of a zombie is empty.
        """
        try:
            pid = int(self._file("pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        return pid if os.fsencode(self._file("pid")) in command else None

    def state(self) -> str:
        """`off`, or QEMU's word: `running`, `paused`, `inmigrate` (loading) and rarer ones."""
        if self.pid is None:
            return "off"
        try:
            with self.qmp() as qmp:
                return str(qmp("query-status")["status"])
        except OSError:
            return "off"

    def make_disks(self, saved: Path | None = None) -> None:
        """Fresh disks: those of the folder `saved`, or the image and an empty data disk."""
        self.disks.mkdir(parents=True, exist_ok=True)
        for name in ("root.qcow2", "data.qcow2"):
            disk = self.disks / name
            disk.unlink(missing_ok=True)
            words = ["qemu-img", "create", "-q", "-f", "qcow2"]
            if saved or name.startswith("root"):
                words += ["-F", "qcow2", "-b", str(saved / name if saved else self.image.disk)]
                words += [str(disk)]
            else:
                words += [str(disk), hardware.DATA_DISK]
            subprocess.run(words, check=True)

    def spawn(self, memory: Path | None = None) -> None:
        """Start with the disks that are there: a cold boot, or paused with the saved `memory`."""
        self.place.run.mkdir(mode=0o700, exist_ok=True)
        engine = host.accelerator(self.image)
        words = [*self.place.inside(), "qemu-system-x86_64", "-name", self.node.name]
        words += [
            *hardware.arguments(self.node, engine, self.disks),
            "-kernel",
            str(self.image.kernel),
        ]
        words += ["-initrd", str(self.image.initrd)]
        words += ["-append", hardware.kernel_arguments(self.node)]
        words += ["-serial", f"file:{self._file('console')}", "-daemonize"]
        # Without -D a daemon sends its errors nowhere.
        words += ["-D", str(self._file("log"))]
        words += ["-qmp", f"unix:{self._file('qmp')},server=on,wait=off"]
        words += ["-pidfile", str(self._file("pid"))]
        if memory:
            words += ["-S", "-incoming", f"exec:cat {shlex.quote(str(memory))}"]
        with self._file("log").open("wb") as log:
            nothing = subprocess.DEVNULL
            done = subprocess.run(words, check=False, stdin=nothing, stdout=log, stderr=log)
        if done.returncode:
            raise LabError(f"qemu did not start {self.node.name}: {self._file('log').read_text()}")
        if memory:
            self._await_load()

    def qmp(self) -> Qmp:
        """A conversation with the process."""
        return Qmp(self._file("qmp"))

    def pause(self) -> None:
        """Stop the virtual processor: the node hangs, its addresses stay."""
        with self.qmp() as qmp:
            qmp("stop")

    def resume(self) -> None:
        """Let it run on; nothing happens to a machine that does."""
        with self.qmp() as qmp:
            qmp("cont")

    def save(self, memory: Path) -> None:
        """Write the memory to a file and end; the disks then are as that memory expects them."""
        with self.qmp() as qmp:
            qmp("stop")
            qmp("migrate-set-parameters", **{"max-bandwidth": UNLIMITED})
            qmp("migrate", uri=f"exec:cat > {shlex.quote(str(memory))}")
            deadline = time.monotonic() + LOAD_SECONDS
            while (state := qmp("query-migrate"))["status"] != "completed":
                if state["status"] in ("failed", "cancelled") or time.monotonic() > deadline:
                    raise LabError(f"saving {self.node.name}: {state}")
                time.sleep(0.1)
        self.stop()

    def plug(self, file: Path, serial: str) -> None:
        """Give the running machine a disk more, a raw file, which also QEMU calls by its serial."""
        back = {"driver": "file", "filename": str(file)}
        with self.qmp() as qmp:
            # As the other disks: nothing here survives a power cut, and nothing needs to.
            cache = {"direct": False, "no-flush": True}
            drive = {"node-name": serial, "file": back, "cache": cache, "discard": "unmap"}
            qmp("blockdev-add", driver="raw", **drive)
            disk = {"id": serial, "serial": serial, "drive": serial, "bus": "scsi.0"}
            qmp("device_add", driver="scsi-hd", **disk)

    def unplug(self, serial: str) -> None:
        """Pull that disk out, whatever uses it; nothing happens where it is not plugged in."""
        if self.pid is None:
            return
        with self.qmp() as qmp:
            devices = qmp("qom-list", path="/machine/peripheral")
            if serial in {device["name"] for device in devices}:
                qmp("device_del", id=serial)
            deadline = time.monotonic() + END_SECONDS
            while serial in {node["node-name"] for node in qmp("query-named-block-nodes")}:
                try:
                    qmp("blockdev-del", **{"node-name": serial})
                except LabError:  # in use until the device is gone for good
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)

    def stop(self) -> None:
        """End the process, by its id, and wait until it is gone. A guest sees a power cut."""
        if (pid := self.pid) is None:
            return
        try:
            with self.qmp() as qmp:
                qmp("quit")
        except OSError:
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + END_SECONDS
        while self.pid == pid:
            if time.monotonic() > deadline:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def _await_load(self) -> None:
        deadline = time.monotonic() + LOAD_SECONDS
        while (state := self.state()) == "inmigrate":
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        if state != "paused":
            said = self._file("log").read_text()
            raise LabError(f"{self.node.name} did not load its saved state ({state}): {said}")

    def _file(self, kind: str) -> Path:
        return self.place.run / f"{self.node.name}.{kind}"
