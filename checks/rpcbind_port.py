"""rpcbind-port: who holds port 111, now and after a reboot."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.facts import ports, services
from preflight.plugin import Facts, Finding, Rpcbind, check, fail, ok

PORT = 111
UNITS = ("rpcbind.socket", "rpcbind.service")
RUNNING = services.units(*UNITS)
FREE = "free for the Gluster pod's rpcbind, now and after a reboot"
HELD = "held by the host's rpcbind, now and after a reboot"
FREE_IT = "systemctl disable --now rpcbind.socket rpcbind.service"
HOLD_IT = "systemctl enable --now rpcbind.socket"
POD_FAILS = "rpcbind.socket failed to listen on sockets: Address already in use"
BLOCKD_FAILS = "Please check if rpcbind service running"


@check(ports.listening, RUNNING)
def rpcbind_port(facts: Facts) -> Iterator[Finding]:
    """Port 111 belongs to the rpcbind that the Gluster image expects.

    Checks: TCP and UDP port 111, IPv4 and IPv6, and whether rpcbind.socket or rpcbind.service
    start at boot. With the inventory's `policy.rpcbind: pod` (the default) the port must be free,
    or held by the Gluster pod itself; with `host` the node's own rpcbind must hold it.

    Why: the Gluster pod uses the host's network and starts an rpcbind of its own. Where the port
    is taken, mostly by systemd for rpcbind.socket, the pod stays READY 0/1 with `failed check:
    systemctl -q is-active gluster-blockd.service`, and its log is empty. A pod that has failed
    once must be deleted: it does not try again. Newer images leave rpcbind to the host, and then
    the opposite holds: `Please check if rpcbind service running`.

    By hand: `systemctl disable --now rpcbind.socket rpcbind.service` (stopping the service alone
    does not free the port: systemd holds it), after making sure that neither NFS nor NIS on the
    node needs it. For `policy.rpcbind: host`: `systemctl enable --now rpcbind.socket`.

    Source: catalogue N11, N12; rpcbind(8); systemd.socket(5).
    """
    held = ports.listening_on(facts[ports.listening], PORT)
    if facts.node.policy.rpcbind is Rpcbind.HOST:
        yield by_host(facts, held)
    else:
        yield by_pod(facts, held)


def by_pod(facts: Facts, held: tuple[ports.Listener, ...]) -> Finding:
    """The port must be free and stay so, unless the Gluster pod holds it already."""
    if held and all(listener.owners and in_pod(listener) for listener in held):
        return ok("port 111", f"in service: held by a pod's {names(held)}", FREE)
    enabled = at_boot(facts)
    if held:
        return fail("port 111", holders(held), FREE, says=POD_FAILS, cure=free(held))
    if enabled:
        saw = f"free now, but {' and '.join(enabled)} will start at boot"
        return fail("port 111", saw, FREE, says=POD_FAILS, cure=FREE_IT)
    return ok("port 111", "free, and nothing takes it at boot", FREE)


def by_host(facts: Facts, held: tuple[ports.Listener, ...]) -> Finding:
    """The port must be held by rpcbind, or by systemd for it, and again after a reboot."""
    strangers = [listener for listener in held if not of_rpcbind(facts, listener)]
    if strangers:
        saw = holders(tuple(strangers))
        return fail("port 111", saw, HELD, says=BLOCKD_FAILS, cure="")
    if {listener.protocol for listener in held} != {"tcp", "udp"}:
        saw = holders(held) if held else "free"
        return fail("port 111", saw, HELD, says=BLOCKD_FAILS, cure=HOLD_IT)
    if not at_boot(facts):
        saw = f"{holders(held)}, but nothing starts it at boot"
        return fail("port 111", saw, HELD, says=BLOCKD_FAILS, cure=HOLD_IT)
    return ok("port 111", holders(held), HELD)


def of_rpcbind(facts: Facts, listener: ports.Listener) -> bool:
    """Whether the host's rpcbind holds it, or systemd while rpcbind.socket is active."""
    by_socket = facts[RUNNING]["rpcbind.socket"].active == "active"
    return bool(listener.owners) and all(
        owner.pod is None and (owner.name == "rpcbind" or (owner.pid == 1 and by_socket))
        for owner in listener.owners
    )


def in_pod(listener: ports.Listener) -> bool:
    """Whether processes of Kubernetes pods alone hold it."""
    return all(owner.pod for owner in listener.owners)


def at_boot(facts: Facts) -> list[str]:
    """Those of rpcbind's units that start at the next boot."""
    return [name for name in UNITS if facts[RUNNING][name].starts_at_boot]


def free(held: tuple[ports.Listener, ...]) -> str:
    """The command that frees the port; empty where it is not rpcbind's, and a person decides."""
    owners = [owner for listener in held for owner in listener.owners]
    known = owners and all(owner.pid == 1 or owner.name == "rpcbind" for owner in owners)
    return FREE_IT if known else ""


def holders(held: tuple[ports.Listener, ...]) -> str:
    """`held by systemd, pid 1 (rpcbind.socket)`, and on which protocols."""
    protocols = "+".join(sorted({listener.protocol for listener in held}))
    return f"{protocols} held by {names(held)}"


def names(held: tuple[ports.Listener, ...]) -> str:
    """Each process once, by name and pid; a socket without one is the kernel's or hidden."""
    owners = {owner for listener in held for owner in listener.owners}
    shown = [f"{o.name}, pid {o.pid}" for o in sorted(owners, key=lambda o: o.pid)]
    if any(not listener.owners for listener in held):
        shown.append("a process that cannot be seen (the kernel, or another PID namespace)")
    return " and ".join(shown)
