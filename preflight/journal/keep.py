"""The journal of a run that is being made."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from preflight.errors import JournalError
from preflight.journal.plain import FILE, ON_NODE, SCHEMA, node_plain, step_plain, text
from preflight.model import Act, Action, Done, Node, Role

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def state_folder() -> Path:
    """Where gkprep keeps what outlives a restart: `~/.local/state/gkprep`, or $XDG_STATE_HOME's."""
    from platformdirs import user_state_path  # noqa: PLC0415 - only who changes something needs it

    return user_state_path("gkprep", appauthor=False)


def runs_folder() -> Path:
    """Where the runs are."""
    return state_folder() / "runs"


def kept_below(node: Node) -> str:
    """The folder on `node` below which a run keeps what its steps print, in a folder of its name.

    On the controller that is where the run's journal is: nobody is root there.
    """
    return str(runs_folder()) if node.role is Role.CONTROLLER else ON_NODE


def controller_lock() -> Path:
    """Held whole while the cluster is put right from here, and shared while gkprep deploys to one.

    It says by whom. Who takes it makes it.
    """
    return state_folder() / "lock"


def private(folder: Path) -> None:
    """Make `folder` where it is missing, and whatever above it is: each for its owner alone.

    The mode of Path.mkdir is that of the last one only. (XDG Base Directory Specification: what is
    missing is made with 0700.) Raises OSError.
    """
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            each.mkdir(mode=0o700, exist_ok=True)


def new_name() -> str:
    """A name for what is begun now.

    Names sort as the runs came; the last four digits are multiples of 16 microseconds.
    """
    now = datetime.now(timezone.utc)
    return f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 16:04x}"


def _settle(folder: Path) -> None:
    """Have the names in a folder outlive a power cut too (fsync(2))."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


class Journal:
    """The journal of one run that is being made; used by the threads of all nodes.

    Whatever cannot be written raises JournalError: a step that is not on record must not begin.
    """

    def __init__(self, folder: Path, file: IO[str]) -> None:
        """Write to `file`, in the run's `folder`; `Journal.begun` makes both."""
        self.folder = folder
        self._file = file
        self._lock = threading.Lock()

    @classmethod
    def begun(  # noqa: PLR0913 - all that a run is known by
        cls,
        folder: Path,
        command: str,
        nodes: Iterable[Node],
        *,
        version: str,
        local: bool = False,
        undoes: str | None = None,
    ) -> Journal:
        """Begin a run of `command` on `nodes` below `folder`; `undoes` is the run it takes back."""
        name = new_name()
        try:
            private(folder)
            (folder / name).mkdir(mode=0o700)
            file = os.fdopen(os.open(folder / name / FILE, _NEW, mode=0o600), "w", encoding="ascii")
            for made in (folder / name, folder):
                _settle(made)
        except OSError as exc:
            raise JournalError(f"no journal can be kept in {folder}: {exc.strerror}") from exc
        journal = cls(folder / name, file)
        told = {"command": command, "gkprep": version, "local": local, "undoes": undoes}
        told["host"] = socket.gethostname()
        journal._write("run", schema=SCHEMA, **told, nodes=[node_plain(node) for node in nodes])
        return journal

    @property
    def run(self) -> str:
        """What `gkprep undo` calls the run."""
        return self.folder.name

    def begin(self, number: int, action: Action, step: Act) -> None:
        """Put on record that the node is now told to take its step of that number."""
        finding = action.finding
        told = {"node": finding.node, "check": finding.check, "subject": finding.subject}
        self._write("begin", **told, number=number, undoes=action.undoes, step=step_plain(step))

    def end(self, number: int, done: Done) -> None:
        """Put on record how the step ended."""
        out, err = text(done.out), text(done.err)
        self._write("end", node=done.node, number=number, rc=done.rc, out=out, err=err)

    def save(self, node: str, number: int, data: bytes) -> None:
        """Keep what is about to be written over, on the disk when this returns."""
        file = self.folder / f"{node}.{number}.saved"
        try:
            with os.fdopen(os.open(file, _NEW, mode=0o600), "wb") as saved:
                saved.write(data)
                saved.flush()
                os.fsync(saved.fileno())
            _settle(self.folder)
        except OSError as exc:
            raise JournalError(f"{file} cannot be written: {exc.strerror}") from exc
        digest = hashlib.sha256(data).hexdigest()
        self._write("saved", node=node, number=number, file=file.name, sha256=digest)

    def stopped(self, node: str, why: str) -> None:
        """Put on record that a node takes no further step."""
        self._write("stopped", node=node, why=why)

    def restarts(self, node: str) -> None:
        """Put on record that a node is now told to restart."""
        self._write("restart", node=node)

    def close(self) -> None:
        """Put on record that nothing more comes."""
        try:
            self._write("over")
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Leave it as it is: the run did not come to its end."""
        with suppress(OSError):  # what could not be written was told already
            self._file.close()

    def _write(self, event: str, **told: object) -> None:
        moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = json.dumps({"event": event, "at": moment, **told})
        try:
            with self._lock:
                self._file.write(f"{line}\n")
                self._file.flush()
                os.fsync(self._file.fileno())
        except OSError as exc:
            raise JournalError(
                f"the journal {self.folder / FILE} cannot be written: {exc.strerror}; no further"
                " step is begun"
            ) from exc
