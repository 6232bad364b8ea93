"""The machine that gkprep itself runs on: a subprocess, both streams read at once."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
from typing import IO

from preflight.errors import TransportError
from preflight.model import Limits, Node, Output
from preflight.transport.shell import Deadline
from preflight.transport.talk import Talk

CHUNK = 1 << 16

LINGER = 2.0
"""Seconds of silence to wait for after the shell's end, while something holds a stream open."""

PAUSE = 0.25
"""Seconds after which to look whether the shell has ended although its streams have not."""


class Local:
    """A shell on this machine; `become`: through sudo, where gkprep does not run as root."""

    local = True

    def __init__(self, become_password: str | None = None, *, become: bool = True) -> None:
        self._password = become_password
        self._become = become

    def run(self, script: str, limits: Limits) -> Output:
        """Run `script` by a subprocess, for at most `limits.node` seconds."""
        sudo = self._become and os.geteuid() != 0
        talk = Talk(script, sudo=sudo, password=self._password)
        deadline = Deadline.after(limits.node)
        process = _start(talk.argv, own_session=not sudo)
        try:
            lost = _converse(process, talk, deadline)
            rc = None if lost else _status(process, deadline)
        finally:
            _end(process, own_session=not sudo)
        if rc is None:
            return talk.broke(lost or f"no answer within {deadline}")
        return talk.ended(rc)


class Here:
    """Gives the one node there is the shell of this machine."""

    def __init__(self, become_password: str | None) -> None:
        self._password = become_password

    def __call__(self, node: Node) -> Local:
        """Return this machine's shell; whatever the node is called, it is here."""
        return Local(self._password, become=node.become is not False)

    def close(self) -> None:
        """Do nothing: there is nothing that shells on this machine share."""


def _start(argv: tuple[str, ...], *, own_session: bool) -> subprocess.Popen[bytes]:
    """Start the shell; under sudo in our own session, so that sudo knows the terminal's ticket."""
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=own_session
        )
    except OSError as exc:
        raise TransportError(f"{argv[0]} could not be started: {exc.strerror}") from exc
    for stream in _streams(process):
        os.set_blocking(stream.fileno(), False)
    return process


def _streams(process: subprocess.Popen[bytes]) -> list[IO[bytes]]:
    return [stream for stream in (process.stdin, process.stdout, process.stderr) if stream]


def _converse(process: subprocess.Popen[bytes], talk: Talk, deadline: Deadline) -> str | None:
    """Carry the conversation until both streams end; return why it did not get so far."""
    stdin, stdout, stderr = _streams(process)
    pending = talk.opening()
    end = deadline
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        selector.register(stderr, selectors.EVENT_READ)
        while {stdout, stderr} & {key.fileobj for key in _keys(selector)}:
            pending = _feed(selector, stdin, pending, closing=talk.complete)
            ready = {key.fileobj for key, _ in selector.select(min(max(end.left, 0), PAUSE))}
            heard = [_read(selector, s) if s in ready else b"" for s in (stdout, stderr)]
            pending += talk.hear(*heard)
            if talk.flood:
                return talk.flood
            gone = process.poll() is not None
            if end.left <= 0:
                return None if gone else f"no answer within {deadline}"
            if gone and (end is deadline or any(heard)):
                end = min(deadline, Deadline.after(LINGER), key=lambda either: either.moment)
    return None


def _keys(selector: selectors.BaseSelector) -> list[selectors.SelectorKey]:
    return list(selector.get_map().values())


def _feed(
    selector: selectors.BaseSelector, stdin: IO[bytes], pending: bytes, *, closing: bool
) -> bytes:
    """Write what the pipe takes; watch it while something is left, close it when all is said."""
    if pending:
        try:
            pending = pending[os.write(stdin.fileno(), pending) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            pending = b""
    watched = stdin in {key.fileobj for key in _keys(selector)}
    if pending and not watched:
        selector.register(stdin, selectors.EVENT_WRITE)
    elif watched and not pending:
        selector.unregister(stdin)
    if closing and not pending and not stdin.closed:
        stdin.close()
    return pending


def _read(selector: selectors.BaseSelector, stream: IO[bytes]) -> bytes:
    data = os.read(stream.fileno(), CHUNK)
    if not data:
        selector.unregister(stream)
    return data


def _status(process: subprocess.Popen[bytes], deadline: Deadline) -> int | None:
    """Return the exit status, with a signal as a shell would show it; None if there is none yet."""
    try:
        rc = process.wait(max(deadline.left, 0))
    except subprocess.TimeoutExpired:
        return None
    return rc if rc >= 0 else 128 - rc


def _end(process: subprocess.Popen[bytes], *, own_session: bool) -> None:
    """Leave nothing open, and nothing running that may be ended: root's sudo may not."""
    for stream in _streams(process):
        with contextlib.suppress(OSError):
            stream.close()
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if own_session:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        threading.Thread(target=process.wait, daemon=True).start()
