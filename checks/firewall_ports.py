"""firewall-ports: the other nodes can reach Gluster here, now and after a reboot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from preflight.facts.firewall.passage import answers
from preflight.facts.firewall.site import Site, asked
from preflight.facts.firewall.walls import Closed, commands, listed, merged, places, walls
from preflight.plugin import Facts, Finding, PortRange, check, fail, ok, unknown

GLUSTER = (PortRange(2222, 2222), PortRange(24007, 24007), PortRange(24008, 24008))
WANT = "open to the other nodes, at run time and permanently"
SAYS = "Probe returned with Transport endpoint is not connected"


@check(asked)
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
            return unknown(subject, "; ".join(self.doubts), WANT)
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

    def which(self, closed: Iterable[Closed]) -> str:
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
        parts = answers(tables, site.question(ports))
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
