"""The machine that gkprep itself runs on: a subprocess, both streams read at once."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
from typing import IO

from preflight.errors import TransportError
from preflight.model import Limits, Node, Output
from preflight.transport.children import Children, end_session, reap
from preflight.transport.shell import Deadline, Dialogue
from preflight.transport.talk import Talk

CHUNK = 1 << 16

LINGER = 2.0
"""Seconds of silence to wait for after the shell's end, while something holds a stream open."""

PAUSE = 0.25
"""Seconds after which to look whether the shell has ended although its streams have not."""


class Local:
    """A shell on this machine; `become`: through sudo, where gkprep does not run as root."""

    local = True

    def __init__(
        self,
        become_password: str | None = None,
        *,
        become: bool = True,
        children: Children | None = None,
    ) -> None:
        self._password = become_password
        self._become = become
        self._children = children or Children()

    def run(self, script: str, limits: Limits) -> Output:
        """Run `script` by a subprocess, for at most `limits.node` seconds."""
        return self._run(script, limits, None)

    def converse(self, script: str, limits: Limits, dialogue: Dialogue) -> Output:
        """Run it likewise, and talk with it."""
        return self._run(script, limits, dialogue)

    def _run(self, script: str, limits: Limits, dialogue: Dialogue | None) -> Output:
        sudo = self._become and os.geteuid() != 0
        talk = Talk(script, sudo=sudo, password=self._password, dialogue=dialogue)
        deadline = Deadline.after(limits.node)
        spared = dialogue is not None
        shell = self._children.start(
            lambda: _Process(talk.argv, own_session=not sudo, spared=spared)
        )
        try:
            lost = _converse(shell.process, talk, deadline)
            rc = None if lost else _status(shell.process, deadline)
        finally:
            shell.close()
        if rc is None:
            return talk.broke(lost or f"no answer within {deadline}")
        return talk.ended(rc)


class Here:
    """Gives the one node there is the shell of this machine."""

    def __init__(self, become_password: str | None) -> None:
        self._password = become_password
        self._children = Children()

    def __call__(self, node: Node) -> Local:
        """Return this machine's shell; whatever the node is called, it is here."""
        become = node.become is not False
        return Local(self._password, become=become, children=self._children)

    def close(self) -> None:
        """End the shell that an interrupt left behind."""
        self._children.close()


class _Process:
    """The shell; under sudo in our own session, so that sudo knows the terminal's ticket.

    One that is `spared` changes the machine: it is never killed in the midst of that, and ends by
    itself when its standard input does.
    """

    def __init__(self, argv: tuple[str, ...], *, own_session: bool, spared: bool) -> None:
        """Start it; raises TransportError where that cannot be."""
        self._own_session = own_session or spared
        self._spared = spared
        pipe = subprocess.PIPE
        try:
            self.process = subprocess.Popen(
                argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=self._own_session
            )
        except OSError as exc:
            raise TransportError(f"{argv[0]} could not be started: {exc.strerror}") from exc
        for stream in _streams(self.process):
            os.set_blocking(stream.fileno(), False)

    def end(self) -> None:
        """End it with all that it started; behind sudo that is root's, so it is sudo alone."""
        if self._spared or self.process.poll() is not None:
            return
        if self._own_session:
            end_session(self.process.pid)
        else:
            with contextlib.suppress(PermissionError):
                self.process.kill()

    def close(self) -> None:
        """End it, and leave nothing open: for the thread that talks to it."""
        for stream in _streams(self.process):
            with contextlib.suppress(OSError):
                stream.close()
        self.end()
        reap(self.process)


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
