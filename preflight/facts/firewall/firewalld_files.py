"""firewalld's files -> bindings and tables of `netfilter`, as firewalld itself lays its chains.

Source: firewalld.zone(5), firewalld.service(5), firewalld.richlanguage(5), firewalld.policies(5),
firewalld.direct(5), firewalld.ipset(5), firewalld.conf(5), firewalld.dbus(5).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from preflight.errors import Unknown
from preflight.facts.firewall import iptables
from preflight.facts.firewall.netfilter import (
    EVERY,
    UNKNOWN,
    Act,
    Chain,
    Condition,
    Destination,
    Hook,
    Interface,
    Packet,
    Ports,
    Rule,
    Source,
    Span,
    Table,
    negated,
    spans,
)
from preflight.model import PortRange

NAME = "firewalld"
LAST_PORT = 65535
TARGETS = {
    "ACCEPT": Act.ACCEPT,
    "DROP": Act.DROP,
    "REJECT": Act.DROP,
    "%%REJECT%%": Act.DROP,
}
FAMILIES = {"ipv4": 4, "ipv6": 6}
TCP = {"tcp", "6"}
ADDRESS_SETS = {"hash:ip", "hash:net"}
YES = {"yes", "true", "1"}


@dataclass(frozen=True)
class Bindings:
    """What belongs to which zone: sources before interfaces, and the rest to the default zone."""

    default: str
    sources: tuple[tuple[str, Condition], ...]
    interfaces: tuple[tuple[str, Interface], ...]

    def owner(self, packet: Packet) -> tuple[str, str] | None:
        """The zone that the packet belongs to, and by what; None where that cannot be told."""
        interface = packet.interface or "any interface"
        for zone, condition in (*self.sources, *self.interfaces):
            answer = condition.holds(packet)
            if answer is None:
                return None
            if answer:
                return zone, interface if isinstance(condition, Interface) else "by source"
        return self.default, f"the default zone, {interface}"


@dataclass(frozen=True)
class Files:
    """firewalld.conf, the other files by kind and name, and what NetworkManager binds."""

    conf: Mapping[str, str]
    xml: Mapping[str, Mapping[str, Element]]
    bound: Mapping[str, str]

    @property
    def default(self) -> str:
        """The zone of whatever is bound to none."""
        return self.conf.get("DefaultZone", "public")

    def bindings(self) -> Bindings:
        """As they come back: NetworkManager tells firewalld of its own after every start."""
        interfaces = [(zone, Interface((name,))) for name, zone in self.bound.items()]
        sources = []
        for zone, element in sorted(self.xml["zone"].items()):
            interfaces += [
                (zone, Interface((_glob(each.attrib["name"]),)))
                for each in element.iter("interface")
            ]
            sources += [(zone, self.source(each)) for each in element.findall("source")]
        return Bindings(self.default, tuple(sources), tuple(interfaces))

    def active(self, text: str) -> Bindings:
        """What `busctl call` prints of getActiveZones (firewalld.dbus(5)): a{sa{sas}} in words."""
        words = iter(shlex.split(text))
        if next(words, "") != "a{sa{sas}}":
            raise Unknown(f"firewalld answered {text!r}")
        sources: list[tuple[str, Condition]] = []
        interfaces: list[tuple[str, Interface]] = []
        for _ in range(int(next(words))):
            zone = next(words)
            for _ in range(int(next(words))):
                kind = next(words)
                values = [next(words) for _ in range(int(next(words)))]
                if kind == "interfaces":
                    interfaces += [(zone, Interface((_glob(value),))) for value in values]
                elif kind == "sources":
                    sources += [(zone, self.address(value)) for value in values]
        return Bindings(self.default, tuple(sorted(sources, key=_by_name)), tuple(interfaces))

    def source(self, element: Element) -> Condition:
        """`<source address= | mac= | ipset= invert=>`."""
        if "ipset" in element.attrib:
            found = self.address(f"ipset:{element.attrib['ipset']}")
        else:
            found = self.address(element.get("address", ""))
        return negated(found) if element.get("invert", "").lower() in YES else found

    def address(self, text: str) -> Condition:
        """An address, a network or `ipset:NAME`; a MAC address tells nothing here."""
        try:
            return Source(self.spans(text))
        except ValueError:
            return UNKNOWN

    def spans(self, text: str) -> tuple[Span, ...]:
        """Raise ValueError where `text` is no address, and no set of addresses in a file."""
        if not text.startswith("ipset:"):
            return (Span.of(text),)
        element = self.xml["ipset"].get(text.removeprefix("ipset:"))
        timed = element is None or any(o.get("name") == "timeout" for o in element.iter("option"))
        if element is None or timed or element.get("type") not in ADDRESS_SETS:
            raise ValueError(text)
        return spans(Span.of((entry.text or "").strip()) for entry in element.iter("entry"))

    def tables(self) -> Iterator[Table]:
        """Its own table, and direct rules where they have one beside it.

        With the backend iptables direct rules come first in firewalld's own; with nftables they
        cannot let in what its own then refuses.
        """
        mixed = self.conf.get("FirewallBackend", "iptables") == "iptables"
        direct = self.direct()
        before = [Rule("direct rules", Act.JUMP, (), "direct INPUT")] if mixed else []
        beside = [replace(each, hook=None) for each in direct.pop("filter", ())] if mixed else []
        bindings = self.bindings()
        # Before 0.7, and where it is told to, a zone that does not decide leaves it to the next.
        drifts = self.conf.get("AllowZoneDrifting", "no").lower() in YES
        by_source = Act.JUMP if drifts else Act.GOTO
        dispatch = [
            *before,
            *(Rule("", by_source, (source,), f"zone {zone}") for zone, source in bindings.sources),
            *(Rule("", Act.GOTO, (each,), f"zone {zone}") for zone, each in bindings.interfaces),
            Rule("", Act.GOTO, (), f"zone {bindings.default}"),
        ]
        chains = [Chain("input", tuple(dispatch), Hook("input", 10, Act.DROP)), *beside]
        chains += [self.zone(name, element) for name, element in self.xml["zone"].items()]
        chains += [self.policy(name, element) for name, element in self.xml["policy"].items()]
        yield Table(NAME, tuple(chains))
        for name, others in direct.items():
            yield Table(f"{NAME}, direct rules of {name}", tuple(others))

    def zone(self, name: str, element: Element) -> Chain:
        """All that decides in one zone; at its end, what is left goes back to be refused."""
        before, after = self.policies(name)
        rules = (*before, *self.rules(element), *after, *_target(element))
        return Chain(f"zone {name}", rules)

    def policy(self, name: str, element: Element) -> Chain:
        """A policy's own rules, and its target, where that is not to go on."""
        return Chain(f"policy {name}", (*self.rules(element), *_target(element)))

    def policies(self, zone: str) -> tuple[list[Rule], list[Rule]]:
        """Those that meet what comes from `zone` to this host before the zone does, and after."""
        met = []
        for name, element in self.xml["policy"].items():
            come = {each.get("name") for each in element.findall("ingress-zone")}
            go = {each.get("name") for each in element.findall("egress-zone")}
            if come & {"ANY", zone} and "HOST" in go:
                rule = Rule(f"policy {name}", Act.JUMP, (), f"policy {name}")
                met.append((int(element.get("priority", "-1")), rule))
        met.sort(key=lambda each: each[0])
        before = [rule for priority, rule in met if priority < 0]
        return before, [rule for priority, rule in met if priority >= 0]

    def rules(self, element: Element) -> list[Rule]:
        """What a zone or a policy says, in firewalld's order: by priority, at 0 denials first."""
        found = [(int(e.get("priority", "0")), r) for e in element for r in self.rich(e)]
        found += [(0, rule) for each in element for rule in self.plain(each)]
        return [rule for _, rule in sorted(found, key=_order)]

    def plain(self, element: Element) -> Iterator[Rule]:
        """`<service>`, `<port>`, `<protocol>`, `<source-port>` of a zone: let in."""
        for conditions in self.matches(element, frozenset()):
            yield Rule(_words(element), Act.ACCEPT, tuple(conditions))

    def rich(self, element: Element) -> Iterator[Rule]:
        """`<rule>`: where it comes from and goes to, what it is about, and what becomes of it."""
        if element.tag != "rule":
            return
        action = next((each for each in element if each.tag in ACTIONS), None)
        if action is None:
            return
        where = list(self.where(element))
        if action.find("limit") is not None:
            where.append(UNKNOWN)
        about = [each for each in element if each.tag not in {*ACTIONS, *ASIDE}]
        text = " ".join(_words(each) for each in element.iter())
        for conditions in self.matches(about[0], frozenset()) if about else [[]]:
            yield Rule(text, ACTIONS[action.tag], (*where, *conditions))

    def where(self, element: Element) -> Iterator[Condition]:
        """Family, source and destination of a rule."""
        if family := element.get("family"):
            yield Source((EVERY[FAMILIES[family]],))
        for each in element.findall("source"):
            yield self.source(each)
        for each in element.findall("destination"):
            try:
                address = each.get("address") or f"ipset:{each.get('ipset')}"
                found: Condition = Destination(self.spans(address))
            except ValueError:
                found = UNKNOWN
            yield negated(found) if each.get("invert", "").lower() in YES else found

    def matches(self, element: Element, seen: frozenset[str]) -> Iterator[list[Condition]]:
        """The ways in which a TCP connection can be what `element` is about."""
        if element.tag == "port" and element.get("protocol") == "tcp":
            yield [_port(element.get("port", ""))]
        elif element.tag == "protocol" and element.get("value") in TCP:
            yield []
        elif element.tag == "source-port" and element.get("protocol") == "tcp":
            yield [UNKNOWN]
        elif element.tag in {"service", "include"}:
            name = element.get("name", element.get("service", ""))
            if name not in seen:
                yield from self.service(name, seen | {name})

    def service(self, name: str, seen: frozenset[str]) -> Iterator[list[Condition]]:
        """The ports of a service, and of those that it includes; unknown where it has no file."""
        service = self.xml["service"].get(name)
        if service is None:
            yield [UNKNOWN]
            return
        to = service.find("destination")
        where: list[Condition] = []
        if to is not None:
            where = [Destination(spans(Span.of(value) for value in to.attrib.values()))]
        for each in service:
            for conditions in self.matches(each, seen):
                yield [*where, *conditions]

    def direct(self) -> dict[str, Sequence[Chain]]:
        """`direct.xml`: iptables' own rules, by table."""
        lines: dict[tuple[str, str], list[tuple[int, Rule]]] = {}
        for element in self.xml["direct"].values():
            for each in element.iter():
                for table, chain, priority, rule in _direct(each):
                    lines.setdefault((table, chain), []).append((priority, rule))
        tables: dict[str, list[Chain]] = {}
        for (table, chain), rules in lines.items():
            ordered = tuple(rule for _, rule in sorted(rules, key=lambda each: each[0]))
            hook = _hook(table, chain)
            tables.setdefault(table, []).append(Chain(f"direct {chain}", ordered, hook))
        return dict(tables)


ACTIONS = {"accept": Act.ACCEPT, "reject": Act.DROP, "drop": Act.DROP}
ASIDE = {"source", "destination", "log", "nflog", "audit"}


def _by_name(binding: tuple[str, Condition]) -> str:
    return binding[0]


def _order(each: tuple[int, Rule]) -> tuple[int, bool]:
    priority, rule = each
    return priority, rule.act is Act.ACCEPT


def _glob(name: str) -> str:
    return name[:-1] + "*" if name.endswith("+") else name


def _port(text: str) -> Condition:
    first, _, last = text.partition("-")
    return Ports((PortRange(int(first or 0), int(last or first or LAST_PORT)),))


def _words(element: Element) -> str:
    """An element in the words of the rich language: `port port="22" protocol="tcp"`."""
    return " ".join([element.tag, *(f'{key}="{value}"' for key, value in element.attrib.items())])


def _target(element: Element) -> Iterator[Rule]:
    """What becomes of the rest; without a word it is left to the end, where it is refused."""
    target = element.get("target", "")
    if target in TARGETS:
        yield Rule(f"target {target.strip('%')}", TARGETS[target])


def _hook(table: str, chain: str) -> Hook | None:
    if chain not in iptables.BASES:
        return None
    return Hook(iptables.BASES[chain], iptables.PRIORITIES[table], Act.ACCEPT)


def _direct(element: Element) -> Iterator[tuple[str, str, int, Rule]]:
    """Table, chain, priority and rule of one element; a passthrough that comes in is unknown."""
    version = FAMILIES.get(element.get("ipv", ""))
    if version is None or element.tag not in {"rule", "passthrough"}:
        return
    text, family = (element.text or "").strip(), Source((EVERY[version],))
    if element.tag == "rule":
        table, chain = element.attrib["table"], element.attrib["chain"]
        priority = element.get("priority", "0")
        if table in iptables.PRIORITIES:
            for rule in iptables.parse_rule(text, shlex.split(text)):
                words = f"{element.get('ipv')} {table} {chain} {priority} {text}"
                target = rule.chain and f"direct {rule.chain}"
                made = Rule(words, rule.act, (family, *rule.conditions), target)
                yield table, chain, int(priority), made
    elif set(shlex.split(text)) & set(iptables.BASES):
        yield "filter", "INPUT", 0, Rule(text, Act.UNKNOWN, (family,))
