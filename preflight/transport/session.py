"""One SSH connection from key exchange to login, by paramiko; nothing that it raises gets out."""

from __future__ import annotations

import math
import socket
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar, cast

import paramiko
from paramiko.packet import Packetizer

from preflight.errors import TransportError
from preflight.openssh.config import HostConfig
from preflight.openssh.known_hosts import HostKey
from preflight.transport.keys import Keys
from preflight.transport.route import ProxyCommand
from preflight.transport.shell import Deadline, printable
from preflight.transport.trust import HostKeys
from preflight.transport.wire import FOREVER, GENEROUS, Wire

T = TypeVar("T")

JUMP_PATIENCE = 5.0
"""Seconds that a jump host may leave what we write unread before its nodes are given up."""

CLOSED = ("EOF", "No existing session", "session not active", "Negotiation failed")
"""What paramiko says where it only means that the connection has ended."""

JOIN = 0.5
"""Seconds to wait for paramiko's thread after its wire ended: it takes milliseconds, unless it is
waiting for the agent. Then it will find the wire closed."""


class _Packets(Packetizer):
    """paramiko's reader and writer, without a timer thread: the wire keeps the time."""

    def start_handshake(self, timeout: float) -> None:
        pass


class _Transport(paramiko.Transport):
    """paramiko's connection, which keeps what the server said in parting."""

    farewell = ""

    def _parse_disconnect(self, message: paramiko.Message) -> None:
        message.get_int()
        self.farewell = printable(message.get_string().decode("utf-8", "replace"))


class Session:
    """A connection; `login` makes it one that is trusted and let in."""

    def __init__(self, wire: Wire, config: HostConfig, command: ProxyCommand | None = None) -> None:
        """Take over `wire`, and the `command` behind it: `end` ends both."""
        self._wire = wire
        self._config = config
        self._command = command
        self._transport = _Transport(cast("socket.socket", wire), packetizer_class=_Packets)
        # A limit of paramiko's own that is shorter than ours would speak in its words.
        self._transport.banner_timeout = FOREVER

    @property
    def alive(self) -> bool:
        """Whether the connection still stands."""
        return self._transport.is_active()

    def login(self, host_keys: HostKeys, keys: Keys, deadline: Deadline) -> None:
        """Exchange keys, check the host's, and prove who we are, before `deadline`.

        Raises TransportError, which says what went wrong.
        """
        options = self._transport.get_security_options()
        options.key_types = host_keys.order(self._config, options.key_types)
        self._attempt("exchanging keys", deadline, self._transport.start_client)
        key = self._attempt("exchanging keys", deadline, self._transport.get_remote_server_key)
        host_keys.verify(self._config, HostKey(key.get_name(), key.asbytes()))
        self._authenticate(keys, deadline)

    def until(self, deadline: Deadline) -> None:
        """Let the connection last until `deadline`, and a script's answer through."""
        self._wire.moment, self._wire.allowance = deadline.moment, GENEROUS

    def keep(self) -> None:
        """Let the connection last, and anything through: it carries those of many nodes."""
        self._wire.moment, self._wire.allowance = math.inf, sys.maxsize
        self._wire.patience = JUMP_PATIENCE

    def open(self, command: str, deadline: Deadline) -> paramiko.Channel:
        """Open the channel and start `command`; raises TransportError."""
        what = "starting a shell"
        channel = self._attempt(
            what, deadline, lambda: self._transport.open_session(timeout=FOREVER)
        )
        self._attempt(what, deadline, lambda: channel.exec_command(command))
        return channel

    def open_onward(self, host: str, port: int, deadline: Deadline) -> paramiko.Channel:
        """Open a channel that the other end connects to `host`; raises TransportError."""
        try:
            return self._transport.open_channel(
                "direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=max(deadline.left, 0.001)
            )
        except paramiko.ChannelException as exc:
            raise TransportError(f"cannot reach {host} port {port}: {printable(exc.text)}") from exc
        except Exception as exc:
            if deadline.left <= 0:
                raise TransportError(f"{host} was not reached within {deadline}") from exc
            self._fail("reaching it through the jump host", deadline, exc)

    def why(self, deadline: Deadline) -> str:
        """Say why a connection that stood ended."""
        if self._wire.ended == "late":
            return f"no answer within {deadline}"
        if self._wire.ended == "flood":
            return "more was sent than both streams may hold"
        said = self._transport.farewell
        return f"the connection was dropped: {said}" if said else "the connection was dropped"

    def end(self) -> None:
        """Close the connection and wait until nobody uses its socket."""
        self._transport.packetizer.close()
        self._wire.close()
        if self._transport.is_alive():
            self._transport.join(JOIN)
        self._wire.release()
        if self._command:
            self._command.end()

    def _authenticate(self, keys: Keys, deadline: Deadline) -> None:
        problems: list[str] = []
        tried: list[str] = []
        allowed: list[str] = []
        for identity in keys.identities(self._config, problems):
            tried.append(identity.name)
            # paramiko's thread, which the wire would end, may be waiting for the agent instead.
            self._transport.auth_timeout = max(deadline.left, 0)
            try:
                allowed = self._transport.auth_publickey(self._config.user, identity.key)
            except paramiko.BadAuthenticationType as exc:
                allowed = exc.allowed_types
                break
            except paramiko.AuthenticationException as exc:
                if not self.alive or deadline.left <= 0:
                    self._closed_while_trying(tried, deadline, exc)
            except Exception as exc:  # noqa: BLE001 - paramiko's, and what a peer makes it trip over
                self._fail("logging in", deadline, exc)
            else:
                if self._transport.is_authenticated():
                    return
                tried[-1] += " (accepted, but not enough)"
                break
        raise TransportError(_denied(self._config.user, tried, allowed, problems))

    def _closed_while_trying(
        self, tried: list[str], deadline: Deadline, exc: Exception
    ) -> NoReturn:
        said = self._transport.farewell
        if self._wire.ended or deadline.left <= 0 or not said:
            self._fail("logging in", deadline, exc)
        raise TransportError(f"the server gave up: {said} (tried: {', '.join(tried)})") from exc

    def _attempt(self, what: str, deadline: Deadline, act: Callable[[], T]) -> T:
        try:
            return act()
        except Exception as exc:  # noqa: BLE001 - likewise
            self._fail(what, deadline, exc)

    def _fail(self, what: str, deadline: Deadline, exc: Exception) -> NoReturn:
        """Raise the TransportError that says, in a user's words, why `what` came to nothing."""
        transport = self._transport
        if self._wire.ended == "late" or deadline.left <= 0:
            if not transport.remote_version:
                raise TransportError(f"connected, but no SSH server spoke within {deadline}")
            raise TransportError(f"{what} did not finish within {deadline}")
        if self._wire.ended == "flood":
            raise TransportError("the server sends without end; it is no SSH server")
        if transport.farewell:
            raise TransportError(f"{what} failed, the server said: {transport.farewell}")
        if isinstance(exc, paramiko.ChannelException):
            raise TransportError(
                f"{what} failed: the server lets us in, but opens no session"
                f" ({printable(exc.text).lower()}): see MaxSessions in its sshd_config"
            ) from exc
        if self._command and (words := self._command.complaint()):
            raise TransportError(f"ProxyCommand: {words}")
        if isinstance(exc, (EOFError, OSError)) or any(words in str(exc) for words in CLOSED):
            raise TransportError(f"the connection was closed while {what}") from exc
        if "Error reading SSH protocol banner" in str(exc):
            raise TransportError("the connection was closed before an SSH server spoke") from exc
        if not transport.remote_version:
            raise TransportError(f"what answers is no SSH server: {printable(str(exc))}") from exc
        raise TransportError(f"{what} failed: {printable(str(exc))}") from exc


def _denied(user: str, tried: list[str], allowed: list[str], problems: list[str]) -> str:
    parts = [f"tried: {', '.join(tried)}" if tried else "no key to offer", *problems]
    if allowed:
        parts.append(f"the server wants: {', '.join(allowed)}")
    return f"permission denied for {user} ({'; '.join(parts)})"
