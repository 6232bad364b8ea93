"""Which host keys are known: known_hosts files, read once a run and shared by all connections."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from preflight.errors import TransportError
from preflight.openssh import known_hosts
from preflight.openssh.config import HostConfig, Strict
from preflight.openssh.known_hosts import Entry, HostKey, KnownHosts, Trust


class HostKeys:
    """What the user trusts. `accept_new` records keys of hosts that no line is about."""

    def __init__(self, *, accept_new: bool, home: Path) -> None:
        self._accept_new = accept_new
        self._home = home
        self._files: dict[Path, KnownHosts] = {}
        self._lock = threading.Lock()

    def prepare(self, config: HostConfig) -> None:
        """Look the host up while no time is running: among many hashed names it takes a while.

        Raises TransportError where a file cannot be read.
        """
        self._known_types(config)

    def order(self, config: HostConfig, algorithms: Sequence[str]) -> list[str]:
        """Return `algorithms` with those first for which a key is known, as `ssh` offers them.

        A server with several keys would else show one that nobody has recorded.
        """
        types = self._known_types(config)
        return sorted(algorithms, key=lambda name: _key_type(name) not in types)

    def verify(self, config: HostConfig, shown: HostKey) -> None:
        """Raise TransportError unless the key that the host shows may be trusted."""
        with self._lock:
            if self._is_known(config, shown):
                return
            # StrictHostKeyChecking `no` is taken for `accept-new`: it never excuses a changed key.
            if self._accept_new or config.strict in {Strict.ACCEPT_NEW, Strict.NO}:
                self._record(config, shown)
                return
        raise _unknown(config, shown, self._home)

    def _known_types(self, config: HostConfig) -> set[str]:
        """Return the types of the keys under the first of the host's names that has any."""
        with self._lock:
            for name in _names(config):
                lines = [entry for entry in self._about(config, name) if not entry.word]
                if types := {entry.key.type for entry in lines if entry.key}:
                    return types
        return set()

    def _is_known(self, config: HostConfig, shown: HostKey) -> bool:
        name, *fallback = _names(config)
        if known_hosts.judge(name, self._about(config, name), shown) is Trust.KNOWN:
            return True
        # A key recorded for the host without its port is good for any port, as for `ssh`.
        lines = [(plain, entry) for plain in fallback for entry in self._about(config, plain)]
        for plain, entry in lines:
            known_hosts.refuse_words(plain, entry, shown)
        return any(not entry.word and entry.key == shown for _, entry in lines)

    def _about(self, config: HostConfig, name: str) -> Iterator[Entry]:
        for path in (*config.user_known_hosts, *config.global_known_hosts):
            if path not in self._files:
                self._files[path] = KnownHosts.read(path)
            yield from self._files[path].about(name)

    def _record(self, config: HostConfig, shown: HostKey) -> None:
        if not config.user_known_hosts:  # `ssh` refuses it then, too, whatever else is set
            raise _unknown(config, shown, self._home)
        path, (name, *_) = config.user_known_hosts[0], _names(config)
        try:
            entry = known_hosts.record(path, name, shown, hashed=config.hash_known_hosts)
        except TransportError:
            # Accepted anew each time is what `no` asks for; `accept-new` promises to remember.
            if config.strict is not Strict.NO:
                raise
        else:
            self._files[path].add(entry)


def _names(config: HostConfig) -> list[str]:
    """Return the name the host goes by, then the one without its port, if that is another."""
    name = known_hosts.host_name(config.hostname, config.port, config.host_key_alias)
    return [name] if config.host_key_alias else list(dict.fromkeys([name, config.hostname]))


def _key_type(algorithm: str) -> str:
    """RSA keys sign by several algorithms (RFC 8332); the key's own type is ssh-rsa."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _unknown(config: HostConfig, shown: HostKey, home: Path) -> TransportError:
    """Tell of the key, and how it is added: nowhere, if the user's file keeps none."""
    key = f"host key is unknown: {shown.type} {shown.fingerprint}"
    if not config.user_known_hosts or config.user_known_hosts[0].is_char_device():
        keeper = next(iter(config.user_known_hosts), "none")
        return TransportError(
            f"{key}; none can be added while UserKnownHostsFile is {keeper}:"
            " set it to a file in ssh_config"
        )
    words = "compare the fingerprint before you add it, or use --accept-new"
    return TransportError(f"{key}; {words}", cure=_add(config, shown, home))


def _for_a_shell(path: Path, home: Path) -> str:
    """`~/.ssh/known_hosts` where it is at home, and in quotes what needs them."""
    if path.is_relative_to(home):
        return f"~/{shlex.quote(str(path.relative_to(home)))}"
    return shlex.quote(str(path))


def _add(config: HostConfig, shown: HostKey, home: Path) -> str:
    """The command that adds the key: ssh-keyscan where that finds the host under its own name."""
    if not (config.jumps or config.proxy_command or config.host_key_alias):
        hashed = "-H " if config.hash_known_hosts else ""
        file = _for_a_shell(config.user_known_hosts[0], home)
        target = f"{shown.algorithm} -p {config.port} {shlex.quote(config.hostname)}"
        return f"ssh-keyscan {hashed}-t {target} >> {file}"
    jump = f"-J {','.join(config.jumps)} " if config.jumps else ""
    return f"ssh {jump}-p {config.port} {config.user}@{config.alias}"
