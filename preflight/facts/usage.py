"""Who uses a disk: mounts in every namespace, swap, and processes that hold it open."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from preflight.errors import Unknown
from preflight.facts.block import Block, decimal
from preflight.facts.tools import needs
from preflight.model import Probe


@dataclass(frozen=True)
class Mount:
    """One mounted filesystem: `number` is its device's `major:minor`, 0:N of one without (btrfs).

    `pid` and `name` are a process that sees the mount at that point: 1 wherever the machine's own
    namespace has it.
    """

    number: str
    source: str
    point: str
    type: str
    pid: int = 1
    name: str = "systemd"


@dataclass(frozen=True)
class Swap:
    """A block device that is swapped to; `number` is empty where its node is gone."""

    number: str
    path: str


@dataclass(frozen=True)
class Opener:
    """A process that holds a block device open; `parent` is the name of the one that started it."""

    number: str
    pid: int
    name: str
    parent: str

    @property
    def passing(self) -> bool:
        """Whether udev looks at the device, as it does after each change, and lets go again.

        Itself (it is called by all three names, after its age) or by a program of its rules, which
        it kills after a time; never exclusively, so nobody else is kept away.
        """
        return bool({self.name, self.parent} & _UDEV)


_UDEV = {"systemd-udevd", "(udev-worker)", "udevd"}


def mounts_of(layers: Iterable[Block], mounts: Iterable[Mount]) -> tuple[Mount, ...]:
    """Those of `mounts` that one of `layers` carries, by its number, or (btrfs) by its path."""
    layers = tuple(layers)
    numbers = {layer.number for layer in layers}
    paths = {path for layer in layers for path in (layer.path, layer.known_as)}
    found = (
        mount
        for mount in mounts
        if mount.number in numbers or (mount.number.startswith("0:") and mount.source in paths)
    )
    return tuple(sorted(found, key=lambda mount: (mount.pid, mount.number, mount.point)))


def parse_mounts(text: str) -> frozenset[Mount]:
    """`process PID NAME`, then `NUMBER POINT TYPE SOURCE` lines of what it sees; `read N` last."""
    *lines, last = text.removesuffix("\n").split("\n")
    if not re.fullmatch(r"read [1-9][0-9]*", last):
        raise Unknown(f"no process's mounts could be read: {last!r}")
    found, pid, name = set(), 0, ""
    for line in lines:
        if line.startswith("process "):
            _, number, name = line.split(" ", 2)
            pid = int(number)
        else:
            device, point, kind, source = line.split(" ")
            found.add(Mount(device, unescaped(source), unescaped(point), kind, pid, name))
    return frozenset(found)


def unescaped(text: str) -> str:
    r"""A word of the kernel's mount tables, with blanks for `\040` and so on (proc(5))."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), text)


def parse_swaps(text: str) -> frozenset[Swap]:
    """`HEX:HEX PATH` lines, the number missing where the path leads nowhere."""
    found = set()
    for line in filter(None, text.split("\n")):
        number, _, path = line.partition(" ")
        found.add(Swap(decimal(number) if number else "", path))
    return frozenset(found)


def parse_opens(text: str) -> frozenset[Opener]:
    """Three lines each: `HEX:HEX PID`, the process's name, its parent's name.

    What find and stat complain of comes as `! TEXT`: a process that ended meanwhile is no matter,
    anything else is.
    """
    found, lines = set(), iter(text.removesuffix("\n").split("\n") if text else ())
    for line in lines:
        if line.startswith("! "):
            if not line.endswith(("No such file or directory", "No such process")):
                raise Unknown(f"not every process could be looked at: {line[2:]}")
            continue
        number, _, pid = line.partition(" ")
        found.add(Opener(decimal(number), int(pid), next(lines), next(lines)))
    return frozenset(found)


def parse_members(text: str) -> Mapping[str, frozenset[str]]:
    """Paths below /sys/fs/btrfs: UUID of each mounted btrfs -> kernel names of its devices."""
    members: dict[str, set[str]] = {}
    for path in filter(None, text.split("\n")):
        *_, uuid, _devices, name = path.split("/")
        members.setdefault(uuid, set()).add(name.replace("!", "/"))
    return {uuid: frozenset(names) for uuid, names in members.items()}


def parse_taken(text: str) -> bool:
    """What `e2fsck -n` says of a device: a warning where somebody has it exclusively."""
    if re.search(r"^Warning! .* is (mounted|in use)\.?$", text, re.MULTILINE):
        return True
    if "Bad magic number in super-block" in text:
        return False
    raise Unknown(f"e2fsck answered {text.strip()[-200:]!r}")


# Processes that share namespace and root see the same mounts: two of them are read, for one may
# end meanwhile; each is where they cannot be told. Pid 1 is the first. Kept is what has a device:
# its number, or (btrfs) its path.
mounts = Probe(
    "usage.mounts",
    needs("stat")
    + r"""stat -c %N /proc/[0-9]*/ns/mnt /proc/[0-9]*/root 2>&1 | awk '
/No such (file|process)/ { next }
{ split($0, path, "/"); pid = path[3]; sub(/^.* -> /, "") }
path[4] ~ /^ns/ { space[pid] = $0; next }
views[space[pid], $0]++ < 2 {
  file = "/proc/" pid "/mountinfo"; told = 0
  while ((getline line <file) > 0) {
    read++
    split(line, field, " ")
    for (at = 7; at in field && field[at] != "-"; at++);
    if (field[3] ~ /^0:/ && field[at + 2] !~ /^\//) continue
    mount = field[3] " " field[5] " " field[at + 1] " " field[at + 2]
    if (seen[mount]++) continue
    if (!told++) {
      comm = "/proc/" pid "/comm"; name = "?"
      getline name <comm; close(comm)
      print "process " pid " " name
    }
    print mount
  }
  close(file)
}
END { print "read " read + 0 }'""",
    parse_mounts,
)

swaps = Probe(
    "usage.swaps",
    needs("stat")
    + """\
test ! -e /proc/swaps || while read -r path kind rest; do
  [ "$kind" = partition ] || continue
  printf '%s %s\\n' "$(stat -L -c %t:%T "$path" 2>/dev/null)" "$path"
done </proc/swaps""",
    parse_swaps,
)

# By the device's number: the same disk may have nodes of other names in containers.
opens = Probe(
    "usage.opens",
    needs("find", "stat")
    + """\
find -L /proc/[0-9]*/fd -maxdepth 1 -type b -exec stat -L -c '%t:%T %n' {} + 2>&1 |
while IFS= read -r line; do
  case $line in
  [0-9a-f]*:[0-9a-f]*' /proc/'*) ;;
  *) printf '! %s\\n' "$line"; continue ;;
  esac
  pid=${line#*/proc/} pid=${pid%%/*} name='' stat='' parent=''
  { IFS= read -r name <"/proc/$pid/comm"; read -r stat <"/proc/$pid/stat"; } 2>/dev/null
  set -f; set -- ${stat##*) }
  { IFS= read -r parent <"/proc/$2/comm"; } 2>/dev/null
  printf '%s %s\\n%s\\n%s\\n' "${line%% *}" "$pid" "$name" "$parent"
done""",
    parse_opens,
)

members = Probe(
    "usage.members",
    """\
for path in /sys/fs/btrfs/*/devices/*; do
  [ ! -e "$path" ] || printf '%s\\n' "$path"
done""",
    parse_members,
)


# What opens a device O_RDONLY|O_EXCL and writes nothing; its words are read by `parse_taken`.
OPEN_ALONE = "BLKID_FILE=/dev/null E2FSCK_CONFIG=/dev/null e2fsck -n -b 3 -B 1024"


def taken(path: str) -> Probe[bool]:
    """Whether somebody has the device for himself alone, so that LVM could not open it.

    `e2fsck -n` opens O_RDONLY|O_EXCL first, whatever is on the disk, and says so where that
    fails; a superblock that cannot be (block 3) ends it there, with status 8. It would note in
    libblkid's cache what it saw, or keep a log that its configuration asks for: both go to
    /dev/null. `wipefs --all --no-act`, the usual way to ask, opens for writing and has the kernel
    read the partition table again: udev takes it for a change and starts the md array that the
    disk is a member of (measured).
    """
    quoted = shlex.quote(path)
    return Probe(
        f"usage.taken({path})",
        needs("e2fsck") + f"{OPEN_ALONE} {quoted} 2>&1",
        parse_taken,
        rcs=frozenset({8}),  # 8: operational error, here always (e2fsck(8))
    )
