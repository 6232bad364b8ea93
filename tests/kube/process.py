"""A process of the plane: in a session of its own, found again by its pid file, ended by its id."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

END_SECONDS = 5.0
"""How long a process may take to end when asked, before it is killed."""


@dataclass(frozen=True)
class Process:
    """The process `name` of the plane in the folder `state`, whether it runs or not."""

    name: str
    state: Path

    @property
    def log(self) -> Path:
        """What it wrote to both its streams."""
        return self.state / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """Id of the living process, else None.

        A pid file may be older than the process that has its number now: its environment tells.
        """
        try:
            pid = int(self._pid_file.read_text())
            environment = _environment(pid)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        return pid if self._mark.encode() in environment else None

    def start(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        """Start it with `env` added to the environment; `descriptors` stay open in it."""
        mark, value = self._mark.split("=", 1)
        with self.log.open("ab") as log:
            started = subprocess.Popen(
                command,
                cwd=self.state,
                env={**os.environ, **(env or {}), mark: value},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=descriptors,
            )
        self._pid_file.write_text(str(started.pid))
        self._reap()
        _STARTED[self._pid_file] = started

    def ask(self) -> None:
        """Ask it to end, if it runs."""
        self._signal(signal.SIGTERM)

    def end(self) -> None:
        """Wait until it is gone, and kill it if that takes too long."""
        self.ask()
        deadline = time.monotonic() + END_SECONDS
        while self.pid is not None:
            if time.monotonic() > deadline:
                self._signal(signal.SIGKILL)
            time.sleep(0.02)
        self._reap()
        self._pid_file.unlink(missing_ok=True)

    @property
    def _pid_file(self) -> Path:
        return self.state / f"{self.name}.pid"

    @property
    def _mark(self) -> str:
        """In the environment of this process and of no other, but for its children."""
        return f"GKPREP_KUBE_PROCESS={self._pid_file}"

    def _signal(self, number: int) -> None:
        if pid := self.pid:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _reap(self) -> None:
        """Take the exit status of the one that ended, if this is its parent.

        Until then it has an id, but no environment any more.
        """
        if started := _STARTED.pop(self._pid_file, None):
            started.wait()


def _environment(pid: int) -> list[bytes]:
    """That of a process; none of one that has ended and was not waited for.

    While one becomes another (execve(2)) there is none for a moment either.
    """
    while True:
        if environment := Path(f"/proc/{pid}/environ").read_bytes():
            return environment.split(b"\0")
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state in {"Z", "X"}:
            return []
        time.sleep(0.001)


_STARTED: dict[Path, subprocess.Popen[bytes]] = {}
"""Children of this process that were not waited for yet, by their pid files."""
