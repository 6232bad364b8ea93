"""Fix of rpcbind-port: give port 111 to the Gluster pod, or to the host, as the policy says."""

from __future__ import annotations

from collections.abc import Iterator

from checks.rpcbind_port import PORT, RUNNING, UNITS, known, needed, rpcbind_port
from preflight.facts import ports
from preflight.plugin import Facts, Finding, Risk, Rpcbind, Step, Unfixable, fix


@fix(rpcbind_port, risk=Risk.DISRUPTIVE)
def hand_over(finding: Finding, facts: Facts) -> Iterator[Step]:
    """Stops, disables and masks rpcbind.socket and rpcbind.service, so that nothing starts them.

    With `policy.rpcbind: host`: unmasks, enables and starts them instead. Undone unit by unit, back
    to how each was. Where another program holds the port, or NFS or NIS on the node needs rpcbind,
    a person has to decide.
    """
    del finding  # there is one subject
    if facts.node.policy.rpcbind is Rpcbind.HOST:
        yield from to_host(facts)
        return
    held = ports.listening_on(facts[ports.listening], PORT)
    if held and not all(known(listener) for listener in held):
        raise Unfixable("another program holds the port: stop it, or say policy.rpcbind: host")
    if users := needed(facts, ""):
        raise Unfixable(f"{users.removeprefix('; ')}: give that up, or say policy.rpcbind: host")
    yield from away(facts)


def away(facts: Facts) -> Iterator[Step]:
    """End the units for good, the socket first, or systemd would start the service again.

    In phases, so that backwards both are unmasked before the first is started: they need each
    other.
    """
    units = {name: facts[RUNNING][name] for name in UNITS if facts[RUNNING][name].exists}
    for name, unit in units.items():
        if unit.active == "active":
            yield systemctl("stop", name, undo="start")
    for name, unit in units.items():
        if unit.starts_at_boot:
            yield systemctl("disable", name, undo="enable")
    for name, unit in units.items():
        if unit.load != "masked":
            yield systemctl("mask", name, undo="unmask")


def to_host(facts: Facts) -> Iterator[Step]:
    """Have rpcbind.socket hold the port, now and after a reboot."""
    held = ports.listening_on(facts[ports.listening], PORT)
    if not all(known(listener) for listener in held):
        raise Unfixable("another program holds the port: stop it, or say policy.rpcbind: pod")
    name, unit = UNITS[0], facts[RUNNING][UNITS[0]]
    if not unit.exists:
        raise Unfixable("rpcbind is not installed: install the package rpcbind")
    for masked in UNITS:
        if facts[RUNNING][masked].load == "masked":
            yield systemctl("unmask", masked, undo="mask")
    if not unit.starts_at_boot:
        yield systemctl("enable", name, undo="disable")
    if unit.active != "active":
        yield systemctl("start", name, undo="stop")


def systemctl(verb: str, name: str, *, undo: str) -> Step:
    """One change of one unit, and the one that takes it back."""
    return Step(("systemctl", verb, name), undo=Step(("systemctl", undo, name)))
