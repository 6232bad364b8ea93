"""What the rules are read to do, against what the kernel does with them.

Every ruleset is loaded for real into a network namespace and read back by the probe's own
command; then another namespace really connects, from several addresses to several ports. What
was read as open must be open, what was read as closed must be closed. "Cannot be told" is never
wrong, so each ruleset also says whether it may be the answer at all.
"""

from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass

import pytest

from preflight.facts import firewall
from preflight.facts.firewall.netfilter import Packet, Span, Table
from preflight.facts.firewall.passage import Question, answers, walk
from preflight.model import PortRange
from tests.netns import INTERFACE, NODE, PEERS, PORTS, Hosts

IPTABLES, IP6TABLES, LEGACY, NFT = "iptables", "ip6tables", "iptables-legacy", "nft"


ROUNDS = 12  # for each program; each takes a quarter of a second
BOTH = 0.3  # how likely a rule by chance has two conditions
MANY = 2


@dataclass(frozen=True)
class Rules:
    """Rules of one program, in the language of its restore; `doubt`: some ports are undecided."""

    program: str
    text: str
    doubt: bool = False


def nft(rules: str, policy: str = "drop", more: str = "", *, doubt: bool = False) -> Rules:
    """A table `inet t` with a chain at the input hook."""
    lines = rules.replace("; ", "\n")
    hook = f"type filter hook input priority 0; policy {policy};"
    return Rules(NFT, f"table inet t {{\n{more}\nchain in {{\n{hook}\n{lines}\n}}\n}}\n", doubt)


def ipt(rules: str, policy: str = "DROP", program: str = IPTABLES, *, doubt: bool = False) -> Rules:
    """The table filter; rules apart by `; `, of INPUT, or of the chain that they begin with."""
    lines = [f"-A INPUT {r}" if r[0] in "-!" else f"-A {r}" for r in rules.split("; ")]
    chains = {line.split()[1] for line in lines} - {"INPUT"}
    own = [f":{chain} - [0:0]" for chain in sorted(chains)]
    whole = ["*filter", f":INPUT {policy} [0:0]", *own, *lines, "COMMIT", ""]
    return Rules(program, "\n".join(whole), doubt)


CASES = {
    "nothing": Rules(NFT, ""),
    "policy drop": nft(""),
    "policy accept": nft("", "accept"),
    "ports": nft("tcp dport { 2222, 24007-24008 } accept; tcp dport 49152-49200 accept"),
    "not ports": nft("tcp dport != { 22, 2222 } accept"),
    "greater": nft("tcp dport > 24007 accept; tcp dport <= 22 accept"),
    "any transport": nft("meta l4proto { tcp, udp } th dport 24007 accept"),
    "only udp": nft("udp dport 24007 accept; meta l4proto icmp accept"),
    "not tcp": nft("ip protocol != tcp drop; meta l4proto != udp accept"),
    "state first": nft("ct state established,related accept; ct state invalid drop; iif lo accept"),
    "state new": nft("ct state new tcp dport 24007 accept; ct state != new accept"),
    "state map": nft(
        "ct state vmap { established : accept, new : jump n }",
        more="chain n {\ntcp dport 24007 accept\n}",
    ),
    "not dnat": nft("ct status dnat accept; ct direction original tcp dport 2222 accept"),
    "sources": nft("ip saddr 10.99.0.0/25 accept; ip6 saddr fd99::2 accept"),
    "not source": nft("ip saddr != 10.99.0.0/25 accept; ip6 saddr != fd99::2 accept"),
    "source range": nft("ip saddr 10.99.0.1-10.99.0.9 tcp dport 24007 accept"),
    "destination": nft("ip daddr 10.99.0.1 tcp dport 24007 accept; ip daddr 10.99.0.9 accept"),
    "family": nft("meta nfproto ipv6 tcp dport 24007 accept; meta protocol ip accept"),
    "interface": nft('iifname "stor*" tcp dport 24007 accept; iifname { "eth0", "eth1" } accept'),
    "not interface": nft('iifname != "storage0" accept; iif "storage0" tcp dport 22 accept'),
    "sets": nft(
        "ip saddr @friends tcp dport @ports accept; ip saddr . tcp dport @both accept",
        more="set friends {\ntype ipv4_addr\nelements = { 10.99.0.2, 10.98.0.2 }\n}\n"
        "set ports {\ntype inet_service\nflags interval\nelements = { 24007-24008 }\n}\n"
        "set both {\ntype ipv4_addr . inet_service\nflags interval\n"
        "elements = { 10.99.0.128/25 . 49152-49200 }\n}",
    ),
    "not both": nft("ip saddr . tcp dport != { 10.99.0.2 . 24007, 10.99.0.130 . 2222 } accept"),
    "verdict map": nft(
        "tcp dport vmap @what; ip saddr vmap { 10.99.0.2 : accept }",
        more="map what {\ntype inet_service : verdict\nelements = { 22 : drop, 2222 : accept }\n}",
    ),
    "returns": nft(
        "jump a; tcp dport 24008 accept",
        more="chain a {\ntcp dport 22 return\ntcp dport 24007 goto b\ntcp dport 2222 jump b\n"
        "tcp dport 2222 accept\n}\nchain b {\ntcp dport 24007 return\n}",
    ),
    "goto at the base": nft("goto a; accept", more="chain a {\ntcp dport 24007 accept\n}"),
    "continue": nft("tcp dport 24007 continue; tcp dport 24008 counter; tcp dport 2222 accept"),
    "flags": nft(
        "tcp flags & (fin|syn|rst|ack) == syn tcp dport 24007 accept; "
        "tcp flags syn tcp dport 2222 accept; tcp flags & (fin|syn) == (fin|syn) accept"
    ),
    "not flags": nft("tcp flags != syn accept; tcp flags { ack, syn } tcp dport 22 accept"),
    "rejects": nft("tcp dport 24007 reject with tcp reset; tcp dport 22 reject", "accept"),
    "fib": nft(
        "fib daddr type local tcp dport 24007 accept; fib saddr . iif oif missing drop; "
        "fib saddr type local accept; ip saddr 10.99.0.2 accept"
    ),
    "packet type": nft("meta pkttype host tcp dport 24007 accept; meta pkttype broadcast accept"),
    "marks": nft("meta mark 7 accept; tcp dport 24007 meta mark set 7 accept", doubt=True),
    "limits": nft("tcp dport 24007 limit rate 5/second accept; tcp dport 22 accept", doubt=True),
    "harmless limits": nft("limit rate 1/second log; tcp dport 22 limit rate 1/minute drop; drop"),
    "source port": nft("tcp sport 1024-65535 accept", doubt=True),
    "extension headers": nft("exthdr rt exists drop; rt type 0 drop; exthdr hbh missing accept"),
    "two chains": Rules(
        NFT,
        """
        table inet a {
        chain in {
        type filter hook input priority 5; policy accept;
        tcp dport 24007 drop
        }
        }
        table ip b {
        chain in {
        type filter hook input priority -5; policy drop;
        tcp dport 24007-24008 accept
        }
        }""",
    ),
    "before input": Rules(
        NFT,
        """
        table inet a {
        chain pre {
        type filter hook prerouting priority -300; policy accept;
        tcp dport 24007 drop
        }
        }
        table netdev b {
        chain in {
        type filter hook ingress device "storage0" priority 0; policy accept;
        ip saddr 10.99.0.130 drop
        }
        }""",
    ),
    "other hooks": Rules(
        NFT,
        """
        table inet a {
        chain f {
        type filter hook forward priority 0; policy drop;
        }
        chain n {
        type nat hook prerouting priority 0; policy accept;
        tcp dport 9 redirect
        }
        chain loose {
        drop
        }
        }""",
    ),
    "dormant": Rules(
        NFT,
        "table inet a {\nflags dormant\nchain in {\n"
        "type filter hook input priority 0; policy drop;\n}\n}",
    ),
    "iptables ports": ipt(
        "-p tcp -m multiport --dports 22,24007:24008 -j ACCEPT; "
        "-p tcp --dport 49152:49251 -j ACCEPT"
    ),
    "iptables not ports": ipt("-p tcp ! --dport 24007 -j ACCEPT"),
    "iptables sources": ipt(
        "-s 10.99.0.0/25 -j ACCEPT; -s 10.98.0.2,10.98.0.3 -p tcp --dport 22"
        " -j ACCEPT; -m iprange --src-range 10.99.0.100-10.99.0.200 -p tcp --dport 2222 -j ACCEPT"
    ),
    "iptables not source": ipt("! -s 10.99.0.0/25 -j ACCEPT; ! -i stor+ -j ACCEPT"),
    "iptables interface": ipt("-i lo -j ACCEPT; -i stor+ -p tcp --dport 24007 -j ACCEPT"),
    "iptables state": ipt(
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; "
        "-m conntrack --ctstate INVALID -j DROP; -m state --state NEW -p tcp --dport 22 -j ACCEPT"
    ),
    "iptables flags": ipt(
        "-p tcp --syn --dport 24007 -j ACCEPT; "
        "-p tcp --tcp-flags ALL NONE -j ACCEPT; -p tcp ! --syn -j ACCEPT"
    ),
    "iptables types": ipt(
        "-m addrtype --dst-type LOCAL -p tcp --dport 24007 -j ACCEPT; "
        "-m addrtype ! --dst-type LOCAL -j ACCEPT; -m pkttype --pkt-type broadcast -j ACCEPT"
    ),
    "iptables chains": ipt(
        "-j mine; -p tcp --dport 24008 -j ACCEPT; mine -p tcp --dport 22 -j"
        " RETURN; mine -p tcp --dport 24007 -g other; mine -p tcp --dport 2222 -j ACCEPT; "
        "other -s 10.99.0.2 -j ACCEPT"
    ),
    "iptables reject": ipt(
        "-p tcp --dport 24007 -j REJECT --reject-with tcp-reset; -p tcp --dport 22 -j REJECT",
        "ACCEPT",
    ),
    "iptables log": ipt(
        "-j LOG --log-prefix x -m limit --limit 3/min; -p tcp --dport 22 -j ACCEPT"
    ),
    "iptables limit": ipt("-p tcp --dport 24007 -m limit --limit 9/s -j ACCEPT", doubt=True),
    "iptables comment": ipt('-p tcp --dport 24007 -m comment --comment "a -j DROP" -j ACCEPT'),
    "iptables marks": ipt("-m mark --mark 0x1/0x1 -j DROP", "ACCEPT", doubt=True),
    "iptables recent": ipt(
        "-p tcp --dport 22 -m recent --name x --update -j DROP", "ACCEPT", doubt=True
    ),
    "iptables legacy": ipt(
        "-p tcp -m tcp --dport 24007 -j ACCEPT; -s 10.99.0.2 -j ACCEPT", program=LEGACY
    ),
    "untracked": nft("tcp dport 24007 notrack; ct state new accept", doubt=True),
    "iptables untracked": Rules(
        IPTABLES,
        "*raw\n-A PREROUTING -p tcp --dport 24007 -j CT --notrack\nCOMMIT\n"
        "*filter\n-A INPUT -m conntrack --ctstate NEW -j ACCEPT\n-A INPUT -j DROP\nCOMMIT\n",
        doubt=True,
    ),
    # As kube-proxy and Calico lay them, constructed: passed over, and of no effect here.
    "the cluster's chains": ipt(
        "-j KUBE-FIREWALL; -j cali-INPUT; -p tcp --dport 24007 -j ACCEPT; KUBE-FIREWALL -m mark"
        " --mark 0x8000/0x8000 -j DROP; cali-INPUT -m mark --mark 0x10000/0x10000 -j ACCEPT"
    ),
    "raw": Rules(
        IPTABLES,
        "*raw\n-A PREROUTING -p tcp --dport 24007 -j DROP\nCOMMIT\n"
        "*mangle\n-A INPUT -s 10.99.0.130 -j DROP\nCOMMIT\n",
    ),
    "ip6tables": ipt(
        "-m rt --rt-type 0 -j DROP; -p tcp --dport 24007 -j ACCEPT; "
        "-s fd99::/65 -p tcp --dport 22 -j ACCEPT",
        program=IP6TABLES,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rules_are_read_as_the_kernel_takes_them(hosts: Hosts, name: str) -> None:
    load(hosts, CASES[name])
    undecided = compare(hosts)
    assert bool(undecided) == CASES[name].doubt, undecided


def load(hosts: Hosts, rules: Rules) -> None:
    hosts.clear()
    command = [NFT, "-f", "-"] if rules.program == NFT else [f"{rules.program}-restore"]
    done = hosts.run(command, rules.text)
    assert done.returncode == 0, done.stderr


def read(hosts: Hosts, version: int) -> tuple[Table, ...]:
    """What the probe makes of the node's rules."""
    probe = firewall.tables(firewall.PROGRAMS[version])
    done = hosts.run(["env", "LC_ALL=C", "sh", "-c", probe.command])
    assert done.returncode == 0, done.stderr
    return probe.parse(done.stdout)


def compare(hosts: Hosts) -> list[tuple[str, int]]:
    """Assert that what is told is true; return what is undecided."""
    tries = [(peer, NODE[v], port) for v in NODE for peer in PEERS[v] for port in PORTS]
    real = dict(zip(tries, hosts.reach(tries), strict=True))
    told = {}
    for version in NODE:
        tables = read(hosts, version)
        for peer in PEERS[version]:
            for port in PORTS:
                told[peer, NODE[version], port] = accepted(tables, version, peer, port)
    late = [key for key in tries if told[key] and not real[key]]  # on a machine that is busy
    real |= dict(zip(late, hosts.reach(late, patience=3), strict=True)) if late else {}
    wrong = {key: told[key] for key in tries if told[key] is not None and told[key] != real[key]}
    assert not wrong, f"told otherwise than it is: {wrong}"
    return [(source, port) for (source, _, port), answer in told.items() if answer is None]


def accepted(tables: tuple[Table, ...], version: int, peer: str, port: int) -> bool | None:
    """What is told of this one packet, alone and as a part of the whole network's."""
    networks = {4: Span.of("10.99.0.0/24"), 6: Span.of("fd99::/64")}
    everyone = Span.of("10.98.0.0/15") if version == 4 else networks[6]
    address = ipaddress.ip_address(peer)
    near = networks[version]
    destination = ipaddress.ip_address(NODE[version])
    question = Question((everyone,), destination, PortRange(1, 65535), INTERFACE, near)
    (part,) = (
        part
        for part in answers(tables, question)
        if part.ports.first <= port <= part.ports.last
        if int(part.sources.first) <= int(address) <= int(part.sources.last)
    )
    is_near = int(near.first) <= int(address) <= int(near.last)
    alone = walk(tables, Packet(address, destination, port, INTERFACE, is_near))
    if part.packet.near == is_near:
        assert part.outcome.accepted == alone.accepted
    return alone.accepted


def test_rules_of_nft_in_a_table_of_iptables(hosts: Hosts) -> None:
    """Of this one, iptables-save 1.8.9 says `-A INPUT -p tcp -j DROP`."""
    load(hosts, ipt("-m addrtype --dst-type LOCAL -p tcp --dport 24007 -j RETURN", "ACCEPT"))
    own = "ip filter INPUT ip saddr . tcp dport { 10.99.0.130 . 2222-24007 } drop"
    assert hosts.run(["nft", "add", "rule", *own.split()]).returncode == 0
    assert compare(hosts) == []


PIECES = {
    NFT: (
        *("tcp dport 24007", "tcp dport { 22, 24008, 49152-49200 }", "tcp dport != 2222"),
        *("ip saddr 10.99.0.0/25", "ip saddr != { 10.99.0.2, 10.98.0.2 }", "ip daddr 10.99.0.1"),
        *("ip6 saddr fd99::2", 'iifname "storage0"', 'iifname != "lo"', "ct state new"),
        *("ct state established,related", "meta nfproto ipv4", "udp dport 24007"),
        *("tcp dport 24000-24010", "meta mark 1", "limit rate 1/hour", "tcp flags syn", ""),
        *("meta nfproto ipv6", "th dport >= 24008", "fib daddr type local"),
        *("ip saddr . tcp dport { 10.99.0.130 . 24007-24008 }", "ip6 daddr != fd99::1"),
    ),
    IPTABLES: (
        *("-p tcp --dport 24007", "-p tcp -m multiport --dports 22,24008,49152:49200"),
        *("-p tcp ! --dport 2222", "-s 10.99.0.0/25", "! -s 10.99.0.2", "-d 10.99.0.1"),
        *("-i storage0", "! -i lo", "-m conntrack --ctstate NEW", "-p udp --dport 24007"),
        *("-m state --state ESTABLISHED,RELATED", "-p tcp -m multiport ! --dports 22,24007"),
        *("-m mark --mark 1", "-p tcp --syn", "-m addrtype --dst-type LOCAL", ""),
        "-m iprange ! --src-range 10.99.0.100-10.99.0.255",
    ),
}
ENDS = {
    NFT: (
        *("accept", "accept", "drop", "reject", "jump a", "goto b", "return", "counter", "jump b"),
        *("reject with icmp port-unreachable", "reject with icmpv6 port-unreachable"),
        "tcp dport vmap { 22 : accept, 24000-24007 : drop, 24008 : jump b, 49152 : return }",
        "ip saddr vmap { 10.99.0.2 : accept, 10.99.0.128/25 : goto b, 10.98.0.2 : continue }",
    ),
    IPTABLES: (
        *("-j ACCEPT", "-j ACCEPT", "-j DROP", "-j REJECT", "-j a", "-g b", "-j RETURN"),
        *("-j LOG", "-j b"),
    ),
}
# What nft refuses to have in one rule: at most one word of each set.
EITHER = ({"ip", "ipv4", "icmp", "ip6", "ipv6", "icmpv6"}, {"tcp", "udp"}, {"th", "udp"})


def by_chance(program: str, seed: int) -> Rules:
    """A chain at the hook and two that it may go to, of six rules each: of a going to b at most."""
    chance = random.Random(seed)

    def rule(ends: list[str]) -> str:
        both = program == NFT and chance.random() < BOTH
        while True:
            first, second = chance.choice(PIECES[program]), chance.choice(PIECES[program])
            whole = f"{first} {second if both else ''} {chance.choice(ends)}"
            if all(len(words & set(whole.split())) < MANY for words in EITHER):
                return whole

    def chain(*forbidden: str) -> list[str]:
        ends = [end for end in ENDS[program] if not any(word in end for word in forbidden)]
        return [rule(ends) for _ in range(6)]

    policy = chance.choice(("accept", "drop"))
    chains = {"b": chain("jump", "goto", "-j a", "-j b", "-g b"), "a": chain("jump a", "-j a")}
    chains["INPUT"] = chain("no such word")
    if program == NFT:
        more = "".join(f"chain {n} {{\n" + "\n".join(chains[n]) + "\n}\n" for n in "ba")
        return nft("; ".join(chains["INPUT"]), policy, more)
    lines = [f"-A {name} {each}" for name, rules in chains.items() for each in rules]
    head = ["*filter", f":INPUT {policy.upper()}", ":a -", ":b -"]
    return Rules(program, "\n".join([*head, *lines, "COMMIT", ""]))


@pytest.mark.parametrize("program", [NFT, IPTABLES])
def test_rules_by_chance_are_read_as_the_kernel_takes_them(hosts: Hosts, program: str) -> None:
    undecided = 0
    for seed in range(ROUNDS):
        load(hosts, by_chance(program, seed))
        undecided += len(compare(hosts))
    assert undecided < ROUNDS * len(PORTS) * 5 / 2, "most of it can be told"
