"""Real sshds on loopback, each with keys, a configuration and a port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

START_SECONDS = 10.0


@dataclass(frozen=True)
class KeyPair:
    """A key made by ssh-keygen: the private file; the public one is beside it."""

    path: Path

    @property
    def public(self) -> str:
        """`TYPE BASE64`, without the comment."""
        words = Path(f"{self.path}.pub").read_text().split()
        return " ".join(words[:2])

    @property
    def fingerprint(self) -> str:
        return output("ssh-keygen", "-lf", f"{self.path}.pub").split()[1]


def output(*argv: str) -> str:
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return done.stdout


def keygen(path: Path, kind: str = "ed25519", passphrase: str = "", *options: str) -> KeyPair:
    bits = ("-b", "2048") if kind == "rsa" else ()
    output(
        *("ssh-keygen", "-q", "-t", kind, *bits, "-N", passphrase, "-C", path.name),
        *(*options, "-f", str(path)),
    )
    return KeyPair(path)


def missing() -> str | None:
    """Why there can be no sshd here, None if there can."""
    if sshd_path() is None:
        return "no sshd: install openssh-server"
    if os.geteuid() != 0:
        return "sshd needs root to let other users in"
    return None


def sshd_path() -> str | None:
    return shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")


@dataclass
class Sshd:
    """A running server."""

    port: int
    folder: Path
    host_keys: tuple[KeyPair, ...]
    process: subprocess.Popen[bytes]

    def known_hosts(self, name: str | None = None) -> str:
        """Lines that make it known, under its address and port or another name."""
        host = name or f"[127.0.0.1]:{self.port}"
        return "".join(f"{host} {key.public}\n" for key in self.host_keys)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def connections(self) -> int:
        return self.log().count("Connection from ")

    def drop_connections(self) -> None:
        """End whoever is logged in."""
        for child in reversed(children(self.process.pid)):
            with suppress(psutil.NoSuchProcess):
                child.kill()

    def stop(self) -> None:
        self.drop_connections()
        self.process.kill()
        self.process.wait()


def children(pid: int) -> list[psutil.Process]:
    """The process's descendants, oldest first; none once it has ended."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def runs(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait ten seconds at most until something holds."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(
    folder: Path,
    host_keys: Sequence[KeyPair],
    authorized: Iterable[str],
    *,
    options: Iterable[str] = (),
    prefix: Sequence[str] = (),
) -> Iterator[Sshd]:
    """Run a server that lets root and every other user in by the `authorized` public keys.

    `prefix` is a command that ends in starting the rest of its arguments, for a server in a
    world of its own.
    """
    folder.mkdir()
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    (folder / "authorized_keys").write_text("".join(f"{line}\n" for line in authorized))
    port = free_port()
    (folder / "config").write_text("\n".join([*options, *_settings(folder, host_keys, port), ""]))
    binary = sshd_path()
    assert binary
    argv = [
        *_with_us(),
        *prefix,
        binary,
        "-D",
        "-E",
        str(folder / "log"),
        "-f",
        str(folder / "config"),
    ]
    server = Sshd(port, folder, tuple(host_keys), subprocess.Popen(argv, stdin=subprocess.DEVNULL))
    try:
        _wait(server)
        yield server
    finally:
        server.stop()


def _with_us() -> list[str]:
    """Start the next command so that it ends when this process does, killed or not."""
    return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def _settings(folder: Path, host_keys: Sequence[KeyPair], port: int) -> list[str]:
    return [
        *(f"HostKey {key.path}" for key in host_keys),
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"AuthorizedKeysFile {folder}/authorized_keys",
        "PidFile none",
        "LogLevel VERBOSE",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "StrictModes no",
        "UsePAM no",
        "MaxStartups 200",
    ]


def _wait(server: Sshd) -> None:
    """Return when it listens: asking it would be a connection that the tests count."""
    log = server.folder / "log"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        if log.exists() and "Server listening on" in log.read_text():
            return
        time.sleep(0.005)
    said = log.read_text() if log.exists() else ""
    raise RuntimeError(f"sshd did not start ({server.process.poll()}): {said}")
