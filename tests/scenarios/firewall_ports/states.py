"""The storage address is on eth1, which is in the zone `internal`; the default zone is `public`."""

from __future__ import annotations

from tests.by_hand import OPEN
from tests.scenarios.firewall_ports import State

INTERNAL = f"firewall-cmd --zone=internal {OPEN}"
INTERNAL_TOO = f"firewall-cmd --permanent --zone=internal {OPEN}"
REFUSED = "rule family=ipv4 source address=10.78.0.0/24 port port=24007 protocol=tcp reject"
ZONE = "in firewalld zone internal (eth1)"

open_in_the_default_zone = State(
    broken=f"firewall-cmd {OPEN}; firewall-cmd --permanent {OPEN}",
    saw=f"closed at run time and permanently {ZONE}",
    reached=False,
)
open_at_run_time = State(
    broken=INTERNAL,
    saw=f"open at run time, but closed permanently {ZONE}",
    reached=True,
)
source_zone = State(
    broken=f"{INTERNAL_TOO}; firewall-cmd --permanent --zone=work --add-source=10.78.0.0/24;"
    " firewall-cmd --reload",
    saw="closed at run time and permanently in firewalld zone work (by source)",
    reached=False,
)
rich_rule = State(
    broken=f"{INTERNAL_TOO}; firewall-cmd --permanent --zone=internal --add-rich-rule='{REFUSED}';"
    " firewall-cmd --reload",
    saw=f'closed at run time and permanently {ZONE}: rule family="ipv4" source'
    ' address="10.78.0.0/24" port port="24007" protocol="tcp" reject',
    reached=False,
)
stopped = State(
    broken="systemctl stop firewalld",
    saw=f"open at run time, but closed permanently {ZONE}",
    reached=True,
)
own_table = State(
    broken=f"{INTERNAL_TOO}; firewall-cmd --reload; nft add table inet mine; nft add chain inet"
    " mine in '{ type filter hook input priority 0; }'; nft add rule inet mine in iifname eth1"
    " tcp dport 24000-24999 drop",
    saw='closed at run time by table inet mine, chain in: iifname "eth1" tcp dport 24000-24999'
    " drop",
    reached=False,
)
own_iptables = State(
    broken=f"{INTERNAL_TOO}; firewall-cmd --reload; iptables -A INPUT -i eth1 -p tcp -m multiport"
    " --dports 24007,24008 -j REJECT",
    saw="closed at run time by iptables table filter, chain INPUT: -A INPUT -i eth1 -p tcp -m"
    " multiport --dports 24007,24008 -j REJECT --reject-with icmp-port-unreachable",
    reached=False,
)
