"""Two hosts in network namespaces: one with a firewall, one that really connects to it.

The node has 10.99.0.1/24 and fd99::1/64 on `storage0`. The peer has several addresses of those
networks, and one of another network, for which the node has a route.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, cast

INTERFACE = "storage0"
NODE = {4: "10.99.0.1", 6: "fd99::1"}
PEERS = {4: ("10.99.0.2", "10.99.0.130", "10.98.0.2"), 6: ("fd99::2", "fd99::8000:2")}
PORTS = (22, 2222, 24007, 24008, 49152, 49200, 49251)
MAC, PEER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
PROGRAMS = ("ip", "nft", "iptables-restore", "ip6tables-restore")

# Lets in whoever comes to one of the ports of argv, until standard input ends.
LISTEN = """
import selectors, socket, sys
waiting = selectors.DefaultSelector()
for port in sys.argv[1:]:
    server = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    waiting.register(server, selectors.EVENT_READ)
waiting.register(sys.stdin, selectors.EVENT_READ)
print("up", flush=True)
while True:
    for key, _ in waiting.select():
        if key.fileobj is sys.stdin:
            sys.exit()
        key.fileobj.accept()[0].close()
"""

# Reads lines of JSON, seconds and a list of [source, destination, port]; answers which of them got
# in. What has no answer in time was dropped, or the machine is very busy. No source port is used
# twice: rules that drop a connection's end leave the server with what it takes for the same one.
CONNECT = """
import contextlib, itertools, json, selectors, socket, sys, time
ports = itertools.cycle(range(10000, 65536))
for line in sys.stdin:
    waiting = selectors.DefaultSelector()
    patience, tries = json.loads(line)
    answers = [False] * len(tries)
    for number, (source, destination, port) in enumerate(tries):
        one = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
        one.setblocking(False)
        one.bind((source, next(ports)))
        one.connect_ex((destination, port))
        waiting.register(one, selectors.EVENT_WRITE, number)
    end = time.monotonic() + patience
    while waiting.get_map() and time.monotonic() < end:
        for key, _ in waiting.select(max(0, end - time.monotonic())):
            waiting.unregister(key.fileobj)
            with contextlib.suppress(OSError):
                answers[key.data] = bool(key.fileobj.getpeername())
            key.fileobj.close()
    for key in list(waiting.get_map().values()):
        key.fileobj.close()
    print(json.dumps(answers), flush=True)
"""


def missing() -> str | None:
    """Why there cannot be such hosts here; None where there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    if lacking:
        return f"not installed: {' '.join(lacking)}"
    name = f"gkfw{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"no network namespaces here: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return None


@dataclass(frozen=True)
class Hosts:
    """The two, by the names of their namespaces, and who connects."""

    node: str
    peer: str
    client: subprocess.Popen[str]

    def run(self, command: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
        """Run it on the node."""
        whole = ["ip", "netns", "exec", self.node, *command]
        return subprocess.run(whole, input=text, capture_output=True, text=True, check=False)

    def clear(self) -> None:
        """No rules at all: none of nftables, none of the old iptables (there is one case)."""
        self.run(["nft", "flush", "ruleset"])
        if self.run(["cat", "/proc/net/ip_tables_names"]).stdout:
            self.run(["iptables-legacy-restore"], "*filter\n:INPUT ACCEPT\nCOMMIT\n")

    def reach(self, tries: Sequence[tuple[str, str, int]], patience: float = 0.15) -> list[bool]:
        """Which of these connections, (source, destination, port), are let in, within seconds."""
        pipe_in, pipe_out = cast("IO[str]", self.client.stdin), cast("IO[str]", self.client.stdout)
        pipe_in.write(json.dumps([patience, tries]) + "\n")
        pipe_in.flush()
        return cast("list[bool]", json.loads(pipe_out.readline()))


@contextmanager
def hosts() -> Iterator[Hosts]:
    """The two hosts, with a listener on every port."""
    node, peer = f"gkfw{os.getpid()}n", f"gkfw{os.getpid()}p"
    try:
        for command in _plan(node, peer):
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        listen = ["ip", "netns", "exec", node, sys.executable, "-c", LISTEN, *map(str, PORTS)]
        connect = ["ip", "netns", "exec", peer, sys.executable, "-c", CONNECT]
        pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with (
            subprocess.Popen(listen, **pipe) as server,  # type: ignore[call-overload]
            subprocess.Popen(connect, **pipe) as client,  # type: ignore[call-overload]
        ):
            assert server.stdout.readline() == "up\n"
            yield Hosts(node, peer, client)
    finally:
        for name in (node, peer):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _plan(node: str, peer: str) -> Iterator[str]:
    yield f"netns add {node}"
    yield f"netns add {peer}"
    pair = f"address {MAC} netns {node} type veth peer name {INTERFACE} address {PEER_MAC}"
    yield f"link add {INTERFACE} {pair} netns {peer}"
    for name in (node, peer):
        yield f"-n {name} link set lo up"
        yield f"-n {name} link set {INTERFACE} up"
    yield f"-n {node} address add {NODE[4]}/24 dev {INTERFACE}"
    yield f"-n {node} address add {NODE[6]}/64 dev {INTERFACE} nodad"
    yield f"-n {node} route add 10.98.0.0/24 dev {INTERFACE}"
    # Rules may drop what neighbours ask for each other's addresses.
    for name, others, mac in ((node, [*PEERS[4], *PEERS[6]], PEER_MAC), (peer, NODE.values(), MAC)):
        for other in others:
            yield f"-n {name} neighbour add {other} lladdr {mac} dev {INTERFACE} nud permanent"
    for address in PEERS[4]:
        yield f"-n {peer} address add {address}/24 dev {INTERFACE}"
    for address in PEERS[6]:
        yield f"-n {peer} address add {address}/64 dev {INTERFACE} nodad"
