"""A node: one connection, one channel, one script."""

from __future__ import annotations

import contextlib
import shlex
import threading

import paramiko

from preflight.model import Limits, Node, Output
from preflight.openssh.config import HostConfig
from preflight.transport.dialer import Dialer
from preflight.transport.session import Session
from preflight.transport.shell import Deadline, Dialogue
from preflight.transport.talk import Talk

CHUNK = 1 << 20

LINGER = 2.0
"""Seconds of silence to wait for after the shell's end, while something holds a stream open."""

WINDOW_PAUSE = 0.05
"""Seconds between attempts to send to a node that takes nothing: nothing tells when it does."""


class Remote:
    """Gives every node its shell over SSH, all of them by one dialer."""

    def __init__(self, dialer: Dialer, become_password: str | None) -> None:
        self._dialer = dialer
        self._password = become_password

    def __call__(self, node: Node) -> Ssh:
        """Return the node's shell; it connects when it is run."""
        return Ssh(node, self._dialer, self._password)

    def close(self) -> None:
        """Close the connections to jump hosts."""
        self._dialer.close()


class Ssh:
    """A shell on a node, through sudo where the login is not root's."""

    local = False

    def __init__(self, node: Node, dialer: Dialer, become_password: str | None) -> None:
        self._node = node
        self._dialer = dialer
        self._password = become_password

    def run(self, script: str, limits: Limits) -> Output:
        """Run `script` on the node: let in within `limits.connect`, done within `limits.node`."""
        return self._run(script, limits, None)

    def converse(self, script: str, limits: Limits, dialogue: Dialogue) -> Output:
        """Run it likewise, and talk with it."""
        return self._run(script, limits, dialogue)

    def _run(self, script: str, limits: Limits, dialogue: Dialogue | None) -> Output:
        whole = Deadline.after(limits.node)
        config = self._dialer.lookup(self._node)
        sudo = self._node.become is not False and config.user != "root"
        talk = Talk(script, sudo=sudo, password=self._password, dialogue=dialogue)
        session = self._dialer.dial(config, _connect_deadline(config, limits))
        try:
            session.until(whole)
            return _converse(session, talk, whole)
        finally:
            session.end()


def _connect_deadline(config: HostConfig, limits: Limits) -> Deadline:
    """ConnectTimeout of ssh_config may shorten gkprep's limit; it never exceeds it."""
    limit = min(limits.connect, limits.node)
    return Deadline.after(min(limit, config.connect_timeout or limit))


class _Bell(threading.Event):
    """Rings when either stream has something, when one ends, and when the exit status comes.

    paramiko would silence it when one stream is read empty, although the other may have more.
    """

    def clear(self) -> None:
        pass

    def rearm(self) -> None:
        super().clear()


def _converse(session: Session, talk: Talk, deadline: Deadline) -> Output:
    """Carry the conversation to its end, reading both streams as they come."""
    channel = session.open(shlex.join(talk.argv), deadline)
    bell = _Bell()
    channel.settimeout(0)
    channel.in_buffer.set_event(bell)
    channel.in_stderr_buffer.set_event(bell)
    channel.status_event = bell
    pending, end = talk.opening(), deadline
    while True:
        bell.rearm()
        pending = _send(channel, pending, closing=talk.complete)
        over = channel.closed or (channel.eof_received and channel.exit_status >= 0)
        out, err = _receive(channel)
        pending += talk.hear(out, err)
        if talk.flood:
            return talk.broke(talk.flood)
        if end.left <= 0 or (over and not out and not err):
            break
        if channel.exit_status >= 0 and (end is deadline or out or err):
            end = min(deadline, Deadline.after(LINGER), key=lambda either: either.moment)
        if not out and not err:
            bell.wait(min(end.left, WINDOW_PAUSE) if pending else end.left)
    if channel.exit_status >= 0:
        return talk.ended(channel.exit_status)
    return talk.broke(_lost(session, deadline))


def _lost(session: Session, deadline: Deadline) -> str:
    if deadline.left <= 0:
        return f"no answer within {deadline}"
    return "the shell was killed" if session.alive else session.why(deadline)


def _send(channel: paramiko.Channel, pending: bytes, *, closing: bool) -> bytes:
    """Send what the channel takes and return the rest; that it has ended is seen when reading."""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        while pending and channel.send_ready():
            pending = pending[channel.send(pending) :]
        if closing and not pending and not channel.eof_sent:
            channel.shutdown_write()
    return pending


def _receive(channel: paramiko.Channel) -> tuple[bytes, bytes]:
    out = err = b""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        if channel.recv_ready():
            out = channel.recv(CHUNK)
        if channel.recv_stderr_ready():
            err = channel.recv_stderr(CHUNK)
    return out, err
