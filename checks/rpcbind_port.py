"""rpcbind-port: who holds port 111, now and after a reboot."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.facts import nfs, packages, ports, services
from preflight.plugin import Facts, Finding, Rpcbind, Unknown, check, fail, look_first, ok, warn

PORT = 111
UNITS = ("rpcbind.socket", "rpcbind.service")
# NFS servers and NIS: what registers with rpcbind, and does not work without it.
USERS = (
    "nfs-server.service",
    "nfs-ganesha.service",
    "ypbind.service",
    "ypserv.service",
    "nis.service",
)
RUNNING = services.units(*UNITS, *USERS)
PULLED = services.pulled(*UNITS)
# The fix asks whether the package can go; what is free is free without an answer.
PACKAGE = packages.installed("rpcbind")
FREE = "free for the Gluster pod's rpcbind, now and after a reboot"
HELD = "held by the host's rpcbind, now and after a reboot"
FREE_IT = f"systemctl disable --now {' '.join(UNITS)}"
# Where another unit pulls it in: only a masked unit stays away.
FORBID_IT = f"systemctl mask --now {' '.join(UNITS)}"
HOLD_IT = "systemctl enable --now rpcbind.socket"
POD_FAILS = "rpcbind.socket failed to listen on sockets: Address already in use"
BLOCKD_FAILS = "Please check if rpcbind service running"


@check(ports.listening, RUNNING, PULLED, nfs.locking, PACKAGE)
def rpcbind_port(facts: Facts) -> Iterator[Finding]:
    """Port 111 belongs to the rpcbind that the Gluster image expects.

    Checks: TCP and UDP port 111, IPv4 and IPv6, and whether rpcbind.socket or rpcbind.service
    start at boot: enabled, or pulled in by a unit that is. With the inventory's `policy.rpcbind:
    pod` (the default) the port must be free, or held by the Gluster pod itself; with `host` the
    node's own rpcbind must hold it. Who on the node needs rpcbind is named: an NFS server, NIS,
    and NFS mounted as version 2 or 3.

    Why: the Gluster pod uses the host's network and starts an rpcbind of its own. Where the port
    is taken, mostly by systemd for rpcbind.socket, the pod stays READY 0/1 with `failed check:
    systemctl -q is-active gluster-blockd.service`, and its log is empty. A pod that has failed
    once must be deleted: it does not try again. Newer images leave rpcbind to the host, and then
    the opposite holds: `Please check if rpcbind service running`.

    By hand: `systemctl disable --now rpcbind.socket rpcbind.service` (stopping the service alone
    does not free the port: systemd holds it). Where another unit pulls it in, as nfs-server.service
    does, it comes back at the next boot although it is disabled: `systemctl mask --now` instead.
    Where no other package needs it, the package rpcbind can be removed as well. Never while NFS or
    NIS on the node needs it: give that up first, or say `policy: {rpcbind: host}` and use a
    Gluster image that leaves rpcbind to the host. For that policy: `systemctl enable --now
    rpcbind.socket`.

    Source: catalogue N11, N12; rpcbind(8); nfs(5); systemd.socket(5); systemd.unit(5).
    """
    held = ports.listening_on(facts[ports.listening], PORT)
    if facts.node.policy.rpcbind is Rpcbind.HOST:
        yield by_host(facts, held)
    else:
        yield by_pod(facts, held)


def by_pod(facts: Facts, held: tuple[ports.Listener, ...]) -> Finding:
    """The port must be free and stay so, unless the Gluster pod holds it already."""
    if held and all(listener.owners and in_pod(listener) for listener in held):
        return by_this_pod(facts, held)
    if held and not all(known(listener) for listener in held):
        return fail("port 111", holders(held), FREE, says=POD_FAILS)
    if held:
        return by_its_rpcbind(facts, held)
    again = at_boot(facts)
    if not again:
        return ok("port 111", "free, and nothing takes it at boot", FREE)
    saw = needed(facts, f"free now, but {' and '.join(again)} will start at boot")
    return fail("port 111", saw, FREE, says=POD_FAILS, cure=free(facts))


def by_its_rpcbind(facts: Facts, held: tuple[ports.Listener, ...]) -> Finding:
    """The node's own has it, which is wrong whatever else can be found out about it."""
    saw, cure = holders(held), FREE_IT
    try:
        saw, cure = needed(facts, saw), free(facts)
    except Unknown as exc:
        saw, cure = f"{saw}; who needs it could not be found out: {exc}", ""
    return fail("port 111", saw, FREE, says=POD_FAILS, cure=cure)


def by_this_pod(facts: Facts, held: tuple[ports.Listener, ...]) -> Finding:
    """The pod serves; after a reboot it would not, where the host's rpcbind is first."""
    saw = f"in service: held by a pod's {names(held)}"
    if again := at_boot(facts):
        saw = f"{saw}, but {' and '.join(again)} will start at boot"
        return warn("port 111", saw, FREE, says=POD_FAILS, cure=free(facts))
    return ok("port 111", saw, FREE)


def by_host(facts: Facts, held: tuple[ports.Listener, ...]) -> Finding:
    """The port must be held by rpcbind, or by systemd for it, and again after a reboot."""
    strangers = [listener for listener in held if not of_rpcbind(facts, listener)]
    if strangers:
        saw = holders(tuple(strangers))
        return fail("port 111", saw, HELD, says=BLOCKD_FAILS, cure="")
    if {listener.protocol for listener in held} != {"tcp", "udp"}:
        saw = holders(held) if held else "free"
        return fail("port 111", saw, HELD, says=BLOCKD_FAILS, cure=hold(facts))
    if not at_boot(facts):
        saw = f"{holders(held)}, but nothing starts it at boot"
        return fail("port 111", saw, HELD, says=BLOCKD_FAILS, cure=hold(facts))
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


def known(listener: ports.Listener) -> bool:
    """Whether rpcbind holds it, or systemd for it; what else does, a person decides about."""
    return bool(listener.owners) and all(
        owner.pid == 1 or owner.name == "rpcbind" for owner in listener.owners
    )


def at_boot(facts: Facts) -> list[str]:
    """Those of rpcbind's units that start at the next boot, and for whom."""
    again = []
    for name in UNITS:
        if facts[RUNNING][name].starts_at_boot:
            again.append(name)
        elif pullers := pulled_by(facts, name):
            again.append(f"{name} (for {', '.join(pullers)})")
    return again


def pulled_by(facts: Facts, name: str) -> list[str]:
    """Who starts that unit at boot, even when it is disabled; of a masked one, nobody does.

    One that is masked until the next boot only (`masked-runtime`) is as if it were not.
    """
    unit = facts[RUNNING][name]
    if unit.file == "masked" or not unit.exists:
        return []
    # Targets want an enabled unit because it is enabled.
    own = {by for by in facts[PULLED][name].by if unit.wanted_by_itself and by.endswith(".target")}
    pullers = services.pullers(facts[PULLED], name)
    return [by for by in pullers if by not in UNITS and by not in own]


def needed(facts: Facts, saw: str) -> str:
    """`saw`, and what runs on the node and needs its rpcbind."""
    mounted = [f"NFS at {point}" for point in sorted(facts[nfs.locking])]
    users = [*servers(facts), *mounted]
    return f"{saw}; needed by {', '.join(users)}" if users else saw


def servers(facts: Facts) -> list[str]:
    """Those of NFS's and NIS's units that are active."""
    units = facts[RUNNING].items()
    return sorted(name for name, unit in units if name not in UNITS and unit.active == "active")


def free(facts: Facts) -> str:
    """What frees the port for good; behind a look, where something on the node needs rpcbind."""
    stays = any(pulled_by(facts, name) for name in UNITS)
    commands = [FORBID_IT if stays else FREE_IT]
    looks = []
    if running := servers(facts):
        looks.append(f"systemctl status {' '.join(running)}")
        commands.insert(0, f"systemctl disable --now {' '.join(running)}")
    if points := sorted(facts[nfs.locking]):
        looks.append("findmnt --types nfs")
        commands.insert(0, f"umount {' '.join(map(shlex.quote, points))}")
    return look_first("; ".join(looks), " && ".join(commands)) if looks else commands[0]


def hold(facts: Facts) -> str:
    """What makes the host's rpcbind hold the port; a masked unit must be let go first."""
    units = [name for name in UNITS if facts[RUNNING][name].load == "masked"]
    commands = f"systemctl unmask {' '.join(units)} && {HOLD_IT}" if units else HOLD_IT
    return f"install the package rpcbind; {commands}" if gone(facts) else commands


def gone(facts: Facts) -> bool:
    """Whether rpcbind.socket is not there to be started; a mask outlives the package."""
    unit = facts[RUNNING]["rpcbind.socket"]
    return not unit.exists or (unit.load == "masked" and facts[PACKAGE] is None)


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
