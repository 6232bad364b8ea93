"""What gkprep starts on the machine it runs on, and how nothing of it is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from preflight.errors import TransportError


class Child(Protocol):
    """Something that was started; `end` may be called by any thread, and more than once."""

    def end(self) -> None: ...  # noqa: D102


C = TypeVar("C", bound=Child)


class Children:
    """All that a run has started, by any of its threads."""

    def __init__(self) -> None:
        self._started: list[Child] = []
        self._closed = False
        self._lock = threading.Lock()

    def start(self, start: Callable[[], C]) -> C:
        """Start one that `close` will end; none once it has, for nobody would."""
        with self._lock:
            if self._closed:
                raise TransportError("gkprep is ending")
            child = start()
            self._started.append(child)
        return child

    def close(self) -> None:
        """End what an interrupt left running."""
        with self._lock:
            self._closed = True
            started, self._started = self._started, []
        for child in started:
            child.end()


def end_session(leader: int) -> None:
    """Kill `leader`, which nobody has waited for yet, and all that runs in its session.

    Its process group would not do: timeout(1) makes a group of its own. What runs as root, by
    sudo, is left to itself.
    """
    killed: set[int] = set()
    while running := {leader, *_members(leader)} - killed:  # again, for what was started meanwhile
        for pid in sorted(running):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= running


def _members(leader: int) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(int(entry.name)) == leader:
                yield int(entry.name)


def reap(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of `process`, which we may not have been able to kill, in nobody's way."""
    if process.poll() is None:
        threading.Thread(target=process.wait, daemon=True).start()
