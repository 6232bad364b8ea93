"""What tests of transport share: keys, homes with OpenSSH's files, throw-away users."""

from __future__ import annotations

import hmac
import os
import pwd
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from preflight.model import Node, SshOptions
from preflight.transport import ConnectOptions
from tests.sshd import KeyPair, Sshd, keygen, missing, serve

LOCALHOST = "127.0.0.1"
PASSWORD = f"{secrets.token_hex(8)} % $(x)"
"""Of the throw-away users; nobody can know it who could otherwise log in as them."""

FREE, ASKED, DENIED, NO_LOGIN, NOISY = "free", "asked", "denied", "nologin", "noisy"
ONCE = "once"
ROLES = (FREE, ASKED, DENIED, NO_LOGIN, NOISY, ONCE)


@dataclass(frozen=True)
class Home:
    """A home and an /etc/ssh of a test's own."""

    path: Path

    @property
    def known_hosts(self) -> Path:
        return self.path / ".ssh/known_hosts"

    def write(self, name: str, text: str) -> None:
        file = self.path / ".ssh" / name
        file.write_text(text)
        file.chmod(0o600)

    def options(self, **options: Any) -> ConnectOptions:
        return ConnectOptions(home=self.path, etc=self.path / "etc", **options)


@dataclass(frozen=True)
class Site:
    """Keys: the servers', the one that is let in, and one that is not."""

    folder: Path
    host: KeyPair
    ecdsa: KeyPair
    mine: KeyPair
    stranger: KeyPair

    def server(
        self,
        *options: str,
        prefix: Sequence[str] = (),
        host_keys: Sequence[KeyPair] = (),
        authorized: Sequence[KeyPair] | None = None,
    ) -> AbstractContextManager[Sshd]:
        """A server that knows `mine`, or only the `authorized` keys."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        folder.chmod(0o755)
        keys = (self.mine,) if authorized is None else authorized
        return serve(
            folder / "sshd",
            host_keys or (self.host,),
            [key.public for key in keys],
            options=options,
            prefix=prefix,
        )

    def home(self, known_hosts: str = "", config: str = "") -> Home:
        """A home whose default key is the one that is let in."""
        home = Home(Path(tempfile.mkdtemp(dir=self.folder)))
        (home.path / ".ssh").mkdir(mode=0o700)
        (home.path / "etc").mkdir()
        home.write("known_hosts", known_hosts)
        home.write("config", config)
        for suffix in ("", ".pub"):
            shutil.copy(f"{self.mine.path}{suffix}", home.path / f".ssh/id_ed25519{suffix}")
        return home

    def knows(self, *ports: int) -> Home:
        """A home that knows the host key at each of `ports`."""
        return self.home("".join(f"[{LOCALHOST}]:{port} {self.host.public}\n" for port in ports))


def node(port: int, name: str = "node", user: str | None = "root", **more: Any) -> Node:
    ssh = SshOptions(user=user, port=port, **more)
    return Node(name, LOCALHOST, LOCALHOST, ssh=ssh)


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """A folder that other users may enter too, unlike pytest's own."""
    if why := missing():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="gkprep-tests-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        keys = {part: keygen(folder / part) for part in ("host", "mine", "stranger")}
        yield Site(folder, ecdsa=keygen(folder / "ecdsa", "ecdsa"), **keys)


@pytest.fixture(scope="session")
def sshd(site: Site) -> Iterator[Sshd]:
    """A server like any other."""
    with site.server() as server:
        yield server


@pytest.fixture
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide an agent of whoever runs the tests."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def counted_hashes(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A list that grows with every hash of a known_hosts name that is computed from now on."""
    digest, computed = hmac.digest, list[object]()

    def count(*arguments: Any) -> bytes:
        computed.append(arguments)
        return digest(*arguments)

    monkeypatch.setattr(hmac, "digest", count)
    return computed


@pytest.fixture(scope="session")
def users() -> Iterator[Mapping[str, str]]:
    """Users that sudo treats differently, and one whose login is full of noise: role to name."""
    if why := missing() or (None if shutil.which("sudo") else "no sudo"):
        pytest.skip(why)
    _sweep()
    # Tests may run twice at a time.
    names = {role: f"gkt{os.getpid()}{role}" for role in ROLES}
    with _users(names):
        yield names | {"root": "root"}


def _sweep() -> None:
    """Remove what a run that was killed has left behind."""
    for entry in pwd.getpwall():
        match = re.fullmatch(r"gkt(\d+)\D+", entry.pw_name)
        if match and not Path(f"/proc/{match[1]}").exists():
            Path(f"/etc/sudoers.d/gkprep-tests-{match[1]}").unlink(missing_ok=True)
            subprocess.run(["userdel", "-rf", entry.pw_name], capture_output=True, check=False)


@contextmanager
def _users(names: Mapping[str, str]) -> Iterator[None]:
    sudoers = Path(f"/etc/sudoers.d/gkprep-tests-{os.getpid()}")
    free, asked, noisy, once = names[FREE], names[ASKED], names[NOISY], names[ONCE]
    try:
        for role, name in names.items():
            shell = "/usr/sbin/nologin" if role == NO_LOGIN else "/bin/bash"
            subprocess.run(["useradd", "-m", "-s", shell, name], check=True, capture_output=True)
        passwords = "".join(f"{name}:{PASSWORD}\n" for name in names.values())
        subprocess.run(["chpasswd"], input=passwords, text=True, check=True, capture_output=True)
        sudoers.write_text(
            f"{free} ALL=(ALL) NOPASSWD: ALL\n{noisy} ALL=(ALL) NOPASSWD: ALL\n"
            f"{asked} ALL=(ALL) ALL\nDefaults:{asked} lecture=always\n"
            f"{once} ALL=(ALL) ALL\nDefaults:{once} passwd_tries=1\n"
        )
        sudoers.chmod(0o440)
        noise = (
            'printf "welcome \\033[31mto\\033[0m\\000 %s\\n" "$(seq 1 3000)" | tee /dev/stderr\n'
        )
        Path(f"/home/{noisy}/.bashrc").write_text(noise)
        yield
    finally:
        sudoers.unlink(missing_ok=True)
        for name in names.values():
            subprocess.run(["userdel", "-rf", name], capture_output=True, check=False)
