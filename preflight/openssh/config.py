"""What `ssh` would do for a host: ssh_config(5), evaluated without running `ssh`.

The answer equals that of `ssh -G HOST` for every setting in `HostConfig`. A setting that decides
where a connection goes or whom it trusts, and that is not honoured here, is refused for the hosts
it applies to, never ignored.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from preflight.errors import TransportError
from preflight.model import SshOptions
from preflight.openssh.blocks import Settings
from preflight.openssh.syntax import Line, Source, read
from preflight.openssh.values import YES_NO, Facets, choice, first_word, is_none, port, seconds

DEFAULT_PORT = 22
NOTHING_GIVEN = SshOptions()

# To ignore one of these would be to connect from or to elsewhere, or to trust other keys.
REFUSED = {
    "bindaddress": frozenset[str](),
    "bindinterface": frozenset[str](),
    "canonicalizehostname": frozenset({"yes", "always"}),
    "knownhostscommand": frozenset[str](),
    "proxyusefdpass": frozenset({"yes"}),
    "revokedhostkeys": frozenset[str](),
}


class Strict(Enum):
    """StrictHostKeyChecking: what becomes of a host key that is not known yet."""

    YES = "yes"
    ASK = "ask"
    ACCEPT_NEW = "accept-new"
    NO = "no"


STRICT = {
    "yes": Strict.YES,
    "true": Strict.YES,
    "ask": Strict.ASK,
    "accept-new": Strict.ACCEPT_NEW,
    "no": Strict.NO,
    "false": Strict.NO,
    "off": Strict.NO,
}
FAMILY = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}


@dataclass(frozen=True)
class HostConfig:
    """All that is needed to connect to one host.

    `alias` is the name that was asked for, `hostname` the one to connect to. `identity_files` are
    the named ones; None where none is named, so that OpenSSH's default files count. `jumps` are
    `[user@]host[:port]` in the order of passing. `agent` is the path of a socket, None for no
    agent. `connect_timeout` is in seconds.
    """

    alias: str
    hostname: str
    user: str
    port: int
    identity_files: tuple[Path, ...] | None
    identities_only: bool
    agent: Path | None
    jumps: tuple[str, ...]
    proxy_command: str | None
    user_known_hosts: tuple[Path, ...]
    global_known_hosts: tuple[Path, ...]
    strict: Strict
    host_key_alias: str | None
    connect_timeout: float | None
    hash_known_hosts: bool
    family: socket.AddressFamily


class Config:
    """The user's and the system's ssh_config, read once; `lookup` then asks nothing of the disk."""

    def __init__(self, home: Path, etc: Path, only: Path | None = None) -> None:
        """Read `home`/.ssh/config, then `etc`/ssh_config; or `only` that file, as `ssh -F` does.

        Raises UsageError where a file cannot be used.
        """
        self._home, self._etc = home, etc
        mine = Source(base=home / ".ssh", home=home, private=only is None)
        system = Source(base=etc, home=home, private=False)
        if only is not None:
            self._files = [read(only, mine)]
        else:
            self._files = [read(home / ".ssh/config", mine), read(etc / "ssh_config", system)]

    def lookup(self, host: str, given: SshOptions = NOTHING_GIVEN) -> HostConfig:
        """Return what holds for `host`; `given` wins over the files, like options of `ssh`.

        Raises TransportError where the files say something for it that cannot be honoured.
        """
        settings = Settings(host, given, self._files)
        lines = settings.by_keyword
        for line in lines.values():
            _refuse_unsupported(line)
        jumps, command = _hops(settings.jumps), _command(lines.get("proxycommand"))
        facets = Facets(
            alias=host,
            hostname=settings.hostname().lower(),
            port=given.port or port(lines.get("port"), DEFAULT_PORT),
            user=settings.user(),
            jumps=",".join(jumps),
            host_key_alias=_name(lines.get("hostkeyalias")) or host,
            home=self._home,
        )
        return HostConfig(
            alias=host,
            hostname=facets.hostname,
            user=facets.user,
            port=facets.port,
            identity_files=_identities(settings, facets),
            identities_only=choice(lines.get("identitiesonly"), YES_NO, default=False),
            agent=_agent(lines.get("identityagent"), facets),
            jumps=tuple(facets.expand(jump) for jump in jumps),
            proxy_command=facets.expand(command) if command else None,
            user_known_hosts=self._known_hosts(lines, facets, "user", self._home / ".ssh"),
            global_known_hosts=self._known_hosts(lines, facets, "global", self._etc),
            strict=choice(lines.get("stricthostkeychecking"), STRICT, Strict.ASK),
            host_key_alias=_name(lines.get("hostkeyalias")),
            connect_timeout=seconds(lines.get("connecttimeout")),
            hash_known_hosts=choice(lines.get("hashknownhosts"), YES_NO, default=False),
            family=choice(lines.get("addressfamily"), FAMILY, socket.AF_UNSPEC),
        )

    def _known_hosts(
        self, lines: Mapping[str, Line], facets: Facets, whose: str, folder: Path
    ) -> tuple[Path, ...]:
        line = lines.get(f"{whose}knownhostsfile")
        name = "known_hosts" if whose == "user" else "ssh_known_hosts"
        if line is None:
            return (folder / name, folder / f"{name}2")
        return tuple(facets.path(word) for word in line.words if not is_none(word))


def _refuse_unsupported(line: Line) -> None:
    refused = REFUSED.get(line.keyword)
    if refused is None or first_word(line).lower() in {"none", "no"}:
        return
    if not refused or first_word(line).lower() in refused:
        raise TransportError(f"{line.place}: gkprep cannot honour {line.keyword} {line.rest}")


def _hops(text: str | None) -> tuple[str, ...]:
    return () if text is None or is_none(text) else tuple(hop.strip() for hop in text.split(","))


def _command(line: Line | None) -> str | None:
    """ProxyCommand is the rest of its line as it stands: a `#` in it is the shell's to read."""
    return None if line is None or is_none(line.rest) else line.rest


def _identities(settings: Settings, facets: Facets) -> tuple[Path, ...] | None:
    given = settings.given.identity_file
    named = [*([str(given)] if given else []), *settings.identities]
    if not named:
        return None
    return tuple(dict.fromkeys(facets.path(text) for text in named if not is_none(text)))


def _agent(line: Line | None, facets: Facets) -> Path | None:
    """IdentityAgent: a path, `none`, or the name of a variable that holds the path."""
    word = first_word(line) if line else "SSH_AUTH_SOCK"
    if is_none(word):
        return None
    if word == "SSH_AUTH_SOCK" or (word.startswith("$") and not word.startswith("${")):
        path = os.environ.get(word.removeprefix("$"))
        return Path(path) if path else None
    return facets.path(word)


def _name(line: Line | None) -> str | None:
    return first_word(line) if line else None
