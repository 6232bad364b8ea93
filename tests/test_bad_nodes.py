"""Nodes that are off, mute, hostile or crippled: each an error with its cause, none a nuisance.

Every case asks a good node and a bad one side by side, as `gkprep check` does. The bad one's
facts must be unknown, with the cause, in bounded time; the good one's must be the truth.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from preflight.collect import collect, side_by_side
from preflight.errors import Unknown
from preflight.model import Facts, Limits, Node, Probe
from preflight.transport import connect
from preflight.transport.shell import ConnectOptions
from tests import hostile
from tests.site import (
    ASKED,
    DENIED,
    NO_LOGIN,
    NOISY,
    PASSWORD,
    Site,
    node,
)
from tests.sshd import Sshd, free_port
from tests.world import lacking, world

pytestmark = [pytest.mark.sshd, pytest.mark.usefixtures("no_agent")]

LIMITS = Limits(connect=1, probe=1, node=5)
BRIEF = Limits(connect=0.4, probe=1, node=0.5)
SLACK = 1.5
"""Seconds beyond a limit that a loaded machine may take."""

WHO = Probe("who", "id -u", str.strip)
FIRST = Probe("first", "echo first", str.strip)
LAST = Probe("last", "echo last", str.strip)
PROBES: tuple[Probe[object], ...] = (WHO, LAST)


@dataclass(frozen=True)
class Bad:
    """A bad node: where it is, what the user knows, and what else he was told."""

    port: int
    user: str = "root"
    known: bool = True
    lines: str = ""
    options: dict[str, Any] = field(default_factory=dict)


Make = Callable[[Site, Sshd], AbstractContextManager[Bad]]
CASES: dict[str, tuple[Make, str]] = {}


def case(name: str, cause: str) -> Callable[[Callable[[Site, Sshd], Iterator[Bad]]], None]:
    """Add a case; `cause` is what the error must say."""

    def decorate(make: Callable[[Site, Sshd], Iterator[Bad]]) -> None:
        CASES[name] = (contextmanager(make), cause)

    return decorate


def ask(
    nodes: Sequence[Node],
    options: ConnectOptions,
    probes: Sequence[Probe[object]] = PROBES,
    limits: Limits = LIMITS,
) -> dict[str, Facts]:
    with closing(connect(nodes, options)) as shell:
        return side_by_side(
            {n.name: partial(collect, n, probes, shell(n), limits) for n in nodes},
            parallel=len(nodes),
            on_done=lambda _facts: None,
        )


def why(facts: Facts, probe: Probe[object]) -> str:
    with pytest.raises(Unknown) as caught:
        facts[probe]
    return str(caught.value)


# --- the way in -------------------------------------------------------------------------------


@case("off", "^connection refused$")
def off(_site: Site, _sshd: Sshd) -> Iterator[Bad]:
    yield Bad(free_port())


@case("black hole", "^connection timed out after 1 s$")
def black_hole(_site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.blackhole() as port:
        yield Bad(port)


@case("accepts and is silent", "^connected, but no SSH server spoke within 1 s$")
def silent(_site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.tcp(hostile.silent) as port:
        yield Bad(port)


@case("accepts and closes", "^the connection was closed before an SSH server spoke$")
def slam(_site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.tcp(hostile.slam) as port:
        yield Bad(port)


@case("another protocol", "^what answers is no SSH server: |no SSH server spoke")
def another_protocol(_site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.tcp(hostile.says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        yield Bad(port)


@case("SSH 1", "Incompatible version")
def ssh_one(_site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.tcp(hostile.says(b"SSH-1.5-old\r\n")) as port:
        yield Bad(port)


@case("stops after its version", "^exchanging keys did not finish within 1 s$")
def only_version(_site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.tcp(hostile.says(b"SSH-2.0-x\r\n")) as port:
        yield Bad(port)


@case("talks without end", "no SSH server|sends without end")
def babbles(_site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.tcp(hostile.babbles(b"x" * 4096)) as port:
        yield Bad(port)


@case("talks lines without end", "no SSH server")
def babbles_lines(_site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.tcp(hostile.babbles(b"\x1b[2J hello\r\n")) as port:
        yield Bad(port)


@case("talks packets without end", "sends without end|exchanging keys")
def babbles_packets(_site: Site, _sshd: Sshd) -> Iterator[Bad]:
    ignore = b"\0\0\0\x0c\x0a\x02\0\0\0\0" + b"\0" * 6

    def visit(connection: Any, over: Any) -> None:
        connection.sendall(b"SSH-2.0-x\r\n")
        hostile.babbles(ignore * 100)(connection, over)

    with hostile.tcp(visit) as port:
        yield Bad(port)


@case("one packet of 2 GB", "sends without end|exchanging keys")
def huge_packet(_site: Site, _sshd: Sshd) -> Iterator[Bad]:
    def visit(connection: Any, over: Any) -> None:
        connection.sendall(b"SSH-2.0-x\r\n\x7f\xff\xff\xf8\x04")
        hostile.babbles(b"\0" * 65536)(connection, over)

    with hostile.tcp(visit) as port:
        yield Bad(port)


# --- trust ------------------------------------------------------------------------------------


@case(
    "unknown host key",
    "^host key is unknown: ssh-ed25519 SHA256:.*; compare the fingerprint before you add it, or",
)
def unknown_key(_site: Site, sshd: Sshd) -> Iterator[Bad]:
    yield Bad(sshd.port, known=False)


@case("changed host key", "^host key has CHANGED: .*known_hosts:")
def changed_key(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with site.server(host_keys=(site.stranger,)) as other:
        yield Bad(other.port, options={"accept_new": True})


@case("revoked host key", "^host key is REVOKED")
def revoked_key(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with site.server() as server:
        yield Bad(server.port, lines=f"@revoked [*]:{server.port} {site.host.public}\n")


@case("refuses the key", r"^permission denied for root \(tried: ~/.ssh/id_ed25519\)$")
def refuses_the_key(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with site.server(authorized=(site.stranger,)) as server:
        yield Bad(server.port)


@case("wants a second proof", "accepted, but not enough.* the server wants: keyboard-interactive")
def wants_more(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.ssh(site.host.path, hostile.hang, hostile.WantsMore) as port:
        yield Bad(port)


@case("hangs at login", "^logging in did not finish within 1 s$")
def hangs_at_login(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.ssh(site.host.path, hostile.hang, hostile.HangsAtLogin) as port:
        yield Bad(port)


# --- the shell --------------------------------------------------------------------------------


@case("opens no channel", "starting a shell failed: .*shortage")
def no_channel(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.ssh(site.host.path, hostile.hang, hostile.RefusesChannels) as port:
        yield Bad(port)


@case("starts no command", "starting a shell failed: Channel closed")
def no_command(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.ssh(site.host.path, hostile.hang, hostile.RefusesCommands) as port:
        yield Bad(port)


@case("hangs before the shell", "^starting a shell did not finish within 5 s$")
def hangs_at_command(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.ssh(site.host.path, hostile.hang, hostile.HangsAtCommand) as port:
        yield Bad(port)


@case("hangs after login", "^no answer within 5 s$")
def hangs_after_login(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with site.server("ForceCommand sleep 60") as server:
        yield Bad(server.port)


@case("trickles", "^no answer within 5 s$")
def trickles(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.ssh(site.host.path, hostile.trickle) as port:
        yield Bad(port)


@case("drops at once", "^the connection was dropped$")
def drops_at_once(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.ssh(site.host.path, hostile.drop) as port:
        yield Bad(port)


@case("ends without a status", "^the shell was killed$")
def no_status(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.ssh(site.host.path, hostile.no_status) as port:
        yield Bad(port)


@case("a status, and never an end", "did not start a shell: no message .exit 0.")
def no_end(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with hostile.ssh(site.host.path, hostile.no_end) as port:
        yield Bad(port)


@case("floods standard output", "^more than 16 MiB on standard output$")
def floods_out(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with site.server("ForceCommand head -c 100000000 /dev/zero") as server:
        yield Bad(server.port)


@case("floods standard error", "^more than 16 MiB on standard error$")
def floods_err(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with site.server("ForceCommand head -c 100000000 /dev/urandom >&2") as server:
        yield Bad(server.port)


@case("escapes instead of a shell", r"a shell: \\x1b\]0;owned\\x07 \\x1b\[2J \(exit 1\)$")
def escapes(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with site.server(r"ForceCommand printf '\033]0;owned\007 \033[2J\n'; exit 1") as server:
        yield Bad(server.port)


@case("no sh", "the login did not start a shell: .*sh: .*not found.* .exit 127.")
def no_sh(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with site.server(prefix=world(*lacking("sh", "dash"))) as server:
        yield Bad(server.port)


@case("no sudo", "sudo did not start a shell: .*sudo.*No such file or directory .exit 127.")
def no_sudo(site: Site, _sshd: Sshd) -> Iterator[Bad]:
    with site.server(prefix=world(*lacking("sudo"))) as server:
        yield Bad(server.port, user=DENIED)


@case("no right to sudo", "^sudo: a password is required: --ask-become-pass$")
def no_right(_site: Site, sshd: Sshd) -> Iterator[Bad]:
    yield Bad(sshd.port, user=DENIED)


@case("wrong sudo password", "^sudo: the password is wrong$")
def wrong_password(_site: Site, sshd: Sshd) -> Iterator[Bad]:
    yield Bad(sshd.port, user=ASKED, options={"become_password": "not it"})


@case("an account without a login", "This account is currently not available")
def no_login(_site: Site, sshd: Sshd) -> Iterator[Bad]:
    yield Bad(sshd.port, user=NO_LOGIN)


@pytest.fixture(scope="module")
def good(site: Site) -> Iterator[Sshd]:
    with site.server() as server:
        yield server


@pytest.mark.parametrize("name", CASES)
def test_a_bad_node(
    site: Site, sshd: Sshd, good: Sshd, users: Mapping[str, str], name: str
) -> None:
    make, cause = CASES[name]
    slow = "password" in name or "floods" in name
    limits = Limits(connect=1, probe=1, node=10 if slow else 5)
    with make(site, sshd) as bad:
        home = site.knows(good.port, *([bad.port] if bad.known else []))
        home.write("known_hosts", home.known_hosts.read_text() + bad.lines)
        nodes = [node(bad.port, "bad", users[bad.user]), node(good.port, "good")]
        started = time.monotonic()
        facts = ask(nodes, home.options(**bad.options), limits=limits)
        took = time.monotonic() - started
    for probe in PROBES:
        assert re.search(cause, why(facts["bad"], probe))
    assert (facts["good"][WHO], facts["good"][LAST], facts["good"].lost) == ("0", "last", None)
    assert took < limits.node + SLACK


# --- half an answer ---------------------------------------------------------------------------


def half(site: Site, act: hostile.Act, probes: Sequence[Probe[object]]) -> Facts:
    limits = Limits(connect=1, probe=1, node=1)
    with hostile.ssh(site.host.path, act) as port:
        return ask([node(port)], site.knows(port).options(), probes, limits)["node"]


def after(text: bytes) -> Callable[[bytes], int]:
    return lambda all_of_it: all_of_it.index(text) + len(text)


@pytest.mark.parametrize(
    ("then", "cause"),
    [
        (hostile.drop, "^the connection was dropped$"),
        (hostile.hang, "^no answer within 1 s$"),
        (hostile.no_status, "^the shell was killed$"),
    ],
)
@pytest.mark.parametrize(
    ("cut", "known"),
    [
        (lambda _: 0, ()),
        (lambda _: 10, ()),
        (after(b"first"), ()),
        (after(b"first\n\n"), ()),
        (lambda all_of_it: all_of_it.index(b"las"), (FIRST,)),
        (after(b"las"), (FIRST,)),
    ],
)
def test_what_came_before_the_line_broke_is_known(
    site: Site,
    cut: Callable[[bytes], int],
    known: tuple[Probe[object], ...],
    then: hostile.Act,
    cause: str,
) -> None:
    facts = half(site, hostile.part(cut, then), (FIRST, LAST))
    for probe in (FIRST, LAST):
        if probe in known:
            assert facts[probe] == probe.name
        else:
            assert re.search(cause, why(facts, probe))


@pytest.mark.parametrize("stall", [True, False])
def test_a_line_that_breaks_anywhere(site: Site, sshd: Sshd, stall: bool) -> None:
    """Wherever a real conversation stops, the end comes in time, and is told in one line."""
    for place in (0, 10, 41, 100, 1000, 1130, 1600, 2000, 2200, 2400):
        with hostile.relay(sshd.port, after=place, stall=stall) as port:
            started = time.monotonic()
            facts = ask([node(port)], site.knows(port).options(), limits=BRIEF)["node"]
            assert time.monotonic() - started < BRIEF.node + SLACK
        assert facts.lost
        assert re.search(" within 0.[45] s$| closed while | closed before |dropped$", facts.lost)


# --- a node that answers, crippled ------------------------------------------------------------


def crippled(
    site: Site, server: Sshd, probes: Sequence[Probe[object]], user: str = "root"
) -> Facts:
    limits = Limits(connect=5, probe=1, node=10)
    return ask([node(server.port, user=user)], site.knows(server.port).options(), probes, limits)[
        "node"
    ]


def test_no_ss(site: Site) -> None:
    sockets = Probe("sockets", "ss -ltn", str.strip)
    with site.server(prefix=world(*lacking("ss"))) as server:
        facts = crippled(site, server, (WHO, sockets, LAST))
    assert re.search("^sockets: exit 127: .*ss: .*not found", why(facts, sockets))
    assert (facts[WHO], facts[LAST], facts.lost) == ("0", "last", None)


def test_no_timeout(site: Site) -> None:
    with site.server(prefix=world(*lacking("timeout"))) as server:
        facts = crippled(site, server, PROBES)
    for probe in PROBES:
        assert re.search("exit 127: .*timeout: .*not found", why(facts, probe))


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["free", "password"])
def test_a_noisy_login(site: Site, users: Mapping[str, str], password: str | None) -> None:
    """A banner before the login, and 14 kB of it with escapes and NULs from the shell."""
    banner = site.folder / "banner"
    banner.write_text("WELCOME\n" * 1000)
    with site.server(f"Banner {banner}") as server:
        home = site.knows(server.port)
        options = home.options(become_password=password)
        facts = ask([node(server.port, user=users[NOISY])], options, limits=Limits())["node"]
    assert (facts[WHO], facts[LAST], facts.lost) == ("0", "last", None)


@pytest.mark.parametrize("stream", [1, 2])
def test_a_probe_that_floods(site: Site, sshd: Sshd, stream: int) -> None:
    flood = Probe("flood", f"head -c 100000000 /dev/zero >&{stream}", str.strip)
    facts = crippled(site, sshd, (WHO, flood, LAST))
    assert facts[WHO] == "0"
    assert re.search("^more than 16 MiB on standard", why(facts, flood))
    assert re.search("^more than 16 MiB on standard", why(facts, LAST))


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (r"\000a\000", "\0a\0"),
        (r"\377\376", "\udcff\udcfe"),
        (r"\303", "\udcc3"),
        (r"\033[31m\033]0;x\007", "\x1b[31m\x1b]0;x\x07"),
        (r"\r\n\n\n", "\r\n\n\n"),
    ],
)
def test_bytes_that_are_no_text(site: Site, sshd: Sshd, sent: str, got: str) -> None:
    odd = Probe("odd", f"printf '{sent}'; printf '{sent}' >&2", str)
    facts = crippled(site, sshd, (WHO, odd, LAST))
    assert (facts[WHO], facts[odd], facts[LAST]) == ("0", got, "last")


def test_a_probe_that_kills_the_connection(site: Site, sshd: Sshd) -> None:
    parent = Probe("parent", "kill -9 $(cut -d' ' -f4 /proc/$PPID/stat); sleep 1", str.strip)
    facts = crippled(site, sshd, (WHO, parent, LAST))
    assert facts[WHO] == "0"
    assert re.search("^the shell was killed$", why(facts, LAST))
