"""`gkprep check`, the command itself: what each of its options does to real sshds on loopback."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import zip_longest
from xml.etree import ElementTree as ET

import pytest

from tests.command import at_a_terminal, findings, lost, unattended
from tests.netns import INTERFACE, NODE, PEERS, Hosts
from tests.site import ASKED, LOCALHOST, PASSWORD, Home, Site
from tests.sshd import Sshd
from tests.world import DISK, GLUSTERFS, having, mounting, with_disk, world

pytestmark = [pytest.mark.sshd, pytest.mark.usefixtures("no_agent")]

MOUNT = ("--only", "mount-glusterfs")
FIREWALL = ("--only", "firewall-ports")
JSON = ("-o", "json")
STORAGE = ("198.18.0.1", "198.18.0.2", "198.18.0.3")


def inventory(
    home: Home,
    servers: Sequence[Sshd],
    *,
    user: str = "root",
    device: str = "/dev/sdz",
    storage: Sequence[str] = STORAGE,
) -> None:
    """Write ./inventory.yaml: node1, node2 and so on, which have the first of the addresses.

    With more addresses than that, there are nodes that nobody can reach.
    """
    lines = [f"defaults: {{ssh: {{user: {user}}}, devices: [{device}]}}", "nodes:"]
    for number, (ip, server) in enumerate(zip_longest(storage, servers), 1):
        where = f"{LOCALHOST}, ssh: {{port: {server.port}}}" if server else f"gone{number}.invalid"
        lines.append(f"  - {{name: node{number}, storage: {ip}, address: {where}}}")
    (home.path / "inventory.yaml").write_text("\n".join([*lines, ""]))


def settled(site: Site, servers: Sequence[Sshd], **more: str) -> Home:
    """A home that knows the servers' keys, and has an inventory of them."""
    home = site.knows(*(server.port for server in servers))
    inventory(home, servers, storage=STORAGE[: len(servers)], **more)
    return home


def check(gkprep: str, home: Home, *args: str) -> subprocess.CompletedProcess[str]:
    done = unattended([gkprep, "check", *args], home)
    assert "Traceback" not in done.stderr
    return done


def ids(stdout: str) -> list[str]:
    return list(dict.fromkeys(finding["check"] for finding in findings(stdout)))


def told(stdout: str) -> dict[str, tuple[str, str]]:
    """By node, the status and the words of its only finding."""
    found = findings(stdout)
    by_node = {finding["node"]: (finding["status"], finding["saw"]) for finding in found}
    assert len(by_node) == len(found)
    return by_node


CAN_MOUNT = ("pass", GLUSTERFS)


@pytest.fixture(scope="module")
def three(site: Site) -> Iterator[tuple[Sshd, ...]]:
    """Nodes that can mount Gluster volumes, whatever the machine of the tests can."""
    prefix = world(*having(mounting()))
    with ExitStack() as stack:
        yield tuple(stack.enter_context(site.server(prefix=prefix)) for _ in STORAGE)


# --- what is checked, and on which nodes ------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "left"),
    [
        (("--only", "rpcbind-port", "--only", "mount-glusterfs"), "mount-glusterfs rpcbind-port"),
        (("--only", "rpcbind-port", *MOUNT, "--skip", "rpcbind-port"), "mount-glusterfs"),
        (
            ("--skip", "node-count", "--skip", "rpcbind-port", "--skip", "device-clean"),
            "device-idle device-usable firewall-ports gluster-state kernel-modules mount-glusterfs",
        ),
    ],
)
def test_only_and_skip_choose_the_checks(
    gkprep: str, site: Site, three: Sequence[Sshd], args: Sequence[str], left: str
) -> None:
    done = check(gkprep, settled(site, three), *args, *JSON)
    assert ids(done.stdout) == left.split()


def test_limit_asks_those_nodes_and_no_other(
    gkprep: str, site: Site, three: Sequence[Sshd]
) -> None:
    home, args = settled(site, three), (*MOUNT, "--only", "node-count", *JSON)
    whole = check(gkprep, home, *args)
    assert ids(whole.stdout) == ["mount-glusterfs", "node-count"]
    before = [server.connections() for server in three]
    done = check(gkprep, home, *args, "--limit", "node3", "--limit", "node1")
    assert told(done.stdout) == {"node1": CAN_MOUNT, "node3": CAN_MOUNT}
    asked = [server.connections() - had for server, had in zip(three, before, strict=True)]
    assert (done.returncode, asked) == (0, [1, 0, 1])


# --- what is said -----------------------------------------------------------------------------


def test_strict_counts_a_warning_as_a_failure(gkprep: str, site: Site) -> None:
    """A disk of 4 GiB will do, and is small."""
    usable = ("--only", "device-usable")
    with site.server(prefix=world(*with_disk(4))) as server:
        home = settled(site, [server], device=DISK)
        lenient = check(gkprep, home, *usable)
        strict = check(gkprep, home, *usable, "--strict")
        junit = check(gkprep, home, *usable, "--strict", "-o", "junit")
    assert [done.returncode for done in (lenient, strict, junit)] == [0, 1, 1]
    last = [done.stdout.splitlines()[-1] for done in (lenient, strict)]
    assert last[0].startswith("READY  1 warning on 1 node in ")
    assert last[1].startswith("BLOCKED  1 warning (--strict) on 1 node in ")
    assert ET.fromstring(junit.stdout).get("failures") == "1"


def test_a_report_is_text_or_json_or_junit(gkprep: str, site: Site, three: Sequence[Sshd]) -> None:
    home = settled(site, three)
    text, machine, junit = (
        check(gkprep, home, *MOUNT, *form) for form in (("-o", "text"), JSON, ("--output", "junit"))
    )
    assert {done.returncode for done in (text, machine, junit)} == {0}
    first, *_, last = text.stdout.splitlines()
    assert re.fullmatch(rf"\+ mount-glusterfs +3 nodes +mount.glusterfs: {GLUSTERFS}", first)
    assert re.fullmatch(r"READY  3 passed on 3 nodes in [0-9.]+ s", last)
    report = json.loads(machine.stdout)
    assert (report["schema"], report["command"], report["verdict"]) == (1, "check", "ready")
    assert told(machine.stdout) == dict.fromkeys(("node1", "node2", "node3"), CAN_MOUNT)
    suites = ET.fromstring(junit.stdout)
    assert [suite.get("name") for suite in suites] == ["node1", "node2", "node3"]
    assert (suites.get("tests"), suites.get("failures"), suites.get("errors")) == ("3", "0", "0")


# --- how nodes are reached --------------------------------------------------------------------


def test_accept_new_records_a_key_once_and_for_all(
    gkprep: str, site: Site, three: Sequence[Sshd]
) -> None:
    home, server = site.home(config="HashKnownHosts no\n"), three[0]
    inventory(home, [server], storage=STORAGE[:1])
    refused = check(gkprep, home, *MOUNT, *JSON)
    assert told(refused.stdout)["node1"][1].startswith("host key is unknown: ")
    assert findings(refused.stdout)[0]["cure"].startswith("ssh-keyscan -t ed25519 -p ")
    assert (refused.returncode, home.known_hosts.read_text()) == (3, "")
    for args in (("--accept-new",), ()):
        done = check(gkprep, home, *MOUNT, *JSON, *args)
        assert (done.returncode, told(done.stdout)) == (0, {"node1": CAN_MOUNT})
        assert home.known_hosts.read_text() == server.known_hosts()


def test_accept_new_never_takes_a_changed_key(
    gkprep: str, site: Site, three: Sequence[Sshd]
) -> None:
    known = f"[{LOCALHOST}]:{three[0].port} {site.stranger.public}\n"
    home = site.home(known)
    inventory(home, three[:1], storage=STORAGE[:1])
    done = check(gkprep, home, *MOUNT, *JSON, "--accept-new")
    assert told(done.stdout)["node1"][1].startswith("host key has CHANGED: ")
    assert (done.returncode, home.known_hosts.read_text()) == (3, known)


def test_ask_become_pass_gives_sudo_what_was_typed(
    gkprep: str, site: Site, three: Sequence[Sshd], users: Mapping[str, str]
) -> None:
    home = settled(site, three, user=users[ASKED])
    without = check(gkprep, home, *MOUNT, *JSON)
    needs = ("error", "sudo: a password is required: --ask-become-pass")
    assert (without.returncode, set(told(without.stdout).values())) == (3, {needs})
    argv, question = [gkprep, "check", *MOUNT, *JSON, "--ask-become-pass"], "^sudo password: "
    seen = at_a_terminal(argv, home, {question: PASSWORD}, to_file=True)
    assert (seen.returncode, set(told(seen.stdout).values())) == (0, {CAN_MOUNT})
    assert PASSWORD not in seen.screen


def test_timeout_is_the_most_that_a_node_may_take(
    gkprep: str, site: Site, three: Sequence[Sshd]
) -> None:
    hangs = mounting() | {"glusterfs": "exec sleep 20"}
    started = time.monotonic()
    with site.server(prefix=world(*having(hangs))) as server:
        home = settled(site, [three[0], server])
        done = check(gkprep, home, *MOUNT, *JSON, "--timeout", "5")
    assert time.monotonic() - started < 15  # a probe may take 20 s, a node 60 s
    found = told(done.stdout)
    assert found["node1"] == CAN_MOUNT
    assert found["node2"][0] == "error"
    assert re.search("no answer within 5 s$", found["node2"][1])
    assert done.returncode == 3


@pytest.mark.parametrize("number", [1, 2, 3])
def test_parallel_is_how_many_are_asked_at_a_time(gkprep: str, site: Site, number: int) -> None:
    """Each node waits for as many to be asked as may be, and then a little."""
    log = site.folder / f"parallel-{number}"
    log.touch()
    together = f"until [ $(grep -c begin {log}) -ge {number} ]; do sleep 0.05; done"
    command = f"echo begin >>{log}; {together}; sleep 0.3; sh -s; echo end >>{log}"
    with ExitStack() as stack:
        options = [f"ForceCommand {command}"]
        servers = [stack.enter_context(site.server(*options)) for _ in STORAGE]
        home = settled(site, servers)
        args = ("--only", "node-count", "--only", "kernel-modules", *JSON)
        done = check(gkprep, home, *args, "--parallel", str(number))
    assert set(lost(done.stdout).values()) == {None}
    at_once, most = 0, 0
    for line in log.read_text().split():
        at_once += 1 if line == "begin" else -1
        most = max(most, at_once)
    assert (at_once, most) == (0, number)


# --- this machine -----------------------------------------------------------------------------

OTHER = "10.97.0.1"
PORTS = ("2222/tcp", "24007/tcp", "24008/tcp", "49152-49251/tcp")


@pytest.fixture
def node(hosts: Hosts) -> Iterator[Hosts]:
    """A node with a second address, without a default route or a rule."""
    ip(hosts, f"address add {OTHER}/24 dev {INTERFACE}")
    yield hosts
    ip(hosts, f"address del {OTHER}/24 dev {INTERFACE}")
    for family in ("-4", "-6"):
        ip(hosts, f"{family} route flush default")
    hosts.clear()


def ip(hosts: Hosts, command: str) -> None:
    done = hosts.run(["ip", *command.split()])
    assert done.returncode == 0, done.stderr


def refuse(hosts: Hosts, *rules: str) -> None:
    lines = "\n".join(f"{rule} drop" for rule in rules)
    chain = f"type filter hook input priority 0; policy accept;\n{lines}"
    done = hosts.run(["nft", "-f", "-"], f"table inet t {{\nchain in {{\n{chain}\n}}\n}}\n")
    assert done.returncode == 0, done.stderr


def inside(gkprep: str, hosts: Hosts, home: Home, *args: str) -> subprocess.CompletedProcess[str]:
    """Run `gkprep check` on the node itself."""
    return unattended(["ip", "netns", "exec", hosts.node, gkprep, "check", *args], home)


def closed(stdout: str) -> set[str]:
    """The ports of the node that are closed; all others must be open."""
    found = findings(stdout)
    assert tuple(each["subject"] for each in found) == PORTS
    assert {each["status"] for each in found} <= {"pass", "fail"}, stdout
    return {each["subject"] for each in found if each["status"] == "fail"}


@pytest.mark.parametrize(
    ("route", "args", "shut"),
    [
        (f"via {PEERS[4][0]} src {NODE[4]}", (), "24007/tcp"),
        (f"via {PEERS[4][0]} src {OTHER}", (), "24008/tcp"),
        (f"via {PEERS[6][0]}", (), "2222/tcp"),
        (f"via {PEERS[4][0]} src {NODE[4]}", ("--storage", OTHER), "24008/tcp"),
        ("", ("--storage", NODE[6]), "2222/tcp"),
    ],
)
def test_local_takes_storage_or_the_address_of_the_default_route(  # noqa: PLR0913 - three are fixtures
    gkprep: str, site: Site, node: Hosts, route: str, args: Sequence[str], shut: str
) -> None:
    """Each address has a port of its own that is closed, and so tells which one was taken."""
    refuse(
        node,
        f"ip daddr {NODE[4]} tcp dport 24007",
        f"ip daddr {OTHER} tcp dport 24008",
        f"ip6 daddr {NODE[6]} tcp dport 2222",
    )
    if route:
        ip(node, f"route add default {route} dev {INTERFACE}")
    done = inside(gkprep, node, site.home(), "--local", *FIREWALL, *JSON, *args)
    assert closed(done.stdout) == {shut}
    assert done.returncode == 1


def test_local_without_a_default_route_wants_to_be_told_the_address(
    gkprep: str, site: Site, node: Hosts
) -> None:
    done = inside(gkprep, node, site.home(), "--local", *FIREWALL, *JSON)
    [finding] = findings(done.stdout)
    assert (finding["status"], done.returncode) == ("error", 3)
    why = "no storage address is known: this machine has no default route"
    assert finding["saw"] == f"{why}; --storage names one"


def test_local_is_about_the_disks_that_are_named(gkprep: str, site: Site) -> None:
    home = site.home()
    disks = ("/dev/gkprep-1", "/dev/gkprep-2")
    args = ("--local", "--only", "device-usable", *JSON)
    named = check(gkprep, home, *args, "--device", disks[0], "--device", disks[1])
    assert [finding["subject"] for finding in findings(named.stdout)] == [*disks]
    assert list(lost(named.stdout)) == [socket.gethostname()]
    unnamed = check(gkprep, home, *args)
    assert [finding["subject"] for finding in findings(unnamed.stdout)] == ["devices"]
    assert (named.returncode, unnamed.returncode) == (1, 1)


# --- the others of the inventory --------------------------------------------------------------


@pytest.fixture
def among_others(site: Site, node: Hosts) -> Iterator[Home]:
    """An inventory in which the node is node1; the others cannot be reached."""
    with site.server(prefix=["ip", "netns", "exec", node.node]) as server:
        home = site.knows(server.port)
        inventory(home, [server], storage=(NODE[4], *PEERS[4][:2]))
        yield home


@pytest.mark.parametrize("way", [("--limit", "node1"), ("--local",)], ids="".join)
def test_only_the_other_nodes_must_get_in(
    gkprep: str, node: Hosts, among_others: Home, way: Sequence[str]
) -> None:
    refuse(node, f"ip saddr {PEERS[4][1]} tcp dport 24007", "ip saddr 10.99.0.77 tcp dport 24008")
    done = inside(gkprep, node, among_others, *way, *FIREWALL, *JSON)
    assert closed(done.stdout) == {"24007/tcp"}
    [finding] = [each for each in findings(done.stdout) if each["status"] == "fail"]
    assert PEERS[4][1] in finding["saw"]
