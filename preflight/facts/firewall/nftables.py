"""nftables: what `nft -j list table` says, as tables of `netfilter`.

Source: libnftables-json(5); nft(8).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preflight.errors import Unknown
from preflight.facts.firewall.netfilter import (
    EVERY,
    HOOKS,
    UNKNOWN,
    Act,
    AnyOf,
    Chain,
    Condition,
    Fixed,
    Hook,
    Ports,
    Rule,
    Source,
    Table,
    negated,
    sharpened,
    tidy,
)
from preflight.facts.firewall.nft_fields import bare, field, flags, header, listed, one_of
from preflight.model import PortRange

VERSIONS = {"ip": 4, "ip6": 6, "inet": None, "netdev": None}
LAST_PORT = 65535

VERDICTS = {
    "accept": Act.ACCEPT,
    "drop": Act.DROP,
    "reject": Act.DROP,
    "return": Act.RETURN,
    "jump": Act.JUMP,
    "goto": Act.GOTO,
}

REJECTS = {"icmp": 4, "icmpv6": 6}  # what the answer is made of; icmpx is either

# Statements after which the next is reached whatever they do. `notrack` is none of them: what
# other rules say of new connections would not be about this one.
HARMLESS = {
    "counter",
    "log",
    "mangle",
    "set",
    "map",
    "ct helper",
    "ct timeout",
    "ct expectation",
    "secmark",
    "last",
    "flow",
    "dup",
    "comment",
    "continue",
}
# Statements after which the next is reached, or not.
LIMITS = {"limit", "quota", "ct count", "meter"}


def parse_table(text: str, made_by: MadeBy | None = None) -> Table | None:
    """One table, from `nft -j list table` followed by `nft -a list table`.

    None for a dormant one, which does nothing. The second listing gives each rule's words.
    """
    answer, end = json.JSONDecoder().raw_decode(text)
    words = dict(_words(text[end:]))
    objects: list[tuple[str, Any]] = [item for each in answer["nftables"] for item in each.items()]
    about = next(value for kind, value in objects if kind == "table")
    family, name = about["family"], about["name"]
    if family not in VERSIONS:
        raise Unknown(f"nft listed a table of the family {family}")
    # Only in these words: in JSON, version 1.0.6 gives the table's name for its flags.
    if re.search(r"^\s*flags .*\bdormant\b", text[end:], re.MULTILINE):
        return None
    sets = {value["name"]: value.get("elem", []) for kind, value in objects if kind in SETS}
    reader = _Reader(sets, words)
    rules: dict[str, list[Mapping[str, Any]]] = {}
    for kind, value in objects:
        if kind == "rule":
            rules.setdefault(value["chain"], []).append(value)
    chains = [
        Chain(
            value["name"],
            tuple(_rules(reader, value["name"], rules.get(value["name"], ()), made_by)),
            _hook(value, words),
        )
        for kind, value in objects
        if kind == "chain" and value.get("type", "filter") == "filter"
    ]
    named = f"{made_by.program} table {name}" if made_by else f"table {family} {name}"
    return tidy(Table(named, tuple(chains), VERSIONS[family]))


SETS = {"set", "map"}


@dataclass(frozen=True)
class MadeBy:
    """The iptables that made a table, and what its iptables-save says, line by line.

    Either knows what the other does not: matches of iptables' own are a name and no more in
    nft's JSON, and rules of nft's own come out wrong of iptables-save, without a word (1.8.9
    prints `ip saddr . tcp dport { 192.0.2.1 . 4 } drop` as `-p tcp -j DROP`).
    """

    program: str
    lines: Mapping[str, Sequence[Sequence[Rule]]]


def _rules(
    reader: _Reader, chain: str, rules: Sequence[Mapping[str, Any]], made_by: MadeBy | None
) -> Iterator[Rule]:
    """Each rule from who can tell it; in iptables' words where both say the same."""
    lines = made_by.lines.get(chain, ()) if made_by else ()
    aligned = len(lines) == len(rules)
    for number, rule in enumerate(rules):
        told = tuple(reader.rules(rule))
        if not aligned:
            yield from told
            continue
        own = any("xt" in statement for statement in rule["expr"])
        same = _sense(lines[number]) == _sense(told)
        yield from lines[number] if own or same else told


def _sense(rules: Iterable[Rule]) -> list[tuple[object, ...]]:
    """What rules do, whatever their words."""
    return [(each.act, each.chain, sorted(map(repr, each.conditions))) for each in sharpened(rules)]


def _words(text: str) -> Iterator[tuple[object, str]]:
    """Handle of a rule -> the rule; name of a base chain -> its `type filter hook ...`."""
    chain = ""
    for line in text.splitlines():
        if match := re.search(r"^\s*(.*) # handle (\d+)$", line):
            yield int(match[2]), match[1]
        if match := re.match(r"\s*chain (\S+) \{", line):
            chain = match[1]
        elif line.strip().startswith("type "):
            yield chain, line.strip()


def _hook(chain: Mapping[str, Any], words: Mapping[object, str]) -> Hook | None:
    name = chain.get("hook")
    if name not in HOOKS:
        return None
    policy = Act(chain.get("policy", "accept"))
    header = words.get(chain["name"], "")
    found = re.search(r' devices = \{ (.*?) \}| device "?([^" ]+)', header)
    devices = re.findall(r'[^\s",]+', found[1] or found[2]) if found else []
    return Hook(name, int(chain["prio"]), policy, tuple(devices))


@dataclass(frozen=True)
class _Reader:
    """Statements -> rules; knows the table's sets, and each rule's own words."""

    sets: Mapping[str, Sequence[Any]]
    words: Mapping[object, str]

    def rules(self, rule: Mapping[str, Any]) -> Iterator[Rule]:
        """As many rules as a verdict map has elements; none where nothing decides."""
        text = self.words.get(rule["handle"], f"rule with handle {rule['handle']}")
        conditions: list[Condition] = []
        for statement in rule["expr"]:
            ((kind, value),) = statement.items()
            if kind == "match":
                conditions += self.match(value)
            elif kind in VERDICTS:
                # `meta nfproto ipv4 reject with icmp` is listed without what it implies.
                version = REJECTS.get(value["type"]) if kind == "reject" and value else None
                only = [Source((EVERY[version],))] if version else []
                yield Rule(text, VERDICTS[kind], (*conditions, *only), _target(value))
                return
            elif kind == "vmap":
                yield from self.verdict_map(text, value, conditions)
            elif kind in LIMITS:
                conditions.append(UNKNOWN)
            elif kind not in HARMLESS:
                yield Rule(text, Act.UNKNOWN, tuple(conditions))
                return

    def verdict_map(
        self, text: str, vmap: Mapping[str, Any], before: Sequence[Condition]
    ) -> Iterator[Rule]:
        """A rule for each element: at most one applies, so their order does not matter."""
        for key, verdict in self.elements(vmap["data"]):
            ((kind, value),) = verdict.items()
            if kind in VERDICTS:
                where = (*header(vmap["key"]), self.equal(vmap["key"], [key]))
                yield Rule(text, VERDICTS[kind], (*before, *where), _target(value))
            elif kind != "continue":
                yield Rule(text, Act.UNKNOWN, tuple(before))

    def match(self, match: Mapping[str, Any]) -> list[Condition]:
        """`left op right`; to speak of a header also says that the packet has it."""
        left, op, right = match["left"], match["op"], match["right"]
        before, name = header(left), field(left)
        if "exthdr" in left:  # of IPv6: an ordinary first packet has none
            absent = Fixed(answer="field" not in left["exthdr"] and right is False)
            return [Source((EVERY[6],)), absent]
        if name == "tcp flags":
            return [flags(left, op, right)]
        if op in {"==", "in"}:
            return [*before, self.equal(left, self.elements(right))]
        if op == "!=":
            return [*before, negated(self.equal(left, self.elements(right)))]
        if name in {"tcp dport", "th dport"} and isinstance(right, int):
            below = PortRange(0, right if op == "<=" else right - 1)
            above = PortRange(right if op == ">=" else right + 1, LAST_PORT)
            return [Ports((below if op in {"<", "<="} else above,))]
        return [*before, UNKNOWN]

    def equal(self, left: Mapping[str, Any], values: Sequence[Any]) -> Condition:
        """That `left` is one of `values`."""
        if "concat" not in left:
            return one_of(field(left), values)
        return AnyOf(
            tuple(
                tuple(
                    one_of(field(part), [value])
                    for part, value in zip(left["concat"], bare(item)["concat"], strict=True)
                )
                for item in values
            )
        )

    def elements(self, value: Any) -> Sequence[Any]:  # noqa: ANN401 - JSON
        """A set's elements, of its own or by its name; one value is a set of one."""
        if isinstance(value, str) and value.startswith("@"):
            return self.sets[value[1:]]
        if isinstance(value, dict) and "set" in value:
            return listed(value["set"])
        return listed(value)


def _target(verdict: Any) -> str:  # noqa: ANN401 - JSON
    """The chain of a jump or a goto; a reject has other values, and no chain."""
    return str(verdict.get("target", "")) if isinstance(verdict, dict) else ""
