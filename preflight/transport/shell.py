"""What the rest of gkprep knows of transport: a shell on a machine, and how to get one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from preflight.errors import UsageError
from preflight.model import Limits, Node, Output


class Dialogue(Protocol):
    """What talks with a script while it runs: hears what it prints, feeds its standard input."""

    def hear(self, out: bytes, err: bytes) -> bytes:
        """Take in what the script printed since the last time; return what to answer, if anything.

        It is called with what comes after the script has begun, never with a login's noise.
        """
        ...

    @property
    def over(self) -> bool:
        """Whether all is said: the script's standard input may end."""
        ...


class Shell(Protocol):
    """A POSIX shell with root's rights on one machine, used for one script."""

    local: bool

    def run(self, script: str, limits: Limits) -> Output:
        """Run `script` by `sh -s`, as root.

        Raises TransportError where it certainly was not started. Once it may have been, what
        arrived comes back, and `lost` says why it is not all.
        """
        ...


class LiveShell(Shell, Protocol):
    """A shell that may also be talked with."""

    def converse(self, script: str, limits: Limits, dialogue: Dialogue) -> Output:
        """Run `script` likewise, with a standard input that lasts until `dialogue` is over.

        A script that reads must stand in a function whose call is the last line: the shell may
        have read further than it has come.
        """
        ...


class Connector(Protocol):
    """Gives every node its shell; holds open what these share, so close it in the end."""

    def __call__(self, node: Node) -> LiveShell:
        """Return a shell that connects when it is run."""
        ...

    def close(self) -> None:
        """Close what the shells shared, and end what an interrupt left running on this machine."""
        ...


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # no $HOME, and no line in passwd(5)
        raise UsageError("HOME is not set, and this user has no home folder") from None


@dataclass(frozen=True)
class ConnectOptions:
    """What the user decided about connecting.

    `accept_new` records unknown host keys. `become_password` is sudo's. `ask_passphrase` is asked
    for the passphrase of a key file, before anything runs side by side; None or an empty answer
    leaves the key out. `config_file` is read instead of the user's and the system's ssh_config, as
    by `ssh -F`. `home` and `etc` are where OpenSSH's files are;
    unlike ssh, which asks passwd(5) alone, $HOME goes first, so that a CI job can bring its own.
    """

    accept_new: bool = False
    become_password: str | None = field(default=None, repr=False)
    ask_passphrase: Callable[[Path], str | None] | None = None
    config_file: Path | None = None
    home: Path = field(default_factory=_home)
    etc: Path = Path("/etc/ssh")


@dataclass(frozen=True)
class Deadline:
    """A moment of time.monotonic(), and the limit in seconds that led to it, for messages."""

    moment: float
    limit: float

    @classmethod
    def after(cls, limit: float) -> Deadline:
        """`limit` seconds from now."""
        return cls(time.monotonic() + limit, limit)

    @property
    def left(self) -> float:
        """Seconds until then; not above 0 once it has passed."""
        return self.moment - time.monotonic()

    def __str__(self) -> str:
        """`10 s`."""
        return f"{self.limit:g} s"


def printable(text: str, most: int = 300) -> str:
    """Return `text` as one line without control characters, which a node could send on purpose."""
    words = " ".join(text.split())
    safe = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in words)
    return safe if len(safe) <= most else safe[:most] + "..."
