"""The nouns: frozen values without I/O, read by every other module.

Data only moves right: inventory -> collect -> judge -> report. Everything that travels on that
line is defined here, so that each stage is a function from one of these values to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate
from pathlib import Path
from typing import Generic, TypeVar, Union, cast

from preflight.errors import Unknown

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Status(Enum):
    """What one finding says. ERROR means "could not find out" and never counts as a pass."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"
    ERROR = "error"


class Verdict(Enum):
    """What all findings of a run come to; the exit code follows from it."""

    READY = "ready"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


class Risk(Enum):
    """What a fix may cost: nothing, an interruption of service, or data."""

    SAFE = "safe"
    DISRUPTIVE = "disruptive"
    DESTRUCTIVE = "destructive"


class Role(Enum):
    """What a node is for: `storage` carries bricks, `client` only mounts volumes.

    `controller` is where gk-deploy runs, which no inventory lists: the machine gkprep runs on.
    """

    STORAGE = "storage"
    CLIENT = "client"
    CONTROLLER = "controller"


class Rpcbind(Enum):
    """Who is to hold port 111: the Gluster pod's own rpcbind (N11) or the host's (N12)."""

    POD = "pod"
    HOST = "host"


@dataclass(frozen=True)
class PortRange:
    """Ports `first` to `last`, both included; heketi's bricks listen somewhere in it (N40)."""

    first: int
    last: int

    def __str__(self) -> str:
        """`24007` or `49152-49251`, as firewalls spell it."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True)
class Policy:
    """What the inventory's author decided for the whole cluster."""

    single_node: bool = False
    gluster_block: bool = True
    rpcbind: Rpcbind = Rpcbind.POD
    brick_ports: PortRange = PortRange(49152, 49251)


@dataclass(frozen=True)
class SshOptions:
    """How to log in; whatever is None is left to `~/.ssh/config` and OpenSSH's defaults."""

    user: str | None = None
    port: int | None = None
    identity_file: Path | None = None
    proxy_jump: str | None = None


@dataclass(frozen=True)
class Device:
    """A disk that heketi is to get. `serial` or `wwn` pins it; `wipe` is a consent token.

    `tags` are heketi's own, (name, value) pairs that only a heketi topology brings.
    """

    path: str
    serial: str | None = None
    wwn: str | None = None
    wipe: str | None = None
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Node:
    """One machine of the inventory.

    `address` is where SSH connects, `storage` the IP address that Gluster uses (None only for a
    client whose address is a name). `policy` is the inventory's own, the same object on every
    node: a check sees a node, never the inventory. `tags` are as a Device's. `peers` are the IP
    addresses from which the inventory's other nodes come to `storage`, as far as it tells. `site`
    is what the controller knows, None on every other node.
    """

    name: str
    address: str
    storage: str | None
    zone: int = 1
    role: Role = Role.STORAGE
    ssh: SshOptions = SshOptions()
    become: bool | None = None
    devices: tuple[Device, ...] = ()
    policy: Policy = Policy()
    tags: tuple[tuple[str, str], ...] = ()
    peers: tuple[str, ...] = ()
    site: Site | None = None


@dataclass(frozen=True)
class Deployer:
    """Where gk-deploy and the cluster are; None means the deployer's own default.

    `tolerate` are the tolerations that the DaemonSet gets, as `key[=value]:effect` (N23); `images`
    are (image without its tag, what to pin it to) pairs (C13).
    """

    gk_deploy: Path | None = None
    repository: str | None = None
    namespace: str = "glusterfs"
    kubectl: str = "kubectl"
    kubeconfig: Path | None = None
    context: str | None = None
    tolerate: tuple[str, ...] = ()
    images: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Site:
    """What the controller's checks compare the cluster with: the nodes, and how it is reached.

    `kubeconfig` is the user's $KUBECONFIG, absolute; empty where it names nothing.
    """

    nodes: tuple[Node, ...]
    deployer: Deployer
    kubeconfig: str = ""

    @property
    def storage(self) -> tuple[Node, ...]:
        """The nodes that carry bricks."""
        return tuple(node for node in self.nodes if node.role is Role.STORAGE)


@dataclass(frozen=True)
class Inventory:
    """The cluster as its owner describes it, in the order of the file.

    `file` and `block` say which volumes heketi may place on the cluster; None, which is all that
    an inventory can say, leaves it to heketi: both.
    """

    nodes: tuple[Node, ...]
    policy: Policy = Policy()
    deployer: Deployer = Deployer()
    file: bool | None = None
    block: bool | None = None


@dataclass(frozen=True)
class Limits:
    """How long to wait, in seconds: to be let in, for one probe, for a whole node."""

    connect: float = 10.0
    probe: float = 20.0
    node: float = 60.0

    @classmethod
    def within(cls, node: float) -> Limits:
        """The usual limits, none above `node`: the most that one node may take."""
        usual = cls()
        return cls(min(usual.connect, node), min(usual.probe, node), node)


@dataclass(frozen=True)
class Output:
    """What a script on a node gave back, byte for byte.

    `rc` is its exit status, None when it never came; then `lost` says why (a dropped
    connection, a limit that ran out), and `out` and `err` hold what had arrived until then.
    """

    rc: int | None
    out: bytes
    err: bytes
    lost: str | None = None


@dataclass(frozen=True)
class Probe(Generic[T_co]):
    """One question to a node: a POSIX shell command and a pure parser of its standard output.

    `rcs` are the exit statuses that count as an answer; any other makes the fact unknown. The
    text is decoded as UTF-8 with `surrogateescape`, so no byte is lost. `local` answers the same
    question in-process on the machine gkprep runs on, or returns None to have the command run.
    `by` is what the node has to ask in its turn, as a person calls it: where that answers nothing
    at all, it is said once why.
    """

    name: str
    command: str
    parse: Callable[[str], T_co] = field(compare=False)
    local: Callable[[], T_co | None] | None = field(default=None, compare=False)
    rcs: frozenset[int] = frozenset({0})
    by: str = ""


@dataclass(frozen=True)
class Facts:
    """What is known of one node: a typed map from probe to value.

    `values` holds, under each probe's name, the parsed value or the `Unknown` that says why
    there is none. `lost` is why the node could not be read whole, None when it could, and `cure`
    the command that ends it, if there is one; `elapsed` is in seconds.
    """

    node: Node
    values: Mapping[str, object | Unknown]
    lost: str | None = None
    elapsed: float = 0.0
    cure: str = ""

    @property
    def silent(self) -> bool:
        """Whether the node gave no answer at all."""
        return bool(self.lost and not self.values)

    def __getitem__(self, probe: Probe[T]) -> T:
        """Return the probe's value; raise `Unknown` where it could not be found out."""
        value = self.values.get(probe.name)
        if isinstance(value, Unknown):
            raise value
        if probe.name not in self.values:
            raise Unknown(
                self.lost
                or f"{probe.name} was not asked: no check or fix declares that it needs it"
            )
        return cast("T", value)


@dataclass(frozen=True)
class Finding:
    """What one check saw on one subject of one node.

    `saw` is shown on a pass too. `says` is the very error a user would meet otherwise, `cure`
    what puts it right by hand, `token` names the disk's present content for a consent to wipe.
    Checks leave `check`, `node` and `about` empty: `judge` stamps them. A finding about the whole
    fleet has no node. `about` is the node of the cluster that the controller found this of, listed
    in the inventory or not; None where it is about `node` itself, or about the cluster.
    """

    subject: str
    status: Status
    saw: str
    want: str = ""
    says: str = ""
    cure: str = ""
    token: str | None = None
    check: str = ""
    node: str | None = None
    about: str | None = None


Test = Callable[[Facts], Iterable[Finding]]
FleetTest = Callable[[Mapping[str, Facts]], Iterable[Finding]]


@dataclass(frozen=True)
class Check:
    """One requirement of a node.

    `doc` is the page `gkprep explain` shows. `needs` names the probes to send to a node.
    `parts` splits the judgement into (subject, test) pairs that cannot spoil one another: what
    cannot be found out about one disk says nothing of the next. `about_nodes`: the subjects of its
    findings are nodes of the cluster, and not what is on the node that was asked.
    """

    id: str
    doc: str
    roles: frozenset[Role]
    needs: Callable[[Node], Iterable[Probe[object]]]
    parts: Callable[[Node], Iterable[tuple[str, Test]]]
    about_nodes: bool = False


@dataclass(frozen=True)
class FleetCheck:
    """One requirement of the cluster as a whole; judged only when no node was left out."""

    id: str
    doc: str
    needs: Callable[[Node], Iterable[Probe[object]]]
    test: FleetTest


@dataclass(frozen=True)
class Step:
    """One command on a node, as root and without a shell, and the step that takes it back.

    `stdin` is fed to it. `shown` is what a person reads where the command is a script. `undo` is
    None where there is nothing to take back; one that is `fed_output` gets as its standard input
    what the step printed when it was done.
    """

    argv: tuple[str, ...]
    stdin: bytes = b""
    shown: str = ""
    undo: Step | None = None
    fed_output: bool = False


@dataclass(frozen=True)
class Extent:
    """`size` bytes of a disk from `offset` on."""

    offset: int
    size: int

    def __str__(self) -> str:
        """`8 bytes at 512`."""
        return f"{self.size} bytes at {self.offset}"


@dataclass(frozen=True)
class Guard:
    """What is read again on a node right before a step, and judged anew.

    `drift` says what is not as it was when the step was planned, None where all is. It may raise
    Unknown, which is a drift too.
    """

    probes: tuple[Probe[object], ...]
    drift: Callable[[Facts], str | None] = field(compare=False)


TIMED_OUT = frozenset({124, 137})
"""What `timeout -s KILL` ends with: its own status, or 128 + SIGKILL of the shell that tells."""

# sysexits.h: EX_IOERR and EX_TEMPFAIL.
NOT_SAVED, DRIFTED = 74, 75
"""Exit statuses of an Overwrite that has not written a byte: nothing saved, or not as it was."""


@dataclass(frozen=True)
class Overwrite:
    """New bytes over `extents` of one disk, under the disk's lock and behind a guard.

    `data` is for all extents together, in order: zeros erase. What is there is saved first, on the
    node and on the controller, and taking the step back is to write that. `expected` is what
    must be there, extent by extent, or `data` already; None where the guard knows. `around` is the
    hash that the first 4 MiB and the last MiB must have, empty where that is not known. `identity`
    names the disk, whatever its letter, in (name, value) pairs; `pin` is the token of what was seen
    on it, empty where something is written back.
    """

    path: str
    identity: tuple[tuple[str, str], ...]
    extents: tuple[Extent, ...]
    data: bytes
    guard: Guard = field(compare=False)
    expected: bytes | None = None
    around: str = ""
    pin: str = ""

    def parts(self, data: bytes) -> list[bytes]:
        """`data`, which is for all extents, cut into theirs; ValueError where it is not so long."""
        if len(data) != sum(each.size for each in self.extents):
            raise ValueError(f"{len(data)} bytes for {', '.join(map(str, self.extents))}")
        ends = list(accumulate(each.size for each in self.extents))
        return [data[end - each.size : end] for each, end in zip(self.extents, ends, strict=True)]

    @property
    def argv(self) -> tuple[str, ...]:
        """What reports call it; no such program is run."""
        verb = "restore" if any(self.data) else "erase"
        return (verb, self.path, *(f"{each.offset}+{each.size}" for each in self.extents))

    @property
    def shown(self) -> str:
        """The same for a person."""
        what = ", ".join(map(str, self.extents))
        if any(self.data):
            return f"write back {what} of {self.path}"
        return f"erase {what} of {self.path}, saved first"


Act = Union[Step, Overwrite]


@dataclass(frozen=True)
class Fix:
    """How what a check found is put right: from a finding and the facts to steps.

    `steps` raises `Unfixable` for what a person has to decide. `needs` names the probes to send to
    a node besides those of the check.
    """

    check: Check
    risk: Risk
    doc: str
    steps: Callable[[Finding, Facts], Iterable[Act]]
    needs: Callable[[Node], Iterable[Probe[object]]] = lambda _: ()


@dataclass(frozen=True)
class Action:
    """One finding that is to be put right, and how; or `undoes`, the number of a step of a run."""

    finding: Finding
    risk: Risk
    steps: tuple[Act, ...]
    undoes: int | None = None


@dataclass(frozen=True)
class Left:
    """One finding that gkprep leaves to a person, and why."""

    finding: Finding
    why: str


@dataclass(frozen=True)
class Plan:
    """What is to be done, node by node and in this order, and what is not.

    `withheld` waits for a consent that was not given: the token of its finding. `spent` are tokens
    that were given and name nothing that is there now.
    """

    actions: tuple[Action, ...] = ()
    left: tuple[Left, ...] = ()
    withheld: tuple[Action, ...] = ()
    spent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    """One step that a node was told to take.

    `rc` is None where it is not known how the step ended, or whether it began; `out` and `err`
    are what it printed.
    """

    node: str
    check: str
    step: Act
    rc: int | None = None
    out: bytes = b""
    err: bytes = b""


@dataclass(frozen=True)
class Stage:
    """One stage of a deployment; `seconds` is how long it took, or has taken until now.

    `ended` is None while it is not over, True when it came to its end, False where it broke off;
    a stage without `seconds` has not begun. `waits` is what it waits for, as a person reads it.
    """

    title: str
    seconds: float | None = None
    ended: bool | None = None
    waits: str = ""


@dataclass(frozen=True)
class Prospect:
    """A deployment that a person is to agree to, `forced` past what is not green.

    `command` is without keys; `changes` are those of the deployer's private copy, each with its row
    of the catalogue; `makes` what the deployer makes in the cluster, as `Kind name`, for the time
    that it runs or for good, `objects` what gkprep itself makes, and `deleted` what goes from it.
    """

    command: tuple[str, ...]
    changes: Mapping[str, str]
    makes: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    forced: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deployment:
    """One run of a deployer, and how it went.

    `rc` is its exit status, which proves nothing (D2), None where it did not come; `stopped` why
    it was no success, empty where it was one that is still to be verified. `log` is where all that
    it printed is kept. `forced` are checks that were not passed, and that a person said to go on
    without.
    """

    name: str
    stages: tuple[Stage, ...]
    rc: int | None
    stopped: str
    log: Path
    forced: tuple[str, ...] = ()
