"""Every state of a firewall on a real machine: break, look, try, put right, look and try again.

    break   firewalld runs with the ports closed, and is brought into the state
    look    `gkprep check` finds what the state says
    try     another machine connects to the storage address, and gets there or not
    cure    what the finding gives as its cure, word for word
    look    the check passes; another machine gets there, also after firewalld has loaded its files

Another machine than node2: GKPREP_FIREWALL_ON=node1.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest

from checks.firewall_ports import firewall_ports
from preflight.collect import collect
from preflight.judge import judge, needs
from preflight.model import Finding, Limits, Node, Output, Status
from tests.lab import Lab, Machine
from tests.record import run
from tests.scenarios.firewall_ports import State, states

pytestmark = pytest.mark.lab

STATES = {
    name.replace("_", "-"): state
    for name, state in vars(states).items()
    if isinstance(state, State)
}
PORTS = (2222, 24007, 24008, 49152)

# Someone who answers on the machine.
ANSWER = f"""
import selectors, socket
waiting = selectors.DefaultSelector()
for port in {PORTS}:
    waiting.register(socket.create_server(("0.0.0.0", port)), selectors.EVENT_READ)
while True:
    for key, _ in waiting.select():
        key.fileobj.accept()[0].close()
"""

# The files as they are at first.
PREPARE = """
set -e
cp -a /etc/firewalld /root/firewalld
cat >/root/answer.py
systemd-run --quiet --unit=answer python3 /root/answer.py"""

AFRESH = """
set -e
test -d /root/firewalld
nft flush ruleset
rm -rf /etc/firewalld
cp -a /root/firewalld /etc/firewalld
systemctl restart firewalld
firewall-cmd --state"""

# A SYN that is dropped is sent again after one second.
TRY = """python3 -c '
import socket
for port in {ports}:
    try:
        socket.create_connection(("{address}", port), 2).close()
        print(port)
    except OSError:
        pass'"""


@dataclass(frozen=True)
class Bench:
    """The machine with the firewall, and the one that tries."""

    machine: Machine
    peer: Machine
    peers: tuple[str, ...]
    local = False

    def run(self, script: str, _limits: Limits) -> Output:
        """What `collect` sends, through the connection that the laboratory keeps open."""
        return run(script, self.machine.name)

    def look(self) -> dict[str, Finding]:
        here = self.machine
        node = Node(here.name, here.address, here.storage, peers=self.peers)
        facts = collect(node, needs([firewall_ports], node), self, Limits())
        return {f.subject: f for f in judge([firewall_ports], {node.name: facts})}

    def reached(self) -> set[int]:
        """The ports that the peer gets to."""
        asked = TRY.format(ports=PORTS, address=self.machine.storage)
        return {int(port) for port in self.peer.run(asked).stdout.split()}


@pytest.fixture(scope="module")
def bench(lab: Lab) -> Bench:
    name = os.environ.get("GKPREP_FIREWALL_ON", "node2")
    others = [machine for other, machine in lab.machines.items() if other != name]
    lab.machines[name].reset()
    lab.machines[name].run(PREPARE, stdin=ANSWER.encode())
    return Bench(lab.machines[name], others[0], tuple(other.storage for other in others))


@pytest.mark.parametrize("name", STATES)
def test_state(bench: Bench, name: str) -> None:
    state = STATES[name]
    bench.machine.run(AFRESH, timeout=120)
    bench.machine.run(f"set -e; {state.broken}", timeout=120)
    finding = bench.look()["24007/tcp"]
    assert (finding.status, finding.saw) == (Status.FAIL, state.saw)
    assert (24007 in bench.reached()) is state.reached
    bench.machine.run(finding.cure, timeout=120)
    assert {each.status for each in bench.look().values()} == {Status.PASS}
    assert bench.reached() == set(PORTS)
    bench.machine.run("systemctl start firewalld; firewall-cmd --reload", timeout=120)
    assert bench.reached() == set(PORTS)
