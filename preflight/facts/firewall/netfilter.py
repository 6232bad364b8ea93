"""What becomes of a new TCP connection: tables of rules, and a packet's walk through them.

nftables, iptables, firewalld and ufw are all read into these few nouns, so that there is one
judge of them. Whether a rule applies has three answers: yes, no, and None where the packet that
is asked about does not tell (a mark, a limit, a source port). A walk follows both ways then, and
an answer is given only where they end alike.

Rules: nft(8), "Verdict statement" and "Chains"; iptables(8); iptables-extensions(8).
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Union

from preflight.model import PortRange

Ip = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

# Kubernetes' and its networks' own: they decide about pods and services, and rebuild their rules
# all the time. Chains of kube-proxy, Calico, Cilium, the CNI plugins, Flannel, Weave,
# Antrea, kube-router.
CLUSTER_CHAIN = re.compile(r"(KUBE|cali|CILIUM|OLD_CILIUM|CNI|FLANNEL|WEAVE|ANTREA)[-_]")

HOOKS = ("ingress", "prerouting", "input")  # in the order in which a packet meets them


@dataclass(frozen=True)
class Packet:
    """The first packet of a TCP connection, as it comes in.

    `interface` is None where it may come in by any. `near` says that the source is on the
    interface's own network, so that the way back is the way it came.
    """

    source: Ip
    destination: Ip
    port: int
    interface: str | None
    near: bool = True


@dataclass(frozen=True)
class Span:
    """IP addresses `first` to `last`, both included, of one version."""

    first: Ip
    last: Ip

    def __str__(self) -> str:
        """One address, a network, or both ends."""
        if self.first == self.last:
            return str(self.first)
        nets = list(ipaddress.summarize_address_range(self.first, self.last))
        return str(nets[0]) if len(nets) == 1 else f"{self.first}-{self.last}"

    @classmethod
    def of(cls, text: str) -> Span:
        """An address, a network with its length or mask, or `first-last`; raises ValueError."""
        first, dash, last = text.partition("-")
        if dash:
            return cls(ipaddress.ip_address(first), ipaddress.ip_address(last))
        net = ipaddress.ip_network(text, strict=False)
        return cls(net[0], net[-1])


EVERY = {4: Span.of("0.0.0.0/0"), 6: Span.of("::/0")}


@dataclass(frozen=True)
class Fixed:
    """What is the same for every packet that is asked about; None: nobody can tell."""

    answer: bool | None

    def holds(self, _: Packet) -> bool | None:
        """Whatever the packet."""
        return self.answer


@dataclass(frozen=True)
class Ports:
    """The destination port is one of these."""

    ports: tuple[PortRange, ...]

    def holds(self, packet: Packet) -> bool:
        """Whether one of the ranges has it."""
        return any(span.first <= packet.port <= span.last for span in self.ports)


@dataclass(frozen=True)
class Source:
    """The source address is one of these, in rising order and without overlaps."""

    sources: tuple[Span, ...]

    def holds(self, packet: Packet) -> bool:
        """Never for an address of the other version."""
        return within(packet.source, self.sources)


@dataclass(frozen=True)
class Destination:
    """The destination address is one of these, in rising order and without overlaps."""

    destinations: tuple[Span, ...]

    def holds(self, packet: Packet) -> bool:
        """Never for an address of the other version."""
        return within(packet.destination, self.destinations)


@dataclass(frozen=True)
class Interface:
    """It comes in by one of these; a trailing * stands for any rest of a name."""

    interfaces: tuple[str, ...]

    def holds(self, packet: Packet) -> bool | None:
        """None where the packet may come in by any interface, unless they are all alike."""
        if "*" in self.interfaces:
            return True
        if packet.interface is None:
            return False if set(self.interfaces) == {"lo"} else None
        return any(_named(packet.interface, pattern) for pattern in self.interfaces)


@dataclass(frozen=True)
class Near:
    """The way back to the source is the way that the packet came (rpfilter, fib)."""

    near: bool = True

    def holds(self, packet: Packet) -> bool | None:
        """Sure only for a neighbour."""
        return self.near if packet.near and packet.interface else None


@dataclass(frozen=True)
class Not:
    """The opposite; of what nobody can tell, nobody can."""

    negated: Condition

    def holds(self, packet: Packet) -> bool | None:
        """Yes for no, no for yes."""
        answer = self.negated.holds(packet)
        return None if answer is None else not answer


@dataclass(frozen=True)
class AnyOf:
    """At least one of these holds, each made of conditions that must hold together."""

    any_of: tuple[tuple[Condition, ...], ...]

    def holds(self, packet: Packet) -> bool | None:
        """Yes beats unknown, unknown beats no."""
        answers = [all_hold(conditions, packet) for conditions in self.any_of]
        return True if True in answers else (None if None in answers else False)


Condition = Union[Fixed, Ports, Source, Destination, Interface, Near, Not, AnyOf]
UNKNOWN = Fixed(None)


def negated(condition: Condition) -> Condition:
    """The opposite, in the shortest words."""
    if isinstance(condition, Fixed):
        return condition if condition.answer is None else Fixed(not condition.answer)
    return Not(condition)


def all_hold(conditions: Iterable[Condition], packet: Packet) -> bool | None:
    """Whether all do: no beats unknown, unknown beats yes."""
    whole: bool | None = True
    for condition in conditions:
        answer = condition.holds(packet)
        if answer is False:
            return False
        whole = whole if answer else None
    return whole


def spans(found: Iterable[Span]) -> tuple[Span, ...]:
    """Put in order, and join what overlaps, as `Source` and `Destination` want it."""
    joined: list[Span] = []
    for span in sorted(found, key=lambda span: (span.first.version, int(span.first))):
        last = joined[-1] if joined else None
        if last and last.first.version == span.first.version and span.first <= last.last:  # type: ignore[operator] # the same version
            joined[-1] = Span(last.first, max(last.last, span.last, key=int))
        else:
            joined.append(span)
    return tuple(joined)


def without(whole: Span, address: Ip) -> Iterator[Span]:
    """All of a span but one address."""
    if whole.first < address:  # type: ignore[operator] # of one version
        yield Span(whole.first, address - 1)
    if address < whole.last:  # type: ignore[operator] # of one version
        yield Span(address + 1, whole.last)


def within(address: Ip, among: Sequence[Span]) -> bool:
    """Whether one of the spans, in rising order and without overlaps, has the address."""
    place = bisect_right(among, _rank(address), key=lambda span: _rank(span.first))
    return place > 0 and _rank(address) <= _rank(among[place - 1].last)


def _rank(address: Ip) -> tuple[int, int]:
    return address.version, int(address)


def _named(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


class Act(Enum):
    """What a rule does with a packet that it applies to; a reject is a drop with an answer."""

    ACCEPT = "accept"
    DROP = "drop"
    RETURN = "return"
    JUMP = "jump"
    GOTO = "goto"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Rule:
    """Where all `conditions` hold, `act`; `text` is the rule as its owner would read it."""

    text: str
    act: Act
    conditions: tuple[Condition, ...] = ()
    chain: str = ""


@dataclass(frozen=True)
class Hook:
    """Where a base chain meets packets: lower priorities first; no `devices` are all of them."""

    name: str
    priority: int
    policy: Act
    devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chain:
    """Rules in order; without a hook it is only jumped to."""

    name: str
    rules: tuple[Rule, ...]
    hook: Hook | None = None


@dataclass(frozen=True)
class Table:
    """Chains that may jump to one another. `version` 4 or 6: only such packets come here."""

    name: str
    chains: tuple[Chain, ...]
    version: int | None = None


def tidy(table: Table) -> Table:
    """Leave out what never applies, what leads nowhere, and the cluster's own chains."""
    chains = {
        chain.name: replace(chain, rules=tuple(sharpened(chain.rules)))
        for chain in table.chains
        if not CLUSTER_CHAIN.match(chain.name)
    }
    while True:
        known = {name for name, chain in chains.items() if chain.rules or chain.hook}
        shorter = {
            name: replace(chain, rules=tuple(_leading(chain.rules, known)))
            for name, chain in chains.items()
            if name in known
        }
        if shorter == chains:
            return replace(table, chains=tuple(_reachable(chains)))
        chains = shorter


def sharpened(rules: Iterable[Rule]) -> Iterator[Rule]:
    """Leave out rules that never apply, and conditions that always hold or are said twice."""
    for rule in rules:
        if Fixed(answer=False) not in rule.conditions:
            kept = [c for c in dict.fromkeys(rule.conditions) if c != Fixed(answer=True)]
            yield replace(rule, conditions=tuple(each for each in kept if not _said(each, kept)))


def _said(condition: Condition, together: Iterable[Condition]) -> bool:
    """Whether it only tells the version of IP, which any address beside it tells too."""
    return any(
        condition == Source((EVERY[version],))
        and any(_version(other) == version for other in together if other is not condition)
        for version in EVERY
    )


def _version(condition: Condition) -> int | None:
    if isinstance(condition, Source):
        spans = condition.sources
    elif isinstance(condition, Destination):
        spans = condition.destinations
    else:
        return None
    versions = {span.first.version for span in spans}
    return versions.pop() if len(versions) == 1 else None


def _leading(rules: Iterable[Rule], known: set[str]) -> Iterator[Rule]:
    """A jump into nothing comes back at once; going there for good ends this chain too."""
    for rule in rules:
        if rule.act is Act.GOTO and rule.chain not in known:
            yield replace(rule, act=Act.RETURN, chain="")
        elif rule.act is not Act.JUMP or rule.chain in known:
            yield rule


def _reachable(chains: dict[str, Chain]) -> Iterator[Chain]:
    todo = [chain.name for chain in chains.values() if chain.hook]
    seen: set[str] = set()
    while todo:
        name = todo.pop(0)
        if name not in seen:
            seen.add(name)
            yield chains[name]
            todo += [rule.chain for rule in chains[name].rules if rule.chain]
