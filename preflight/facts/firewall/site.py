"""All that decides about one node's ports: what filters now, and what will after a reload."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from preflight.errors import Unknown
from preflight.facts import network, services
from preflight.facts.firewall import firewalld, kernel, netfilter, ufw
from preflight.facts.firewall.netfilter import Span, Table
from preflight.facts.firewall.passage import Part, Question
from preflight.facts.firewall.walls import OFFLINE, ONLINE, Rules, Ufw, Wall, Zone
from preflight.model import Facts, Node, PortRange, Probe

T = TypeVar("T")
UNITS = services.units("firewalld.service", "ufw.service")


def asked(node: Node) -> Iterable[Probe[object]]:
    """All that a Site is made of; the rules are those for the node's kind of address."""
    rules = () if node.storage is None else (_running(node.storage),)
    return (network.addresses, firewalld.permanent, ufw.permanent, UNITS, *rules)


def _running(storage: str) -> Probe[tuple[Table, ...]]:
    """What filters now, for addresses of this kind."""
    return kernel.tables(kernel.PROGRAMS[ipaddress.ip_address(storage).version])


def at_work(facts: Facts, files: Probe[T | None], unit: str) -> T | None:
    """What the program's files say; None where it is not there, or neither runs nor will."""
    found = facts[files]
    if found is None:
        return None
    state = facts[UNITS][unit]
    running = state.active in {"active", "activating", "reloading"}
    return found if running or state.starts_at_boot else None


@dataclass(frozen=True)
class Site:
    """All that decides about this node's ports: what filters now, and what will."""

    storage: str
    interface: str | None
    network: Span
    peers: tuple[Span, ...]
    now: tuple[Table, ...]
    firewalld: firewalld.Firewalld | None
    ufw: ufw.Ufw | None

    @classmethod
    def of(cls, facts: Facts) -> Site:
        """Raises Unknown where something that decides is not known."""
        storage = facts.node.storage
        if storage is None:
            why = "no storage address is known: this machine has no default route"
            raise Unknown(f"{why}; --storage names one")
        here = network.carrier(facts[network.addresses], storage)
        if here is None:
            has = ", ".join(sorted({each.ip for each in facts[network.addresses]}))
            raise Unknown(f"the storage address {storage} is not on this node, which has {has}")
        peers = (Span.of(ip) for ip in facts.node.peers)
        subnet = Span.of(f"{here.ip}/{here.prefix}")
        return cls(
            here.ip,
            None if here.interface == "lo" else here.interface,
            subnet,
            tuple(peer for peer in peers if peer.first.version == subnet.first.version),
            facts[_running(storage)],
            at_work(facts, firewalld.permanent, "firewalld.service"),
            at_work(facts, ufw.permanent, "ufw.service"),
        )

    @property
    def tables(self) -> Iterator[tuple[bool, tuple[Table, ...]]]:
        """What decides now (False), and for good (True) by each program that loads rules."""
        yield False, self.now
        yield from ((True, each.tables) for each in (self.firewalld, self.ufw) if each)

    def question(self, ports: PortRange) -> Question:
        """From the peers; where none is known, from all of the network but this node."""
        address = ipaddress.ip_address(self.storage)
        whole = self.network
        if whole.first == whole.last:  # a cloud may give every machine a network of its own
            whole = netfilter.EVERY[address.version]
        sources = self.peers or tuple(netfilter.without(whole, address))
        return Question(sources, address, ports, self.interface, self.network)

    def wall(self, part: Part, *, permanent: bool) -> Wall:
        """What keeps this part closed."""
        cause = part.outcome.cause
        assert cause is not None  # noqa: S101 - nothing is refused without one
        if self.firewalld and firewalld.decided(cause):
            zone, by = None, ""
            if firewalld.of_zone(cause):
                zone, by = self.owner(part, permanent=permanent)
            program = ONLINE if self.firewalld.now else OFFLINE
            return Zone(zone, by, firewalld.own_rule(cause), program)
        if self.ufw and ufw.decided(cause):
            return Ufw("" if cause.bare else cause.rule)
        return Rules(cause)

    def owner(self, part: Part, *, permanent: bool) -> tuple[str | None, str]:
        """The zone that the part belongs to, and by what; None where that cannot be told."""
        assert self.firewalld is not None  # noqa: S101 - asked only where it is at work
        bindings = self.firewalld.later if permanent else self.firewalld.now
        return (bindings and bindings.owner(part.packet)) or (None, "")

    def way_in(self, part: Part) -> str:
        """How an open port is open."""
        cause = part.outcome.cause
        if self.firewalld:
            zone, by = self.owner(part, permanent=self.firewalld.now is None)
            return f"open at run time and permanently in firewalld zone {zone} ({by})"
        if self.ufw:
            return "open at run time and permanently in ufw"
        if cause is None:
            return "nothing filters"
        return "no rule refuses it" if cause.rule.startswith("policy ") else f"let in by {cause}"
