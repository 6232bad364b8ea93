"""Where the laboratory keeps its things: nothing of it is inside the source tree.

cache   images and saved states, worth keeping; shared by all laboratories of this user
state   one laboratory's disks, home folder and inventory
run     its sockets, pid files and logs; a reboot of this computer empties it

`GKPREP_LAB` names a laboratory of its own beside the first one: another namespace with the same
addresses, so tests can run while a person uses theirs. `GKPREP_LAB_CACHE` and `GKPREP_LAB_STATE`
override the folders; `lab-shell` exports them, because HOME is another one in there.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import LabError
from .progress import say

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "gkprep-lab"
"""Every name that the laboratory gives to something outside its own folders begins with this."""


@dataclass(frozen=True)
class Place:
    """The folders and the namespace of one laboratory."""

    name: str
    cache: Path
    state: Path

    @classmethod
    def default(cls) -> Place:
        """Read the environment; raise LabError for a name that cannot name a namespace."""
        name = os.environ.get("GKPREP_LAB", "")
        if not re.fullmatch(r"[a-z0-9-]{0,20}", name):
            raise LabError(f"GKPREP_LAB={name!r}: use up to 20 of a-z, 0-9 and -")
        return cls(
            name=name,
            cache=_folder("GKPREP_LAB_CACHE", "XDG_CACHE_HOME", ".cache"),
            state=_folder("GKPREP_LAB_STATE", "XDG_STATE_HOME", ".local/state") / (name or "lab"),
        )

    @property
    def netns(self) -> str:
        """The network namespace that everything lives in."""
        return f"{PREFIX}-{self.name}" if self.name else PREFIX

    @property
    def run(self) -> Path:
        """Short, because the path of a socket holds no more than 107 bytes."""
        return Path("/run") / self.netns

    @property
    def home(self) -> Path:
        """The HOME of commands inside: its .ssh knows the machines, and no file of the user's."""
        return self.state / "home"

    @property
    def inventory(self) -> Path:
        """The inventory of the three machines."""
        return self.state / "inventory.yaml"

    def inside(self) -> list[str]:
        """Begin of a command line that runs in the namespace; the process keeps its id."""
        return ["nsenter", f"--net=/run/netns/{self.netns}", "--"]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One `up`, `down` or `reset` of this laboratory at a time on this computer."""
        with locked(Path("/run") / f"{self.netns}.lock", f"another command on {self.netns}"):
            yield


@contextmanager
def locked(path: Path, busy: str) -> Iterator[None]:
    """Hold the lock `path`; say what is waited for (`busy`) when another process holds it."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for {busy} ({path})")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _folder(own: str, base: str, default: str) -> Path:
    if path := os.environ.get(own):
        return Path(path).absolute()
    # A relative path in an XDG variable is to be ignored (XDG Base Directory Specification).
    top = Path(os.environ.get(base, ""))
    return (top if top.is_absolute() else Path.home() / default) / "gkprep" / "lab"
