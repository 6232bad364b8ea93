"""Transport between honest machines: real sshds on loopback, real sudo, this machine."""

from __future__ import annotations

import base64
import errno
import os
import pickle
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preflight.errors import TransportError, UsageError
from preflight.model import Limits, Node, Output, SshOptions
from preflight.transport import ConnectOptions, Local, Shell, connect, connector, keys, route
from preflight.transport.talk import MAX_STREAM, Talk
from tests import hostile
from tests.site import (
    ASKED,
    DENIED,
    FREE,
    LOCALHOST,
    NO_LOGIN,
    NOISY,
    ONCE,
    PASSWORD,
    Home,
    Site,
    counted_hashes,
    node,
)
from tests.sshd import Sshd, free_port, keygen, output, runs, wait_for

pytestmark = pytest.mark.usefixtures("no_agent")

LIMITS = Limits(connect=5, probe=2, node=10)
BRIEF = Limits(connect=1, probe=1, node=1)


def run(  # the options are those of ConnectOptions
    home: Home,
    where: Node,
    script: str,
    limits: Limits = LIMITS,
    **options: Any,
) -> Output:
    with closing(connect([where], home.options(**options))) as shell:
        return shell(where).run(script, limits)


def refused(home: Home, where: Node, **options: Any) -> TransportError:
    with pytest.raises(TransportError) as caught:
        run(home, where, "true", **options)
    return caught.value


def denied(home: Home, where: Node, **options: Any) -> str:
    return str(refused(home, where, **options))


def timed(act: Callable[[], object]) -> float:
    started = time.monotonic()
    act()
    return time.monotonic() - started


# --- one script, both ways --------------------------------------------------------------------

SCRIPTS = {
    "nothing": ("", 0, b"", b""),
    "both streams": ("echo out; echo err >&2", 0, b"out\n", b"err\n"),
    "exit status": ("echo x; exit 3", 3, b"x\n", b""),
    "any bytes": (r"printf '\000\377\033[2J\r\n'", 0, b"\0\xff\x1b[2J\r\n", b""),
    "no new line at the end": ("printf x", 0, b"x", b""),
    "quotes": ("""echo "$0" 'a b' \\"c""", 0, b'sh a b "c\n', b""),
    "not ASCII": ("echo \u00e9\udcff", 0, b"\xc3\xa9\xff\n", b""),
    "is root": ("id -u", 0, b"0\n", b""),
}


@pytest.fixture(params=["ssh", pytest.param("local", id="local")])
def shell(request: pytest.FixtureRequest, site: Site, sshd: Sshd) -> Shell:
    if request.param == "local":
        return Local()
    return connect([], site.knows(sshd.port).options())(node(sshd.port))


@pytest.mark.sshd
@pytest.mark.parametrize("case", SCRIPTS)
def test_a_script_and_its_output(shell: Shell, case: str) -> None:
    script, rc, out, err = SCRIPTS[case]
    assert shell.run(script, LIMITS) == Output(rc, out, err)


@pytest.mark.sshd
def test_both_streams_are_drained_at_once(shell: Shell) -> None:
    """5 MB on one stream first, then on the other: whoever reads them in turn would stand still."""
    lines = "yes 123456789abcde | head -n 327680"
    got = shell.run(f"{lines} >&2; {lines}; {lines} >&2 & {lines}; wait", LIMITS)
    assert (got.rc, got.lost, len(got.out), len(got.err)) == (0, None, 9830400, 9830400)


@pytest.mark.sshd
def test_a_long_script(shell: Shell) -> None:
    got = shell.run("".join(f"# {n:076d}\n" for n in range(60000)) + "echo end", LIMITS)
    assert got == Output(0, b"end\n", b"")


@pytest.mark.sshd
@pytest.mark.parametrize("stream", [1, 2])
def test_a_flood_is_cut_off(shell: Shell, stream: int) -> None:
    started = time.monotonic()
    got = shell.run(f"echo first; head -c 100000000 /dev/zero >&{stream}; echo never", LIMITS)
    assert time.monotonic() - started < 8
    assert got.rc is None
    assert got.lost == f"more than 16 MiB on standard {'output' if stream == 1 else 'error'}"
    assert got.out.startswith(b"first\n")
    assert MAX_STREAM < len(got.out) + len(got.err) < 2 * MAX_STREAM


@pytest.mark.sshd
def test_the_node_limit_ends_a_hang(shell: Shell) -> None:
    started = time.monotonic()
    got = shell.run("echo first; sleep 30", BRIEF)
    assert got == Output(None, b"first\n", b"", "no answer within 1 s")
    assert time.monotonic() - started < 1.5


@pytest.mark.sshd
def test_the_node_limit_ends_what_never_rests(shell: Shell) -> None:
    started = time.monotonic()
    got = shell.run("while echo x; do sleep 0.01; done", BRIEF)
    assert (got.rc, got.lost) == (None, "no answer within 1 s")
    assert time.monotonic() - started < 1.5


@pytest.mark.sshd
def test_what_is_left_running_holds_nothing_up(shell: Shell) -> None:
    started = time.monotonic()
    got = shell.run("echo x; sleep 30 & exit 4", Limits(node=20))
    assert got == Output(4, b"x\n", b"")
    assert time.monotonic() - started < 5


# --- this machine -----------------------------------------------------------------------------


def test_local_ends_all_that_it_started(tmp_path: Path) -> None:
    """Even what is in a process group of its own, as timeout(1) makes one."""
    file = tmp_path / "pids"
    note = f"echo $$ >>{file}; sleep 300 & echo $! >>{file}; wait"
    Local().run(f"timeout 300 sh -c '{note}' & timeout 300 sh -c '{note}'", BRIEF)
    pids = [int(line) for line in file.read_text().split()]
    assert len(pids) == 4
    wait_for(lambda: not any(map(runs, pids)))


def test_local_starts_nothing_once_gkprep_is_ending(tmp_path: Path) -> None:
    """A thread that comes to it after an interrupt would leave a shell behind."""
    here = connector([], ConnectOptions(), local=True)
    here.close()
    with pytest.raises(TransportError, match="gkprep is ending"):
        here(node(1)).run(f"touch {tmp_path}/started", LIMITS)
    assert not (tmp_path / "started").exists()


def test_local_shows_a_signal_as_a_shell_does() -> None:
    assert Local().run("kill -TERM $$", LIMITS) == Output(143, b"", b"")


def test_local_without_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(TransportError, match="sh could not be started: No such file"):
        Local().run("true", LIMITS)


def as_user(name: str, act: Callable[[], Output]) -> Output | TransportError:
    """Do it in a process of that user's, whom pytest's own folders are closed to."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        entry = __import__("pwd").getpwnam(name)
        os.initgroups(name, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        os.chdir("/")
        try:
            result: object = act()
        except TransportError as exc:
            result = exc
        os.write(writing, pickle.dumps(result))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    found = pickle.loads(answer)
    assert isinstance(found, (Output, TransportError))
    return found


@pytest.mark.sshd
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("password", [None, PASSWORD], ids=["free", "password"])
def test_local_through_sudo(users: Mapping[str, str], password: str | None) -> None:
    script = "id -u; echo end >&2"
    name = users[FREE if password is None else ASKED]
    got = as_user(name, lambda: Local(password).run(script, LIMITS))
    assert got == Output(0, b"0\n", b"end\n")


@pytest.mark.sshd
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(
    ("password", "why"),
    [
        (None, "sudo: a password is required: --ask-become-pass"),
        ("wrong", "sudo: the password is wrong"),
    ],
)
def test_local_without_the_right_password(
    users: Mapping[str, str], password: str | None, why: str
) -> None:
    got = as_user(users[ASKED], lambda: Local(password).run("id -u", LIMITS))
    assert str(got) == why


@pytest.mark.sshd
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("become", [None, True, False])
def test_local_becomes_root_unless_the_inventory_says_no(
    users: Mapping[str, str], become: bool | None
) -> None:
    here = replace(node(1), become=become)
    connect_here = connector([], ConnectOptions(), local=True)
    got = as_user(users[FREE], lambda: connect_here(here).run("id -un", LIMITS))
    assert got == Output(0, f"{users[FREE] if become is False else 'root'}\n".encode(), b"")


def test_connector_for_this_machine() -> None:
    assert connector([], ConnectOptions(), local=True)(node(1)).run("echo x", LIMITS).out == b"x\n"


# --- sudo over SSH ----------------------------------------------------------------------------


@pytest.mark.sshd
@pytest.mark.parametrize(
    ("user", "password"),
    [
        (FREE, None),
        pytest.param(FREE, PASSWORD, id="free-right"),
        (FREE, "wrong"),
        pytest.param(ASKED, PASSWORD, id="asked-right"),
        (NOISY, None),
        (NOISY, "x"),
    ],
)
def test_sudo(
    site: Site, sshd: Sshd, users: Mapping[str, str], user: str, password: str | None
) -> None:
    """Under NOPASSWD a password is not asked for, so it is neither sent nor run as a command."""
    home = site.knows(sshd.port)
    got = run(
        home, node(sshd.port, user=users[user]), "id -u; echo end >&2", become_password=password
    )
    assert got == Output(0, b"0\n", b"end\n")


@pytest.mark.sshd
@pytest.mark.parametrize(
    ("user", "password", "why"),
    [
        (ASKED, None, "sudo: a password is required: --ask-become-pass"),
        (ASKED, "not the one", "sudo: the password is wrong"),
        (ASKED, "", "sudo: the password is wrong"),
        (DENIED, None, "sudo: a password is required: --ask-become-pass"),
        pytest.param(DENIED, PASSWORD, "is not in the sudoers file", id="denied-right"),
        (
            NO_LOGIN,
            None,
            "did not start a shell: This account is currently not available. (exit 1)",
        ),
    ],
)
def test_sudo_refuses(  # noqa: PLR0913 - fixtures and parameters
    site: Site, sshd: Sshd, users: Mapping[str, str], user: str, password: str | None, why: str
) -> None:
    where = node(sshd.port, user=users[user])
    said = denied(site.knows(sshd.port), where, become_password=password)
    assert why in said
    assert not password or password not in said


@pytest.mark.sshd
def test_the_password_is_in_no_argument(site: Site, sshd: Sshd, users: Mapping[str, str]) -> None:
    script = "for f in /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do tr '\\0' ' ' <$f; done"
    got = run(
        site.knows(sshd.port), node(sshd.port, user=users[ASKED]), script, become_password=PASSWORD
    )
    assert b"sudo -S -p" in got.out
    assert PASSWORD.encode() not in got.out + got.err
    assert PASSWORD not in repr(ConnectOptions(become_password=PASSWORD))
    assert PASSWORD not in sshd.log()


@pytest.mark.sshd
def test_without_become_no_sudo(site: Site, sshd: Sshd, users: Mapping[str, str]) -> None:
    where = Node("n", LOCALHOST, None, ssh=SshOptions(users[DENIED], sshd.port), become=False)
    got = run(site.knows(sshd.port), where, "id -un")
    assert got.out == f"{users[DENIED]}\n".encode()


@pytest.mark.sshd
def test_root_needs_no_sudo_even_if_told_to(site: Site, sshd: Sshd) -> None:
    where = Node("n", LOCALHOST, None, ssh=SshOptions("root", sshd.port), become=True)
    got = run(site.knows(sshd.port), where, 'echo "$SUDO_USER"')
    assert got.out == b"\n"


def test_a_password_that_the_other_side_repeats_is_not_repeated_by_us() -> None:
    talk = Talk("true", sudo=True, password=PASSWORD)
    prompt = talk.argv[talk.argv.index("-p") + 1]
    assert talk.opening() == b""
    assert talk.hear(b"", prompt.encode()) == f"{PASSWORD}\n".encode()
    assert talk.hear(b"", f"you said {PASSWORD}!".encode()) == b""
    hidden = r"not start a shell: \(a line with the password in it\) \(exit 5\)"
    with pytest.raises(TransportError, match=hidden):
        talk.ended(5)


def test_the_end_of_a_long_line_is_not_the_end_of_a_password() -> None:
    talk = Talk("true", sudo=True, password=PASSWORD)
    talk.hear(b"", f"{PASSWORD}{'.' * (4097 - len(PASSWORD))}".encode())
    with pytest.raises(TransportError) as caught:
        talk.ended(5)
    assert PASSWORD[-5:] not in str(caught.value)


@pytest.mark.sshd
@pytest.mark.parametrize(
    ("user", "password", "why"),
    [
        (ONCE, "password", "sudo: the password is wrong"),
        (ONCE, "o", "sudo: the password is wrong"),
        (NO_LOGIN, "a", "did not start a shell: (a line with the password in it) (exit 1)"),
    ],
)
def test_a_password_that_is_in_a_message_anyway(  # noqa: PLR0913 - fixtures and parameters
    site: Site, sshd: Sshd, users: Mapping[str, str], user: str, password: str, why: str
) -> None:
    """`1 incorrect password attempt` it says, and: `This account is currently not available.`"""
    where = node(sshd.port, user=users[user])
    assert denied(site.knows(sshd.port), where, become_password=password).endswith(why)


def test_a_mark_in_pieces_is_found() -> None:
    talk = Talk("echo hi", sudo=False)
    script = talk.opening()
    honest = subprocess.run(["sh", "-s"], input=script, capture_output=True, check=True)
    for byte in b"noise" + honest.stdout:
        talk.hear(bytes([byte]), b"")
    talk.hear(b"", b"x" * 1000 + honest.stderr)
    assert talk.ended(0) == Output(0, b"hi\n", b"")


def test_a_trace_of_the_command_is_not_taken_for_the_mark() -> None:
    talk = Talk("echo hi", sudo=False)
    traced = subprocess.run(["sh", "-x"], input=talk.opening(), capture_output=True, check=True)
    talk.hear(traced.stdout, traced.stderr)
    assert talk.ended(0).out == b"hi\n"


# --- one connection, one channel --------------------------------------------------------------


@pytest.mark.sshd
def test_one_connection_and_one_channel(site: Site) -> None:
    with site.server("LogLevel DEBUG1") as server:
        assert run(site.knows(server.port), node(server.port), "echo x").out == b"x\n"
        log = server.log()
    assert log.count("Connection from ") == 1
    assert log.count("session_new: session") == 1


@pytest.mark.sshd
def test_many_nodes_side_by_side(site: Site) -> None:
    home = site.home(config="StrictHostKeyChecking accept-new\nHashKnownHosts yes\n")
    with site.server("ListenAddress 127.0.0.2", "ListenAddress 127.0.0.3") as server:
        addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        port = server.port
        nodes = [
            Node(f"n{i}", addresses[i % 3], None, ssh=SshOptions("root", port)) for i in range(30)
        ]
        shell = connect(nodes, home.options())  # no jump hosts: there is nothing to close
        outputs: list[Output] = []
        threads = [
            threading.Thread(target=lambda n=n: outputs.append(shell(n).run("echo x", LIMITS)))
            for n in nodes
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert outputs == [Output(0, b"x\n", b"")] * 30
    lines = home.known_hosts.read_text().splitlines()
    assert len(lines) == 3
    for address in addresses:
        assert output("ssh-keygen", "-F", f"[{address}]:{port}", "-f", str(home.known_hosts))


@pytest.mark.sshd
def test_a_server_that_opens_no_session(site: Site) -> None:
    with site.server("MaxSessions 0") as server:
        said = denied(site.knows(server.port), node(server.port))
    assert said == (
        "starting a shell failed: the server lets us in, but opens no session (connect failed):"
        " see MaxSessions in its sshd_config"
    )


@pytest.mark.sshd
def test_threads_and_descriptors_are_given_back(site: Site, sshd: Sshd) -> None:
    home = site.knows(sshd.port)
    run(home, node(sshd.port), "true")
    before = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        run(home, node(sshd.port), "true")
        denied(site.home(), node(sshd.port))
        denied(home, node(free_port()))
    assert (threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))) == before


def test_paramiko_is_imported_only_to_connect() -> None:
    code = (
        "import sys, preflight.transport as t; t.connector([], t.ConnectOptions(), local=True);"
        "assert 'paramiko' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


# --- how a node is found ----------------------------------------------------------------------


@pytest.mark.sshd
def test_an_alias_of_the_config(site: Site, sshd: Sshd) -> None:
    text = "Include hosts/*\nHost it\n User root\n"
    home = site.home(sshd.known_hosts(), text)
    (home.path / ".ssh/hosts").mkdir()
    home.write("hosts/one", f"Host it\n HostName {LOCALHOST}\n Port {sshd.port}\n")
    assert run(home, Node("n", "it", None), "echo x").out == b"x\n"


@pytest.mark.sshd
def test_a_config_file_of_ones_own(site: Site, sshd: Sshd, tmp_path: Path) -> None:
    home = site.home(sshd.known_hosts(), "Port 1\n")
    own = tmp_path / "config"
    own.write_text(f"Host it\n HostName {LOCALHOST}\n Port {sshd.port}\n User root\n")
    assert run(home, Node("n", "it", None), "echo x", config_file=own).out == b"x\n"


def test_a_broken_config_is_found_before_anything_else(site: Site) -> None:
    with pytest.raises(UsageError, match="config:1"):
        connect([], site.home(config="Port\n").options())


@pytest.mark.sshd
def test_a_setting_that_cannot_be_honoured(site: Site, sshd: Sshd) -> None:
    home = site.home(sshd.known_hosts(), "BindAddress 127.0.0.9\n")
    assert "cannot honour bindaddress" in denied(home, node(sshd.port))


@pytest.mark.sshd
def test_a_name_with_several_addresses(site: Site, sshd: Sshd) -> None:
    """localhost is ::1 first on many machines, where this server does not listen."""
    home = site.home(f"[localhost]:{sshd.port} {site.host.public}\n")
    where = Node("n", "localhost", None, ssh=SshOptions("root", sshd.port))
    assert run(home, where, "echo x").out == b"x\n"


def test_a_name_that_is_none(site: Site) -> None:
    home = site.home()
    assert "cannot be resolved" in denied(home, Node("n", "no.such.name.invalid", None))
    assert "cannot be resolved" in denied(home, Node("n", "a" * 300, None))


@pytest.mark.sshd
def test_proxy_command(site: Site, sshd: Sshd) -> None:
    relay = (
        "import os,socket,sys,threading;s=socket.create_connection(sys.argv[1:]);"
        "f=lambda r,w:[w(d) for d in iter(r,b'')];"
        "threading.Thread(target=f,args=(lambda:os.read(0,9999),s.sendall),daemon=True).start();"
        "f(lambda:s.recv(9999),lambda d:os.write(1,d))"
    )
    command = f"ProxyCommand {sys.executable} -c {shlex.quote(relay)} {LOCALHOST} %p\n"
    home = site.home(f"[it]:{sshd.port} {site.host.public}\n", f"Host it\n {command}")
    where = Node("n", "it", None, ssh=SshOptions("root", sshd.port))
    assert run(home, where, "echo x").out == b"x\n"


def test_no_proxy_command_is_started_once_gkprep_is_ending(site: Site, tmp_path: Path) -> None:
    """A node whose turn comes after an interrupt would leave one behind."""
    home = site.home("", f"ProxyCommand sh -c 'touch {tmp_path}/started; sleep 60'\n")
    where = Node("n", "it", None)
    remote = connect([where], home.options())
    remote.close()
    with pytest.raises(TransportError, match="gkprep is ending"):
        remote(where).run("true", LIMITS)
    assert not (tmp_path / "started").exists()


@pytest.mark.sshd
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_what_a_proxy_command_runs_as_root_is_left_to_itself(users: Mapping[str, str]) -> None:
    """Others may not kill it. It ends when nobody speaks to it any more."""

    def act() -> Output:
        command = route.ProxyCommand("sudo -n sh -c 'echo x; exec cat'")
        command.pipe.recv(1)
        command.end()
        command.pipe.close()
        return Output(0, b"", b"")

    assert as_user(users[FREE], act) == Output(0, b"", b"")


def test_a_proxy_command_without_a_descriptor_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(tempfile, "TemporaryFile", none_left)
    with pytest.raises(TransportError, match=r"ProxyCommand: .*: Too many open files"):
        route.ProxyCommand("true")


def test_a_key_whose_public_half_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("no key\n")
    key.chmod(0o600)
    os.mkfifo(f"{key}.pub")
    assert keys.read_key(key).problem == "holds no key that gkprep can read"


@pytest.mark.parametrize(
    ("command", "address", "why"),
    [
        ("sh -c 'echo it is over >&2; exit 1'", "it", "ProxyCommand: it is over"),
        ("sleep 60", "it", "no SSH server spoke within 1 s"),
        ("nc %h", "it;touch-x", "ProxyCommand: it;touch-x is not safe in a command"),
        ("nc %h", "-oX", "ProxyCommand: -ox is not safe in a command"),
    ],
)
def test_proxy_commands_that_fail(site: Site, command: str, address: str, why: str) -> None:
    home = site.home("", f"ProxyCommand {command}\nConnectTimeout 1\n")
    assert why in denied(home, Node("n", address, None))


# --- jump hosts -------------------------------------------------------------------------------


@pytest.mark.sshd
def test_a_chain_of_jump_hosts(site: Site, sshd: Sshd) -> None:
    with site.server() as first, site.server() as second:
        config = (
            f"Host one\n HostName {LOCALHOST}\n Port {first.port}\n User root\n"
            f"Host node\n HostName {LOCALHOST}\n ProxyJump one,root@{LOCALHOST}:{second.port}\n"
        )
        known = first.known_hosts() + second.known_hosts() + sshd.known_hosts()
        where = Node("n", "node", None, ssh=SshOptions("root", sshd.port))
        got = run(site.home(known, config), where, "echo $SSH_CONNECTION")
        assert got.out.split()[3] == str(sshd.port).encode()
        assert (first.connections(), second.connections()) == (1, 1)


@pytest.mark.sshd
def test_a_jump_host_of_the_inventory_with_its_own(site: Site, sshd: Sshd) -> None:
    with site.server() as first, site.server() as second:
        config = (
            f"Host one\n HostName {LOCALHOST}\n Port {first.port}\n User root\n"
            f"Host two\n HostName {LOCALHOST}\n Port {second.port}\n User root\n ProxyJump one\n"
        )
        known = first.known_hosts() + second.known_hosts() + sshd.known_hosts()
        got = run(site.home(known, config), node(sshd.port, proxy_jump="two"), "echo x")
        assert got.out == b"x\n"
        assert (first.connections(), second.connections()) == (1, 1)


@pytest.mark.sshd
def test_a_jump_host_is_shared_by_all_nodes(site: Site, sshd: Sshd) -> None:
    with site.server("MaxStartups 1:100:1") as jump:
        home = site.home(jump.known_hosts() + sshd.known_hosts())
        where = node(sshd.port, proxy_jump=f"root@{LOCALHOST}:{jump.port}")
        outputs: list[Output] = []
        with closing(connect([where], home.options())) as shell:
            threads = [
                threading.Thread(target=lambda: outputs.append(shell(where).run("echo x", LIMITS)))
                for _ in range(20)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert outputs == [Output(0, b"x\n", b"")] * 20, sshd.log()[-10000:]
        assert jump.connections() == 1


@pytest.mark.sshd
def test_a_jump_host_that_went_away_is_connected_to_again(site: Site, sshd: Sshd) -> None:
    with site.server() as jump:
        home = site.home(jump.known_hosts() + sshd.known_hosts())
        where = node(sshd.port, proxy_jump=f"root@{LOCALHOST}:{jump.port}")
        with closing(connect([where], home.options())) as shell:
            assert shell(where).run("echo x", LIMITS).out == b"x\n"
            jump.drop_connections()
            time.sleep(0.2)
            assert shell(where).run("echo y", LIMITS).out == b"y\n"
        assert jump.connections() == 2


@pytest.mark.sshd
def test_a_jump_host_that_stalls_does_not_hold_up_the_end(
    site: Site, sshd: Sshd, tmp_path: Path
) -> None:
    """It takes no farewell from the jump host behind it either."""
    stalls = threading.Event()
    go = tmp_path / "go"
    wait = f"for n in $(seq 200); do if [ -e {go} ]; then break; fi; sleep 0.05; done"
    long = f"touch {tmp_path}/$$; {wait}\n{'#' * 5_000_000}"
    with site.server() as first, site.server() as second, hostile.deaf(first.port, stalls) as port:
        home = site.knows(port, second.port, sshd.port)
        jump = f"root@{LOCALHOST}:{port}"
        chain = node(sshd.port, proxy_jump=f"{jump},root@{LOCALHOST}:{second.port}")
        behind = node(sshd.port, proxy_jump=jump)
        remote = connect([chain, behind], home.options())
        assert remote(chain).run("echo x", LIMITS).out == b"x\n"
        for _ in range(4):
            threading.Thread(target=remote(behind).run, args=(long, LIMITS), daemon=True).start()
        wait_for(lambda: len(list(tmp_path.iterdir())) == 4)
        stalls.set()
        go.touch()
        time.sleep(1)
        assert timed(remote.close) < 1


@pytest.mark.sshd
def test_jump_hosts_that_fail(site: Site, sshd: Sshd) -> None:
    home = site.knows(sshd.port)
    jump = f"root@{LOCALHOST}:{sshd.port}"
    closed = free_port()
    said = denied(home, node(sshd.port, proxy_jump=f"root@{LOCALHOST}:{closed}"))
    assert said == f"jump host root@{LOCALHOST}:{closed}: connection refused"
    said = denied(home, node(closed, proxy_jump=jump))
    assert f"jump host {jump}: cannot reach {LOCALHOST} port {closed}: " in said
    assert "ProxyJump must be" in denied(home, node(closed, proxy_jump="a b:c"))
    with site.server("AllowTcpForwarding no") as other:
        home = site.knows(sshd.port, other.port)
        said = denied(home, node(sshd.port, proxy_jump=f"root@{LOCALHOST}:{other.port}"))
        assert "prohibited" in said.lower()


def test_jump_hosts_in_a_circle(site: Site) -> None:
    home = site.home("", "Host a\n ProxyJump b\nHost b\n ProxyJump a\n")
    assert "ProxyJump goes in a circle at" in denied(home, Node("n", "a", None))


@pytest.mark.sshd
def test_a_jump_host_that_hangs(site: Site) -> None:
    with hostile.tcp(hostile.silent) as port:
        where = node(1, proxy_jump=f"root@{LOCALHOST}:{port}")
        started = time.monotonic()
        with pytest.raises(TransportError, match=r"jump host .*no SSH server spoke within 1 s"):
            run(site.home(), where, "true", BRIEF)
        assert time.monotonic() - started < 1.5


# --- host keys --------------------------------------------------------------------------------


@pytest.mark.sshd
def test_accept_new_records_once(site: Site, sshd: Sshd) -> None:
    home = site.home()
    assert run(home, node(sshd.port), "echo x", accept_new=True).out == b"x\n"
    assert home.known_hosts.read_text() == sshd.known_hosts()
    assert run(home, node(sshd.port), "echo x", accept_new=True).out == b"x\n"
    assert home.known_hosts.read_text() == sshd.known_hosts()


@pytest.mark.sshd
@pytest.mark.parametrize("word", ["accept-new", "no", "off"])
def test_strict_host_key_checking_in_the_config(site: Site, sshd: Sshd, word: str) -> None:
    home = site.home("", f"StrictHostKeyChecking {word}\n")
    assert run(home, node(sshd.port), "echo x").out == b"x\n"
    assert home.known_hosts.read_text() == sshd.known_hosts()
    home.write("known_hosts", f"[{LOCALHOST}]:{sshd.port} {site.stranger.public}\n")
    assert "host key has CHANGED" in denied(home, node(sshd.port), accept_new=True)


@pytest.mark.sshd
def test_a_lab_that_remembers_nothing(site: Site, sshd: Sshd) -> None:
    home = site.home("", "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\n")
    assert run(home, node(sshd.port), "echo x").out == b"x\n"


@pytest.mark.sshd
@pytest.mark.parametrize("strict", ["no", "accept-new", "yes"])
@pytest.mark.parametrize("keeper", ["none", "/dev/null"])
def test_where_no_key_is_kept_we_trust_whom_ssh_trusts(
    site: Site, sshd: Sshd, strict: str, keeper: str
) -> None:
    settings = f"StrictHostKeyChecking {strict}\nUserKnownHostsFile {keeper}\n"
    home = site.home("", f"{settings}IdentityFile {site.mine.path}\n")
    assert ours(home, sshd.port) == theirs(home, sshd.port)


@pytest.mark.sshd
def test_without_checking_a_key_need_not_be_recorded(site: Site, sshd: Sshd) -> None:
    """No user, root neither, can make that folder."""
    file = f"IdentityFile {site.mine.path}\nUserKnownHostsFile /proc/nowhere/known_hosts\n"
    home = site.home("", f"{file}StrictHostKeyChecking no\n")
    assert ours(home, sshd.port) == theirs(home, sshd.port) == 0
    home.write("config", f"{file}StrictHostKeyChecking accept-new\n")
    assert "could not be recorded in /proc/nowhere/known_hosts" in denied(home, node(sshd.port))


@pytest.mark.sshd
@pytest.mark.parametrize("keeper", ["none", "/dev/null", "~/.ssh/nothing"])
def test_where_no_key_is_kept_a_file_for_it_is_asked_for(
    site: Site, sshd: Sshd, keeper: str
) -> None:
    home = site.home("", f"UserKnownHostsFile {keeper}\n")
    (home.path / ".ssh/nothing").symlink_to(os.devnull)
    said = refused(home, node(sshd.port))
    where = keeper.replace("~", str(home.path))
    assert str(said).endswith(
        f"{site.host.fingerprint}; none can be added while UserKnownHostsFile is {where}:"
        " set it to a file in ssh_config"
    )
    assert said.cure == ""
    home.write("config", "UserKnownHostsFile ~/.ssh/known_hosts\n")
    assert run(home, node(sshd.port), "echo x", accept_new=True).out == b"x\n"


@pytest.mark.sshd
def test_the_command_for_an_unknown_key_makes_it_known(site: Site, sshd: Sshd) -> None:
    home = site.home()
    said = refused(home, node(sshd.port))
    assert site.host.fingerprint in str(said)
    command = said.cure.replace("~/.ssh", str(home.path / ".ssh"))
    subprocess.run(["sh", "-c", command], check=True, capture_output=True)
    assert run(home, node(sshd.port), "echo x").out == b"x\n"


@pytest.mark.sshd
def test_the_command_for_a_jump_hosts_unknown_key(site: Site, sshd: Sshd) -> None:
    with site.server() as jump:
        home = site.knows(sshd.port)
        where = node(sshd.port, proxy_jump=f"root@{LOCALHOST}:{jump.port}")
        said = refused(home, where)
        assert str(said).startswith(f"jump host root@{LOCALHOST}:{jump.port}: host key is unknown")
        command = said.cure.replace("~/.ssh", str(home.path / ".ssh"))
        subprocess.run(["sh", "-c", command], check=True, capture_output=True)
        assert run(home, where, "echo x").out == b"x\n"


@pytest.mark.sshd
def test_a_changed_key_and_the_command_against_it(site: Site, sshd: Sshd) -> None:
    home = site.home(
        f"other {site.ecdsa.public}\n[{LOCALHOST}]:{sshd.port} {site.stranger.public}\n"
    )
    said = refused(home, node(sshd.port), accept_new=True)
    assert f"{home.known_hosts}:2 has ssh-ed25519 {site.stranger.fingerprint}" in str(said)
    assert f"shows ssh-ed25519 {site.host.fingerprint}" in str(said)
    subprocess.run(["sh", "-c", said.cure], check=True, capture_output=True)
    assert run(home, node(sshd.port), "echo x", accept_new=True).out == b"x\n"


@pytest.mark.sshd
def test_the_key_that_is_known_is_asked_for(site: Site) -> None:
    with site.server(host_keys=(site.host, site.ecdsa)) as server:
        home = site.home(f"[{LOCALHOST}]:{server.port} {site.ecdsa.public}\n")
        assert run(home, node(server.port), "echo x").out == b"x\n"


@pytest.mark.sshd
def test_a_key_that_was_revoked_is_not_asked_for(site: Site) -> None:
    with site.server(host_keys=(site.host, site.ecdsa)) as server:
        known = f"[{LOCALHOST}]:{server.port} {site.ecdsa.public}\n"
        home = site.home(f"@revoked * {site.host.public}\n{known}")
        assert run(home, node(server.port), "echo x").out == b"x\n"


@pytest.mark.sshd
def test_hashed_names_are_looked_through_before_the_limits_count(
    site: Site, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of them take longer than a node is given to let us in."""
    with site.server() as jump:
        home = site.home(jump.known_hosts() + sshd.known_hosts())
        output_quiet("ssh-keygen", "-q", "-H", "-f", str(home.known_hosts))
        where = node(sshd.port, proxy_jump=f"root@{LOCALHOST}:{jump.port}")
        computed = counted_hashes(monkeypatch)
        with closing(connect([where], home.options())) as shell:
            before = len(computed)
            assert shell(where).run("echo x", LIMITS).out == b"x\n"
    assert len(computed) == before > 0


@pytest.mark.sshd
def test_a_host_known_by_rsa_only(site: Site, tmp_path: Path) -> None:
    rsa = keygen(tmp_path / "rsa", "rsa")
    with site.server(host_keys=(site.host, rsa)) as server:
        home = site.home(f"[{LOCALHOST}]:{server.port} {rsa.public}\n")
        assert run(home, node(server.port), "echo x").out == b"x\n"


@pytest.mark.sshd
def test_an_alias_for_the_host_key(site: Site, sshd: Sshd) -> None:
    home = site.home(f"gold {site.host.public}\n", "HostKeyAlias gold\n")
    assert run(home, node(sshd.port), "echo x").out == b"x\n"


TRUST = {
    "plain": "{host} {key}",
    "nothing": "",
    "another host": "[127.0.0.9]:{port} {key}",
    "another key": "{host} {other}",
    "another key of two": "{host} {other}\n{host} {key}",
    "without the port": "127.0.0.1 {key}",
    "without the port, another key": "127.0.0.1 {other}",
    "without the port, revoked": "127.0.0.1 {key}\n@revoked 127.0.0.1 {key}",
    "wildcard": "[127.0.0.*]:* {key}",
    "negated": "!{host},* {key}",
    "hashed": "{hashed} {key}",
    "hashed, another key": "{hashed} {other}",
    "revoked": "{host} {key}\n@revoked * {key}",
    "another revoked": "{host} {key}\n@revoked * {other}",
    "authority": "@cert-authority * {other}",
    "authority and the key": "@cert-authority * {other}\n{host} {key}",
    "broken lines": "{host}\n{host} ssh-ed25519\n{host} ssh-ed25519 xx\n{host} {key}",
    "only broken lines": "{host} ssh-ed25519 xx",
    "comments": "# {host} {key}",
    "spaces": "   {host}\t\t{key}   comment with spaces",
    "another type": "{host} {ecdsa}",
}


@pytest.mark.sshd
@pytest.mark.parametrize("case", TRUST)
def test_we_trust_whom_ssh_trusts(site: Site, sshd: Sshd, case: str) -> None:
    host = f"[{LOCALHOST}]:{sshd.port}"
    hashed = site.folder / "hashed"
    hashed.write_text(f"{host} {site.host.public}\n")
    output("ssh-keygen", "-q", "-H", "-f", str(hashed))
    text = TRUST[case].format(
        host=host,
        port=sshd.port,
        key=site.host.public,
        other=site.stranger.public,
        ecdsa=site.ecdsa.public,
        hashed=hashed.read_text().split()[0],
    )
    home = site.home(f"{text}\n")
    settings = f"StrictHostKeyChecking yes\nUserKnownHostsFile {home.known_hosts}\n"
    home.write("config", f"{settings}IdentityFile {site.mine.path}\n")
    assert ours(home, sshd.port) == theirs(home, sshd.port)


def ours(home: Home, port: int) -> int | None:
    """Exit status of `true` on a node there; as `ssh` has it, 255 where we are not let in."""
    try:
        return run(home, node(port), "true").rc
    except TransportError:
        return 255


def theirs(home: Home, port: int) -> int:
    """The same, by `ssh` with the home's config, which must name all that is in its own home."""
    flags = ["BatchMode=yes", "GlobalKnownHostsFile=none", "UpdateHostKeys=no"]
    argv = ["ssh", "-F", str(home.path / ".ssh/config"), *(f"-o{flag}" for flag in flags)]
    argv += ["-p", str(port), f"root@{LOCALHOST}", "true"]
    done = subprocess.run(argv, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return done.returncode


# --- who we are -------------------------------------------------------------------------------


@pytest.fixture
def agent(
    no_agent: None,  # noqa: ARG001 - must be done first
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Callable[[Path], None]]:
    """A running ssh-agent; call it with a key to have it held."""
    socket = tmp_path / "agent"
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        while subprocess.run(["ssh-add", "-l"], capture_output=True, check=False).returncode == 2:
            time.sleep(0.005)
        yield lambda key: output_quiet("ssh-add", "-q", str(key))
    finally:
        process.kill()
        process.wait()


def output_quiet(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, stdin=subprocess.DEVNULL)


@pytest.mark.sshd
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_kinds_of_keys(site: Site, tmp_path: Path, kind: str) -> None:
    key = keygen(tmp_path / "key", kind)
    with site.server(authorized=(key,)) as server:
        where = node(server.port, identity_file=key.path)
        assert run(site.knows(server.port), where, "echo x").out == b"x\n"


@pytest.mark.sshd
@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_keys_in_the_old_format(site: Site, tmp_path: Path, kind: str) -> None:
    key = keygen(tmp_path / "key", kind, "", "-m", "PEM")
    with site.server(authorized=(key,)) as server:
        where = node(server.port, identity_file=key.path)
        assert run(site.knows(server.port), where, "echo x").out == b"x\n"


@pytest.mark.sshd
def test_rsa_and_a_server_as_old_as_centos_7s(site: Site, tmp_path: Path) -> None:
    """OpenSSH 7.4 signs with rsa-sha2 and knows neither newer ciphers nor key exchanges."""
    key, host = keygen(tmp_path / "key", "rsa"), keygen(tmp_path / "host", "rsa")
    old = (
        "KexAlgorithms curve25519-sha256@libssh.org,diffie-hellman-group14-sha256",
        "Ciphers aes128-ctr,aes256-gcm@openssh.com",
        "MACs hmac-sha2-256",
        "HostKeyAlgorithms rsa-sha2-256,rsa-sha2-512",
        "PubkeyAcceptedAlgorithms rsa-sha2-256,rsa-sha2-512",
    )
    with site.server(*old, host_keys=(host,), authorized=(key,)) as server:
        where = node(server.port, identity_file=key.path)
        assert run(site.home(server.known_hosts()), where, "echo x").out == b"x\n"


@pytest.mark.sshd
def test_a_key_of_the_agent(site: Site, sshd: Sshd, agent: Callable[[Path], None]) -> None:
    home = site.knows(sshd.port)
    for file in home.path.glob(".ssh/id_*"):
        file.unlink()
    assert "no key to offer" in denied(home, node(sshd.port))
    agent(site.mine.path)
    assert run(home, node(sshd.port), "echo x").out == b"x\n"
    home.write("config", "IdentitiesOnly yes\n")
    assert "no key to offer" in denied(home, node(sshd.port))
    home.write("config", "IdentityAgent none\n")
    assert "no key to offer" in denied(home, node(sshd.port))


@pytest.mark.sshd
def test_an_agents_key_named_by_its_public_half(
    site: Site, sshd: Sshd, agent: Callable[[Path], None]
) -> None:
    home = site.knows(sshd.port)
    (home.path / ".ssh/id_ed25519").unlink()
    public = home.path / ".ssh/id_ed25519.pub"
    home.write("config", f"IdentitiesOnly yes\nIdentityFile {public}\n")
    assert "is a public key that the agent lacks" in denied(home, node(sshd.port))
    agent(site.mine.path)
    assert run(home, node(sshd.port), "echo x").out == b"x\n"


@pytest.mark.sshd
def test_a_named_file_is_offered_before_all_that_the_agent_holds(
    site: Site, agent: Callable[[Path], None], tmp_path: Path
) -> None:
    for number in range(3):
        agent(keygen(tmp_path / f"key{number}").path)
    with site.server("MaxAuthTries 2") as server:
        home = site.knows(server.port)
        said = denied(home, node(server.port))
        assert "the server gave up: Too many authentication failures" in said
        assert "agent's key0" in said
        where = node(server.port, identity_file=site.mine.path)
        assert run(home, where, "echo x").out == b"x\n"


@pytest.mark.sshd
def test_an_agent_that_is_none(site: Site, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nonexistent/agent")
    home = site.knows(sshd.port)
    assert run(home, node(sshd.port), "echo x").out == b"x\n"
    (home.path / ".ssh/id_ed25519").unlink()
    said = denied(home, node(sshd.port))
    assert "the agent at /nonexistent/agent does not answer: No such file" in said


@pytest.mark.sshd
@pytest.mark.usefixtures("agent")
def test_an_agent_that_will_not_sign_spoils_only_its_own_key(site: Site, tmp_path: Path) -> None:
    """A locked key (`ssh-add -c`, without anything to ask by) is refused when it is to sign."""
    other = keygen(tmp_path / "other")
    output_quiet("ssh-add", "-q", "-c", str(other.path))
    with site.server(authorized=(other, site.mine)) as server:
        assert run(site.knows(server.port), node(server.port), "echo x").out == b"x\n"


@pytest.mark.sshd
@pytest.mark.parametrize("answers", [0, 1])
def test_an_agent_that_hangs(
    site: Site, sshd: Sshd, agent: Callable[[Path], None], tmp_path: Path, answers: int
) -> None:
    """It answers that many questions (which keys are there, please sign), and hangs at the next."""
    agent(site.mine.path)
    home = site.knows(sshd.port)
    with hostile.agent(Path(os.environ["SSH_AUTH_SOCK"]), answers, tmp_path / "hanging"):
        home.write("config", f"IdentityAgent {tmp_path}/hanging\n")
        (home.path / ".ssh/id_ed25519").unlink()
        started = time.monotonic()
        with pytest.raises(TransportError) as caught:
            run(home, node(sshd.port), "true", Limits(connect=2))
        assert time.monotonic() - started < 4
    whys = (
        "the agent at .*/hanging does not answer: timed out",
        "logging in did not finish within 2 s",
    )
    assert re.search(whys[answers], str(caught.value))


@pytest.mark.sshd
def test_a_key_with_a_passphrase(site: Site, tmp_path: Path) -> None:
    key = keygen(tmp_path / "key", "ed25519", "open sesame")
    asked: list[Path] = []

    def ask(path: Path) -> str:
        asked.append(path)
        return "wrong" if len(asked) == 1 else "open sesame"

    with site.server(authorized=(key,)) as server:
        home = site.knows(server.port)
        where = node(server.port, identity_file=key.path)
        assert f"{key.path} has a passphrase: ssh-add {key.path}" in denied(home, where)
        shell = connect([where, where], home.options(ask_passphrase=ask))(where)
        assert shell.run("echo x", LIMITS).out == b"x\n"
        assert asked == [key.path, key.path]


@pytest.mark.sshd
def test_a_passphrase_that_nobody_gives_is_asked_for_once(site: Site, tmp_path: Path) -> None:
    key = keygen(tmp_path / "key", "ed25519", "open sesame")
    asked: list[Path] = []
    nodes = [node(port, identity_file=key.path) for port in (1, 2, 3)]
    connect(nodes, site.home().options(ask_passphrase=asked.append))
    assert asked == [key.path]


@pytest.mark.sshd
def test_the_passphrase_of_a_jump_hosts_key(site: Site, sshd: Sshd, tmp_path: Path) -> None:
    key = keygen(tmp_path / "key", "ed25519", "open sesame")
    with site.server(authorized=(key,)) as jump:
        home = site.knows(jump.port, sshd.port)
        jump_block = f"HostName {LOCALHOST}\n Port {jump.port}\n User root\n"
        home.write("config", f"Host bastion\n {jump_block} IdentityFile {key.path}\n")
        where = node(sshd.port, proxy_jump="bastion")
        got = run(home, where, "echo x", ask_passphrase=lambda _: "open sesame")
    assert got.out == b"x\n"


@pytest.mark.sshd
def test_a_key_with_a_passphrase_that_the_agent_holds(
    site: Site, agent: Callable[[Path], None], tmp_path: Path
) -> None:
    key = keygen(tmp_path / "key")
    agent(key.path)
    output_quiet("ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(key.path))
    Path(f"{key.path}.pub").unlink(missing_ok=False)
    with site.server("MaxAuthTries 1", authorized=()) as server:
        (server.folder / "authorized_keys").write_text(f"{held(agent)}\n")
        home = site.knows(server.port)
        home.write("config", "IdentitiesOnly yes\n")
        where = node(server.port, identity_file=key.path)
        assert run(home, where, "echo x").out == b"x\n"


def held(_agent: object) -> str:
    return output("ssh-add", "-L").strip()


@pytest.mark.sshd
def test_a_certificate_beside_the_key(site: Site, tmp_path: Path) -> None:
    authority, key = keygen(tmp_path / "ca"), keygen(tmp_path / "key")
    public = f"{key.path}.pub"
    output_quiet("ssh-keygen", "-q", "-s", str(authority.path), "-I", "x", "-n", "root", public)
    trusted = tmp_path / "trusted"
    trusted.write_text(authority.public)
    with site.server(f"TrustedUserCAKeys {trusted}", authorized=()) as server:
        where = node(server.port, identity_file=key.path)
        assert run(site.knows(server.port), where, "echo x").out == b"x\n"


CERTIFIED = {
    "the agent holds both": ("", "IdentitiesOnly yes\nIdentityFile {key}"),
    "the agent holds both, nothing is named": ("", ""),
    "the agent holds both, of other files": (
        "rm {key} {key}.pub {key}-cert.pub",
        "IdentityFile {other}",
    ),
    "the agent signs for the file": ("ssh-add -q -D; ssh-add -q -k {key}", "IdentityFile {key}"),
    "the key is only in the agent": (
        "ssh-add -q -D; ssh-add -q -k {key}; rm {key}",
        "IdentitiesOnly yes\nIdentityFile {key}",
    ),
    "the key is locked": (
        "ssh-add -q -D; ssh-add -q -k {key}; ssh-keygen -q -p -P '' -N secret -f {key}",
        "IdentityFile {key}",
    ),
    "IdentitiesOnly, and no file of it": (
        "rm {key}-cert.pub",
        "IdentitiesOnly yes\nIdentityFile {key}",
    ),
    "another key's certificate": ("mv {key}-cert.pub {other}-cert.pub", "IdentityFile {other}"),
    "a certificate that is none": ("cp {key}.pub {key}-cert.pub", "IdentityFile {key}"),
    "there is no certificate": ("ssh-add -q -D; rm {key}-cert.pub", "IdentityFile {key}"),
}


@pytest.mark.sshd
@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
@pytest.mark.parametrize("case", CERTIFIED)
def test_a_certificate_lets_us_in_where_it_lets_ssh_in(
    site: Site, agent: Callable[[Path], None], tmp_path: Path, case: str, kind: str
) -> None:
    authority, other = keygen(tmp_path / "ca"), keygen(tmp_path / "other", kind)
    key = keygen(tmp_path / "key", kind)
    sign = ("ssh-keygen", "-q", "-s", str(authority.path), "-I", "x", "-n", "root")
    output_quiet(*sign, f"{key.path}.pub")
    agent(key.path)
    script, config = (part.format(key=key.path, other=other.path) for part in CERTIFIED[case])
    output_quiet("sh", "-c", script)
    trusted = tmp_path / "trusted"
    trusted.write_text(authority.public)
    with site.server(f"TrustedUserCAKeys {trusted}", authorized=()) as server:
        home = site.knows(server.port)
        home.write("config", f"{config}\nUserKnownHostsFile {home.known_hosts}\n")
        assert ours(home, server.port) == theirs(home, server.port)


def shortened(text: str) -> str:
    """The same key file with its last bytes missing."""
    first, *body, last, _ = text.split("\n")
    data = base64.b64encode(base64.b64decode("".join(body))[:-40]).decode()
    return f"{first}\n{data}\n{last}\n"


@pytest.mark.sshd
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.chmod(0o644), "is open to others (mode 0644): chmod 600"),
        (lambda path: path.write_text("nonsense"), "holds no key that gkprep can read"),
        (lambda path: path.write_bytes(b"\xff" * 99), "holds no key that gkprep can read"),
        (lambda path: path.write_text(path.read_text()[:200]), "holds no key that gkprep can read"),
        (lambda path: path.write_text(shortened(path.read_text())), "cannot be read: "),
        (lambda path: path.unlink(), "cannot be read: No such file"),
    ],
)
def test_identity_files_that_cannot_be_used(
    site: Site, sshd: Sshd, tmp_path: Path, spoil: Callable[[Path], None], why: str
) -> None:
    key = tmp_path / "key"
    shutil.copy(site.mine.path, key)
    spoil(key)
    said = denied(site.knows(sshd.port), node(sshd.port, identity_file=key))
    assert said.startswith("permission denied for root (no key to offer; ")
    assert f"{key} {why}" in said


@pytest.mark.sshd
def test_a_server_that_wants_something_else(site: Site) -> None:
    with site.server("PubkeyAuthentication no", "KbdInteractiveAuthentication yes") as server:
        said = denied(site.knows(server.port), node(server.port))
    assert "tried: ~/.ssh/id_ed25519; the server wants: keyboard-interactive" in said
