"""How a connection begins: a name becomes addresses, an address or a command becomes a wire."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import queue
import re
import socket
import subprocess
import tempfile
import threading
from typing import IO, Any

from preflight.errors import TransportError
from preflight.transport.children import end_session, reap
from preflight.transport.shell import Deadline, printable

Address = tuple[socket.AddressFamily, Any]

# What a shell could take for anything but a word, in a name that goes into a ProxyCommand.
_UNSAFE = re.compile(r"[^\w.:%@+-]|^-")


def dial(host: str, port: int, family: socket.AddressFamily, deadline: Deadline) -> socket.socket:
    """Connect to the first address of `host` that answers; raises TransportError if none does.

    Each address gets an even share of the time that is left.
    """
    addresses = resolve(host, port, family, deadline)
    trouble: OSError | None = None
    for number, (kind, address) in enumerate(addresses):
        share = max(deadline.left, 0) / (len(addresses) - number)
        try:
            return _connected(kind, address, share or 0.001)
        except OSError as exc:
            trouble = exc
    raise TransportError(_cause(trouble, deadline))


def _cause(trouble: OSError | None, deadline: Deadline) -> str:
    if isinstance(trouble, TimeoutError) and trouble.errno is None:
        return f"connection timed out after {deadline}"
    if trouble is None or trouble.errno is None:
        return "no address to connect to"
    if trouble.errno == errno.ETIMEDOUT:
        return "connection timed out"
    return os.strerror(trouble.errno).lower()


def _connected(
    kind: socket.AddressFamily,
    address: Any,  # noqa: ANN401 - as the socket module has it
    patience: float,
) -> socket.socket:
    connection = socket.socket(kind, socket.SOCK_STREAM)
    try:
        connection.settimeout(patience)
        connection.connect(address)
        # Nagle's algorithm would hold back small packets until the peer acknowledges: 40 ms.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        connection.close()
        raise
    return connection


def resolve(
    host: str, port: int, family: socket.AddressFamily, deadline: Deadline
) -> list[Address]:
    """Return the addresses of `host`; raises TransportError where there are none, or too late.

    The system's resolver knows no deadline of ours, so it is asked in a thread of its own.
    """
    flags = socket.AI_NUMERICHOST if _is_address(host) else 0
    answers: queue.SimpleQueue[list[Address] | OSError | UnicodeError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=flags)
            answers.put([(kind, address) for kind, _, _, _, address in found])
        except (OSError, UnicodeError) as exc:
            answers.put(exc)

    if flags:
        ask()
    else:
        threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=max(deadline.left, 0))
    except queue.Empty:
        raise TransportError(f"the name {host} was not resolved within {deadline}") from None
    if isinstance(answer, list):
        return answer
    why = answer.strerror if isinstance(answer, OSError) else "not a name"
    raise TransportError(f"the name {printable(host)} cannot be resolved: {why}")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


class ProxyCommand:
    """A ProxyCommand of ssh_config(5): `pipe` is connected to its standard input and output."""

    def __init__(self, command: str, *names: str) -> None:
        """Start it by the user's shell, as `ssh` does.

        Raises TransportError where it cannot be, or one of the `names` in it is not harmless.
        """
        for name in names:
            if _UNSAFE.search(name):
                raise TransportError(f"ProxyCommand: {printable(name)} is not safe in a command")
        shell = os.environ.get("SHELL") or "/bin/sh"
        with contextlib.ExitStack() as opened:
            try:
                self.pipe, theirs = socket.socketpair()
                opened.callback(self.pipe.close)
                with theirs:
                    self._errors: IO[bytes] = opened.enter_context(tempfile.TemporaryFile())
                    self._process = subprocess.Popen(
                        [shell, "-c", f"exec {command}"],
                        stdin=theirs.fileno(),
                        stdout=theirs.fileno(),
                        stderr=self._errors,
                        start_new_session=True,
                    )
            except OSError as exc:
                raise TransportError(f"ProxyCommand: {shell}: {exc.strerror}") from exc
            opened.pop_all()  # `end` closes the file, whoever took the pipe the pipe

    def complaint(self) -> str:
        """Return the last line that it wrote to standard error, empty if there is none."""
        self._errors.seek(0)
        lines = self._errors.read(65536).decode("utf-8", "replace").strip().splitlines()
        return printable(lines[-1]) if lines else ""

    def end(self) -> None:
        """End it and what it started."""
        if self._errors.closed:  # its number may be another's by now
            return
        end_session(self._process.pid)
        reap(self._process)
        self._errors.close()
