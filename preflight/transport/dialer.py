"""What the connections of one run share: OpenSSH's files and keys, read once, and jump hosts."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Iterable, Iterator
from concurrent import futures
from dataclasses import replace
from functools import partial

from preflight.errors import TransportError
from preflight.model import Node, SshOptions
from preflight.openssh.config import Config, HostConfig
from preflight.transport import route
from preflight.transport.children import Children
from preflight.transport.keys import Keys
from preflight.transport.session import Session
from preflight.transport.shell import ConnectOptions, Deadline
from preflight.transport.trust import HostKeys
from preflight.transport.wire import Wire

# ProxyJump of ssh_config(5): [user@]host[:port], also as ssh://.
_HOP = re.compile(
    r"(?:ssh://)?(?:(?P<user>.+)@)?(?:\[(?P<bracketed>[^\]]+)\]|(?P<host>[^:/]+))(?::(?P<port>\d+))?/?"
)

Hops = tuple[str, ...]


class Dialer:
    """Makes connections, for any number of threads.

    A jump host is connected to once, however many nodes lie behind it: sshd refuses at random
    those who come in crowds (sshd_config(5), MaxStartups).
    """

    def __init__(self, options: ConnectOptions) -> None:
        """Read ssh_config; raises UsageError where it cannot be used."""
        # paramiko reports to its log what is reported here by the exception it raises, too.
        logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)
        self._config = Config(options.home, options.etc, options.config_file)
        self._host_keys = HostKeys(accept_new=options.accept_new, home=options.home)
        self._keys = Keys(options.home, options.ask_passphrase)
        self._jumps: dict[Hops, futures.Future[Session]] = {}
        self._made: list[Session] = []
        self._commands = Children()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections to jump hosts, and end what an interrupt left behind."""
        self._commands.close()
        with self._lock:
            made, self._made = self._made, []
            self._jumps.clear()
        # Those that carry others were made before them. One that stalls would not let those it
        # carries say farewell; once it has ended, they do not try.
        for session in made:
            session.end()

    def prepare(self, nodes: Iterable[Node]) -> None:
        """Do what no node's limit allows for: ask for passphrases, look through known_hosts."""
        for node in nodes:
            # What is wrong with a node's settings is said when that node is connected to.
            with contextlib.suppress(TransportError):
                for config in self._way(self.lookup(node)):
                    self._keys.unlock(config)
                    self._host_keys.prepare(config)

    def lookup(self, node: Node) -> HostConfig:
        """Return how the node is reached; raises TransportError."""
        return self._config.lookup(node.address, node.ssh)

    def dial(self, config: HostConfig, deadline: Deadline, trail: tuple[Hops, ...] = ()) -> Session:
        """Connect and log in, before `deadline`; raises TransportError. The caller ends it.

        `trail` holds the jumps that are being made at this moment, to find circles.
        """
        command = None
        if config.proxy_command is not None:
            names = config.hostname, config.alias, config.user
            start = partial(route.ProxyCommand, config.proxy_command, *names)
            command = self._commands.start(start)
            wire = Wire(command.pipe, deadline.moment)
        elif config.jumps:
            jump = self._jump(config.jumps, deadline, trail)
            with _told_by(config.jumps[-1]):
                onward = jump.open_onward(config.hostname, config.port, deadline)
            wire = Wire(onward, deadline.moment)
        else:
            connection = route.dial(config.hostname, config.port, config.family, deadline)
            wire = Wire(connection, deadline.moment)
        session = Session(wire, config, command)
        try:
            session.login(self._host_keys, self._keys, deadline)
        except BaseException:
            session.end()
            raise
        return session

    def _jump(self, hops: Hops, deadline: Deadline, trail: tuple[Hops, ...]) -> Session:
        """Return the shared connection to the last of `hops`; the first who asks makes it."""
        if hops in trail:
            raise TransportError(f"ProxyJump goes in a circle at {hops[-1]}")
        with self._lock:
            future = self._jumps.get(hops)
            mine = future is None or _is_over(future)
            gone, future = future, future if future and not mine else futures.Future()
            self._jumps[hops] = future
        if mine:
            _end(gone)
            self._make_jump(hops, deadline, trail, future)
        try:
            return future.result(timeout=max(deadline.left, 0))
        except futures.TimeoutError as exc:
            why = f"jump host {hops[-1]}: no connection within {deadline}"
            raise TransportError(why) from exc

    def _make_jump(
        self,
        hops: Hops,
        deadline: Deadline,
        trail: tuple[Hops, ...],
        future: futures.Future[Session],
    ) -> None:
        """Whoever waits for this very attempt shares its end; who comes later tries again."""
        try:
            with _told_by(hops[-1]):
                config = self._hop(hops)
                session = self.dial(config, deadline, (*trail, hops))
                session.keep()
                with self._lock:
                    self._made.append(session)
        except BaseException as exc:
            future.set_exception(exc)
            raise
        future.set_result(session)

    def _way(self, config: HostConfig) -> Iterator[HostConfig]:
        """Yield the host, and before it each jump host; a circle ends where it closes."""
        passed: set[Hops] = set()
        yield config
        while config.jumps and config.jumps not in passed:
            passed.add(config.jumps)
            config = self._hop(config.jumps)
            yield config

    def _hop(self, hops: Hops) -> HostConfig:
        """Return how the last of `hops` is reached: as set for it, through those before it."""
        match = _HOP.fullmatch(hops[-1])
        if match is None:
            raise TransportError("ProxyJump must be [user@]host[:port]")
        port = int(match["port"]) if match["port"] else None
        given = SshOptions(user=match["user"], port=port)
        config = self._config.lookup(match["bracketed"] or match["host"], given)
        before = hops[:-1]
        return replace(config, jumps=before, proxy_command=None) if before else config


def _end(future: futures.Future[Session] | None) -> None:
    """Give back the connection that was made, if one was."""
    if future is not None and future.done() and future.exception() is None:
        future.result().end()


def _is_over(future: futures.Future[Session]) -> bool:
    """Whether this attempt failed, or the connection it made has ended."""
    return future.done() and (future.exception() is not None or not future.result().alive)


@contextlib.contextmanager
def _told_by(jump: str) -> Iterator[None]:
    try:
        yield
    except TransportError as exc:
        raise TransportError(f"jump host {jump}: {exc}", cure=exc.cure) from exc
