"""What gkprep asks a person: at a real terminal, and without one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.command import at_a_terminal, unattended
from tests.site import ASKED, LOCALHOST, PASSWORD, Home, Site
from tests.sshd import Sshd, keygen

PASSPHRASE = "open sesame"
NOT_UTF8 = "caf\udce9"  # in Latin-1
NO_PASSWORD = "gkprep: --ask-become-pass: the password is not UTF-8"

pytestmark = [pytest.mark.sshd, pytest.mark.usefixtures("no_agent")]


def inventory(home: Home, port: int, user: str = "root") -> Path:
    file = home.path / "inventory.yaml"
    file.write_text(
        f"defaults: {{ssh: {{port: {port}, user: {user}}}, devices: [/dev/sdz]}}\n"
        f"nodes: [{{name: node1, address: {LOCALHOST}, storage: 192.0.2.1}}]\n"
        "policy: {single_node: true}\n"
    )
    return file


def command(gkprep: str, file: Path, *options: str) -> list[str]:
    return [gkprep, "check", str(file), "--only", "mount-glusterfs", *options]


def test_the_passphrase_of_a_key_is_asked_for_at_a_terminal(
    gkprep: str, site: Site, tmp_path: Path
) -> None:
    key = keygen(tmp_path / "key", "ed25519", PASSPHRASE)
    with site.server(authorized=(key,)) as server:
        home = site.knows(server.port)
        home.write("config", f"IdentityFile {key.path}\n")
        argv = command(gkprep, inventory(home, server.port))
        screen = at_a_terminal(argv, home, {"passphrase of .*/key": PASSPHRASE}).screen
    assert "mount-glusterfs" in screen
    assert "passphrase:" not in screen
    assert "ssh-add" not in screen
    assert PASSPHRASE not in screen


def test_an_empty_passphrase_leaves_the_key_out(gkprep: str, site: Site, tmp_path: Path) -> None:
    key = keygen(tmp_path / "key", "ed25519", PASSPHRASE)
    with site.server(authorized=(key,)) as server:
        home = site.knows(server.port)
        home.write("config", f"IdentityFile {key.path}\n")
        argv = command(gkprep, inventory(home, server.port))
        screen = at_a_terminal(argv, home, {"passphrase of .*/key": ""}).screen
    assert f"ssh-add {key.path}" in " ".join(screen.split())
    assert "UNKNOWN" in screen


def test_without_a_terminal_nothing_is_asked(gkprep: str, site: Site, tmp_path: Path) -> None:
    key = keygen(tmp_path / "key", "ed25519", PASSPHRASE)
    with site.server(authorized=(key,)) as server:
        home = site.knows(server.port)
        home.write("config", f"IdentityFile {key.path}\n")
        done = unattended(command(gkprep, inventory(home, server.port)), home)
    assert done.returncode == 3
    assert f"ssh-add {key.path}" in " ".join(done.stdout.split())


def test_the_password_of_sudo_is_asked_for(
    gkprep: str, site: Site, sshd: Sshd, users: Mapping[str, str]
) -> None:
    home = site.knows(sshd.port)
    argv = command(gkprep, inventory(home, sshd.port, users[ASKED]), "--ask-become-pass")
    screen = at_a_terminal(argv, home, {"sudo password: ": PASSWORD}).screen
    assert "mount-glusterfs" in screen
    assert "UNKNOWN" not in screen
    assert PASSWORD not in screen


def test_nobody_there_to_give_the_password(gkprep: str, site: Site, sshd: Sshd) -> None:
    home = site.knows(sshd.port)
    argv = command(gkprep, inventory(home, sshd.port), "--ask-become-pass")
    done = unattended(argv, home)
    assert done.returncode == 2
    assert done.stderr == "gkprep: --ask-become-pass: no password was given\n"


@pytest.mark.parametrize("end", ["\n", "", "\nno password\n"])
def test_without_a_terminal_the_password_is_the_first_line_of_standard_input(
    gkprep: str, site: Site, sshd: Sshd, users: Mapping[str, str], end: str
) -> None:
    home = site.knows(sshd.port)
    argv = command(gkprep, inventory(home, sshd.port, users[ASKED]), "--ask-become-pass")
    done = unattended(argv, home, given=PASSWORD + end)
    assert done.returncode in {0, 1}  # a verdict: sudo took it
    assert done.stderr == ""


@pytest.mark.parametrize(
    "terminal", [{}, {"locale": "C"}, {"controlling": False}, {"locale": "C", "controlling": False}]
)
def test_a_password_that_cannot_be_sent(
    gkprep: str, site: Site, sshd: Sshd, terminal: dict[str, Any]
) -> None:
    home = site.knows(sshd.port)
    argv = command(gkprep, inventory(home, sshd.port), "--ask-become-pass")
    screen = at_a_terminal(argv, home, {"sudo password: ": NOT_UTF8}, **terminal).screen
    assert screen.rstrip().endswith(NO_PASSWORD)


def test_nor_can_one_that_was_piped(gkprep: str, site: Site, sshd: Sshd) -> None:
    home = site.knows(sshd.port)
    argv = command(gkprep, inventory(home, sshd.port), "--ask-become-pass")
    done = unattended(argv, home, given=f"{NOT_UTF8}\n")
    assert (done.returncode, done.stderr) == (2, f"{NO_PASSWORD}\n")


def test_a_passphrase_that_is_not_utf8(gkprep: str, site: Site, tmp_path: Path) -> None:
    key = keygen(tmp_path / "key", "ed25519", PASSPHRASE)
    home = site.home(config=f"IdentityFile {key.path}\n")
    argv = command(gkprep, inventory(home, 22))
    screen = at_a_terminal(argv, home, {"passphrase of .*/key": NOT_UTF8}).screen
    told = f"gkprep: the passphrase of {key.path} is not UTF-8: ssh-add {key.path}"
    assert screen.rstrip().endswith(told)
