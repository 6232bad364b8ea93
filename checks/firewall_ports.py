"""firewall-ports: the other nodes can reach Gluster here, now and after a reboot."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar, Union

from preflight.facts import firewall, firewalld, netfilter, network, passage, services, ufw
from preflight.facts.netfilter import Span, Table
from preflight.facts.passage import Cause, Part, Question
from preflight.plugin import (
    Facts,
    Finding,
    Node,
    PortRange,
    Probe,
    Status,
    Unknown,
    check,
    fail,
    ok,
)

T = TypeVar("T")

GLUSTER = (PortRange(2222, 2222), PortRange(24007, 24007), PortRange(24008, 24008))
UNITS = services.units("firewalld.service", "ufw.service")
WANT = "open to the other nodes, at run time and permanently"
ONLINE, OFFLINE = "firewall-cmd", "firewall-offline-cmd"
RELOAD, UFW_RELOAD = "firewall-cmd --reload", "ufw reload"
DIRECT = "direct rule "
SAYS = "Probe returned with Transport endpoint is not connected"


def tables(node: Node) -> Iterable[Probe[object]]:
    """The rules for the kind of address that Gluster has on this node."""
    if node.storage is not None:
        yield running(node.storage)


def running(storage: str) -> Probe[tuple[Table, ...]]:
    """What filters now, for addresses of this kind."""
    return firewall.tables(firewall.PROGRAMS[ipaddress.ip_address(storage).version])


@check(network.addresses, tables, firewalld.permanent, ufw.permanent, UNITS)
def firewall_ports(facts: Facts) -> Iterator[Finding]:
    """The node's firewall lets the other nodes reach Gluster's ports.

    Checks: new TCP connections from the other nodes (the whole network of the storage address
    where the inventory names none) to the storage address, on 2222, 24007, 24008 and the
    inventory's `policy.brick_ports` (49152-49251 by default). At run time the rules that are in
    the kernel decide, nftables' and iptables' alike, whoever made them; the chains of Kubernetes'
    own programs are passed over. Permanently the files of firewalld or ufw decide, where they run
    or start at boot: in firewalld, those of the zone that owns the peers' addresses or the
    storage address's interface, which need not be the default zone. A rule that cannot be decided
    (a mark, a limit) and makes a difference is shown. Only the first packet of a connection is
    judged. Address translation, and firewalls outside the node (a cloud's security groups), are
    not seen.

    Why: peers and clients connect from node to node. Where a port is closed, the pods are all
    ready, and heketi then fails with `Probe returned with Transport endpoint is not connected`,
    or a client with `connection to ...:24007 failed (No route to host)`.

    By hand: with firewalld, in the zone that is named, `firewall-cmd --zone=ZONE
    --add-port=24007/tcp` and the same with `--permanent`; with ufw, `ufw allow 24007/tcp`. Where
    rules were made by hand, put an accept before the one that refuses, and also into whatever
    loads them at boot (/etc/nftables.conf, `netfilter-persistent save`). Never flush a firewall.
    GlusterFS 10 and later takes brick ports from 49152-60999: say so in `policy.brick_ports`.

    Source: catalogue N15, N16, N40; gluster-kubernetes docs/setup-guide.md; firewalld.zone(5);
    ufw(8); nft(8); iptables(8).
    """
    site = Site.of(facts)
    verdicts = [judge(site, ports) for ports in (*GLUSTER, facts.node.policy.brick_ports)]
    cure = " && ".join(commands([each for verdict in verdicts for each in verdict.closed]))
    for verdict in verdicts:
        yield verdict.finding(cure)


def at_work(facts: Facts, files: Probe[T | None], unit: str) -> T | None:
    """What the program's files say; None where it is not there, or neither runs nor will."""
    found = facts[files]
    if found is None:
        return None
    state = facts[UNITS][unit]
    running = state.active in {"active", "activating", "reloading"}
    return found if running or state.starts_at_boot else None


@dataclass(frozen=True)
class Zone:
    """A zone of firewalld keeps ports closed: by silence, or by a rule of its own."""

    zone: str | None
    by: str
    rule: str
    program: str

    @property
    def place(self) -> str:
        """Whose it is."""
        return f"in firewalld zone {self.zone} ({self.by})" if self.zone else "in firewalld"

    def __str__(self) -> str:
        """Where to look."""
        return f"{self.place}: {self.rule}" if self.rule else self.place

    def cures(self, ports: Sequence[PortRange], *, permanent: bool) -> Iterator[str]:
        """Add the ports; a rule that refuses comes before them, and must go.

        What only run time has goes with a reload. A policy's rule is left to a person.
        """
        online = self.program == ONLINE
        command = f"{self.program} --permanent" if permanent and online else self.program
        if not permanent and (self.rule or self.zone is None):
            yield RELOAD
        elif self.rule.startswith(DIRECT):
            yield f"{command} --direct --remove-rule {self.rule.removeprefix(DIRECT)}"
        elif self.zone is not None:
            if self.rule:
                yield f"{command} --zone={self.zone} --remove-rich-rule='{self.rule}'"
            added = " ".join(f"--add-port={each}/tcp" for each in ports)
            yield f"{command} --zone={self.zone} {added}"


@dataclass(frozen=True)
class Ufw:
    """ufw keeps ports closed: by default, or by a rule of its own."""

    rule: str
    place = "by ufw"

    def __str__(self) -> str:
        """Where to look."""
        return f"{self.place}: {self.rule}" if self.rule else self.place

    def cures(self, ports: Sequence[PortRange], *, permanent: bool) -> Iterator[str]:
        """To allow is for both times, but not for what its files allow already."""
        place = "insert 1 " if self.rule else ""
        yield f"ufw {place}allow {listed(ports, ':')}/tcp" if permanent else UFW_RELOAD


@dataclass(frozen=True)
class Rules:
    """Rules that neither of them made keep ports closed."""

    cause: Cause

    @property
    def place(self) -> str:
        """The rule, and where it is."""
        return f"by {self.cause}"

    def __str__(self) -> str:
        """The place is all there is to say."""
        return self.place

    def cures(self, ports: Sequence[PortRange], *, permanent: bool) -> Iterator[str]:
        """An accept before all else in that very chain."""
        del permanent  # what loads them at boot is not known
        table, chain = self.cause.table.split(), self.cause.chain
        if self.cause.table == firewalld.PANIC:
            yield "firewall-cmd --panic-off"
        elif table[0] == "table":
            what = f"tcp dport {{ {listed(ports, '-', ', ')} }} accept"
            yield f"nft insert rule {table[1]} {table[2]} {chain} '{what}'"
        else:
            where = "" if table[-1] == "filter" else f"-t {table[-1]} "
            match = f"-p tcp -m multiport --dports {listed(ports, ':')}"
            yield f"{table[0]} {where}-I {chain} {match} -j ACCEPT"


Wall = Union[Zone, Ufw, Rules]


@dataclass(frozen=True)
class Closed:
    """Ports that something keeps closed, now or after a reload; `peers`: to some of them only."""

    wall: Wall
    ports: PortRange
    permanent: bool
    peers: tuple[str, ...] = ()


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
        storage = str(facts.node.storage)
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
            facts[running(storage)],
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


@dataclass(frozen=True)
class Verdict:
    """What becomes of a range of ports: closed by what, or undecided why, or open how."""

    ports: PortRange
    closed: tuple[Closed, ...]
    doubts: tuple[str, ...]
    how: str

    def finding(self, cure: str) -> Finding:
        """One finding; what is closed for sure outweighs what is in doubt."""
        subject = f"{self.ports}/tcp"
        if self.closed:
            return fail(subject, self.saw(), WANT, says=SAYS, cure=cure)
        if self.doubts:
            return Finding(subject, Status.ERROR, "; ".join(self.doubts), WANT)
        return ok(subject, self.how, WANT)

    def saw(self) -> str:
        """Which of the ports are closed at run time, which permanently, and by what."""
        now = [each for each in self.closed if not each.permanent]
        later = [each for each in self.closed if each.permanent]
        if not later:
            return f"{self.which(now)}closed at run time {walls(now)}"
        if not now:
            return f"{self.which(later)}open at run time, but closed permanently {walls(later)}"
        if self.which(now) != self.which(later):
            first = f"{listed([each.ports for each in now])} closed at run time {walls(now)}"
            return f"{first}, {listed([each.ports for each in later])} permanently {walls(later)}"
        if places(now) != places(later):
            first = f"{self.which(now)}closed at run time {walls(now)}"
            return f"{first}, and permanently {walls(later)}"
        return f"{self.which(now)}closed at run time and permanently {walls(later)}"

    def which(self, closed: Sequence[Closed]) -> str:
        """Empty where all of the ports are closed."""
        ports = merged(each.ports for each in closed)
        return "" if ports == [self.ports] else f"{listed(ports)} "


def judge(site: Site, ports: PortRange) -> Verdict:
    """Ask the kernel's rules, then those of each program that loads some at boot."""
    closed: list[Closed] = []
    doubts: list[str] = []
    how = ""
    for permanent, tables in site.tables:
        time = "permanently" if permanent else "at run time"
        parts = passage.answers(tables, site.question(ports))
        how = how or site.way_in(parts[0])
        for _, group in groupby(parts, key=lambda part: part.ports):
            alike = list(group)
            refused = [part for part in alike if part.outcome.accepted is False]
            unsure = [part for part in alike if part.outcome.accepted is None]
            if refused and (site.peers or len(refused) == len(alike)):
                some = () if len(refused) == len(alike) else tuple(str(p.sources) for p in refused)
                closed += [
                    Closed(site.wall(part, permanent=permanent), part.ports, permanent, some)
                    for part in refused
                ]
            elif unsure:
                doubts.append(f"cannot be decided {time}: {unsure[0].outcome.cause}")
            elif refused:
                who = f"{time} it depends on the peer: {refused[0].sources} is refused"
                doubts.append(f"{who} {site.wall(refused[0], permanent=permanent)}")
    return Verdict(ports, tuple(dict.fromkeys(closed)), tuple(dict.fromkeys(doubts)), how)


def walls(closed: Iterable[Closed]) -> str:
    """What keeps them closed, each once, and to whom, if not to all."""
    shown = dict.fromkeys(
        f"to {', '.join(each.peers)} {each.wall}" if each.peers else str(each.wall)
        for each in closed
    )
    return " and ".join(shown)


def places(closed: Iterable[Closed]) -> set[object]:
    """Where they are closed, whatever the rule: it is spelled otherwise in files."""
    return {(each.wall.place, each.peers) for each in closed}


def commands(closed: Sequence[Closed]) -> list[str]:
    """All that opens all of it, each command once, a reload last; none where no command would."""
    ports: dict[tuple[Wall, bool], list[PortRange]] = {}
    for each in closed:
        ports.setdefault((each.wall, each.permanent), []).append(each.ports)
    found: list[str] = []
    for (wall, permanent), ranges in ports.items():
        cures = list(wall.cures(merged(ranges), permanent=permanent))
        if not cures:
            return []
        found += cures
    if any(command.startswith("ufw ") and command != UFW_RELOAD for command in found):
        found = [command for command in found if command != UFW_RELOAD]
    return sorted(dict.fromkeys(found), key=lambda command: command == RELOAD)


def merged(ports: Iterable[PortRange]) -> list[PortRange]:
    """In rising order, neighbours joined."""
    joined: list[PortRange] = []
    for each in sorted(ports, key=lambda each: each.first):
        if joined and each.first <= joined[-1].last + 1:
            joined[-1] = PortRange(joined[-1].first, max(joined[-1].last, each.last))
        else:
            joined.append(each)
    return joined


def listed(ports: Iterable[PortRange], dash: str = "-", comma: str = ",") -> str:
    """`2222,24007-24008`, neighbours joined, with the firewall's own dash and comma."""
    return comma.join(str(each).replace("-", dash) for each in merged(ports))
