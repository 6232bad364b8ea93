"""Made-up runs that reports are tested on: constructed, and named for what is peculiar to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone

from preflight.judge import verdict
from preflight.model import Check, Device, Facts, Finding, Fix, Node, Risk, Role, Status, Step
from preflight.plugin import fail, ok, skip, warn
from preflight.report import Run

SEEN = {"something.asked": "and answered"}
LOCAL_WANT = "available now and loaded at boot"
MODULES = ("dm_snapshot", "dm_mirror", "dm_thin_pool", "target_core_user")
PORTS = ("2222/tcp", "24007/tcp", "24008/tcp", "49152-49251/tcp")
ORDER = (
    "node-count",
    "device-clean",
    "device-idle",
    "device-usable",
    "firewall-ports",
    "kernel-modules",
    "mount-glusterfs",
    "rpcbind-port",
)
OF_A_STORAGE_NODE = ORDER[1:]


def node(number: int, *, role: Role = Role.STORAGE, width: int = 0) -> Node:
    address = f"192.168.136.{number % 250}"
    devices = () if role is Role.CLIENT else (Device("/dev/sdb"),)
    return Node(f"node-{number:0{width}d}", address, address, role=role, devices=devices)


def answered(of: Node, lost: str | None = None) -> Facts:
    return Facts(of, SEEN, lost, elapsed=1.25)


def silent(of: Node, why: str = "connection timed out after 10 s") -> Facts:
    return Facts(of, {}, why, elapsed=10.0)


def fix_of(check: str, risk: Risk) -> Fix:
    dummy = Check(check, "", frozenset(Role), lambda _node: (), lambda _node: ())
    return Fix(dummy, risk, "", lambda _finding, _facts: (Step(("true",)),))


FIXES = {
    "device-clean": fix_of("device-clean", Risk.DESTRUCTIVE),
    "firewall-ports": fix_of("firewall-ports", Risk.SAFE),
    "kernel-modules": fix_of("kernel-modules", Risk.SAFE),
    "rpcbind-port": fix_of("rpcbind-port", Risk.DISRUPTIVE),
}


def run(
    facts: Iterable[Facts],
    found: Iterable[tuple[str, str | None, Finding]],
    *,
    fixes: Mapping[str, Fix] = FIXES,
    strict: bool = False,
) -> Run:
    """A run in the order in which `judge` puts findings: by check, then by node."""
    known = {one.node.name: one for one in facts}
    names = [*known, None]
    findings = sorted(
        (replace(finding, check=check, node=name) for check, name, finding in found),
        key=lambda f: (f.check, names.index(f.node)),
    )
    return Run(
        command="check",
        version="0.1.0",
        started=datetime(2026, 11, 24, 3, 14, 15, tzinfo=timezone.utc),
        seconds=2.1,
        verdict=verdict(findings, strict=strict),
        facts=known,
        findings=tuple(findings),
        fixes=fixes,
        strict=strict,
    )


Found = list[tuple[str, str | None, Finding]]


def good(of: Node) -> Found:
    """Every check passes on `of`."""
    passes = [
        ("device-clean", ok("/dev/sdb", "blank", "no signature")),
        ("device-idle", ok("/dev/sdb", "nothing uses it", "not in use")),
        (
            "device-usable",
            ok("/dev/sdb", f"20.0 GiB disk, serial QM{of.name[-3:]}", "a whole disk"),
        ),
        *(("firewall-ports", ok(port, "open in zone public", "open")) for port in PORTS),
        *(("kernel-modules", ok(m, "loaded, and loaded at boot", LOCAL_WANT)) for m in MODULES),
        ("mount-glusterfs", ok("mount.glusterfs", "glusterfs 10.3", "installed")),
        ("rpcbind-port", ok("111/tcp", "free", "free")),
        ("rpcbind-port", ok("111/udp", "free", "free")),
    ]
    return [(check, of.name, finding) for check, finding in passes]


def without(found: Found, *checks: str) -> Found:
    return [one for one in found if one[0] not in checks]


def empty_table(of: Node) -> Found:
    says = "Cannot use /dev/sdb: device is partitioned"
    finding = fail(
        "/dev/sdb", "gpt (empty table)", "no signature", says=says, cure="wipefs --all /dev/sdb"
    )
    return [("device-clean", of.name, finding)]


def closed(of: Node) -> Found:
    says = "Probe returned with Transport endpoint is not connected"
    return [
        (
            "firewall-ports",
            of.name,
            fail(port, "closed in zone public", "open, now and permanently", says=says, cure=cure),
        )
        for port in PORTS
        for opened in [f"firewall-cmd --zone=public --add-port={port}"]
        for cure in [f"{opened} && {opened} --permanent"]
    ]


def not_loaded(of: Node, *names: str) -> Found:
    thin = "thin: Required device-mapper target(s) not detected in your kernel."
    block = "failed check: systemctl -q is-active gluster-blockd.service"
    return [
        (
            "kernel-modules",
            of.name,
            fail(
                name,
                "not loaded",
                LOCAL_WANT,
                says=block if name == "target_core_user" else thin,
                cure=f"modprobe {name}; echo {name} >> /etc/modules-load.d/gluster.conf",
            ),
        )
        for name in names or MODULES
    ]


def no_client(of: Node) -> Found:
    finding = fail(
        "mount.glusterfs",
        "not installed",
        "installed",
        says="mount: unknown filesystem type 'glusterfs'",
        cure="apt-get install glusterfs-client",
    )
    return [("mount-glusterfs", of.name, finding)]


def rpcbind_held(of: Node, pid: int = 1) -> Found:
    says = "rpcbind.socket failed to listen on sockets: Address already in use"
    cure = "systemctl disable --now rpcbind.socket rpcbind.service"
    return [
        (
            "rpcbind-port",
            of.name,
            fail(port, f"held by systemd (pid {pid})", "free", says=says, cure=cure),
        )
        for port in ("111/tcp", "111/udp")
    ]


def data(of: Node, device: str, saw: str, token: str) -> Found:
    says = (
        f"WARNING: xfs signature detected on {device} at offset 0. Wipe it? [y/n]: [n]"
        " Aborted wiping of xfs. 1 existing signature left on the device."
    )
    cure = f"wipefs --all {device}"
    finding = fail(device, saw, "no signature", says=says, cure=cure, token=token)
    return [("device-clean", of.name, finding)]


def unknown(of: Facts, checks: Sequence[str] = OF_A_STORAGE_NODE) -> Found:
    """What `judge` makes of a node that gave no answer."""
    why = of.lost or ""
    lost = Finding("", Status.ERROR, why, cure=of.cure)
    return [(check, of.node.name, lost) for check in checks]


def size(count: int, status: Callable[..., Finding] = fail) -> tuple[str, None, Finding]:
    return "node-count", None, status("storage nodes", str(count), "at least 3 (replica 3)")


THREE = [node(181), node(182), node(183)]


def ready() -> Run:
    found = [one for each in THREE for one in good(each)]
    return run([answered(each) for each in THREE], [*found, size(3, ok)])


def broken() -> Run:
    """Three machines as they come: nothing is prepared."""
    found: Found = [size(3, ok)]
    for each in THREE:
        kept = without(
            good(each),
            "device-clean",
            "firewall-ports",
            "kernel-modules",
            "mount-glusterfs",
            "rpcbind-port",
        )
        found += kept + empty_table(each) + closed(each) + not_loaded(each) + no_client(each)
        found += rpcbind_held(each)
    return run([answered(each) for each in THREE], found)


def unreachable() -> Run:
    """One node is off, another fails, a third passes: blocked, and not only unknown."""
    first, off, last = THREE
    lost = silent(off)
    found = [
        *without(good(first), "device-clean"),
        *empty_table(first),
        *unknown(lost),
        *good(last),
    ]
    return run([answered(first), lost, answered(last)], found)


def open_question() -> Run:
    """Nothing fails, but a tool is missing on one node and another's answer broke off."""
    first, second, third = THREE
    broke = answered(third, "the connection was lost after 2 s")
    error = Finding("", Status.ERROR, "network.nft: exit 127: sh: 1: nft: not found")
    found = [
        *good(first),
        *without(good(second), "firewall-ports"),
        ("firewall-ports", second.name, error),
        *without(good(third), "mount-glusterfs", "rpcbind-port"),
        *unknown(broke, ("mount-glusterfs", "rpcbind-port")),
    ]
    return run([answered(first), answered(second), broke], found)


def small_disks(*, strict: bool) -> Run:
    finding = warn(
        "/dev/sdb",
        "5.0 GiB disk",
        "10 GiB or more",
        says="Error: No space",
        cure="use a bigger disk",
    )
    found = [one for each in THREE for one in without(good(each), "device-usable")]
    found += [("device-usable", each.name, finding) for each in THREE[:2]]
    found.append(
        ("device-usable", THREE[2].name, ok("/dev/sdb", "20.0 GiB disk", "10 GiB or more"))
    )
    return run([answered(each) for each in THREE], found, strict=strict)


def tokens() -> Run:
    """The same data on two nodes: one entry, and still a token for each disk."""
    first, second, third = THREE
    found = [one for each in (first, third) for one in without(good(each), "device-clean")]
    found += data(first, "/dev/sdb", "xfs filesystem at offset 0", "df9a1c2b77d0")
    found += data(third, "/dev/sdb", "xfs filesystem at offset 0", "b7d00c1a2b3f")
    found += data(first, "/dev/sdc", "LVM2 PV of volume group data", "0123456789ab")
    return run([answered(each) for each in THREE], found + good(second))


def client() -> Run:
    """A node that only mounts volumes has one check; a disk named nowhere is a skip."""
    mounts = node(190, role=Role.CLIENT)
    bare = replace(node(184), devices=())
    named = skip("devices", "no device is named")
    found = [one for each in THREE for one in without(good(each), "mount-glusterfs")]
    found += [one for each in THREE for one in no_client(each)]
    found += without(good(bare), "device-clean", "device-idle", "device-usable")
    found += [("device-clean", bare.name, named), ("device-idle", bare.name, named)]
    want = "a whole disk, named in the inventory"
    found += [("device-usable", bare.name, fail("devices", "none is named", want))]
    found += no_client(mounts)
    nodes = [*THREE, bare, mounts]
    return run([answered(each) for each in nodes], found)


def alone() -> Run:
    """One machine, and what is wrong is wrong with the fleet."""
    return run([answered(THREE[0])], [*good(THREE[0]), size(1)])


def values() -> Run:
    """What differs from node to node only in a number stands together."""
    nodes = [node(number) for number in range(181, 189)]
    found: Found = []
    for number, each in enumerate(nodes):
        found += without(good(each), "rpcbind-port", "device-clean")
        found += rpcbind_held(each, 800 + 7 * number)
        disk = f"/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_{number:03d}"
        saw = f"xfs filesystem, UUID 6a1b-{number:04d}"
        found += data(each, disk, saw, f"{number * 7919:012x}")
    return run([answered(each) for each in nodes], found)


def fleet_of_200() -> Run:
    """Failures of every kind mixed over 200 nodes, 13 of them silent."""
    facts: list[Facts] = []
    found: Found = [size(200, ok)]
    for number in range(1, 201):
        each = node(number, width=3)
        if number % 16 == 5:
            why = f"connect to {each.address} port 22: "
            why += "Connection refused" if number % 32 == 5 else "timed out after 10 s"
            facts.append(silent(each, why))
            found += unknown(facts[-1])
            continue
        facts.append(answered(each))
        mended = good(each)
        for at, check, broken_part in (
            (2, "device-clean", empty_table(each)),
            (3, "kernel-modules", not_loaded(each, *MODULES[number % 4 :])),
            (1, "mount-glusterfs", no_client(each)),
            (5, "rpcbind-port", rpcbind_held(each, 400 + number)),
            (7, "firewall-ports", closed(each)),
        ):
            if number % at == 0:
                mended = without(mended, check) + broken_part
        found += mended
        if number in {50, 60}:
            found = [one for one in found if one[:2] != ("device-clean", each.name)]
            token = f"{number * 104729:012x}"
            found += data(each, "/dev/sdb", "xfs filesystem at offset 0", token)
    return run(facts, found)


HOSTILE = (
    "\x1b[2J\x1b[31mREADY\x1b[0m\r\nREADY  all passed on 3 nodes in 0.1 s\n"
    "\udcff\ud800\u202egnp.exe\u2066\x00\x07\x9b[red]markup[/red] & <b> ]]> \ufeff\ufffe\u0301 "
)


def hostile() -> Run:
    """Whatever a node may send to spoil a screen, forge a line, or break a parser."""
    first, second, third = THREE
    finding = fail(
        "/dev/sdb",
        HOSTILE,
        HOSTILE + "x" * 500,
        says="word " * 200 + HOSTILE,
        cure=f"wipefs {HOSTILE}",
        token=HOSTILE,
    )
    lost = silent(third, HOSTILE)
    found = [
        *without(good(first), "device-clean", "mount-glusterfs"),
        ("device-clean", first.name, finding),
        ("mount-glusterfs", first.name, ok("mount.glusterfs", HOSTILE)),
        *without(good(second), "rpcbind-port"),
        ("rpcbind-port", second.name, Finding(HOSTILE, Status.ERROR, HOSTILE)),
        *unknown(lost),
    ]
    return run([answered(first), answered(second), lost], found)


def many() -> Run:
    """A node with fourteen bad disks; on the other nodes the same questions are open."""
    first, *rest = [node(number) for number in range(181, 189)]
    found: Found = []
    for letter in "bcdefghijklmno":
        token = f"{ord(letter):012x}"
        found += data(first, f"/dev/sd{letter}", "xfs filesystem at offset 0", token)
    found += [one for each in rest for one in without(good(each), "firewall-ports", "rpcbind-port")]
    why = "network.nft: exit 127: sh: 1: nft: not found"
    for number, each in enumerate(rest):
        late = f"ports.listening: no answer after {20 + number} s"
        found.append(("rpcbind-port", each.name, Finding("", Status.ERROR, late)))
        for port in PORTS[:2]:
            found.append(("firewall-ports", each.name, Finding(port, Status.ERROR, why)))
    return run([answered(each) for each in (first, *rest)], found)


def nothing() -> Run:
    return run([answered(THREE[0])], [])


RUNS: Mapping[str, Callable[[], Run]] = {
    "alone": alone,
    "broken": broken,
    "client": client,
    "fleet-of-200": fleet_of_200,
    "hostile": hostile,
    "many": many,
    "nothing": nothing,
    "open-question": open_question,
    "ready": ready,
    "strict": lambda: small_disks(strict=True),
    "tokens": tokens,
    "unreachable": unreachable,
    "values": values,
    "warning": lambda: small_disks(strict=False),
}
