"""firewall-ports on recorded and constructed facts: every branch, every cure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from checks import firewall_ports as module
from checks.firewall_ports import firewall_ports
from preflight.errors import Unknown
from preflight.facts import firewall, network
from preflight.facts.firewall import firewalld, iptables, ufw
from preflight.facts.firewall.firewalld import Firewalld
from preflight.facts.firewall.firewalld_files import Bindings
from preflight.facts.firewall.netfilter import Interface, Table
from preflight.facts.firewall.site import UNITS
from preflight.facts.firewall.ufw import Ufw
from preflight.facts.network import Address
from preflight.facts.services import Unit
from preflight.judge import judge
from preflight.model import Facts, Finding, Node, Policy, PortRange, Probe, Status

T = TypeVar("T")

CAPTURES = Path(__file__).parent / "captures"
STORAGE = "10.78.0.12"
PEERS = ("10.78.0.11", "10.78.0.13")
NODE = Node("node2", "10.77.0.12", STORAGE, peers=PEERS)
ADDRESSES = frozenset(
    {
        Address("lo", "127.0.0.1", 8),
        Address("eth0", "10.77.0.12", 24),
        Address("eth1", STORAGE, 24),
        Address("eth1", "fd78::12", 64),
    }
)
SUBJECTS = ("2222/tcp", "24007/tcp", "24008/tcp", "49152-49251/tcp")
OFF = Unit("not-found", "inactive", "")
ON = Unit("loaded", "active", "enabled")
ENABLED = Unit("loaded", "inactive", "enabled")
DISABLED = Unit("loaded", "inactive", "disabled")

Told = tuple[Status, str]


def recorded(probe: Probe[T], folder: str, case: str) -> T:
    return probe.parse((CAPTURES / folder / f"{case}.out").read_text())


def rules(text: str, policy: str = "ACCEPT", program: str = "iptables") -> tuple[Table, ...]:
    lines = [
        "*filter",
        f":INPUT {policy} [0:0]",
        *(f"-A {rule}" for rule in text.split("; ") if rule),
    ]
    return iptables.parse_tables("\n".join(lines), program)


def findings(  # noqa: PLR0913 - what is usual is left out
    node: Node = NODE,
    tables: tuple[Table, ...] | Unknown = (),
    zones: Firewalld | None = None,
    simple: Ufw | None = None,
    units: tuple[Unit, Unit] = (OFF, OFF),
    addresses: frozenset[Address] = ADDRESSES,
) -> dict[str, Finding]:
    program = "ip6tables" if ":" in str(node.storage) else "iptables"
    values: dict[str, object] = {
        network.addresses.name: addresses,
        firewall.tables(program).name: tables,
        firewalld.permanent.name: zones,
        ufw.permanent.name: simple,
        UNITS.name: dict(zip(("firewalld.service", "ufw.service"), units, strict=True)),
    }
    found = judge([firewall_ports], {node.name: Facts(node, values)})
    return {finding.subject: finding for finding in found}


def state(case: str, node: Node = NODE) -> dict[str, Finding]:
    """What is found on a machine as it was recorded, with firewalld at work."""
    return findings(
        node,
        recorded(firewall.tables("iptables"), "firewall.tables", f"debian-12-{case}"),
        recorded(firewalld.permanent, "firewalld.permanent", f"debian-12-{case}"),
        units=(ON, OFF),
    )


def told(found: dict[str, Finding]) -> dict[str, Told]:
    return {subject: (finding.status, finding.saw) for subject, finding in found.items()}


def all_of(status: Status, saw: str) -> dict[str, Told]:
    return dict.fromkeys(SUBJECTS, (status, saw))


def one_cure(found: dict[str, Finding]) -> str:
    """All that fails is cured by the same line, to be copied once."""
    (cure,) = {finding.cure for finding in found.values() if finding.status is Status.FAIL}
    return cure


INTERNAL = "in firewalld zone internal (eth1)"
OPEN = f"open at run time and permanently {INTERNAL}"
BOTH = f"closed at run time and permanently {INTERNAL}"
ADD = "--zone=internal --add-port=2222/tcp --add-port=24007-24008/tcp --add-port=49152-49251/tcp"


@pytest.mark.parametrize(
    ("case", "status", "saw", "cure"),
    [
        (
            "firewalld-closed",
            Status.FAIL,
            BOTH,
            f"firewall-cmd {ADD} && firewall-cmd --permanent {ADD}",
        ),
        (
            "firewalld-default-zone",
            Status.FAIL,
            BOTH,
            f"firewall-cmd {ADD} && firewall-cmd --permanent {ADD}",
        ),
        (
            "firewalld-run-time",
            Status.FAIL,
            f"open at run time, but closed permanently {INTERNAL}",
            f"firewall-cmd --permanent {ADD}",
        ),
        ("firewalld-open", Status.PASS, OPEN, ""),
        ("firewalld-service", Status.PASS, OPEN, ""),
        ("firewalld-target-accept", Status.PASS, OPEN, ""),
        (
            "firewalld-iptables",
            Status.FAIL,
            BOTH,
            f"firewall-cmd {ADD} && firewall-cmd --permanent {ADD}",
        ),
    ],
)
def test_zones_as_recorded(case: str, status: Status, saw: str, cure: str) -> None:
    found = state(case)
    assert told(found) == all_of(status, saw)
    assert {finding.cure for finding in found.values()} == {cure}


def test_the_permanent_files_alone_leave_it_closed_at_run_time() -> None:
    """Run time as recorded closed, files as recorded open: a reload that was not made."""
    tables = recorded(firewall.tables("iptables"), "firewall.tables", "debian-12-firewalld-closed")
    zones = recorded(firewalld.permanent, "firewalld.permanent", "debian-12-firewalld-open")
    found = findings(tables=tables, zones=zones, units=(ON, OFF))
    assert told(found) == all_of(Status.FAIL, f"closed at run time {INTERNAL}")
    assert one_cure(found) == f"firewall-cmd {ADD}"


RICH = 'rule family="ipv4" source address="10.78.0.0/24" port port="24007-24008" protocol="tcp"'


def test_a_rich_rule_that_rejects_beats_an_open_port() -> None:
    found = state("firewalld-rich")
    saw = f"closed at run time and permanently to 10.78.0.13 {INTERNAL}: {RICH} reject"
    closed = dict.fromkeys(("24007/tcp", "24008/tcp"), (Status.FAIL, saw))
    assert told(found) == all_of(Status.PASS, OPEN) | closed
    assert one_cure(found) == (
        f"firewall-cmd --permanent --zone=internal --remove-rich-rule='{RICH} reject'"
        " && firewall-cmd --permanent --zone=internal --add-port=24007-24008/tcp"
        " && firewall-cmd --reload"
    )


def test_with_a_rule_of_another_priority_only_one_peer_is_let_in() -> None:
    alone = state("firewalld-rich", replace(NODE, peers=PEERS[:1]))
    assert told(alone) == all_of(Status.PASS, OPEN)


def test_where_no_peer_is_known_a_rule_for_some_decides_nothing() -> None:
    found = state("firewalld-rich", replace(NODE, peers=()))
    finding = found["24007/tcp"]
    assert finding.status is Status.ERROR
    assert finding.saw == (
        f"at run time it depends on the peer: 10.78.0.0-10.78.0.10 is refused {INTERNAL}:"
        " filter_IN_internal_deny: ip saddr 10.78.0.0/24 tcp dport 24007-24008 reject with icmp"
        f" port-unreachable; permanently it depends on the peer: 10.78.0.0-10.78.0.10 is refused"
        f" {INTERNAL}: {RICH} reject"
    )
    assert found["2222/tcp"].status is Status.PASS


def test_a_source_zone_owns_what_comes_from_the_peers() -> None:
    found = told(state("firewalld-source"))
    peers = "in firewalld zone peers (by source)"
    assert found["2222/tcp"] == (Status.FAIL, f"closed at run time and permanently {peers}")
    assert found["24007/tcp"] == (Status.PASS, f"open at run time and permanently {peers}")
    assert found["49152-49251/tcp"] == (
        Status.FAIL,
        f"closed at run time and permanently to 10.78.0.11 {peers}",
    )
    assert found["24008/tcp"] == (
        Status.FAIL,
        (
            "closed at run time to 10.78.0.11 by iptables table filter, chain INPUT: -A INPUT"
            " -s 10.78.0.11/32 -p tcp -m tcp --dport 24008 -j DROP, and permanently to 10.78.0.11"
            " in firewalld: direct rule ipv4 filter INPUT 0 -p tcp --dport 24008 -s 10.78.0.11"
            " -j DROP"
        ),
    )


def test_a_direct_rule_is_removed_as_it_was_added() -> None:
    cure = one_cure(state("firewalld-source"))
    assert cure.startswith(
        "firewall-cmd --zone=peers --add-port=2222/tcp --add-port=49152-49251/tcp"
    )
    assert cure.endswith(
        " && iptables -I INPUT -p tcp -m multiport --dports 24008 -j ACCEPT && firewall-cmd"
        " --permanent --direct --remove-rule ipv4 filter INPUT 0 -p tcp --dport 24008"
        " -s 10.78.0.11 -j DROP"
    )


def test_the_old_backend_tells_the_same() -> None:
    found = state("firewalld-iptables-rich")
    assert told(found)["24007/tcp"] == (
        Status.FAIL,
        (
            f'closed at run time and permanently to 10.78.0.11 {INTERNAL}: rule family="ipv4"'
            ' source address="10.78.0.11" port port="24007-24008" protocol="tcp" drop'
        ),
    )
    assert told(found)["49152-49251/tcp"] == (Status.PASS, OPEN)
    assert told(found)["2222/tcp"] == (
        Status.FAIL,
        (
            "closed at run time and permanently to 10.78.0.13 in firewalld: direct rule ipv4 filter"
            " INPUT 0 -p tcp --dport 2222 -s 10.78.0.13 -j DROP"
        ),
    )


def test_a_policy_s_rule_is_left_to_a_person() -> None:
    found = state("firewalld-policy")
    assert told(found)["24007/tcp"] == (
        Status.FAIL,
        (
            "closed at run time and permanently to 10.78.0.11 in firewalld: policy guard: rule"
            ' family="ipv4" source address="10.78.0.11" port port="24007" protocol="tcp" drop'
        ),
    )
    assert found["24007/tcp"].cure == ""
    assert found["24008/tcp"].status is Status.PASS


def test_panic_has_its_own_end() -> None:
    tables = recorded(firewall.tables("iptables"), "firewall.tables", "debian-12-firewalld-panic")
    zones = recorded(firewalld.permanent, "firewalld.permanent", "debian-12-firewalld-open")
    found = findings(tables=tables, zones=zones, units=(ON, OFF))
    saw = (
        "closed at run time by table inet firewalld_policy_drop, chain raw_prerouting: policy drop"
    )
    assert told(found) == all_of(Status.FAIL, saw)
    assert one_cure(found) == "firewall-cmd --panic-off"


def test_a_table_of_a_person_s_own_drops_beside_an_open_firewalld() -> None:
    tables = recorded(firewall.tables("iptables"), "firewall.tables", "debian-12-firewalld-and-own")
    zones = recorded(firewalld.permanent, "firewalld.permanent", "debian-12-firewalld-open")
    found = findings(tables=tables, zones=zones, units=(ON, OFF))
    saw = (
        "closed at run time by table inet filter, chain input: ip saddr 10.78.0.0/24 tcp dport"
        " 24007 drop"
    )
    assert told(found) == all_of(Status.PASS, OPEN) | {"24007/tcp": (Status.FAIL, saw)}
    assert one_cure(found) == "nft insert rule inet filter input 'tcp dport { 24007 } accept'"


def test_a_stopped_firewalld_that_comes_back_at_boot_counts() -> None:
    zones = recorded(firewalld.permanent, "firewalld.permanent", "debian-12-firewalld-stopped")
    found = findings(zones=zones, units=(ENABLED, OFF))
    assert told(found)["24007/tcp"] == (
        Status.FAIL,
        (
            "open at run time, but closed permanently to 10.78.0.13 in firewalld zone internal"
            f" (eth1): {RICH} reject"
        ),
    )
    assert told(found)["2222/tcp"] == (Status.PASS, OPEN)
    assert one_cure(found) == (
        f"firewall-offline-cmd --zone=internal --remove-rich-rule='{RICH} reject'"
        " && firewall-offline-cmd --zone=internal --add-port=24007-24008/tcp"
    )


def test_a_firewalld_that_neither_runs_nor_will_is_passed_over() -> None:
    zones = recorded(firewalld.permanent, "firewalld.permanent", "debian-12-firewalld-stopped")
    found = findings(zones=zones, units=(DISABLED, OFF))
    assert told(found) == all_of(Status.PASS, "nothing filters")


def test_what_runs_is_judged_whether_it_starts_at_boot_or_not() -> None:
    zones = recorded(firewalld.permanent, "firewalld.permanent", "debian-12-firewalld-closed")
    found = findings(zones=zones, units=(Unit("loaded", "active", "disabled"), OFF))
    assert {finding.status for finding in found.values()} == {Status.FAIL}


def test_the_zone_now_and_the_zone_after_a_reboot_may_differ() -> None:
    """Constructed: eth1 was put into `public` by a command that is not permanent."""
    case = "firewalld-closed"
    zones = recorded(firewalld.permanent, "firewalld.permanent", f"debian-12-{case}")
    assert zones is not None
    now = Bindings("public", (), (("public", Interface(("eth0", "eth1"))),))
    tables = recorded(firewall.tables("iptables"), "firewall.tables", f"debian-12-{case}")
    found = findings(tables=tables, zones=replace(zones, now=now), units=(ON, OFF))
    saw = "closed at run time in firewalld zone public (eth1), and permanently in firewalld zone"
    assert told(found) == all_of(Status.FAIL, f"{saw} internal (eth1)")
    assert "firewall-cmd --zone=public --add-port=2222/tcp" in one_cure(found)
    assert "firewall-cmd --permanent --zone=internal --add-port=2222/tcp" in one_cure(found)


def ufw_state(case: str) -> dict[str, Finding]:
    return findings(
        tables=recorded(firewall.tables("iptables"), "firewall.tables", f"debian-12-ufw-{case}"),
        simple=recorded(ufw.permanent, "ufw.permanent", f"debian-12-{case}"),
        units=(OFF, ENABLED),
    )


@pytest.mark.parametrize(
    ("case", "status", "saw", "cure"),
    [
        (
            "closed",
            Status.FAIL,
            "closed at run time and permanently by ufw",
            "ufw allow 2222,24007:24008,49152:49251/tcp",
        ),
        ("open", Status.PASS, "open at run time and permanently in ufw", ""),
        ("disabled", Status.PASS, "no rule refuses it", ""),
    ],
)
def test_ufw_as_recorded(case: str, status: Status, saw: str, cure: str) -> None:
    found = ufw_state(case)
    assert told(found) == all_of(status, saw)
    assert {finding.cure for finding in found.values()} == {cure}


def test_ufw_s_own_rules() -> None:
    found = ufw_state("deny-limit")
    assert told(found)["24008/tcp"] == (
        Status.FAIL,
        (
            "closed at run time and permanently by ufw: -A ufw-user-input -p tcp --dport 24008"
            " -s 10.78.0.0/24 -j DROP"
        ),
    )
    assert found["24008/tcp"].cure == "ufw insert 1 allow 24008/tcp"
    limited = found["24007/tcp"]
    assert limited.status is Status.ERROR
    assert limited.saw.startswith(
        "cannot be decided at run time: iptables table filter, chain ufw-user-input: -A"
        " ufw-user-input -p tcp -m tcp --dport 24007 -m conntrack --ctstate NEW -m recent"
    )


def test_ufw_that_was_not_reloaded() -> None:
    found = findings(
        tables=recorded(firewall.tables("iptables"), "firewall.tables", "debian-12-ufw-closed"),
        simple=recorded(ufw.permanent, "ufw.permanent", "debian-12-open"),
        units=(OFF, ENABLED),
    )
    assert told(found) == all_of(Status.FAIL, "closed at run time by ufw")
    assert one_cure(found) == "ufw reload"


@pytest.mark.parametrize(
    ("tables", "status", "saw", "cure"),
    [
        ((), Status.PASS, "nothing filters", ""),
        (rules(""), Status.PASS, "no rule refuses it", ""),
        (
            rules("INPUT -s 10.78.0.0/24 -j ACCEPT", "DROP"),
            Status.PASS,
            "let in by iptables table filter, chain INPUT: -A INPUT -s 10.78.0.0/24 -j ACCEPT",
            "",
        ),
        (
            rules("INPUT -p tcp --dport 22 -j ACCEPT; INPUT -j REJECT"),
            Status.FAIL,
            "closed at run time by iptables table filter, chain INPUT: -A INPUT -j REJECT",
            "iptables -I INPUT -p tcp -m multiport --dports 2222,24007:24008,49152:49251 -j ACCEPT",
        ),
        (
            rules("INPUT -m mark --mark 7 -j ACCEPT; INPUT -j DROP"),
            Status.ERROR,
            (
                "cannot be decided at run time: iptables table filter, chain INPUT: -A INPUT -m"
                " mark --mark 7 -j ACCEPT"
            ),
            "",
        ),
        (
            rules("INPUT -j KUBE-FIREWALL; KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP"),
            Status.PASS,
            "no rule refuses it",
            "",
        ),
        (
            iptables.parse_tables("*raw\n-A PREROUTING -p tcp -j DROP", "iptables-legacy"),
            Status.FAIL,
            (
                "closed at run time by iptables-legacy table raw, chain PREROUTING: -A PREROUTING"
                " -p tcp -j DROP"
            ),
            (
                "iptables-legacy -t raw -I PREROUTING -p tcp -m multiport --dports"
                " 2222,24007:24008,49152:49251 -j ACCEPT"
            ),
        ),
    ],
)
def test_rules_without_a_manager(
    tables: tuple[Table, ...], status: Status, saw: str, cure: str
) -> None:
    found = findings(tables=tables)
    assert told(found) == all_of(status, saw)
    assert {finding.cure for finding in found.values()} == {cure}


def test_a_range_that_is_open_in_part_says_which_part_is_not() -> None:
    text = "INPUT -p tcp -m multiport --dports 2222,24007,24008,49152:49200,49202 -j ACCEPT"
    found = findings(tables=rules(text, "DROP"))
    assert told(found)["49152-49251/tcp"] == (
        Status.FAIL,
        "49201,49203-49251 closed at run time by iptables table filter, chain INPUT: policy drop",
    )
    assert one_cure(found) == (
        "iptables -I INPUT -p tcp -m multiport --dports 49201,49203:49251 -j ACCEPT"
    )


def test_run_time_and_files_may_lack_different_parts() -> None:
    simple = Ufw(rules("INPUT -p tcp --dport 1:49200 -j ACCEPT", "DROP"))
    named = Ufw(tuple(replace(table, name=ufw.NAME) for table in simple.tables))
    tables = rules("INPUT -p tcp --dport 1:49210 -j ACCEPT", "DROP")
    found = findings(tables=tables, simple=named, units=(OFF, ON))
    assert told(found)["49152-49251/tcp"] == (
        Status.FAIL,
        "49211-49251 closed at run time by ufw, 49201-49251 permanently by ufw",
    )
    assert one_cure(found) == "ufw allow 49201:49251/tcp"


def test_the_inventory_says_which_ports_bricks_have() -> None:
    policy = Policy(brick_ports=PortRange(49152, 60999))
    text = "INPUT -p tcp --dport 2222:49251 -j ACCEPT"
    found = findings(replace(NODE, policy=policy), rules(text, "DROP"))
    assert told(found)["49152-60999/tcp"][1].startswith("49252-60999 closed at run time")


def test_ipv6_has_its_own_rules() -> None:
    six = replace(NODE, storage="fd78:0::12", peers=("fd78::11", "10.78.0.13"))
    tables = rules("INPUT -s fd78::11 -p tcp -j ACCEPT", "DROP", "ip6tables")
    found = findings(six, tables)
    assert {finding.status for finding in found.values()} == {Status.PASS}


def test_an_address_alone_on_its_network_is_asked_for_everyone() -> None:
    """As clouds give them: the route tells where peers are, the address does not."""
    alone = frozenset({Address("eth0", STORAGE, 32)})
    nobody = replace(NODE, peers=())
    shut = findings(nobody, rules("INPUT -j DROP"), addresses=alone)
    assert {finding.status for finding in shut.values()} == {Status.FAIL}
    some = findings(nobody, rules("INPUT -s 10.0.0.0/8 -j ACCEPT", "DROP"), addresses=alone)
    assert {finding.status for finding in some.values()} == {Status.ERROR}


def test_an_address_of_the_loopback_comes_in_by_any_interface() -> None:
    """As routers announce it to be reachable by two ways."""
    here = frozenset({Address("lo", STORAGE, 32)})
    found = findings(tables=rules("INPUT -i eth0 -j ACCEPT", "DROP"), addresses=here)
    assert {finding.status for finding in found.values()} == {Status.ERROR}
    loop = findings(tables=rules("INPUT -i lo -j ACCEPT", "DROP"), addresses=here)
    assert {finding.status for finding in loop.values()} == {Status.FAIL}


def test_an_address_that_is_not_here_cannot_be_judged() -> None:
    found = findings(replace(NODE, storage="10.78.0.99"))
    saw = (
        "the storage address 10.78.0.99 is not on this node,"
        " which has 10.77.0.12, 10.78.0.12, 127.0.0.1, fd78::12"
    )
    assert told(found) == {"": (Status.ERROR, saw)}


def test_what_is_not_known_is_no_pass() -> None:
    found = findings(tables=Unknown("nft is not installed"))
    assert told(found) == {"": (Status.ERROR, "nft is not installed")}


def test_what_a_peer_would_meet_is_said() -> None:
    found = state("firewalld-closed")
    assert {finding.says for finding in found.values()} == {module.SAYS}
    assert {finding.want for finding in found.values()} == {module.WANT}


def test_without_a_storage_address_there_is_nothing_to_decide() -> None:
    """As with --local on a machine without a default route."""
    [finding] = findings(replace(NODE, storage=None)).values()
    assert finding.status is Status.ERROR
    why = "no storage address is known: this machine has no default route"
    assert finding.saw == f"{why}; --storage names one"
