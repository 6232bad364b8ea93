"""Whether Gluster serves on a node now: what is in service is not broken. A pure function."""

from __future__ import annotations

from preflight.facts import block, heketi, ports, usage
from preflight.model import Facts, Probe

GLUSTERD_PORT = 24007
ASKED: tuple[Probe[object], ...] = (block.devices, usage.mounts, ports.listening)


def serving(facts: Facts) -> str:
    """What serves, in words; empty where nothing does. Raises Unknown where that cannot be told.

    A brick of heketi's that is mounted in any namespace, or a glusterd or a brick's process that
    listens, a pod's or the host's own.
    """
    if served := with_bricks(facts):
        return served
    for listener in ports.listening_on(facts[ports.listening], GLUSTERD_PORT):
        if any(owner.name == "glusterd" for owner in listener.owners):
            return "in service: glusterd runs"
    return ""


def with_bricks(facts: Facts) -> str:
    """Likewise, but for a glusterd that has no brick here: it serves nobody's data yet."""
    if served := heketi.service(facts[block.devices], facts[usage.mounts]):
        return str(served)
    owners = (owner for listener in facts[ports.listening] for owner in listener.owners)
    return "in service: glusterfsd runs" if any(o.name == "glusterfsd" for o in owners) else ""
