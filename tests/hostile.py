"""Servers that do what a real sshd cannot be made to do: stall, stop half way, lie, drop.

All of them listen on loopback, serve until their `with` block ends, and are threads of the test's
own process.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_PARTIALLY_SUCCESSFUL,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_RESOURCE_SHORTAGE,
    OPEN_SUCCEEDED,
)

Visit = Callable[[socket.socket, threading.Event], None]
Act = Callable[[paramiko.Channel, threading.Event], None]

PATIENCE = 30.0
"""Seconds after which a server gives up by itself, should a test have gone wrong."""


@contextmanager
def tcp(visit: Visit) -> Iterator[int]:
    """Call `visit` with every connection and an event that is set in the end; yields the port."""
    over = threading.Event()
    connections: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threading.Thread(target=_quietly, args=(visit, connection, over), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in connections:
                connection.close()


def _quietly(visit: Visit, connection: socket.socket, over: threading.Event) -> None:
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        visit(connection, over)


def silent(_connection: socket.socket, over: threading.Event) -> None:
    """Accept, and say nothing."""
    over.wait(PATIENCE)


def slam(connection: socket.socket, _over: threading.Event) -> None:
    """Accept, and close."""
    connection.close()


def says(text: bytes) -> Visit:
    """Say `text`, then nothing."""

    def visit(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(text)
        over.wait(PATIENCE)

    return visit


def babbles(text: bytes) -> Visit:
    """Say `text` again and again."""

    def visit(connection: socket.socket, over: threading.Event) -> None:
        while not over.is_set():
            connection.sendall(text)

    return visit


@contextmanager
def blackhole() -> Iterator[int]:
    """A port that answers no SYN: the queue of those waiting to be accepted is full (listen(2))."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextmanager
def relay(port: int, *, after: int, stall: bool) -> Iterator[int]:
    """Pass on `after` bytes of what the server at `port` says, then stall, or drop the line."""

    def visit(client: socket.socket, over: threading.Event) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            pump = threading.Thread(target=_pass, args=(client, server), daemon=True)
            pump.start()
            left = after
            while left > 0 and (data := server.recv(min(left, 65536))):
                client.sendall(data)
                left -= len(data)
            if stall:
                over.wait(PATIENCE)
            client.close()

    with tcp(visit) as own:
        yield own


@contextmanager
def deaf(port: int, since: threading.Event) -> Iterator[int]:
    """Pass on what the server at `port` says, but nothing that it is told once `since` is set."""

    def visit(client: socket.socket, over: threading.Event) -> None:
        # By default it takes in megabytes before the teller notices.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        with socket.create_connection(("127.0.0.1", port)) as server:
            threading.Thread(target=_pass, args=(server, client), daemon=True).start()
            while not since.is_set() and (data := client.recv(65536)):
                server.sendall(data)
            over.wait(PATIENCE)

    with tcp(visit) as own:
        yield own


@contextmanager
def agent(real: Path, answers: int, path: Path) -> Iterator[None]:
    """An SSH agent at `path` that passes `answers` questions on to a real one, then hangs."""
    connections: list[socket.socket] = []

    def accept() -> None:
        left = answers
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            connections.append(client)
            if left > 0:
                left -= 1
                with socket.socket(socket.AF_UNIX) as held:
                    held.connect(str(real))
                    held.sendall(client.recv(65536))
                    client.sendall(held.recv(65536))

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in connections:
                connection.close()


def _pass(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)


class _Server(paramiko.ServerInterface):
    """Lets everybody in, and starts `act` for every command."""

    def __init__(self, act: Act, over: threading.Event) -> None:
        self.act = act
        self.over = over

    def check_auth_publickey(self, _username: str, _key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL

    def check_channel_request(self, _kind: str, _chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, _command: bytes) -> bool:
        threading.Thread(target=self._run, args=(channel,), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel) -> None:
        # The client is told that its command was started once this thread has been.
        self.over.wait(0.05)
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self.act(channel, self.over)


class HangsAtLogin(_Server):
    def check_auth_publickey(self, _username: str, _key: paramiko.PKey) -> int:
        self.over.wait(PATIENCE)
        return AUTH_FAILED


class WantsMore(_Server):
    def check_auth_publickey(self, _username: str, _key: paramiko.PKey) -> int:
        return AUTH_PARTIALLY_SUCCESSFUL

    def get_allowed_auths(self, _username: str) -> str:
        return "keyboard-interactive"


class RefusesChannels(_Server):
    def check_channel_request(self, _kind: str, _chanid: int) -> int:
        return OPEN_FAILED_RESOURCE_SHORTAGE


class RefusesCommands(_Server):
    def check_channel_exec_request(self, _channel: paramiko.Channel, _command: bytes) -> bool:
        return False


class HangsAtCommand(_Server):
    def check_channel_exec_request(self, _channel: paramiko.Channel, _command: bytes) -> bool:
        self.over.wait(PATIENCE)
        return False


@contextmanager
def ssh(host_key: Path, act: Act, server: type[_Server] = _Server) -> Iterator[int]:
    """An SSH server with that host key which lets everybody in; yields the port."""
    key = paramiko.Ed25519Key.from_private_key_file(str(host_key))

    def visit(connection: socket.socket, over: threading.Event) -> None:
        transport = paramiko.Transport(connection)
        try:
            transport.add_server_key(key)
            transport.start_server(server=server(act, over))
            over.wait(PATIENCE)
        finally:
            transport.close()

    with tcp(visit) as port:
        yield port


def hang(_channel: paramiko.Channel, over: threading.Event) -> None:
    """Take the script and say nothing."""
    over.wait(PATIENCE)


def drop(channel: paramiko.Channel, _over: threading.Event) -> None:
    """Drop the whole connection at once."""
    channel.get_transport().close()


def part(cut: Callable[[bytes], int], then: Act) -> Act:
    """Run the script honestly, but hand over only the first `cut(all)` bytes of its output."""

    def act(channel: paramiko.Channel, over: threading.Event) -> None:
        done = _run_script(channel)
        channel.sendall_stderr(done.stderr)
        channel.sendall(done.stdout[: cut(done.stdout)])
        then(channel, over)

    return act


def trickle(channel: paramiko.Channel, over: threading.Event) -> None:
    """Say a little, all the time."""
    while not over.wait(0.05):
        channel.sendall(b".")


def no_status(channel: paramiko.Channel, _over: threading.Event) -> None:
    """Close the channel, as after a kill, without an exit status."""
    channel.close()


def no_end(channel: paramiko.Channel, over: threading.Event) -> None:
    """Send an exit status, but neither end of file nor close."""
    channel.send_exit_status(0)
    over.wait(PATIENCE)


def _run_script(channel: paramiko.Channel) -> subprocess.CompletedProcess[bytes]:
    script = b""
    while data := channel.recv(65536):
        script += data
    return subprocess.run(["sh", "-s"], input=script, capture_output=True, check=False)
