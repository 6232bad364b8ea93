"""What keeps ports closed, in words, and the commands that open them. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Union

from preflight.facts.firewall import firewalld
from preflight.facts.firewall.passage import Cause
from preflight.model import PortRange

ONLINE, OFFLINE = "firewall-cmd", "firewall-offline-cmd"
RELOAD, UFW_RELOAD = "firewall-cmd --reload", "ufw reload"
DIRECT = "direct rule "


@dataclass(frozen=True)
class Zone:
    """A zone of firewalld keeps ports closed: by silence, or by a rule of its own."""

    zone: str | None
    by: str
    rule: str
    program: str

    @property
    def place(self) -> str:
        """Whose it is."""
        return f"in firewalld zone {self.zone} ({self.by})" if self.zone else "in firewalld"

    def __str__(self) -> str:
        """Where to look."""
        return f"{self.place}: {self.rule}" if self.rule else self.place

    def cures(self, ports: Sequence[PortRange], *, permanent: bool) -> Iterator[str]:
        """Add the ports; a rule that refuses comes before them, and must go.

        What only run time has goes with a reload. A policy's rule is left to a person.
        """
        online = self.program == ONLINE
        command = f"{self.program} --permanent" if permanent and online else self.program
        if not permanent and (self.rule or self.zone is None):
            yield RELOAD
        elif self.rule.startswith(DIRECT):
            yield f"{command} --direct --remove-rule {self.rule.removeprefix(DIRECT)}"
        elif self.zone is not None:
            if self.rule:
                yield f"{command} --zone={self.zone} --remove-rich-rule='{self.rule}'"
            added = " ".join(f"--add-port={each}/tcp" for each in ports)
            yield f"{command} --zone={self.zone} {added}"


@dataclass(frozen=True)
class Ufw:
    """ufw keeps ports closed: by default, or by a rule of its own."""

    rule: str
    place = "by ufw"

    def __str__(self) -> str:
        """Where to look."""
        return f"{self.place}: {self.rule}" if self.rule else self.place

    def cures(self, ports: Sequence[PortRange], *, permanent: bool) -> Iterator[str]:
        """To allow is for both times, but not for what its files allow already."""
        place = "insert 1 " if self.rule else ""
        yield f"ufw {place}allow {listed(ports, ':')}/tcp" if permanent else UFW_RELOAD


@dataclass(frozen=True)
class Rules:
    """Rules that neither of them made keep ports closed."""

    cause: Cause

    @property
    def place(self) -> str:
        """The rule, and where it is."""
        return f"by {self.cause}"

    def __str__(self) -> str:
        """The place is all there is to say."""
        return self.place

    def cures(self, ports: Sequence[PortRange], *, permanent: bool) -> Iterator[str]:
        """An accept before all else in that very chain."""
        del permanent  # what loads them at boot is not known
        table, chain = self.cause.table.split(), self.cause.chain
        if self.cause.table == firewalld.PANIC:
            yield "firewall-cmd --panic-off"
        elif table[0] == "table":
            what = f"tcp dport {{ {listed(ports, '-', ', ')} }} accept"
            yield f"nft insert rule {table[1]} {table[2]} {chain} '{what}'"
        else:
            where = "" if table[-1] == "filter" else f"-t {table[-1]} "
            match = f"-p tcp -m multiport --dports {listed(ports, ':')}"
            yield f"{table[0]} {where}-I {chain} {match} -j ACCEPT"


Wall = Union[Zone, Ufw, Rules]


@dataclass(frozen=True)
class Closed:
    """Ports that something keeps closed, now or after a reload; `peers`: to some of them only."""

    wall: Wall
    ports: PortRange
    permanent: bool
    peers: tuple[str, ...] = ()


def walls(closed: Iterable[Closed]) -> str:
    """What keeps them closed, each once, and to whom, if not to all."""
    shown = dict.fromkeys(
        f"to {', '.join(each.peers)} {each.wall}" if each.peers else str(each.wall)
        for each in closed
    )
    return " and ".join(shown)


def places(closed: Iterable[Closed]) -> set[object]:
    """Where they are closed, whatever the rule: it is spelled otherwise in files."""
    return {(each.wall.place, each.peers) for each in closed}


def commands(closed: Sequence[Closed]) -> list[str]:
    """All that opens all of it, each command once, a reload last; none where no command would."""
    ports: dict[tuple[Wall, bool], list[PortRange]] = {}
    for each in closed:
        ports.setdefault((each.wall, each.permanent), []).append(each.ports)
    found: list[str] = []
    for (wall, permanent), ranges in ports.items():
        cures = list(wall.cures(merged(ranges), permanent=permanent))
        if not cures:
            return []
        found += cures
    if any(command.startswith("ufw ") and command != UFW_RELOAD for command in found):
        found = [command for command in found if command != UFW_RELOAD]
    return sorted(dict.fromkeys(found), key=lambda command: command == RELOAD)


def merged(ports: Iterable[PortRange]) -> list[PortRange]:
    """In rising order, neighbours joined."""
    joined: list[PortRange] = []
    for each in sorted(ports, key=lambda each: each.first):
        if joined and each.first <= joined[-1].last + 1:
            joined[-1] = PortRange(joined[-1].first, max(joined[-1].last, each.last))
        else:
            joined.append(each)
    return joined


def listed(ports: Iterable[PortRange], dash: str = "-", comma: str = ",") -> str:
    """`2222,24007-24008`, neighbours joined, with the firewall's own dash and comma."""
    return comma.join(str(each).replace("-", dash) for each in merged(ports))
