"""The private folder that one deployment works in.

    NAME.log        all that the deployer printed, by its name, without the keys
    deployment.json of which cluster it is, and what came of it
    topology.json   what it is given
    deploy/         its patched copy
    bin/kubectl     calls the inventory's kubectl with the inventory's kubeconfig and context
    work/           where it is started, for it writes ./heketi.json and deletes it again (D3)
    lock            held by whatever runs in here

Only its owner may look into it (0700). Of one that is over, the first two stay. What the deployer
was given is to be as it was when that ends: one that is known writes nowhere but in work/ (D3).
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from preflight.controller import kubeconfig
from preflight.deploy.tree import Tree
from preflight.errors import DeployError
from preflight.facts.kubernetes.command import way
from preflight.journal import controller_lock, new_name, private
from preflight.journal.deployments import Deployed, keep, log_of
from preflight.model import Deployer

HOLDER = "gkprep deploy\n"
"""What a gkprep that comes to what this one holds is told; several at once say the same."""

PAUSE = 0.05
"""Seconds after which to look again whether a lock is free."""


@dataclass(frozen=True)
class Place:
    """The folder of one deployment; its parts are named in this module's docstring."""

    folder: Path
    deployer: str

    @classmethod
    def made(cls, parent: Path, deployer: str) -> Place:
        """A new one below `parent`; raises DeployError where there can be none."""
        place = cls(parent / new_name(), deployer)
        try:
            private(parent)
            place.folder.mkdir(mode=0o700)
            for folder in (place.work, place.bin):
                folder.mkdir(mode=0o700)
        except OSError as exc:
            raise DeployError(f"{place.folder} cannot be made: {exc.strerror}") from exc
        return place

    @property
    def log(self) -> Path:  # noqa: D102 - see the module
        return log_of(self.folder, self.deployer)

    @property
    def topology(self) -> Path:  # noqa: D102
        return self.folder / "topology.json"

    @property
    def copy(self) -> Path:  # noqa: D102
        return self.folder / "deploy"

    @property
    def work(self) -> Path:  # noqa: D102
        return self.folder / "work"

    @property
    def bin(self) -> Path:  # noqa: D102
        return self.folder / "bin"

    @property
    def lock(self) -> Path:  # noqa: D102
        return self.folder / "lock"

    def fill(self, tree: Tree, topology: str, deployer: Deployer) -> None:
        """Write down what a deployer needs: its patched self, the topology, and a kubectl."""
        try:
            for name, text in tree.items():
                file = self.copy / name
                file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                file.write_text(text, "utf-8", "surrogateescape")
            self.topology.write_text(topology, "utf-8")
            wrapper = self.bin / "kubectl"
            wrapper.write_text(kubectl_wrapper(deployer), "utf-8")
            wrapper.chmod(0o700)
        except OSError as exc:
            raise DeployError(f"{self.folder} cannot be written: {exc.strerror}") from exc

    def keep(self, made: Deployed) -> None:
        """Put on record what this is, or what came of it. Raises DeployError."""
        try:
            keep(self.folder, made)
        except OSError as exc:
            raise DeployError(f"{self.folder} cannot be written: {exc.strerror}") from exc

    def given(self) -> Mapping[Path, bytes]:
        """All files that the deployer is given, as they are now. Raises DeployError."""
        try:
            return {file: file.read_bytes() for file in self._files()}
        except OSError as exc:
            raise DeployError(f"{exc.filename} cannot be read: {exc.strerror}") from exc

    def written(self, given: Mapping[Path, bytes]) -> tuple[str, ...]:
        """The files that are not as they were `given` any more: made, changed or gone."""
        now = set(self._files())
        changed = (file for file in now & set(given) if not _holds(file, given[file]))
        return tuple(
            sorted(str(file.relative_to(self.folder)) for file in {*(now ^ set(given)), *changed})
        )

    def _files(self) -> Iterator[Path]:
        """What there is beside the log, the lock and where it works; links are not followed."""
        for part in set(self.folder.glob("*")) - {self.log, self.lock, self.work}:
            below = () if part.is_symlink() else part.rglob("*")
            for file in (part, *below):
                if file.is_symlink() or not file.is_dir():
                    yield file

    def open_log(self) -> IO[bytes]:
        """The log, which the owner alone may read, without a buffer. Raises DeployError."""
        try:
            opened = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as exc:
            raise DeployError(f"{self.log} cannot be written: {exc.strerror}") from exc
        return os.fdopen(opened, "wb", buffering=0)

    def empty(self) -> None:
        """Leave nothing but the log, and what it is of."""
        for folder in (self.copy, self.bin, self.work):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.topology, self.lock):
            file.unlink(missing_ok=True)

    def quiet(self, seconds: float) -> bool:
        """Wait, no longer than that, until nothing that was started in here runs any more."""
        if not self.lock.exists():
            return True
        end = time.monotonic() + seconds
        with self.lock.open("rb") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() > end:
                        return False
                    time.sleep(PAUSE)
                else:
                    return True


def _holds(file: Path, content: bytes) -> bool:
    """Whether it is a regular file with that in it; of a longer one nothing is read."""
    try:
        there = file.lstat()
        same = stat.S_ISREG(there.st_mode) and there.st_size == len(content)
        return same and file.read_bytes() == content
    except OSError:
        return False


def kubectl_wrapper(deployer: Deployer) -> str:
    """A program called kubectl, which is the name that gk-deploy's `-c` takes (C7)."""
    words = [shutil.which(deployer.kubectl) or deployer.kubectl, *way(deployer)]
    named = kubeconfig()
    export = f"export KUBECONFIG={shlex.quote(named)}\n" if named else ""
    return f'#!/bin/sh\n{export}exec {shlex.join(words)} "$@"\n'


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Be the only gkprep that deploys to the cluster that `folder` is for; DeployError if not.

    Nor does any put right meanwhile what an earlier deployment has left.
    """
    every = controller_lock()
    with ExitStack() as held:
        try:
            for each in (every.parent, folder):
                private(each)
            shared = held.enter_context(_open(every))
            own = held.enter_context(_open(folder / "lock"))
            _hold(shared, fcntl.LOCK_SH, "gkprep fix is at work on a cluster")
            _hold(own, fcntl.LOCK_EX, "another gkprep deploys to this cluster and namespace")
            shared.truncate()
            shared.write(HOLDER)
            shared.flush()
        except OSError as exc:
            where = exc.filename or every
            raise DeployError(f"{where} cannot be written: {exc.strerror}") from exc
        yield


def _open(lock: Path) -> IO[str]:
    """A file to hold, with what is in it."""
    return os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), "r+")


def _hold(file: IO[str], how: int, otherwise: str) -> None:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DeployError(otherwise) from None
