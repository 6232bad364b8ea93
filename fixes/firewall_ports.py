"""Fix of firewall-ports: open what is closed, in the zone that closes it, now and for good."""

from __future__ import annotations

from collections.abc import Iterator

from checks.firewall_ports import firewall_ports, judge
from preflight.facts.firewall.site import Site
from preflight.facts.firewall.walls import ONLINE, Closed, Ufw, Zone, listed
from preflight.plugin import Facts, Finding, PortRange, Risk, Step, Unfixable, fix

BY_HAND = "a rule refuses it, which a person made: see the command"


@fix(firewall_ports, risk=Risk.SAFE)
def open_ports(finding: Finding, facts: Facts) -> Iterator[Step]:
    """Adds the ports to firewalld's zone on the peers' way in, at run time and permanently.

    Each by itself, without a reload, which would drop what others have added at run time. With
    ufw, by `ufw allow`. Rules that refuse the ports, and those of a bare nftables or iptables, are
    left to a person. Undone by removing the same ports again.
    """
    verdict = judge(Site.of(facts), ports_of(finding))
    for closed in verdict.closed:
        yield from opened(closed)


def ports_of(finding: Finding) -> PortRange:
    """`49152-49251/tcp`, the subject, as a range."""
    first, _, last = finding.subject.removesuffix("/tcp").partition("-")
    return PortRange(int(first), int(last or first))


def opened(closed: Closed) -> Iterator[Step]:
    """What opens one range at one time; raises Unfixable where a rule stands in the way."""
    wall, ports = closed.wall, listed([closed.ports])
    if isinstance(wall, Zone) and wall.zone is not None and not wall.rule:
        online = wall.program == ONLINE
        command = [wall.program, *(["--permanent"] if closed.permanent and online else [])]
        yield Step(
            (*command, f"--zone={wall.zone}", f"--add-port={ports}/tcp"),
            undo=Step((*command, f"--zone={wall.zone}", f"--remove-port={ports}/tcp")),
        )
    elif isinstance(wall, Ufw) and not wall.rule:
        # To allow is for both times.
        if closed.permanent:
            rule = f"{listed([closed.ports], ':')}/tcp"
            yield Step(("ufw", "allow", rule), undo=Step(("ufw", "delete", "allow", rule)))
    else:
        raise Unfixable(BY_HAND)
