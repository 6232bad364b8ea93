"""What the words of ssh_config(5) mean: choices, times, ports, tokens, variables and `~`."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from preflight.errors import TransportError
from preflight.openssh.syntax import Line, expand_home

T = TypeVar("T")

LAST_PORT = 65535
YES_NO = {"yes": True, "true": True, "no": False, "false": False}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def choice(line: Line | None, words: Mapping[str, T], default: T) -> T:
    """Return what the line's word stands for; raise TransportError for none of `words`."""
    if line is None:
        return default
    word = first_word(line).lower()
    if word not in words:
        raise TransportError(f"{line.place}: {word} is none of {', '.join(words)}")
    return words[word]


def login_name() -> str:
    """Return who runs gkprep; raise TransportError where neither environment nor passwd tells."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError since Python 3.13
        raise TransportError("this user has no name: set ssh.user in the inventory") from None


def first_word(line: Line) -> str:
    """Return the line's value; raise TransportError where there is only a comment, or `""`."""
    if not line.words or not line.words[0]:
        raise TransportError(f"{line.place}: {line.keyword} lacks a value")
    return line.words[0]


def is_none(text: str) -> bool:
    """Whether it is the word that turns a setting off."""
    return text.lower() == "none"


def port(line: Line | None, default: int) -> int:
    """Return the line's number; raise TransportError unless it is from 1 to 65535."""
    if line is None:
        return default
    word = first_word(line)
    number = int(word) if word.isascii() and word.isdigit() else 0
    if not 0 < number <= LAST_PORT:
        raise TransportError(f"{line.place}: {word} is no port")
    return number


def seconds(line: Line | None) -> float | None:
    """Return a time (`90`, `1m30s`: sshd_config(5), TIME FORMATS) in seconds; None without one."""
    if line is None:
        return None
    word = first_word(line).lower()
    if not re.fullmatch(r"(\d+[smhdw]?)+", word):
        raise TransportError(f"{line.place}: {word} is no time")
    return float(sum(int(n) * _SECONDS[unit] for n, unit in re.findall(r"(\d+)([smhdw]?)", word)))


@dataclass(frozen=True)
class Facets:
    """What the tokens of ssh_config(5), section TOKENS, stand for on one connection."""

    alias: str
    hostname: str
    port: int
    user: str
    jumps: str
    host_key_alias: str
    home: Path

    def token(self, name: str) -> str | None:
        """Return the value of `%name`, None for one that these settings do not take."""
        local, port = socket.gethostname(), str(self.port)
        identity = f"{local}{self.hostname}{port}{self.user}{self.jumps}".encode()
        tokens = {
            "%": "%",
            # An identifier of the connection, as OpenSSH computes it; no secret hangs on it.
            "C": hashlib.sha1(identity, usedforsecurity=False).hexdigest(),
            "d": str(self.home),
            "h": self.hostname,
            "i": str(os.getuid()),
            "j": self.jumps,
            "k": self.host_key_alias,
            "L": local.partition(".")[0],
            "l": local,
            "n": self.alias,
            "p": port,
            "r": self.user,
        }
        # Not everybody has a name, and hardly anybody asks for it.
        return login_name() if name == "u" else tokens.get(name)

    def expand(self, text: str) -> str:
        """Replace tokens; raises TransportError for an unknown one."""

        def replace(match: re.Match[str]) -> str:
            value = self.token(match[1])
            if value is None:
                raise TransportError(f"ssh_config: {match[0]} in {text} is no token gkprep knows")
            return value

        return re.sub(r"%(.?)", replace, text)

    def path(self, text: str) -> Path:
        """Replace `${VARIABLE}`, tokens and `~`; raises TransportError for what is not known."""

        def replace(match: re.Match[str]) -> str:
            if match[1] not in os.environ:
                raise TransportError(f"ssh_config: the variable {match[1]} in {text} is not set")
            return os.environ[match[1]]

        return expand_home(self.expand(re.sub(r"\$\{([^}]*)\}", replace, text)), self.home)
