"""The commands of all probes: the same answer under every shell, and by every awk there is.

Where busybox's own applet is not the tool that a command means, or where a tool is missing, the
fact is right or unknown, never wrong.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from preflight.collect import read_reply, script
from preflight.errors import Unknown
from preflight.facts import block, firewall, kernel, network, packages, ports, services, usage
from preflight.facts.disk import content, signatures
from preflight.facts.firewall import firewalld
from preflight.facts.network import Address
from preflight.facts.packages import MountHelper
from preflight.facts.services import Pull
from preflight.facts.usage import Mount, Opener, Swap
from preflight.model import Facts, Node, Output, Probe
from tests import netns
from tests.plain import plain
from tests.probes import find, probes
from tests.rebuilt import REBUILD, firewalld_permanent, services_pulled
from tests.roots import (
    ALONE,
    AWKS,
    LIMITS,
    MARK,
    PLACES,
    SHELLS,
    TOOLS,
    Root,
    Roots,
    applets,
    put_shell,
)
from tests.world import world

CAPTURES = Path(__file__).parent / "captures"
NAMES = sorted(name for name, _ in probes())
ODD = "/dev/disk/by-id/it's a disk"


def made(name: str, *disks: str) -> list[Probe[object]]:
    """The probe of that name; a factory's, for each of what there is to ask it about."""
    devices, units = [[disk] for disk in disks], [["rpcbind.socket", "rpcbind.service"]]
    # In the place of kubectl: one that comes to no server, at once.
    cluster = [["false"]]
    within, of_node = [["false", "glusterfs"]], [["false", "node1"]]
    arguments = {
        "block.target": [*devices, ["/dev/null"], ["/nowhere"]],
        "deployment.cluster": cluster,
        "deployment.heketis": within,
        "deployment.keys": within,
        "deployment.known": [["false", "glusterfs", "/nowhere/it's the key", "heketi"]],
        "deployment.pods": within,
        "deployment.service": within,
        "deployment.provisioner_secrets": cluster,
        "deployment.storage_class": cluster,
        "deployment.storage_classes": cluster,
        "deployer.gk_deploy": [[""], ["/nowhere/it's gk-deploy"]],
        "disk.content": devices,
        "disk.signatures": devices,
        "firewall.tables": [["iptables"], ["ip6tables"]],
        "kernel.loadable": [["dm_mirror", "ext4"]],
        "kubernetes.binding": cluster,
        "kubernetes.claim": [["false", "glusterfs", "data"]],
        "kubernetes.client": cluster,
        "kubernetes.image": within,
        "kubernetes.kubelet": of_node,
        "kubernetes.namespace": within,
        "kubernetes.needs_binding": within,
        "kubernetes.nodes": cluster,
        "kubernetes.objects": within,
        "kubernetes.selected": within,
        "kubernetes.rights": within,
        "kubernetes.server": cluster,
        "kubernetes.topology": within,
        "kubernetes.volumes": cluster,
        "packages.installed": [["rpcbind"], ["no-such-package"]],
        "services.pulled": units,
        "services.units": units,
        "usage.taken": devices,
    }
    return [find(name, each) for each in arguments.get(name, [[]])]


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Roots:
    return Roots(tmp_path_factory.mktemp("roots"))


def new(roots: Roots, place: str) -> Root:
    if why := roots.missing(place):
        pytest.skip(why)
    return roots.new(place)


# What was captured, read again from files and programs that say the same.


CAPTURED = sorted(path for name in REBUILD for path in (CAPTURES / name).glob("*.out"))


def telling(path: Path) -> bool:
    """Whether it is the capture in which a probe tells the most, or of an older tool."""
    longest = max(path.parent.glob("*.out"), key=lambda other: other.stat().st_size)
    return path == longest or path.name.startswith("iproute2")


@dataclass(frozen=True)
class Captured:
    """A capture, and what it parses to."""

    probe: Probe[object]
    text: str
    value: object

    @classmethod
    def read(cls, path: Path) -> Captured:
        record = cast("dict[str, Any]", json.loads(path.with_suffix(".json").read_text()))
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        return cls(find(path.parent.name, record.get("args", [])), text, record["value"])

    def rebuild(self, root: Root) -> None:
        REBUILD[self.probe.name.partition("(")[0]](root, self.text)


@pytest.mark.parametrize(
    ("path", "place"),
    [(path, place) for path in CAPTURED for place in PLACES if place == "dash" or telling(path)],
    ids=lambda given: f"{given.parent.name}-{given.stem}" if isinstance(given, Path) else given,
)
def test_what_was_captured_is_read_again(roots: Roots, path: Path, place: str) -> None:
    root, captured = new(roots, place), Captured.read(path)
    captured.rebuild(root)
    assert plain(root.tell(captured.probe)) == captured.value


# What no machine of the captures was like.


@dataclass(frozen=True)
class Case:
    """What a probe must make of a root that `build` has furnished; `part` of it, perhaps."""

    probe: Probe[Any]
    build: Callable[[Root], None]
    value: object
    part: Callable[[Any], object] = lambda value: value


FOLDERS = ("etc", "run", "usr/local/lib", "usr/lib", "lib")


def load_at_boot(root: Root) -> None:
    """Each folder has a file that no other has, and one that hides its namesake in the next."""
    for number, folder in enumerate(FOLDERS):
        at = f"{folder}/modules-load.d"
        root.write(f"{at}/only {number}.conf", f"# {folder}\n; {folder}\n only_{number}\n\n")
        root.write(f"{at}/first-{number}.conf", f"first-{number}")
        if number:
            root.write(f"{at}/first-{number - 1}.conf", f"hidden-{number}\n")
            root.write(f"{at}/masked.conf", "masked\n")
            root.write(f"{at}/emptied.conf", "emptied\n")
    root.link("etc/modules-load.d/masked.conf", "/dev/null")
    root.write("etc/modules-load.d/emptied.conf")
    root.write("etc/modules-load.d/backup.conf~", "backup\n")
    # One whose name ends so was read before it.
    root.write("lib/modules-load.d/0.conf", "another\n")


LOADED = {f"{word}_{number}" for word in ("only", "first") for number in range(5)} | {"another"}

HELPER = "mount.glusterfs"
BROKEN = "glusterfs: error while loading shared libraries: libglusterfs.so.0: cannot open"


def helpers(root: Root, *folders: str, mode: int = 0o755) -> None:
    for folder in folders:
        root.write(f"{folder}/{HELPER}", mode=mode)
    root.program("glusterfs", "echo glusterfs 11.1; echo Repository revision: git://gluster.org")


def half_installed(root: Root) -> None:
    root.write(f"sbin/{HELPER}", mode=0o755)
    root.program("glusterfs", f"echo '{BROKEN}' >&2; exit 127")


def helper(*folders: str, at: str | None, mode: int = 0o755) -> Case:
    """mount.glusterfs in these folders; mount(8) would take the one in `at`."""
    value = MountHelper(at and f"/{at}/{HELPER}", "glusterfs 11.1", "")

    def build(root: Root) -> None:
        helpers(root, *folders, mode=mode)

    return Case(packages.mount_helper, build, value)


# As mm/swapfile.c prints it; a blank in a name is \040.
SWAPS = """\
Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority
/dev/sdb2                               partition\t2097148\t\t0\t\t-2
/swapfile                               file\t\t1048572\t\t512\t\t-3
/dev/dm-1                               partition\t4194300\t\t0\t\t5
/var/my\\040partition                    file\t\t1048572\t\t0\t\t-4
/dev/sdz1\\040(deleted)                  partition\t1048572\t\t0\t\t-5
"""
SWAPPED = {
    Swap("8:18", "/dev/sdb2"),
    Swap("253:1", "/dev/dm-1"),
    Swap("", "/dev/sdz1\\040(deleted)"),
}


def swapping(root: Root) -> None:
    root.write("proc/swaps", SWAPS)
    root.write("swapfile")
    root.device("dev/sdb2", "8:18")
    root.device("dev/dm-1", "253:1")


def process(root: Root, pid: int, *views: str, mounts: str | None, name: str = "sh") -> None:
    """One of which `views`, namespace and root, can be read; without `mounts` it ended then."""
    for file, target in zip(("ns/mnt", "root"), views, strict=True):
        root.link(f"proc/{pid}/{file}", target)
    root.write(f"proc/{pid}/comm", f"{name}\n")
    if mounts is not None:
        root.write(f"proc/{pid}/mountinfo", mounts)


# As proc(5) has it: any number of optional fields, and a hyphen behind them.
DISK = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n"
BLANK = "41 22 8:17 / /mnt/a\\040b rw shared:5 master:1 - xfs /dev/sdc1 rw\n"
BTRFS = "40 22 0:44 /@ /data rw - btrfs /dev/sdb rw,subvol=/@\n"
UNREAL = "23 22 0:21 / /proc rw shared:12 - proc proc rw\n24 22 0:50 / /n rw - nfs4 nas:/dev/a rw\n"
BRICK = "90 22 253:5 / /brick rw - xfs /dev/mapper/vg-brick rw\n"
INSIDE = "92 22 7:3 / /inside rw - ext4 /dev/loop3 rw\n"
MOUNTED = {
    Mount("8:1", "/dev/sda1", "/", "ext4", 1, "systemd"),
    Mount("8:17", "/dev/sdc1", "/mnt/a b", "xfs", 1, "systemd"),
    Mount("0:44", "/dev/sdb", "/data", "btrfs", 1, "systemd"),
    Mount("253:5", "/dev/mapper/vg-brick", "/brick", "xfs", 61, "a) b"),
    Mount("7:3", "/dev/loop3", "/inside", "ext4", 70, "sh"),
}


def mounting(root: Root) -> None:
    process(root, 1, "mnt:[1]", "/", mounts=DISK + UNREAL + BLANK + BTRFS, name="systemd")
    process(root, 2, "mnt:[1]", "/", mounts=DISK)
    # The third of a view is not read: it would say the same.
    process(root, 3, "mnt:[1]", "/", mounts="91 22 7:9 / /unread rw - ext4 /dev/loop9 rw\n")
    # Where the first one has ended meanwhile, the second tells.
    process(root, 60, "mnt:[2]", "/", mounts=None)
    process(root, 61, "mnt:[2]", "/", mounts=DISK + BRICK, name="a) b")
    # In the same namespace, but with another root.
    process(root, 70, "mnt:[2]", "/var/chroot", mounts=INSIDE)
    (root.path / "proc/80").mkdir()


def opening(root: Root) -> None:
    for pid, name, parent in (
        (1, "systemd", 0),
        (7, "a) b (c", 1),
        (8, "worker", 9),
        (9, "udevd", 1),
    ):
        root.write(f"proc/{pid}/comm", f"{name}\n")
        root.write(f"proc/{pid}/stat", f"{pid} ({name}) S {parent} 1 1 0 -1 4194560\n")
    for node, number in {"sdb": "8:16", "of a container": "8:16", "dm-3": "253:3"}.items():
        root.device(f"dev/{node}", number)
    root.link("proc/7/fd/3", "/dev/sdb")
    root.link("proc/7/fd/4", "/dev/null")
    root.link("proc/7/fd/5", "pipe:[1234]")
    root.link("proc/8/fd/12", "/dev/of a container")
    # Ended since find saw it.
    root.link("proc/10/fd/0", "/dev/dm-3")


OPENED = {
    Opener("8:16", 7, "a) b (c", "systemd"),
    Opener("8:16", 8, "worker", "udevd"),
    Opener("253:3", 10, "", ""),
}

# As systemd-fstab-generator(8) binds a disk and its mount to each other, whose names are escaped.
MOUNT, DEVICE = r"srv-my\x2ddata.mount", r"dev-disk-by\x2duuid-0a\x2d1b.device"
CIRCLE = f"""\
Id=rpcbind.socket
RequiredBy={MOUNT}
WantedBy=sockets.target
BoundBy=
ActiveState=active

Id={MOUNT}
RequiredBy=
WantedBy={DEVICE}
BoundBy=
ActiveState=active

Id={DEVICE}
RequiredBy=
WantedBy=
BoundBy={MOUNT}
ActiveState=active

Id=sockets.target
RequiredBy=
WantedBy=basic.target
BoundBy=
ActiveState=active
"""
CIRCLED = {
    "rpcbind.socket": Pull(active=True, by=frozenset({MOUNT, "sockets.target"})),
    MOUNT: Pull(active=True, by=frozenset({DEVICE})),
    DEVICE: Pull(active=True, by=frozenset({MOUNT})),
    "sockets.target": Pull(active=True),
}

# firewalld with one zone; what is bound to others, its own files do not say.
FIREWALLD = "\n@@ conf\nDefaultZone=public\n\n@@ zone public\n<zone/>\n\n@@ end\n"
NMCLI = """\
case $* in
"-t -f DEVICE,UUID connection show --active") printf '%s\\n' eth0:uu-0 eth1:uu-1 tun0:uu-2 ;;
"-t -f connection.zone connection show uu-1") echo connection.zone:internal ;;
"-t -f connection.zone connection show uu-"*) echo connection.zone: ;;
*) exit 2 ;;
esac"""


def by_network_manager(root: Root) -> None:
    by_files(root)
    root.program("nmcli", NMCLI)


def by_files(root: Root) -> None:
    """NetworkManager runs, but cannot be asked."""
    firewalld_permanent(root, FIREWALLD)
    root.program("systemctl", 'test "$*" = "-q is-active NetworkManager"')
    for name, text in {
        "network-scripts/ifcfg-eth0": 'TYPE="Ethernet"\nDEVICE="eth0"\nZONE="work"\n',
        "network-scripts/ifcfg-System_eth1": "DEVICE='eth1'\nZONE=home\n",
        "network-scripts/ifcfg-eth2": "ZONE=dmz\n",
        "network-scripts/ifcfg-lo": "DEVICE=lo\n",
        "network/ifcfg-eth3": "ZONE=trusted\n",
    }.items():
        root.write(f"etc/sysconfig/{name}", text)


def bound(found: firewalld.Firewalld) -> object:
    """Zone and interface of each binding that comes back at the next boot."""
    return {(zone, *interface.interfaces) for zone, interface in found.later.interfaces}


CASES = {
    "kernel.persisted": Case(kernel.persisted, load_at_boot, LOADED),
    "packages.mount_helper in none": helper("usr/sbin", "bin", at=None),
    "packages.mount_helper in /sbin": helper("sbin", "sbin/fs.d", "sbin/fs", at="sbin"),
    "packages.mount_helper in /sbin/fs.d": helper("sbin/fs.d", "sbin/fs", at="sbin/fs.d"),
    "packages.mount_helper in /sbin/fs": helper("sbin/fs", at="sbin/fs"),
    "packages.mount_helper, no program": helper("sbin", at=None, mode=0o644),
    "packages.mount_helper, broken": Case(
        packages.mount_helper, half_installed, MountHelper(f"/sbin/{HELPER}", None, BROKEN)
    ),
    "usage.swaps": Case(usage.swaps, swapping, SWAPPED),
    "usage.swaps without swap": Case(usage.swaps, lambda _: None, set()),
    "usage.mounts": Case(usage.mounts, mounting, MOUNTED),
    "usage.opens": Case(usage.opens, opening, OPENED),
    "services.pulled in a circle": Case(
        services.pulled("rpcbind.socket"), lambda root: services_pulled(root, CIRCLE), CIRCLED
    ),
    "firewalld.permanent by NetworkManager": Case(
        firewalld.permanent, by_network_manager, {("internal", "eth1")}, bound
    ),
    "firewalld.permanent by ifcfg": Case(
        firewalld.permanent,
        by_files,
        {("work", "eth0"), ("home", "eth1"), ("dmz", "eth2"), ("trusted", "eth3")},
        bound,
    ),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", CASES)
def test_what_no_captured_machine_was_like(roots: Roots, name: str, place: str) -> None:
    root, case = new(roots, place), CASES[name]
    case.build(root)
    assert case.part(root.tell(case.probe)) == case.value


def test_busyboxs_modprobe_is_not_asked(roots: Roots) -> None:
    root = new(roots, ALONE)
    with pytest.raises(Unknown, match="modprobe cannot look without loading"):
        root.tell(kernel.loadable("dm_mirror"))


# Tools that are missing, and those that there are several of.


def asked() -> Iterator[tuple[str, Probe[Any], Callable[[Root], None]]]:
    """What no captured machine was like, and of what was captured the most that a probe told."""
    for name, case in CASES.items():
        yield name, case.probe, case.build
    for path in filter(telling, CAPTURED):
        captured = Captured.read(path)
        yield f"{path.parent.name}-{path.stem}", captured.probe, captured.rebuild


ASKED = {name: (probe, build) for name, probe, build in asked()}


def uses(probe: Probe[object], tool: str) -> bool:
    return re.search(rf"(?<![\w./-]){tool}(?![\w.-])", probe.command) is not None


LACKING = [
    (name, tool) for name, (probe, _) in ASKED.items() for tool in TOOLS if uses(probe, tool)
]


@pytest.mark.parametrize(("name", "tool"), LACKING)
def test_without_a_tool_nothing_wrong_is_told(roots: Roots, name: str, tool: str) -> None:
    probe, build = ASKED[name]
    whole, root = new(roots, "dash"), new(roots, "dash")
    for each in (whole, root):
        build(each)
    root.lack(tool)
    answer = root.ask(probe)
    assert isinstance(answer, Unknown) or answer == whole.ask(probe)


WITH_AWK = [name for name, (probe, _) in ASKED.items() if uses(probe, "awk")]


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize("name", WITH_AWK)
def test_every_awk_runs_a_command_alike(roots: Roots, name: str, awk: str) -> None:
    probe, build = ASKED[name]
    if shutil.which(awk) is None:
        pytest.skip(f"no {awk} here")
    whole, root = new(roots, "dash"), new(roots, "dash")
    for each in (whole, root):
        build(each)
    root.install(awk)
    root.link("usr/bin/awk", awk)
    assert root.tell(probe) == whole.tell(probe)


def test_every_awk_program_is_among_them() -> None:
    tried = {ASKED[name][0].name.partition("(")[0] for name in WITH_AWK}
    assert tried == {name for name in NAMES if uses(made(name, ODD)[0], "awk")}


# This machine, as `collect` would ask it.


# Sockets of every kind, held by pid 1 under an odd name, which listens until its input ends.
LISTEN = """
import socket, sys
inet, inet6, datagram = socket.AF_INET, socket.AF_INET6, socket.SOCK_DGRAM
held = [socket.create_server(("0.0.0.0", 111)), socket.create_server(("::1", 24007), family=inet6)]
for family, address in ((inet, "10.99.0.1"), (inet6, "::")):
    held.append(socket.socket(family, datagram))
    if family == inet6:
        held[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    held[-1].bind((address, 111))
held.append(socket.socket(inet, datagram))
held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"storage0")
held[-1].bind(("0.0.0.0", 68))
open("/proc/self/comm", "w").write("a) b\\nc")
print("up", flush=True)
sys.stdin.read()
"""
NAMED = "a) b\nc"

# $1, $2: disks, $3: a folder, $4: Python, $5: what it runs.
SET_UP = """\
set -e
ip link set lo up
ip link add storage0 type veth peer name storage1
ip address add 10.99.0.1/24 dev storage0
ip address add 10.98.0.1 peer 10.98.0.2/32 dev storage0
ip address add fd99::1/64 dev storage0 nodad
ip link set storage0 up
nft add table inet ours
nft add chain inet ours input '{ type filter hook input priority 0; policy drop; }'
nft add rule inet ours input tcp dport '{ 22, 24007-24008 }' accept
iptables -A INPUT -p tcp -m multiport --dports 22,111 -j ACCEPT
mkdir "$3/a b" "$3/inside"
mount -o ro "$1" "$3/a b"
exec 3<"$2"
mkfifo "$3/told"
export disk="$1" inside="$3/inside"
unshare --mount sh -c 'mount -o ro "$disk" "$inside"; echo $? >&4; exec sleep 600 4>&-' \\
  </dev/null >/dev/null 4>"$3/told" &
read -r status <"$3/told"
test "$status" = 0
exec "$4" -c "$5"
"""

APPLETS = "busybox and its applets"
"""A machine on which what busybox can be called as goes before all other tools."""

# How a shell says that a tool is not there.
NOT_FOUND = re.compile(r"(?:ba)?sh: (?:line )?(?:\d+: )?(\S+): (?:command )?not found")
# What else this machine does with its block devices may come between two questions.
TRIES = 5


@dataclass(frozen=True)
class Machine:
    """This one, in namespaces of a process's own: no other sockets, rules and processes.

    `disk` has a filesystem beneath a partition table, and pid 1 and a child of it hold it open;
    `above` is a loop device that shows it. `mounted` is mounted twice below `folder`.
    """

    pid: int
    folder: Path
    disk: str
    above: str
    mounted: str

    def probes(self, name: str) -> list[Probe[object]]:
        """The probe of that name; a factory's, of both disks."""
        return made(name, self.disk, self.mounted)

    def ask(self, shell: str, probes: Sequence[Probe[object]]) -> Mapping[str, object]:
        """By one of SHELLS or APPLETS: by name, the values, or why there are none."""
        tools = self.folder / shell
        if not tools.exists():
            tools.mkdir()
            put_shell(tools, shell if shell in SHELLS else "busybox")
            for name in applets() if shell == APPLETS else ():
                (tools / name).symlink_to("/bin/busybox")
        spaces = {"mount": "mnt", "net": "net", "pid": "pid_for_children"}
        enter = [f"--{name}=/proc/{self.pid}/ns/{file}" for name, file in spaces.items()]
        first = world("mount -t tmpfs none /usr/local/sbin", f"cp -a '{tools}'/. /usr/local/sbin")
        done = subprocess.run(
            ["nsenter", *enter, *first, "/usr/local/sbin/sh", "-s"],
            input=script(probes, MARK, LIMITS).encode(),
            capture_output=True,
            timeout=LIMITS.node,
            check=False,
        )
        output = Output(done.returncode, done.stdout, done.stderr)
        return read_reply(probes, MARK, output, LIMITS)


@contextmanager
def loop(*of: str) -> Iterator[str]:
    """A loop device that shows a file or another device, read-only."""
    words = ["losetup", "--read-only", "--find", "--show", *of]
    device = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def disk_image(path: Path, *options: str) -> str:
    """A filesystem, perhaps not at the beginning."""
    with path.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", *options, path, "8M"], check=True)
    return str(path)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    lacking = [name for name in ("losetup", "mkfs.ext4", "nsenter") if shutil.which(name) is None]
    why = netns.missing() or (f"not installed: {' '.join(lacking)}" if lacking else None)
    why = why or (None if Path("/dev/loop-control").exists() else "no loop devices here")
    if why:
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("machine")
    image = disk_image(folder / "hidden", f"-Eoffset={1 << 20}")
    with Path(image).open("r+b") as file:
        file.seek(510)
        file.write(b"\x55\xaa")
    with ExitStack() as stack:
        disk = stack.enter_context(loop(image))
        above = stack.enter_context(loop(disk))
        mounted = stack.enter_context(loop(disk_image(folder / "plain")))
        words = ["unshare", "--mount", "--pid", "--net", "--fork", "--mount-proc"]
        words += ["sh", "-c", SET_UP, "sh", mounted, disk, str(folder), sys.executable, LISTEN]
        pipe = subprocess.PIPE
        process = stack.enter_context(subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True))
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        yield Machine(process.pid, folder, disk, above, mounted)


@pytest.fixture(scope="module")
def told(machine: Machine) -> Callable[[str], dict[str, object]]:
    """By one of the shells, everything that there is to ask, asked at once."""
    known: dict[str, dict[str, object]] = {}

    def tell(shell: str) -> dict[str, object]:
        if shutil.which(SHELLS.get(shell, "busybox")) is None:
            pytest.skip(f"no {SHELLS.get(shell, 'busybox')} here")
        if shell not in known:
            everything = [probe for name in NAMES for probe in machine.probes(name)]
            known[shell] = dict(machine.ask(shell, everything))
        return known[shell]

    return tell


def alike(value: object) -> object:
    """The value, or the words of an Unknown, whatever shell speaks them."""
    return NOT_FOUND.sub(r"\1: not found", str(value)) if isinstance(value, Unknown) else value


Told = Callable[[str], dict[str, object]]


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shell != "dash"])
@pytest.mark.parametrize("name", NAMES)
def test_every_shell_tells_the_same(machine: Machine, told: Told, name: str, shell: str) -> None:
    for probe in machine.probes(name):
        one, other = told("dash")[probe.name], told(shell)[probe.name]
        for _ in range(TRIES):
            if alike(one) == alike(other):
                break
            one, other = (machine.ask(each, [probe])[probe.name] for each in ("dash", shell))
        assert alike(one) == alike(other)


# Where busybox's applet is another tool: it loads what it should look for, or looks elsewhere.
BEYOND = {"disk.content": "blkid did not look at offset 32256", "kernel.loadable": "modprobe"}


@pytest.mark.parametrize("name", NAMES)
def test_busyboxs_applets_tell_nothing_wrong(machine: Machine, told: Told, name: str) -> None:
    for probe in machine.probes(name):
        value, reference = told(APPLETS)[probe.name], told("dash")[probe.name]
        if isinstance(value, Unknown):
            assert isinstance(reference, Unknown) or BEYOND.get(name, "nothing") in str(value)
            continue
        for _ in range(TRIES):
            if value == reference:
                break
            value, reference = (machine.ask(s, [probe])[probe.name] for s in (APPLETS, "dash"))
        assert value == reference
        assert name not in BEYOND


def test_what_is_told_is_true(machine: Machine, told: Told) -> None:
    facts = Facts(Node("here", "192.0.2.1", "192.0.2.1"), told("dash"))
    devices = {device.path: device for device in facts[block.devices]}
    disk, mounted = devices[machine.disk], devices[machine.mounted]
    assert (devices[machine.above].backing, disk.writable) == (disk.number, False)
    assert facts[block.target(machine.disk)].number == disk.number
    inner = facts[content(machine.disk)].inner
    assert [(mark.offset, mark.type) for mark in inner] == [(1 << 20, "ext4")]
    assert [mark.type for mark in facts[signatures(machine.disk)]] == ["dos"]
    taken = [facts[usage.taken(path)] for path in (machine.mounted, machine.disk)]
    assert taken == [True, False]
    mounts = [mount for mount in facts[usage.mounts] if mount.number == mounted.number]
    points = {str(machine.folder / "a b"): True, str(machine.folder / "inside"): False}
    assert {mount.point: mount.pid == 1 for mount in mounts} == points
    opens = [opener for opener in facts[usage.opens] if opener.number == disk.number]
    first, _ = NAMED.split("\n")
    assert {(opener.name, opener.parent) for opener in opens} == {(first, ""), ("sleep", first)}


def test_what_is_told_of_the_network_is_true(told: Told) -> None:
    facts = Facts(Node("here", "192.0.2.1", "192.0.2.1"), told("dash"))
    listeners = facts[ports.listening]
    assert {(each.protocol, each.address, each.port) for each in listeners} == {
        ("tcp", "0.0.0.0", 111),
        ("tcp", "::1", 24007),
        ("udp", "10.99.0.1", 111),
        ("udp", "::", 111),
        ("udp", "0.0.0.0", 68),
    }
    assert {(owner.pid, owner.name) for each in listeners for owner in each.owners} == {(1, NAMED)}
    assert facts[network.addresses] >= {
        Address("storage0", "10.99.0.1", 24),
        Address("storage0", "10.98.0.1", 32),
        Address("storage0", "fd99::1", 64),
    }
    tables = facts[firewall.tables("iptables")]
    assert {table.name for table in tables} > {"table inet ours"}


# What the commands look like.


# Words are split on purpose (SC2046, SC2086), with `echo` also to make one line of them (SC2116);
# a loop over what needs() was given may run once (SC2043).
ON_PURPOSE = "SC2043,SC2046,SC2086,SC2116"


@pytest.mark.parametrize("name", NAMES)
def test_shellcheck_finds_nothing(name: str) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("no shellcheck here")
    words = ["shellcheck", "--shell=sh", f"--exclude={ON_PURPOSE}", "-"]
    for probe in made(name, ODD):
        done = subprocess.run(
            words, input=probe.command, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, "")
