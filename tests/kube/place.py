"""Where the control plane keeps its things: nothing of it is inside the source tree.

cache   the binaries, worth keeping; shared by all planes of this user
state   one plane's database, keys, logs and pid files; `down` removes it

`GKPREP_KUBE` names a plane of its own beside the first one, so tests can run while a person uses
theirs: they have `test` unless it is set. `GKPREP_KUBE_CACHE` overrides the folder of the binaries.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.place import locked

from .errors import KubeError

PREFIX = "gkprep-kube"
"""Every name that the plane gives to something outside its own folders begins with this."""


@dataclass(frozen=True)
class Place:
    """The folders and the namespace of one plane.

    `borrowed` is somebody else's network namespace that the plane is to live in, e.g. that of the
    virtual machines, from where both are reached.
    """

    name: str
    cache: Path
    borrowed: str | None = None

    @classmethod
    def default(cls, borrowed: str | None = None) -> Place:
        """Read the environment; raise KubeError for a name that cannot name a namespace.

        A plane that runs is where it is, whatever is borrowed now.
        """
        name = os.environ.get("GKPREP_KUBE", "")
        if not re.fullmatch(r"[a-z0-9-]{0,20}", name):
            raise KubeError(f"GKPREP_KUBE={name!r}: use up to 20 of a-z, 0-9 and -")
        own = cls(name, _cache())
        running = own.state / "netns"
        if borrowed is None and running.exists() and running.read_text() != own.netns:
            borrowed = running.read_text()
        return cls(name, own.cache, borrowed)

    @property
    def label(self) -> str:
        """What distinguishes this plane from others on this computer."""
        return f"{PREFIX}-{self.name}" if self.name else PREFIX

    @property
    def netns(self) -> str:
        """The network namespace that everything lives in."""
        return self.borrowed or self.label

    @property
    def state(self) -> Path:
        """Emptied by a reboot, as are the processes that it tells of."""
        return Path("/run") / self.label

    @property
    def kubeconfig(self) -> Path:
        """That of the administrator."""
        return self.state / "kubeconfig"

    def inside(self) -> list[str]:
        """Begin of a command line that runs in the namespace; the process keeps its id."""
        return ["nsenter", f"--net=/run/netns/{self.netns}", "--"]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One `up` or `down` of this plane at a time on this computer."""
        lock = Path("/run") / f"{self.label}.lock"
        with locked(lock, f"another command on {self.label}"):
            yield


def _cache() -> Path:
    if path := os.environ.get("GKPREP_KUBE_CACHE"):
        return Path(path).absolute()
    # A relative path in an XDG variable is to be ignored (XDG Base Directory Specification).
    top = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (top if top.is_absolute() else Path.home() / ".cache") / "gkprep" / "kube"
