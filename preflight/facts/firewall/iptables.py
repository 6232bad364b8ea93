"""iptables: what `iptables-save` says, as tables of `netfilter`.

ufw's files are in the same language. Source: iptables-save(8); iptables(8);
iptables-extensions(8).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from preflight.errors import Unknown
from preflight.facts.firewall.netfilter import (
    UNKNOWN,
    Act,
    AnyOf,
    Chain,
    Condition,
    Destination,
    Fixed,
    Hook,
    Interface,
    Near,
    Ports,
    Rule,
    Source,
    Span,
    Table,
    negated,
    spans,
    tidy,
)
from preflight.model import PortRange

VERSIONS = {"iptables": 4, "ip6tables": 6}
# Where the built-in chains of each table are hooked in: linux/netfilter_ipv4.h.
PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
BASES = {"PREROUTING": "prerouting", "INPUT": "input"}
LAST_PORT = 65535

VERDICTS = {
    "ACCEPT": Act.ACCEPT,
    "DROP": Act.DROP,
    "REJECT": Act.DROP,
    "TARPIT": Act.DROP,
    "RETURN": Act.RETURN,
}
# Targets after which the next rule is asked. CT and NOTRACK are none of them: what other rules say
# of new connections would not be about this one.
HARMLESS = {
    *("AUDIT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CONNSECMARK", "DSCP", "HL", "HMARK"),
    *("LED", "LOG", "MARK", "NFLOG", "SECMARK", "SET", "TCPMSS", "TCPOPTSTRIP"),
    *("TOS", "TRACE", "TTL", "ULOG"),
}
# Matches that say nothing but by the options that are read here.
MODULES = {"addrtype", "comment", "conntrack", "iprange", "multiport", "pkttype", "state", "tcp"}
RETURN_PATH = "rpfilter"
# Extension headers of IPv6, and other protocols: an ordinary first packet of TCP has none of them.
ABSENT = {"ah", "dccp", "dst", "esp", "frag", "hbh", "icmp", "icmp6", "mh", "rt", "sctp", "udp"}


def parse_tables(text: str, program: str) -> tuple[Table, ...]:
    """Every table of `PROGRAM-save`; `program` is iptables, ip6tables, ip6tables-legacy, ..."""
    return tuple(
        tidy(section.table(program, name))
        for name, section in _sections(text).items()
        if name in PRIORITIES
    )


def parse_lines(text: str) -> Mapping[str, Sequence[Sequence[Rule]]]:
    """By chain, what each line of it says, of the one table that iptables-save was asked for."""
    return next((section.lines for section in _sections(text).values()), {})


def _sections(text: str) -> dict[str, _Section]:
    """By name of the table; it may be told in several places."""
    found: dict[str, _Section] = {}
    section = _Section()
    for line in text.splitlines():
        if line.startswith("*"):
            section = found.setdefault(line[1:].strip(), _Section())
        elif line.startswith((":", "-")):
            section.add(line)
    return found


@dataclass
class _Section:
    """The lines of one table."""

    policies: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[tuple[Rule, ...]]] = field(default_factory=dict)

    def add(self, line: str) -> None:
        """`:INPUT ACCEPT [0:0]`, `:mine - [0:0]`, `-A INPUT -j mine`."""
        if line.startswith(":"):
            name, policy, *_ = line[1:].split()
            self.policies[name] = policy
            return
        command, name, *words = shlex.split(line)
        lines = self.lines.setdefault(name, [])
        if command in {"-A", "--append"}:
            place = len(lines)
        elif command in {"-I", "--insert"}:
            place = int(words.pop(0)) - 1 if words[0].isdigit() else 0
        else:
            raise Unknown(f"a line that is no rule: {line!r}")
        lines.insert(place, tuple(parse_rule(line, words)))

    def table(self, program: str, name: str) -> Table:
        chains = [
            Chain(each, tuple(chain.from_iterable(self.lines.get(each, ()))), self.hook(each, name))
            for each in dict.fromkeys([*self.policies, *self.lines])
        ]
        return Table(f"{program} table {name}", tuple(chains), VERSIONS[program.partition("-")[0]])

    def hook(self, name: str, table: str) -> Hook | None:
        if name not in BASES:
            return None
        policy = VERDICTS[self.policies.get(name, "ACCEPT")]
        return Hook(BASES[name], PRIORITIES[table], policy)


def parse_rule(text: str, words: Sequence[str]) -> Iterator[Rule]:
    """One rule from its words after the chain's name; none where it decides nothing.

    What is not read here makes it unknown whether the rule applies, never that it does.
    """
    reader = _Words(list(words))
    conditions = list(reader.conditions())
    if reader.target in VERDICTS:
        yield Rule(text, VERDICTS[reader.target], tuple(conditions))
    elif reader.target in UNDECIDED:
        yield Rule(text, Act.UNKNOWN, tuple(conditions))
    elif reader.target not in {None, *HARMLESS}:
        act = Act.GOTO if reader.goes else Act.JUMP
        yield Rule(text, act, tuple(conditions), str(reader.target))


UNDECIDED = {
    *("CT", "NOTRACK", "NFQUEUE", "QUEUE", "SYNPROXY", "STEAL", "TPROXY"),
    *("DNAT", "REDIRECT", "MIRROR"),
}


@dataclass
class _Words:
    """The options of one rule, read from left to right."""

    words: list[str]
    target: str | None = None
    goes: bool = False

    def conditions(self) -> Iterator[Condition]:
        while self.words:
            opposite = self.words[0] == "!"
            if opposite:
                self.words.pop(0)
            option = self.words.pop(0)
            if option in {"-j", "--jump", "-g", "--goto"}:
                self.goes, self.target = option in {"-g", "--goto"}, self.words.pop(0)
                self.skip_target()
                continue
            condition = self.condition(option)
            yield negated(condition) if opposite else condition

    def condition(self, option: str) -> Condition:
        if option in {"-m", "--match"}:
            return self.module(self.words.pop(0))
        if option in ALONE:
            return ALONE[option]
        if option == "--tcp-flags":
            mask, wanted = (set(self.words.pop(0).split(",")) for _ in range(2))
            return _flags(mask, wanted)
        if option in OPTIONS:
            return _read(OPTIONS[option], self.words.pop(0))
        self.skip()
        return UNKNOWN

    def module(self, name: str) -> Condition:
        if name == RETURN_PATH:
            options = self.skip_all()
            return Near(near="--invert" not in options)
        if name in MODULES:
            return Fixed(answer=True)
        return Fixed(answer=False) if name in ABSENT else UNKNOWN

    def skip_target(self) -> None:
        """Past a target's own options; a match behind them is a match as any other."""
        while self.words and self.words[0] not in {"-m", "--match"}:
            self.words.pop(0)

    def skip(self) -> None:
        """Past the values of an option that is not known."""
        while self.words and not self.words[0].startswith("-") and self.words[0] != "!":
            self.words.pop(0)

    def skip_all(self) -> list[str]:
        """Past the options of a match that has no values."""
        options = []
        while self.words and self.words[0].startswith("--"):
            options.append(self.words.pop(0))
        return options


def _read(reader: Callable[[str], Condition], value: str) -> Condition:
    try:
        return reader(value)
    except ValueError:
        return UNKNOWN


def _protocol(value: str) -> Condition:
    return Fixed(answer=value.lower() in {"tcp", "6", "all", "0"})


def _spans(value: str) -> tuple[Span, ...]:
    return spans(Span.of(part) for part in value.split(","))


def _interface(value: str) -> Condition:
    return Interface((value[:-1] + "*" if value.endswith("+") else value,))


def _ports(value: str) -> Ports:
    return Ports(tuple(_port(part) for part in value.split(",")))


def _port(part: str) -> PortRange:
    first, colon, last = part.partition(":")
    low = int(first or 0)
    return PortRange(low, int(last or LAST_PORT) if colon else low)


def _either_port(value: str) -> Condition:
    return AnyOf(((_ports(value),), (UNKNOWN,)))


def _source_port(value: str) -> Condition:
    return Fixed(answer=True) if value in {"0:65535", "1:65535"} else UNKNOWN


def _flags(mask: set[str], wanted: set[str]) -> Condition:
    """Of the flags in the mask just the wanted ones are set; a first packet has only SYN."""
    seen = {"SYN"} if mask & {"SYN", "ALL"} else set()
    return Fixed(answer=seen == wanted - {"NONE"})


def _words(true: set[str], false: set[str]) -> Callable[[str], Condition]:
    """Any of the words is true of a first packet, or all are not; else unknown."""

    def read(value: str) -> Condition:
        words = set(value.upper().split(","))
        if words & true:
            return Fixed(answer=True)
        return Fixed(answer=False if words <= false else None)

    return read


_states = _words({"NEW"}, {"ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "SNAT", "DNAT"})
_to = _words({"LOCAL"}, {"UNICAST", "BROADCAST", "MULTICAST", "ANYCAST"})
_from = _words({"UNICAST"}, {"LOCAL", "BROADCAST", "MULTICAST", "ANYCAST"})
_kind = _words({"UNICAST"}, {"BROADCAST", "MULTICAST"})
_way = _words({"ORIGINAL"}, {"REPLY"})

ALONE: Mapping[str, Condition] = {
    "-f": Fixed(answer=False),
    "--fragment": Fixed(answer=False),
    "--syn": Fixed(answer=True),
}
OPTIONS: Mapping[str, Callable[[str], Condition]] = {
    "-p": _protocol,
    "--protocol": _protocol,
    "-s": lambda value: Source(_spans(value)),
    "--source": lambda value: Source(_spans(value)),
    "--src-range": lambda value: Source(_spans(value)),
    "-d": lambda value: Destination(_spans(value)),
    "--destination": lambda value: Destination(_spans(value)),
    "--dst-range": lambda value: Destination(_spans(value)),
    "-i": _interface,
    "--in-interface": _interface,
    "--dport": _ports,
    "--destination-port": _ports,
    "--dports": _ports,
    "--destination-ports": _ports,
    "--ports": _either_port,
    "--sport": _source_port,
    "--source-port": _source_port,
    "--sports": _source_port,
    "--source-ports": _source_port,
    "--state": _states,
    "--ctstate": _states,
    "--ctdir": _way,
    "--dst-type": _to,
    "--src-type": _from,
    "--pkt-type": _kind,
    "--comment": lambda _: Fixed(answer=True),
}
