"""What no machine of the laboratory shows: constructed answers of nft, iptables, firewalld, ufw.

How rules are read is shown by test_firewall_truth against the kernel, and by captures.
"""

from __future__ import annotations

import ipaddress
import json
import shutil
import subprocess
from collections.abc import Iterable

import pytest

from preflight import targets
from preflight.errors import Unknown
from preflight.facts import firewall, network
from preflight.facts.firewall import firewalld, iptables, nftables, ufw
from preflight.facts.firewall.netfilter import Packet, Span, Table, without
from preflight.facts.firewall.passage import Outcome, walk
from preflight.facts.network import Address
from preflight.model import Node, Probe

PEER = ipaddress.ip_address("10.78.0.11")
STORAGE = ipaddress.ip_address("10.78.0.12")


def packet(port: int = 24007, source: str = "10.78.0.11", interface: str = "eth1") -> Packet:
    return Packet(ipaddress.ip_address(source), STORAGE, port, interface)


def filters(rules: str, policy: str = "ACCEPT") -> tuple[Table, ...]:
    lines = "\n".join(f"-A {rule}" for rule in rules.split("; "))
    return iptables.parse_tables(f"*filter\n:INPUT {policy} [0:0]\n{lines}\nCOMMIT", "iptables")


def outcome(rules: str, policy: str = "ACCEPT") -> Outcome:
    return walk(filters(rules, policy), packet())


def why(found: Outcome) -> tuple[bool | None, str]:
    assert found.cause is not None
    return found.accepted, found.cause.rule


DOUBT = "-m mark --mark 1"


@pytest.mark.parametrize(
    ("rules", "policy", "expected"),
    [
        (f"INPUT {DOUBT} -j ACCEPT", "ACCEPT", (True, "-A INPUT -m mark --mark 1 -j ACCEPT")),
        (f"INPUT {DOUBT} -j DROP; INPUT -j DROP", "ACCEPT", (False, "-A INPUT -j DROP")),
        (f"INPUT {DOUBT} -j ACCEPT", "DROP", (None, f"-A INPUT {DOUBT} -j ACCEPT")),
        # The one that makes the difference is named, not the first in doubt.
        (
            f"INPUT {DOUBT} -j ACCEPT; INPUT {DOUBT} -j DROP",
            "ACCEPT",
            (None, f"-A INPUT {DOUBT} -j DROP"),
        ),
        # Whether the chain is left decides, not the drop at its end.
        (
            f"INPUT -j mine; mine {DOUBT} -j RETURN; mine -j DROP",
            "ACCEPT",
            (None, f"-A mine {DOUBT} -j RETURN"),
        ),
        (
            f"INPUT {DOUBT} -g mine; INPUT -j DROP; mine -j RETURN",
            "ACCEPT",
            (None, f"-A INPUT {DOUBT} -g mine"),
        ),
        ("INPUT -p tcp -j NFQUEUE", "DROP", (None, "-A INPUT -p tcp -j NFQUEUE")),
        ("INPUT -p tcp -j NOTRACK", "DROP", (None, "-A INPUT -p tcp -j NOTRACK")),
        ("INPUT -p udp -j NFQUEUE", "DROP", (False, "policy drop")),
    ],
)
def test_what_cannot_be_told_is_told_only_where_it_matters(
    rules: str, policy: str, expected: tuple[bool | None, str]
) -> None:
    found = outcome(rules, policy)
    assert found.accepted is expected[0]
    assert why(found) == expected or expected[0] is True


def test_the_clusters_own_chains_are_passed_over() -> None:
    rules = "INPUT -j cali-INPUT; INPUT -j KUBE-ROUTER-INPUT; cali-INPUT -j DROP"
    assert outcome(f"{rules}; KUBE-ROUTER-INPUT -j DROP").accepted is True


def test_a_rule_may_be_inserted_before_others() -> None:
    text = "*filter\n:INPUT DROP\n-A INPUT -j DROP\n-I INPUT -j REJECT\n-I INPUT 1 -j ACCEPT"
    (table,) = iptables.parse_tables(text, "iptables")
    assert [rule.text for rule in table.chains[0].rules] == [
        "-I INPUT 1 -j ACCEPT",
        "-I INPUT -j REJECT",
        "-A INPUT -j DROP",
    ]


def test_a_line_that_is_no_rule_is_not_passed_over() -> None:
    with pytest.raises(Unknown, match="no rule"):
        iptables.parse_tables("*filter\n-R INPUT 1 -j ACCEPT", "iptables")


@pytest.mark.parametrize(
    "words", ["-p tcp --dport ssh", "-s 10.0.0.0/255.0.255.0", "--new-option 7"]
)
def test_words_that_are_not_known_make_a_rule_doubtful(words: str) -> None:
    assert outcome(f"INPUT {words} -j DROP").accepted is None


def test_what_nothing_filters_has_no_cause() -> None:
    assert walk((), packet()) == Outcome(accepted=True, cause=None)


def listing(*objects: dict[str, object], words: str = "") -> str:
    table = {"table": {"family": "inet", "name": "t", "handle": 1}}
    chain = {
        "chain": {
            "family": "inet",
            "table": "t",
            "name": "in",
            "handle": 2,
            "type": "filter",
            "hook": "input",
            "prio": 0,
            "policy": "accept",
        }
    }
    return json.dumps({"nftables": [table, chain, *objects]}) + f"\n{words}"


def rule(*statements: object) -> dict[str, object]:
    return {"rule": {"chain": "in", "handle": 7, "expr": list(statements)}}


def test_a_statement_of_a_later_nft_is_unknown() -> None:
    table = nftables.parse_table(listing(rule({"teleport": {"to": "elsewhere"}})))
    assert table is not None
    assert why(walk([table], packet())) == (None, "rule with handle 7")


def test_a_field_of_a_later_nft_is_unknown() -> None:
    left = {"meta": {"key": "mood"}}
    match = {"match": {"op": "==", "left": left, "right": "good"}}
    words = "table inet t { # handle 1\n\t\tmeta mood good drop # handle 7\n}"
    table = nftables.parse_table(listing(rule(match, {"drop": None}), words=words))
    assert table is not None
    assert why(walk([table], packet())) == (None, "meta mood good drop")


def test_a_set_that_is_not_there_is_no_empty_one() -> None:
    left = {"payload": {"protocol": "ip", "field": "saddr"}}
    match = {"match": {"op": "==", "left": left, "right": "@gone"}}
    with pytest.raises(KeyError):
        nftables.parse_table(listing(rule(match, {"drop": None})))


def test_a_rule_of_iptables_that_iptables_does_not_tell_is_unknown() -> None:
    """nft alone is installed: it shows the name of iptables' own match, and no more."""
    match = {"xt": {"type": "match", "name": "recent"}}
    table = nftables.parse_table(listing(rule(match, {"drop": None})))
    assert table is not None
    assert walk([table], packet()).accepted is None


@pytest.mark.parametrize("text", ["", "@nft\n{}", "@xtables iptables\n*filter\n-A INPUT -j DROP"])
def test_a_listing_that_is_cut_short_is_no_answer(text: str) -> None:
    with pytest.raises(Unknown, match="cut short"):
        firewall.tables("iptables").parse(text)


ZONES = """
@@ conf
DefaultZone=public
{conf}
@@ zone public
<zone><service name='ssh'/></zone>
@@ zone internal
<?xml version="1.0" encoding="utf-8"?>
<!-- by hand -->
<zone>
  {internal}
</zone>
@@ zone peers
<zone>{peers}</zone>
@@ service ssh
<service><port protocol="tcp" port="22"/></service>
@@ service local
<service><port port="24007" protocol="tcp"/><destination ipv4="10.78.0.12"/></service>
@@ service elsewhere
<service><port port="24007" protocol="tcp"/><destination ipv4="10.9.9.9"/></service>
@@ ipset timed
<ipset type="hash:ip"><option name="timeout" value="60"/></ipset>
{more}
@@ end
"""
ETH1 = '<interface name="eth1"/>'
ETHERNET = '<interface name="eth+"/>'
OPEN = '<port port="24007" protocol="tcp"/>'


def zones(
    internal: str = "", peers: str = "", conf: str = "", more: str = ""
) -> firewalld.Firewalld:
    text = ZONES.format(internal=internal, peers=peers, conf=conf, more=more.strip())
    found = firewalld.permanent.parse(text.replace("\n\n", "\n"))
    assert found is not None
    return found


def lets_in(found: firewalld.Firewalld, port: int = 24007) -> bool | None:
    return walk(found.tables, packet(port)).accepted


@pytest.mark.parametrize(
    ("internal", "expected"),
    [
        (ETH1, False),
        (ETH1 + OPEN, True),
        (ETHERNET + OPEN, True),
        (OPEN, False),
        (ETH1 + '<port port="24000-24010" protocol="tcp"/>', True),
        (ETH1 + '<port port="24007" protocol="udp"/>', False),
        (ETH1 + '<port protocol="tcp" port=""/>', True),
        (ETH1 + '<protocol value="tcp"/>', True),
        (ETH1 + '<protocol value="gre"/>', False),
        (ETH1 + '<source-port port="1-1023" protocol="tcp"/>', None),
        (ETH1 + '<service name="local"/>', True),
        (ETH1 + '<service name="elsewhere"/>', False),
        (ETH1 + '<service name="lost"/>', None),
        (ETH1 + "<rule><accept/></rule>", True),
        (ETH1 + '<rule family="ipv6"><accept/></rule>', False),
        (ETH1 + '<rule><source address="10.78.0.0/24" invert="True"/><accept/></rule>', False),
        (ETH1 + '<rule><source mac="00:11:22:33:44:55"/><accept/></rule>', None),
        (ETH1 + '<rule><source ipset="timed"/><accept/></rule>', None),
        (ETH1 + '<rule><destination address="10.78.0.12"/><accept/></rule>', True),
        (ETH1 + '<rule><destination ipset="lost"/><accept/></rule>', None),
        (ETH1 + '<rule><service name="local"/><log prefix="x"/><accept/></rule>', True),
        (ETH1 + '<rule><accept><limit value="1/m"/></accept></rule>', None),
        (ETH1 + '<rule><mark set="1"/></rule>' + OPEN, True),
        (ETH1 + '<rule><icmp-block name="echo-reply"/></rule>' + OPEN, True),
        (ETH1 + OPEN + "<rule><reject/></rule>", False),
        (ETH1 + OPEN + '<rule priority="1"><reject/></rule>', True),
        (ETH1 + '<rule priority="-1"><accept/></rule><rule><drop/></rule>', True),
    ],
)
def test_what_a_zone_lets_in(internal: str, expected: bool | None) -> None:
    assert lets_in(zones(internal)) is expected


def test_the_walk_through_on_centos_7() -> None:
    """Its default zone as it lists it, and after its own command; ens160 is bound to no zone."""
    there = ("179", "6443", "2379-2380", "10242-10250", "30000-32767")
    added = ("2222", "24007", "24008", "49152-49251")

    def public(ports: Iterable[str]) -> str:
        elements = "".join(f'<port port="{port}" protocol="tcp"/>' for port in ports)
        text = f"<zone><service name='ssh'/><service name='dhcpv6-client'/>{elements}</zone>"
        return f"@@ zone public\n{text}\n@@ service dhcpv6-client\n<service/>\n"

    assert lets_in(zones(more=public(there))) is False
    assert lets_in(zones(more=public(there)), 22) is True
    opened = zones(more=public(there + added))
    assert {lets_in(opened, port) for port in (2222, 24007, 24008, 49152, 49251)} == {True}
    assert lets_in(opened, 49252) is False


def test_a_source_beats_an_interface() -> None:
    found = zones(ETH1, '<source address="10.78.0.0/28"/>' + OPEN)
    assert lets_in(found) is True
    assert found.later.owner(packet()) == ("peers", "by source")
    assert found.later.owner(packet(source="10.78.0.99")) == ("internal", "eth1")
    assert found.later.owner(packet(interface="wlan0", source="10.9.9.9")) == (
        "public",
        "the default zone, wlan0",
    )


def test_whose_a_source_with_a_mac_address_is_cannot_be_told() -> None:
    found = zones(ETH1 + OPEN, '<source mac="00:11:22:33:44:55"/>')
    assert found.later.owner(packet()) is None
    assert lets_in(found) is None


@pytest.mark.parametrize(("conf", "expected"), [("AllowZoneDrifting=yes", True), ("", False)])
def test_where_zones_drift_the_interfaces_zone_is_asked_too(conf: str, expected: bool) -> None:
    found = zones(ETH1 + OPEN, '<source address="10.78.0.0/28"/>', conf)
    assert lets_in(found) is expected


def test_networkmanager_has_the_last_word_about_an_interface() -> None:
    found = zones(ETH1, OPEN, more="@@ bound eth1\npeers\n")
    assert lets_in(found) is True
    assert found.later.owner(packet()) == ("peers", "eth1")


DIRECT = """@@ direct
<direct>
  <chain ipv="ipv4" table="filter" chain="mine"/>
  <rule ipv="ipv4" table="filter" chain="INPUT" priority="1">-j ACCEPT</rule>
  <rule ipv="ipv4" table="filter" chain="INPUT" priority="0">-p tcp --dport 24007 -j mine</rule>
  <rule ipv="ipv4" table="filter" chain="mine" priority="0">-s 10.78.0.11 -j {action}</rule>
  <rule ipv="ipv6" table="filter" chain="INPUT" priority="0">-j DROP</rule>
  <rule ipv="ipv4" table="nat" chain="PREROUTING" priority="0">-j DROP</rule>
  {more}
</direct>
"""


@pytest.mark.parametrize(
    ("backend", "action", "expected"),
    [
        ("iptables", "ACCEPT", True),
        ("iptables", "DROP", False),
        # What it lets in meets nftables' own table too, where the zone is closed.
        ("nftables", "ACCEPT", False),
        ("nftables", "DROP", False),
    ],
)
def test_direct_rules_come_first(backend: str, action: str, expected: bool) -> None:
    direct = DIRECT.format(action=action, more="")
    found = zones(ETH1, conf=f"FirewallBackend={backend}", more=direct)
    assert lets_in(found) is expected


def test_a_passthrough_that_comes_in_cannot_be_told() -> None:
    passes = '<passthrough ipv="ipv4">-A INPUT -j DROP</passthrough>'
    other = '<passthrough ipv="ipv4">-A FORWARD -j DROP</passthrough>'
    direct = "@@ direct\n<direct>{}</direct>\n"
    conf = "FirewallBackend=nftables"
    assert lets_in(zones(ETH1 + OPEN, conf=conf, more=direct.format(passes))) is None
    assert lets_in(zones(ETH1 + OPEN, conf=conf, more=direct.format(other))) is True


POLICY = """@@ policy guard
<policy target="{target}" priority="{priority}">
<ingress-zone name="{zone}"/><egress-zone name="{to}"/>{rules}
</policy>
"""


@pytest.mark.parametrize(
    ("zone", "to", "priority", "target", "expected"),
    [
        ("ANY", "HOST", -1, "DROP", False),
        ("internal", "HOST", -1, "REJECT", False),
        ("public", "HOST", -1, "DROP", True),
        ("ANY", "ANY", -1, "DROP", True),
        ("ANY", "HOST", 1, "DROP", True),
        ("ANY", "HOST", -1, "CONTINUE", True),
    ],
)
def test_policies_to_this_host_come_before_a_zone_or_after(
    zone: str, to: str, priority: int, target: str, expected: bool
) -> None:
    policy = POLICY.format(zone=zone, to=to, priority=priority, target=target, rules="")
    assert lets_in(zones(ETH1 + OPEN, more=policy)) is expected


def test_a_document_that_could_grow_is_not_read() -> None:
    text = '<!DOCTYPE zone [<!ENTITY a "aaaa">]><zone>&a;</zone>'
    with pytest.raises(Unknown, match="document type"):
        zones(more=f"@@ zone evil\n{text}\n")


def test_files_that_are_cut_short_are_no_answer() -> None:
    with pytest.raises(Unknown, match="cut short"):
        firewalld.permanent.parse("\n@@ conf\nDefaultZone=public\n")
    with pytest.raises(Unknown, match="cut short"):
        ufw.permanent.parse("\n@@ conf\nENABLED=yes\n")


def test_an_answer_of_the_bus_that_is_not_understood_is_no_answer() -> None:
    with pytest.raises(Unknown, match="firewalld answered"):
        zones(more="@@ active\ns nothing\n")


def test_zones_as_they_are_bound_now() -> None:
    words = 'a{sa{sas}} 1 "peers" 2 "interfaces" 1 "eth+" "sources" 2 "10.1.0.0/16" "ipset:timed"'
    found = zones(more=f"@@ active\n{words}\n")
    assert found.now is not None
    assert found.now.owner(packet(source="10.1.0.7")) == ("peers", "by source")
    assert found.now.owner(packet()) is None


UFW = """
@@ conf
IPV6={six}
DEFAULT_INPUT_POLICY="{policy}"
ENABLED=yes
{files}
@@ end
"""
FILES = "".join(
    f"\n@@ {name}\n*filter\nCOMMIT\n"
    for name in ("before", "before6", "after", "after6", "user", "user6")
)


def simple(policy: str = "DROP", six: str = "yes", more: str = "") -> tuple[Table, ...]:
    found = ufw.permanent.parse(UFW.format(policy=policy, six=six, files=FILES + more))
    assert found is not None
    return found.tables


@pytest.mark.parametrize(
    ("policy", "expected"), [("ACCEPT", True), ("DROP", False), ("REJECT", False)]
)
def test_ufws_default(policy: str, expected: bool) -> None:
    assert walk(simple(policy), packet()).accepted is expected


def test_ufw_without_ipv6_closes_it() -> None:
    address = ipaddress.ip_address("fd78::12")
    six = Packet(ipaddress.ip_address("fd78::11"), address, 24007, "eth1")
    assert walk(simple("ACCEPT", "no"), six).accepted is False
    assert walk(simple("ACCEPT", "yes"), six).accepted is True


def test_a_script_of_ufws_may_do_anything() -> None:
    found = walk(simple("ACCEPT", more="\n@@ before.init\n"), packet())
    assert found.accepted is None
    assert found.cause is not None
    assert "before.init" in found.cause.rule


def test_an_address_is_found_whatever_its_spelling() -> None:
    found = [Address("eth1", "fd78::12", 64), Address("eth0", "10.77.0.12", 24)]
    assert network.carrier(found, "fd78:0:0::12") == found[0]
    assert network.carrier(found, "10.77.0.1") is None


def test_a_network_without_one_address() -> None:
    whole = Span.of("10.78.0.0/30")
    assert [str(span) for span in without(whole, ipaddress.ip_address("10.78.0.1"))] == [
        "10.78.0.0",
        "10.78.0.2/31",
    ]
    assert [str(span) for span in without(whole, ipaddress.ip_address("10.78.0.0"))] == [
        "10.78.0.1-10.78.0.3"
    ]


def test_each_node_knows_the_others() -> None:
    nodes = [Node("a", "a", "10.0.0.1"), Node("b", "b", "10.0.0.2"), Node("c", "c", None)]
    assert [node.peers for node in targets.acquainted(nodes)] == [
        ("10.0.0.2",),
        ("10.0.0.1",),
        ("10.0.0.1", "10.0.0.2"),
    ]


SHELLS = [["dash", "-n"], ["bash", "--posix", "-n"], ["busybox", "sh", "-n"]]
PROBES = [firewall.tables("iptables"), firewalld.permanent, ufw.permanent]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: words[0])
@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_every_shell_reads_the_commands(probe: Probe[object], shell: list[str]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    done = subprocess.run([*shell, "-c", probe.command], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
