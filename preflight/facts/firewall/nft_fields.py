"""What nftables' JSON compares: fields of packets and connections -> conditions of `netfilter`.

Source: libnftables-json(5), "Expressions"; nft(8), "Payload expressions", "Meta expressions".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from preflight.facts.firewall.netfilter import (
    EVERY,
    UNKNOWN,
    Condition,
    Destination,
    Fixed,
    Interface,
    Near,
    Ports,
    Source,
    Span,
    spans,
)
from preflight.model import PortRange

# What is true of the packet that begins a TCP connection, what is not. Other words: unknown.
WORDS: Mapping[str, tuple[set[object], set[object]]] = {
    "ct state": ({"new"}, {"established", "related", "invalid", "untracked"}),
    "ct direction": ({"original"}, {"reply"}),
    "ct status": (set(), {"expected", "seen-reply", "assured", "confirmed", "snat", "dnat"}),
    "meta pkttype": ({"host", "unicast"}, {"broadcast", "multicast", "other"}),
    "fib type daddr": ({"local"}, {"unicast", "broadcast", "multicast", "anycast"}),
    "fib type saddr": ({"unicast"}, {"local", "broadcast", "multicast", "anycast"}),
}
FLAGS = {"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"}
TCP: set[object] = {"tcp", 6}
NOT_TCP = {"udp", "udplite", "icmp", "icmpv6", "igmp", "sctp", "dccp", "esp", "ah", "comp", "arp"}


def listed(value: Any) -> Sequence[Any]:  # noqa: ANN401 - JSON
    """A list as it is, one value as a list of one."""
    return value if isinstance(value, list) else [value]


def header(left: Mapping[str, Any]) -> list[Condition]:
    """What the packet must be for `left` to be there at all."""
    protocols = {_protocol(part) for part in left.get("concat", [left])}
    if protocols & NOT_TCP:
        return [Fixed(answer=False)]
    return [
        Source((EVERY[version],)) for word, version in (("ip", 4), ("ip6", 6)) if word in protocols
    ]


def _protocol(part: Mapping[str, Any]) -> str:
    payload = part.get("payload", {}) if isinstance(part, dict) else {}
    return str(payload.get("protocol", ""))


def field(left: Any) -> str:  # noqa: ANN401 - JSON
    """`tcp dport`, `meta iifname`, `ct state`, `fib type daddr`; else what nobody knows."""
    if not isinstance(left, dict):
        return ""
    ((kind, value),) = left.items()
    if kind == "&":
        inner = field(value[0])
        return inner if inner == "tcp flags" else ""
    if kind == "payload" and "protocol" in value:
        return f"{value['protocol']} {value['field']}"
    if kind == "fib":
        return f"fib {value['result']} {' '.join(sorted(listed(value.get('flags', []))))}"
    if kind in {"meta", "ct"} and isinstance(value, dict):
        return f"{kind} {value['key']}"
    return ""


def one_of(name: str, values: Sequence[Any]) -> Condition:
    """The field of a new connection's first packet is one of `values`, unknown where not known."""
    reader = _FIELDS.get(name, _unknown)
    try:
        return reader([bare(value) for value in values])
    except (ValueError, TypeError, KeyError):
        return UNKNOWN


def bare(element: Any) -> Any:  # noqa: ANN401 - JSON
    """A set's element without its comment, counter and time."""
    while isinstance(element, dict) and "elem" in element:
        element = element["elem"]["val"] if "val" in element["elem"] else element["elem"]
    return element


def _unknown(_: Sequence[Any]) -> Condition:
    return UNKNOWN


def _ports(values: Sequence[Any]) -> Condition:
    return Ports(tuple(_port(value) for value in values))


def _port(value: Any) -> PortRange:  # noqa: ANN401 - JSON
    first, last = value["range"] if isinstance(value, dict) else (value, value)
    return PortRange(int(first), int(last))


def _spans(values: Iterable[Any]) -> tuple[Span, ...]:
    return spans(_span(value) for value in values)


def _span(value: Any) -> Span:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return Span.of(value)
    if "prefix" in value:
        return Span.of(f"{value['prefix']['addr']}/{value['prefix']['len']}")
    return Span.of("-".join(value["range"]))


def _interfaces(values: Sequence[Any]) -> Condition:
    return Interface(tuple(str(value) for value in values))


def _versions(values: Sequence[Any]) -> Condition:
    names = {"ipv4": 4, "ip": 4, 2: 4, "ipv6": 6, "ip6": 6, 10: 6}
    return Source(tuple(EVERY[names[value]] for value in values if value in names))


def _transport(values: Sequence[Any]) -> Condition:
    return Fixed(answer=any(value in TCP for value in values))


def _way_back(values: Sequence[Any]) -> Condition:
    """`fib saddr . iif oif missing` is `false` in JSON, `exists` is `true`."""
    (value,) = values
    return Near(value) if isinstance(value, bool) else UNKNOWN


def _word(name: str) -> Callable[[Sequence[Any]], Condition]:
    true, false = WORDS[name]

    def read(values: Sequence[Any]) -> Condition:
        if any(value in true for value in values):
            return Fixed(answer=True)
        return Fixed(answer=False if all(value in false for value in values) else None)

    return read


_FIELDS: Mapping[str, Callable[[Sequence[Any]], Condition]] = {
    "tcp dport": _ports,
    "th dport": _ports,
    "ip saddr": lambda values: Source(_spans(values)),
    "ip6 saddr": lambda values: Source(_spans(values)),
    "ip daddr": lambda values: Destination(_spans(values)),
    "ip6 daddr": lambda values: Destination(_spans(values)),
    "ip protocol": _transport,
    "ip6 nexthdr": _transport,
    "meta l4proto": _transport,
    "meta nfproto": _versions,
    "meta protocol": _versions,
    "meta iifname": _interfaces,
    "meta iif": _interfaces,
    "fib oif iif saddr": _way_back,
    "fib oif iif mark saddr": _way_back,
    **{name: _word(name) for name in WORDS},
}


def flags(left: Any, op: str, right: Any) -> Condition:  # noqa: ANN401 - JSON
    """Of the flags a first packet has only SYN. `in`: any of them is set; `!`: none of them."""
    mine = {"syn"}
    choices = right["set"] if isinstance(right, dict) and "set" in right else [right]
    wanted = [_names(choice) for choice in choices]
    if "&" in left:
        mask = _names(left["&"][1])
        wanted.append(mask)
        mine &= mask
    if not set[str]().union(*wanted) <= FLAGS:
        return UNKNOWN
    wanted = wanted[: len(choices)]
    if op in {"==", "!="}:
        return Fixed(answer=(mine in wanted) is (op == "=="))
    if op in {"in", "!"}:
        return Fixed(answer=any(mine & each for each in wanted) is (op == "in"))
    return UNKNOWN


def _names(value: Any) -> set[str]:  # noqa: ANN401 - JSON
    """Flags by name, however they are joined; 0 is none."""
    if isinstance(value, dict):
        return set[str]().union(*(_names(part) for parts in value.values() for part in parts))
    return {str(name) for name in listed(value)} - {"0"}
