"""Sockets that listen, and the processes that hold them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import SOCK_STREAM
from typing import TYPE_CHECKING

from preflight.errors import Unknown
from preflight.model import Probe

if TYPE_CHECKING:
    from psutil._ntuples import pconn, sconn


_POD = re.compile(r"kubepods.*?/(?:[^/]*-)?pod([0-9a-f][0-9a-f_-]{31,35})(?:\.slice)?(?:/|$)")
_SERVICE = re.compile(r"^/(?:[^/]+\.slice/)*([^/]+\.service)(?:/|$)")


@dataclass(frozen=True)
class Process:
    """A process that holds a socket.

    `name` is /proc/PID/comm, at most 15 bytes of anything. `cgroups` are the paths it lies in:
    one under cgroup v2, one a hierarchy under v1; empty when it ended while it was looked at.
    """

    pid: int
    name: str
    cgroups: frozenset[str]

    @property
    def pod(self) -> str | None:
        """UID of the Kubernetes pod that the process belongs to; None outside pods.

        The kubelet puts a pod into `/kubepods/QOS/podUID` or, with the systemd driver, into
        `/kubepods.slice/kubepods-QOS.slice/kubepods-QOS-podUID.slice` with `_` for `-`
        (kubernetes pkg/kubelet/cm), below its own --cgroup-root.
        """
        found = next(filter(None, map(_POD.search, sorted(self.cgroups))), None)
        return found and found[1].replace("_", "-")

    @property
    def unit(self) -> str | None:
        """The host's systemd service that the process belongs to; None where there is none."""
        found = next(filter(None, map(_SERVICE.search, sorted(self.cgroups))), None)
        return found and found[1]


@dataclass(frozen=True)
class Listener:
    """A TCP socket that listens, or a UDP socket without a peer, in the node's network namespace.

    `address` is what it is bound to: `0.0.0.0` and `::` are any address, the latter perhaps of
    IPv4 as well. `owners` is empty where no visible process holds it: a socket of the kernel
    (NFS, its lock manager), or of a process in another PID namespace.
    """

    protocol: str
    address: str
    port: int
    owners: frozenset[Process]


def listening_on(listeners: Iterable[Listener], port: int) -> tuple[Listener, ...]:
    """Those of `listeners` that hold `port`, in the order of protocol and address."""
    held = (listener for listener in listeners if listener.port == port)
    return tuple(sorted(held, key=lambda listener: (listener.protocol, listener.address)))


def parse_listening(text: str) -> frozenset[Listener]:
    """`grep -H ''` of the owners' /proc files, then two tables of ss: of IPv4 and of IPv6.

    Raises Unknown for a line that it does not understand: half a table would look like free ports.
    """
    owners, *tables = _HEADER.split(text)
    if len(tables) != len(_ANY):
        raise Unknown(f"ss answered with {len(tables)} tables instead of {len(_ANY)}")
    processes = _processes(owners)
    held: dict[tuple[str, str, int], set[Process]] = {}
    for table, wildcard in zip(tables, _ANY, strict=True):
        for line in _LINE.split(table)[1:]:
            protocol, address, port, users = _socket(line)
            bound = wildcard if address == "*" else address
            held.setdefault((protocol, bound, port), set()).update(_owners(users, processes))
    return _listeners(held)


# What ss calls any address differs (`*`, `0.0.0.0`, `::`, `[::]`), and in some versions `*` is
# either family's; asked for one family at a time it is not in doubt.
_ANY = ("0.0.0.0", "::")  # noqa: S104 - read, not bound
_HEADER = re.compile(
    r"^Netid +State +Recv-Q +Send-Q +Local Address:Port +Peer Address:Port.*\n?", re.MULTILINE
)
# A line that begins otherwise continues a process name with a line break in it.
_LINE = re.compile(r"^(?=tcp |udp )", re.MULTILINE)
_SOCKET = re.compile(
    r"(tcp|udp) +([A-Z0-9-]+) +\d+ +\d+"  # protocol, state, two queues
    r" +\[?([^\s\]%]+)\]?(?:%\S+)?:(\d+) +\S+:\*"  # address%interface:port, peer
    r"(?: +users:\((.+)\))?\s*",
    re.DOTALL,
)
# Only UDP is ever in this state among what `ss -l` lists. Before 3.14, iproute2 (CentOS 7.0) calls
# it tcp all the same.
_UNCONNECTED = "UNCONN"
# A name is any 15 bytes. Before 3.14, iproute2 wrote ("name",1,29) for ("name",pid=1,fd=29).
_USER = re.compile(r',?\("(.{0,15}?)",(?:pid=)?(\d+),(?:fd=)?\d+\)(?=,\("|$)', re.DOTALL)
_PROC = re.compile(r"/proc/(\d+)/(comm|cgroup):(.*)", re.DOTALL)


def _socket(line: str) -> tuple[str, str, int, str]:
    """Protocol, address, port and users of one line of ss."""
    if not (found := _SOCKET.fullmatch(line)):
        raise Unknown(f"ss answered with a line that is not understood: {line.rstrip()!r}")
    protocol = "udp" if found[2] == _UNCONNECTED else found[1]
    return protocol, found[3], int(found[4]), found[5] or ""


def _owners(users: str, processes: Mapping[int, Process]) -> Iterator[Process]:
    """Read processes from `("name",pid=1,fd=29),...`; one that is gone by now has its name only."""
    end = 0
    while end < len(users):
        if not (found := _USER.match(users, end)):
            raise Unknown(f"ss answered with users that are not understood: {users!r}")
        pid, end = int(found[2]), found.end()
        yield processes.get(pid) or Process(pid, found[1], frozenset())


def _processes(text: str) -> dict[int, Process]:
    """Read processes from lines `/proc/PID/comm:NAME` and `/proc/PID/cgroup:ID:LIST:PATH`."""
    names: dict[int, list[str]] = {}
    cgroups: dict[int, set[str]] = {}
    for line in text.split("\n")[:-1]:
        if not (found := _PROC.fullmatch(line)):
            raise Unknown(f"grep answered with a line that is not understood: {line!r}")
        pid, file, value = int(found[1]), found[2], found[3]
        if file == "comm":
            names.setdefault(pid, []).append(value)
        else:
            cgroups.setdefault(pid, set()).add(_path(value))
    return {
        pid: Process(pid, "\n".join(lines), frozenset(cgroups.get(pid, ())))
        for pid, lines in names.items()
    }


def _path(line: str) -> str:
    """Path of one line of /proc/PID/cgroup (cgroups(7)); raises ValueError for another text."""
    _, _, path = line.split(":", 2)
    return path


def _listeners(held: Mapping[tuple[str, str, int], Iterable[Process]]) -> frozenset[Listener]:
    """Several sockets on one port (SO_REUSEPORT) are one listener."""
    return frozenset(Listener(*where, frozenset(owners)) for where, owners in held.items())


def ask_listening() -> frozenset[Listener] | None:
    """In-process twin of `listening`; None without psutil, or where owners cannot be seen."""
    try:
        import psutil
    except ImportError:
        return None
    if os.geteuid() != 0:
        return None
    held: dict[tuple[str, str, int], set[Process]] = {
        where: set() for where in _bound(psutil.net_connections("inet"))
    }
    # Of a socket's owners psutil names only one; each process is asked for its own instead.
    for pid in psutil.pids():
        with suppress(psutil.Error, FileNotFoundError, ProcessLookupError):  # gone, or hidden
            for where in _bound(psutil.Process(pid).net_connections("inet")):
                held.setdefault(where, set()).add(_process(pid))
    return _listeners(held)


def _bound(sockets: Iterable[pconn | sconn]) -> Iterator[tuple[str, str, int]]:
    """Protocol, address and port of what `ss -l` lists: TCP that listens, UDP without a peer."""
    for socket in sockets:
        stream = socket.type == SOCK_STREAM
        listens = socket.status == "LISTEN" if stream else not socket.raddr
        if socket.laddr and listens:
            yield "tcp" if stream else "udp", socket.laddr.ip, socket.laddr.port


def _process(pid: int) -> Process:
    """Read what the shell command reads: psutil lengthens a name that is cut at 15 bytes."""
    folder = Path(f"/proc/{pid}")
    name = _read(folder / "comm").removesuffix("\n")
    return Process(pid, name, frozenset(map(_path, _read(folder / "cgroup").splitlines())))


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


listening = Probe(
    "ports.listening",
    """\
v4=$(ss -4 -lntup) && v6=$(ss -6 -lntup) || exit
set --
pids=$(printf '%s\\n' "$v4" "$v6" |
  grep -Eo '",(pid=)?[0-9]+,' | grep -Eo '[0-9]+' | sort -u) || exit
for pid in $pids; do set -- "$@" "/proc/$pid/comm" "/proc/$pid/cgroup"; done
grep -H '' /dev/null "$@" 2>/dev/null
test $? -le 2 || exit  # 1: no owner at all; 2: one has ended since
printf '%s\\n' "$v4" "$v6"
""",
    parse_listening,
    ask_listening,
)
