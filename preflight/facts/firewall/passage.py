"""Whether a new TCP connection gets in: a packet's walk through tables of `netfilter`.

Where a rule in doubt applies or does not, both ways are followed; the answer is known where they
end alike. A question about many ports and addresses is cut where any rule makes a difference, so
that one packet speaks for each part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from preflight.facts.firewall.netfilter import (
    HOOKS,
    Act,
    AnyOf,
    Chain,
    Condition,
    Hook,
    Ip,
    Not,
    Packet,
    Ports,
    Rule,
    Source,
    Span,
    Table,
    all_hold,
    tidy,
    within,
)
from preflight.model import PortRange


@dataclass(frozen=True)
class Cause:
    """The rule that decided, or that nobody can decide, and where it is.

    `bare`: it has no conditions, so that it is about all that came as far as this.
    """

    table: str
    chain: str
    rule: str
    bare: bool = True

    def __str__(self) -> str:
        """`table inet filter, chain input: tcp dport 22 drop`."""
        return f"{self.table}, chain {self.chain}: {self.rule}"


@dataclass(frozen=True)
class Outcome:
    """Whether a packet is let in, None where it cannot be told, and what decided that.

    No cause: there is nothing that filters.
    """

    accepted: bool | None
    cause: Cause | None


@dataclass(frozen=True)
class Question:
    """New TCP connections from any of `sources` to any of `ports` of `destination`.

    They come in by `interface` (None: by any), and the sources in `near` are its own network's.
    """

    sources: tuple[Span, ...]
    destination: Ip
    ports: PortRange
    interface: str | None
    near: Span | None = None


@dataclass(frozen=True)
class Part:
    """Of a question, ports and sources that no rule tells apart; `packet` is one of them."""

    packet: Packet
    ports: PortRange
    sources: Span
    outcome: Outcome


def answers(tables: Iterable[Table], question: Question) -> tuple[Part, ...]:
    """What becomes of every part of the question, in order of ports, then of sources."""
    tables = [tidy(table) for table in tables]
    conditions = list(_conditions(tables))
    return tuple(
        Part(packet, ports, sources, walk(tables, packet))
        for ports in _cut_ports(question.ports, conditions)
        for span in question.sources
        for sources in _cut_sources(span, conditions)
        for packet in [_packet(question, sources, ports)]
    )


def _packet(question: Question, sources: Span, ports: PortRange) -> Packet:
    near = question.near is not None and within(sources.first, (question.near,))
    return Packet(sources.first, question.destination, ports.first, question.interface, near)


def _conditions(tables: Iterable[Table]) -> Iterator[Condition]:
    for table in tables:
        for chain in table.chains:
            for rule in chain.rules:
                for condition in rule.conditions:
                    yield from _inner(condition)


def _inner(condition: Condition) -> Iterator[Condition]:
    if isinstance(condition, Not):
        yield from _inner(condition.negated)
    elif isinstance(condition, AnyOf):
        for together in condition.any_of:
            for part in together:
                yield from _inner(part)
    else:
        yield condition


def _cut_ports(whole: PortRange, conditions: Iterable[Condition]) -> list[PortRange]:
    starts = {whole.first}
    for condition in conditions:
        if isinstance(condition, Ports):
            starts |= {start for p in condition.ports for start in (p.first, p.last + 1)}
    inside = sorted(start for start in starts if whole.first <= start <= whole.last)
    return [PortRange(a, b - 1) for a, b in pairwise([*inside, whole.last + 1])]


def _cut_sources(whole: Span, conditions: Iterable[Condition]) -> list[Span]:
    make = type(whole.first)
    low, high = int(whole.first), int(whole.last)
    starts = {low}
    for condition in conditions:
        if isinstance(condition, Source):
            for span in condition.sources:
                if span.first.version == whole.first.version:
                    starts |= {int(span.first), int(span.last) + 1}
    inside = sorted(start for start in starts if low <= start <= high)
    return [Span(make(a), make(b - 1)) for a, b in pairwise([*inside, high + 1])]


def walk(tables: Iterable[Table], packet: Packet) -> Outcome:
    """Send one packet through every base chain on its way: all must accept, one drop is enough."""
    causes: list[Cause] = []
    doubt: Cause | None = None
    for table, chain, hook in _way(tables, packet):
        ends = _Walk({each.name: each for each in table.chains}, table.name, packet).through(chain)
        policy = Cause(table.name, chain.name, f"policy {hook.policy.value}")
        ends = ends.settled(hook.policy, policy)
        *possible, sure = ends.causes
        if possible:
            doubt = doubt or ends.doubt(possible[0])
        elif sure is Act.DROP:
            return Outcome(accepted=False, cause=ends.causes[sure])
        else:
            causes.append(ends.causes[sure])
    if doubt:
        return Outcome(accepted=None, cause=doubt)
    by_rule = (cause for cause in causes if not cause.rule.startswith("policy "))
    return Outcome(accepted=True, cause=next(by_rule, causes[0] if causes else None))


def _way(tables: Iterable[Table], packet: Packet) -> Iterator[tuple[Table, Chain, Hook]]:
    """Every base chain that the packet meets, in order."""
    met = [
        (HOOKS.index(chain.hook.name), chain.hook.priority, table, chain, chain.hook)
        for table in tables
        if table.version in {None, packet.destination.version}
        for chain in table.chains
        if chain.hook and chain.hook.name in HOOKS
        if not chain.hook.devices or packet.interface in chain.hook.devices
    ]
    for _, _, table, chain, hook in sorted(met, key=lambda each: each[:2]):
        yield table, chain, hook


@dataclass
class _Ends:
    """The ways in which a walk through a chain may end: ACCEPT, DROP, or RETURN at its end.

    `causes` holds the rule that leads there, the end that comes last being the one that holds
    where no rule in doubt applies; `doubts` the first such rule, for ends that one may lead to.
    """

    causes: dict[Act, Cause] = field(default_factory=dict)
    doubts: dict[Act, Cause] = field(default_factory=dict)

    def lead(self, end: Act, cause: Cause) -> None:
        """What is led to last comes last."""
        self.causes.pop(end, None)
        self.causes[end] = cause

    def doubt(self, end: Act) -> Cause:
        """What is in doubt about `end`; where that is the sure one, what may lead elsewhere."""
        return self.doubts.get(end) or next(iter(self.doubts.values()))

    def settled(self, policy: Act, cause: Cause) -> _Ends:
        """The same of a base chain, where to come to the end is to meet the policy."""
        ends = _Ends()
        for end, why in self.causes.items():
            real = policy if end is Act.RETURN else end
            ends.lead(real, cause if end is Act.RETURN else why)
            if self.doubts:
                ends.doubts.setdefault(real, self.doubt(end))
        return ends


@dataclass(frozen=True)
class _Walk:
    chains: Mapping[str, Chain]
    table: str
    packet: Packet

    def through(self, chain: Chain) -> _Ends:
        """Ask each rule in order, until one that surely applies decides."""
        ends = _Ends()
        for rule in chain.rules:
            applies = all_hold(rule.conditions, self.packet)
            if applies is False:
                continue
            cause = Cause(self.table, chain.name, rule.text, bare=not rule.conditions)
            step, goes_on = self.follow(rule, cause)
            for end, why in step.causes.items():
                ends.lead(end, why)
                if not applies or step.doubts:
                    ends.doubts.setdefault(end, step.doubt(end) if applies else cause)
            if applies and not goes_on:
                return ends
        ends.lead(Act.RETURN, Cause(self.table, chain.name, ""))
        return ends

    def follow(self, rule: Rule, cause: Cause) -> tuple[_Ends, bool]:
        """Where a rule leads to if it applies, and whether the next one may be asked then."""
        if rule.act is Act.UNKNOWN:
            both = {Act.ACCEPT: cause, Act.DROP: cause}
            return _Ends(both, dict(both)), True
        if rule.act not in {Act.JUMP, Act.GOTO}:
            return _Ends({rule.act: cause}), False
        ends = self.through(self.chains[rule.chain])
        back = rule.act is Act.JUMP and ends.causes.pop(Act.RETURN, None) is not None
        return ends, back
