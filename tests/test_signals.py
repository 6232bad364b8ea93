"""What Ctrl-C, SIGTERM and SIGHUP leave behind: nothing; how soon, and what the exit code is."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM

import pytest

from tests import hostile
from tests.site import LOCALHOST, Home, Site
from tests.sshd import children, runs, wait_for
from tests.world import having, world

PROMPT = 3.0
"""Seconds within which gkprep must have ended, whatever a node does."""

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
STOP_OUTPUT = b"\x13"  # Ctrl-S

ENDING = pytest.mark.parametrize("number", [SIGINT, SIGTERM, SIGHUP])

pytestmark = [pytest.mark.sshd, pytest.mark.usefixtures("no_agent")]


def undisturbed(argv: Sequence[str]) -> list[str]:
    """Start `argv` with none of the signals ignored, as those who run the tests may ignore them."""
    return ["env", "--default-signal=INT,TERM,HUP", *argv]


def asked(folder: Path, script: str) -> list[str]:
    """Start the next command in a world where `glusterfs` notes its pid, then does `script`."""
    return world(*having({"glusterfs": f"echo $$ >{folder}/pid\n{script}"}))


def noted(folder: Path) -> int:
    """The process id that was written to the file `pid`, as soon as it was."""
    wait_for(lambda: (folder / "pid").exists() and (folder / "pid").read_text().endswith("\n"))
    return int((folder / "pid").read_text())


def local(gkprep: str) -> list[str]:
    return [gkprep, "check", "--local", "--device", "/dev/none", "--only", "mount-glusterfs"]


def remote(gkprep: str, home: Home, port: int, address: str = LOCALHOST) -> list[str]:
    file = home.path / "inventory.yaml"
    file.write_text(
        f"defaults: {{ssh: {{port: {port}, user: root}}, devices: [/dev/sdz]}}\n"
        f"nodes: [{{name: node1, address: {address}, storage: 192.0.2.1}}]\n"
        "policy: {single_node: true}\n"
    )
    return ["env", f"HOME={home.path}", gkprep, "check", str(file), "--only", "mount-glusterfs"]


def behind_a_command(gkprep: str, site: Site, folder: Path) -> list[str]:
    """Ask a node behind a ProxyCommand that says nothing, and sleeps in a group of its own."""
    script = folder / "script"
    script.write_text(f"timeout 60 sh -c 'echo $$ >{folder}/pid; exec sleep 60'\nexit 1\n")
    return remote(gkprep, site.home("", f"ProxyCommand sh {script}\n"), 22, "it")


def ended(argv: Sequence[str], started: Callable[[], object], *numbers: int) -> tuple[int, float]:
    """Send each signal to `argv` once it has `started`; return its exit code and how long it took.

    Nothing may have been said by then, nor after.
    """
    with subprocess.Popen(
        undisturbed(argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        started()
        begin = time.monotonic()
        for number in numbers:
            process.send_signal(number)
        said, _ = process.communicate(timeout=30)
    assert said == b""
    return process.returncode, time.monotonic() - begin


# --- what was started -------------------------------------------------------------------------


@ENDING
def test_a_proxy_command_ends(gkprep: str, site: Site, tmp_path: Path, number: int) -> None:
    argv = behind_a_command(gkprep, site, tmp_path)
    code, seconds = ended(argv, lambda: noted(tmp_path), number)
    assert (code, seconds < PROMPT) == (128 + number, True)
    wait_for(lambda: not runs(noted(tmp_path)))


@ENDING
@pytest.mark.usefixtures("site")
def test_what_this_machine_is_asked_ends(gkprep: str, tmp_path: Path, number: int) -> None:
    """The shell in its session, and the question in a process group that timeout(1) made."""
    shells: list[int] = []

    def started() -> None:
        shells.append(os.getsid(noted(tmp_path)))

    argv = [*asked(tmp_path, "exec sleep 60"), *local(gkprep)]
    code, seconds = ended(argv, started, number)
    assert (code, seconds < PROMPT) == (128 + number, True)
    wait_for(lambda: not runs(noted(tmp_path)) and not any(map(runs, shells)))


def test_impatience_breaks_nothing(gkprep: str, site: Site, tmp_path: Path) -> None:
    """timeout(1) sends its signal twice, a person presses Ctrl-C until something happens.

    The last may come when Python itself is ending, and does not keep them off any more.
    """
    argv = behind_a_command(gkprep, site, tmp_path)
    code, seconds = ended(argv, lambda: noted(tmp_path), *[SIGTERM] * 300)
    assert code in {128 + SIGTERM, -SIGTERM}
    assert seconds < PROMPT
    wait_for(lambda: not runs(noted(tmp_path)))


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("name", ["HUP", "TERM", "INT"])
def test_what_is_to_be_ignored_is_ignored(gkprep: str, tmp_path: Path, name: str) -> None:
    """As under nohup(1)."""
    script = f"for n in $(seq 200); do if [ -e {tmp_path}/go ]; then break; fi; sleep 0.05; done"
    argv = [*asked(tmp_path, script), "env", f"--ignore-signal={name}", *local(gkprep)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        noted(tmp_path)
        process.send_signal(signal.Signals[f"SIG{name}"])
        time.sleep(0.2)
        (tmp_path / "go").touch()
        report, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "BLOCKED" in report


# --- how soon ---------------------------------------------------------------------------------

Stand = tuple[list[str], Callable[[], object]]
Make = Callable[[str, Site, Path], AbstractContextManager[Stand]]


@contextmanager
def mute(gkprep: str, site: Site, _folder: Path) -> Iterator[Stand]:
    met = threading.Event()

    def visit(_connection: object, over: threading.Event) -> None:
        met.set()
        over.wait()

    with hostile.tcp(visit) as port:
        yield remote(gkprep, site.home(), port), lambda: met.wait(30)


@contextmanager
def hanging(gkprep: str, site: Site, folder: Path) -> Iterator[Stand]:
    with site.server(prefix=asked(folder, "exec sleep 20")) as server:
        yield remote(gkprep, site.knows(server.port), server.port), lambda: noted(folder)


@contextmanager
def frozen(gkprep: str, site: Site, folder: Path) -> Iterator[Stand]:
    """The jump host stops in the middle of it."""
    with (
        site.server(prefix=asked(folder, "exec sleep 20")) as server,
        site.server() as jump,
    ):
        home = site.knows(server.port, jump.port)
        through = f"ProxyJump root@{LOCALHOST}:{jump.port}"
        home.write("config", f"Host it\n HostName {LOCALHOST}\n {through}\n")

        def started() -> None:
            noted(folder)
            for child in children(jump.process.pid):
                child.suspend()

        yield remote(gkprep, home, server.port, "it"), started


@pytest.mark.parametrize("make", [mute, hanging, frozen])
def test_no_node_holds_up_the_end(gkprep: str, site: Site, tmp_path: Path, make: Make) -> None:
    with make(gkprep, site, tmp_path) as (argv, started):
        code, seconds = ended(argv, started, SIGTERM)
    assert (code, seconds < PROMPT) == (128 + SIGTERM, True)


# --- the terminal -----------------------------------------------------------------------------


class Terminal:
    """A terminal of its own, and what is on its screen."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.ours, theirs = pty.openpty()
        self.screen = ""
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *undisturbed(argv)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(theirs)

    def __enter__(self) -> Terminal:  # noqa: PYI034 - typing.Self came with Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.hang_up()

    def shows(self, text: str) -> bool:
        """Read what has come; whether `text` is there."""
        while select.select([self.ours], [], [], 0)[0]:
            try:
                self.screen += os.read(self.ours, 65536).decode()
            except OSError:  # nobody is at its other end any more
                break
        return text in self.screen

    def hang_up(self) -> None:
        if self.ours >= 0:
            os.close(self.ours)
        self.ours = -1


@pytest.fixture
def terminal(gkprep: str, site: Site, tmp_path: Path) -> Iterator[Terminal]:
    """gkprep draws its bar on it, since the ProxyCommand says nothing."""
    with Terminal(behind_a_command(gkprep, site, tmp_path)) as at:
        wait_for(lambda: at.shows("0 of 1 nodes"))
        assert HIDE_CURSOR in at.screen
        yield at


@ENDING
def test_the_cursor_is_shown_again(terminal: Terminal, number: int) -> None:
    terminal.process.send_signal(number)
    assert terminal.process.wait(PROMPT) == 128 + number
    assert terminal.shows(SHOW_CURSOR)
    assert terminal.screen.rfind(SHOW_CURSOR) > terminal.screen.rfind(HIDE_CURSOR)


def test_a_terminal_that_goes_away(terminal: Terminal, tmp_path: Path) -> None:
    """Its kernel sends SIGHUP, and nothing more can be written to it."""
    terminal.hang_up()
    assert terminal.process.wait(PROMPT) == 128 + SIGHUP
    wait_for(lambda: not runs(noted(tmp_path)))


def test_a_terminal_that_is_stopped_holds_up_nothing(terminal: Terminal, tmp_path: Path) -> None:
    os.write(terminal.ours, STOP_OUTPUT)
    time.sleep(0.5)  # the bar is stuck now
    terminal.process.send_signal(SIGTERM)
    assert terminal.process.wait(PROMPT) == 128 + SIGTERM
    wait_for(lambda: not runs(noted(tmp_path)))


@ENDING
def test_a_question_that_is_broken_off_leaves_the_echo_on(gkprep: str, number: int) -> None:
    with Terminal([*local(gkprep), "--ask-become-pass"]) as at:
        wait_for(lambda: at.shows("sudo password: ") and not echoes(at))
        at.process.send_signal(number)
        assert at.process.wait(PROMPT) == 128 + number
        assert echoes(at)


def echoes(at: Terminal) -> bool:
    return bool(termios.tcgetattr(at.ours)[3] & termios.ECHO)
