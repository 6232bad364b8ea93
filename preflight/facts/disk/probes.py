"""What is on a disk, read from the disk: never from udev's database or blkid's cache.

All reads go through the disk's page cache on purpose. Nothing is stale in it: the kernel drops it
with the last close, and while somebody else keeps the disk open it says what that one wrote.
O_DIRECT would make the kernel write out another process's dirty pages, which is no reading.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from preflight.errors import Unknown
from preflight.facts.disk.lvm import SECTOR, Area, PhysicalVolume, read_physical_volume
from preflight.facts.disk.magic import EXT_BACKUPS, EXT_SIZE, Signature, read_ext_backup, read_young
from preflight.facts.disk.partitions import Gpt, Mbr, Window, occupied, read_gpts, read_mbr
from preflight.facts.tools import needs
from preflight.model import Probe

HEAD = 4 << 20  # bytes at the beginning, and
TAIL = 1 << 20  # at the end, that must be zero before a disk counts as blank
EDGE = 32 << 10  # of these, how much is read byte by byte: tables, labels, superblocks
TEXT = 128 << 10  # of LVM's metadata
_AMBIVALENT = 8  # blkid(8)
# Where partitions begin that fdisk made, today and before 2010: a lost table's filesystems.
FIRST_PARTITIONS = (63 * 512, 2048 * 512)

# LUKS2's second header, by the size of the first (LUKS2 On-Disk Format Specification, 2.1).
LUKS_COPIES = tuple(16384 << power for power in range(9))

_ZEROS = hashlib.sha256(bytes(HEAD + TAIL - 2 * EDGE)).hexdigest()


@dataclass(frozen=True)
class Content:
    """What a disk carries besides what `wipefs` shows.

    `size` is in bytes, `digest` a SHA-256 over the first 4 MiB and the last 1 MiB. `blank` is
    whether those are all zero, `leftover` whether they are not even outside whole partition
    tables. `inner` is what begins where a partition does that the kernel knows, or where a first
    one would; `asked` are all those places. `luks_copies` are the offsets of further headers, which
    libblkid looks at when the first one is gone.
    """

    size: int
    digest: str
    blank: bool
    leftover: bool
    mbr: Mbr | None = None
    gpts: tuple[Gpt, ...] = ()
    volume: PhysicalVolume | None = None
    young: tuple[Signature, ...] = ()
    ext_backup: Signature | None = None
    inner: tuple[Signature, ...] = ()
    asked: tuple[int, ...] = ()
    luks_copies: tuple[int, ...] = ()


def parse_signatures(text: str) -> tuple[Signature, ...]:
    r"""`offset,uuid,label,type` lines of `wipefs --parsable`; 2.23 has a heading, 2.38 has none.

    Labels are encoded like `\x20`, but today's wipefs leaves a comma in them as it is.
    """
    found = []
    for line in text.removesuffix("\n").split("\n"):
        if line and not line.startswith("#"):
            fields = line.split(",")
            if len(fields) < 4 or not re.fullmatch(r"0x[0-9a-f]+", fields[0]):  # noqa: PLR2004
                raise Unknown(f"expected offset,uuid,label,type, got {line!r}")
            offset, uuid, *label, kind = fields
            found.append(Signature(int(offset, 16), kind, uuid, ",".join(label)))
    return tuple(sorted(found, key=lambda signature: (signature.offset, signature.type)))


def signatures(path: str) -> Probe[tuple[Signature, ...]]:
    """All that libblkid finds on the disk, in the order of offsets; `wipefs` opens read-only."""
    return Probe(
        f"disk.signatures({path})", f"wipefs --parsable {shlex.quote(path)}", parse_signatures
    )


class _Reader:
    """The answer of `content`, section by section; any surprise is an `Unknown`."""

    def __init__(self, text: str) -> None:
        self._data = text.encode("utf-8", "surrogateescape")
        self._at = 0

    def line(self) -> str:
        end = self._data.find(b"\n", self._at)
        if end < 0:
            raise Unknown("the answer ends too early")
        line = self._data[self._at : end]
        self._at = end + 1
        if line == b"unreadable":
            raise Unknown("a part of the disk cannot be read")
        return line.decode("utf-8", "surrogateescape")

    def expect(self, word: str) -> list[str]:
        name, *values = self.line().split(" ")
        if name != word:
            raise Unknown(f"expected {word}, got {name!r}")
        return values

    def raw(self, size: int) -> bytes:
        data = self._data[self._at : self._at + size]
        self._at += size
        if len(data) < size:
            raise Unknown("the answer ends too early")
        return data

    def dump(self, size: int) -> bytes:
        """The bytes of `od -A d -t x1`, in which `*` stands for repetitions of the line before."""
        data, last = bytearray(), b""
        repeat = False
        while len(data) < size:
            line = self.line()
            if line == "*":
                repeat = True
                continue
            offset, *digits = line.split()
            if not offset.isdigit() or int(offset) > size:
                raise Unknown(f"expected a line of od, got {line!r}")
            if repeat and last:
                data.extend(last * ((int(offset) - len(data)) // len(last)))
            if int(offset) != len(data):
                raise Unknown(f"od shows offset {offset} after {len(data)} bytes")
            last, repeat = bytes.fromhex("".join(digits)), False
            if not last:
                break
            data.extend(last)
        else:
            self.line()  # od ends with the offset where the input ended
        if len(data) != size:
            raise Unknown(f"{len(data)} bytes instead of {size} could be read")
        return bytes(data)


def parse_content(text: str) -> Content:
    """Sections in a fixed order: size, rest, first, last, ext, inner..., luks..., area..., end."""
    reader = _Reader(text)
    size = int(reader.expect("size")[0])
    (rest,) = reader.expect("rest")
    first = Window(0, reader.dump(EDGE))
    last = Window(size - EDGE, reader.dump(EDGE))
    backups = _backups(reader, size)
    inner, asked, copies, areas = _tail(reader)
    mbr, gpts = read_mbr(first), read_gpts(first, last, size)
    edges = _blanked((first, last), occupied(mbr, gpts, size))
    return Content(
        size=size,
        digest=hashlib.sha256(first.data + last.data + rest.encode()).hexdigest(),
        blank=rest == _ZEROS and not any(first.data) and not any(last.data),
        leftover=rest != _ZEROS or any(any(edge) for edge in edges),
        mbr=mbr,
        gpts=gpts,
        volume=read_physical_volume(first.data, areas),
        young=tuple(read_young(first)),
        ext_backup=read_ext_backup(first, backups),
        inner=tuple(inner),
        asked=tuple(asked),
        luks_copies=tuple(copies),
    )


def _backups(reader: _Reader, size: int) -> dict[int, bytes]:
    there = [log for log, offset in EXT_BACKUPS.items() if offset + EXT_SIZE <= size]
    data = reader.dump(EXT_SIZE * len(there))
    return {log: data[EXT_SIZE * at :][:EXT_SIZE] for at, log in enumerate(there)}


def _tail(reader: _Reader) -> tuple[list[Signature], list[int], list[int], dict[int, Area]]:
    """The sections that are there only sometimes, up to `end`."""
    inner: list[Signature] = []
    asked: list[int] = []
    copies: list[int] = []
    areas: dict[int, Area] = {}
    while (words := reader.line().split(" ")) != ["end"]:
        if words[0] == "inner":
            asked.append(int(words[1]))
            inner.extend(_inner(reader, asked[-1], int(words[2])))
        elif words[0] == "luks":
            copies.append(int(words[1]))
        elif words[0] == "area":
            areas[int(words[1])] = Area(reader.dump(SECTOR), reader.raw(int(words[2])))
        else:
            raise Unknown(f"what is {words[0]!r}?")
    return inner, asked, copies, areas


def _inner(reader: _Reader, offset: int, status: int) -> Iterator[Signature]:
    """`KEY=value` lines of blkid up to an empty one; its exit is 2 for nothing, 8 for too much."""
    pairs = {}
    while line := reader.line():
        key, _, value = line.partition("=")
        pairs[key] = value
    if status not in {0, 2, 8}:
        raise Unknown(f"blkid at offset {offset}: exit {status}")
    # Another blkid than util-linux's, which takes `-O` for a device and looks at offset 0 instead.
    if status == 0 and not any(key.startswith("ID_") for key in pairs):
        raise Unknown(f"blkid did not look at offset {offset}; is it busybox?")
    kind = pairs.get("ID_FS_TYPE") or pairs.get("ID_PART_TABLE_TYPE")
    if kind or status == _AMBIVALENT:
        yield Signature(offset, kind or "several signatures", pairs.get("ID_FS_UUID", ""))


def _blanked(windows: Iterable[Window], ranges: Iterable[tuple[int, int]]) -> Iterator[bytearray]:
    """The windows with zeros where the ranges are."""
    ranges = tuple(ranges)
    for window in windows:
        data = bytearray(window.data)
        for begin, end in ranges:
            low, high = max(0, begin - window.offset), min(len(data), end - window.offset)
            if low < high:
                data[low:high] = bytes(high - low)
        yield data


# LVM's text can be anywhere in the first 129 MiB, so its place is followed here and not in a second
# round trip. od reads numbers as the machine has them: little-endian, as on the disk, wherever
# Gluster's images run (N38); elsewhere the offsets are nonsense, and the fact is unknown.
_CONTENT = f"""\
{needs("od", "dd", "sha256sum", "blkid", "stat")}\
exec 3>&1
bytes() {{
  block=512
  [ $((($1 | $2) % 4096)) != 0 ] || block=4096
  dd if="$disk" bs=$block skip=$(($1 / block)) count=$(($2 / block)) 2>/dev/null ||
    echo unreadable >&3
}}
area() {{
  header=$(bytes "$1" 512 | od -A d -t x1)
  set -- "$1" "$2" $(bytes "$1" 512 | od -A n -v -t u8)
  at=$8 size=$9
  [ "$size" -le {TEXT} ] || size={TEXT}
  [ "$at" -lt "$2" ] || size=0
  size=$(((size + 511) / 512 * 512))
  before=$(($2 - at))
  [ "$before" -lt "$size" ] || before=$size
  printf 'area %s %s\n%s\n' "$1" "$size" "$header"
  [ "$before" = 0 ] || bytes $(($1 + at)) "$before"
  [ "$before" = "$size" ] || bytes $(($1 + 512)) $((size - before))
}}
areas() {{
  set -- $(bytes "$1" 512 | od -A n -v -t u8)
  [ $(($3 >> 32)) = 32 ] || return 0
  shift 9
  while [ $# -gt 3 ] && [ "$1" != 0 ]; do shift 2; done
  [ $# -gt 3 ] || return 0
  shift 2
  while [ $# -gt 3 ] && [ "$1" != 0 ]; do area "$1" "$2"; shift 2; done
}}

size=$(blockdev --getsize64 "$disk") || exit
echo "size $size"
[ "$size" -ge {HEAD + TAIL} ] || {{ echo "smaller than 5 MiB" >&2; exit 1; }}
rest=$({{ bytes {EDGE} {HEAD - EDGE}; bytes $((size - {TAIL})) {TAIL - EDGE}; }} | sha256sum)
rest=${{rest%% *}}
echo "rest $rest"
first=$(bytes 0 {EDGE} | od -A d -t x1)
printf '%s\n' "$first"
bytes $((size - {EDGE})) {EDGE} | od -A d -t x1
for at in {" ".join(str(offset) for offset in EXT_BACKUPS.values())}; do
  [ $((at + {EXT_SIZE})) -gt "$size" ] || bytes $at {EXT_SIZE}
done | od -A d -t x1
seen=' '
inner() {{
  case $seen in *" $1 "*) return ;; esac
  seen="$seen$1 "
  found=$(blkid -p -O "$@" -o udev "$disk" 2>/dev/null)
  printf 'inner %s %s\n%s\n' "$1" $? "$found"
  [ -z "$found" ] || echo
  case $found in *ID_FS_TYPE=crypto_LUKS*) copies "$1" ;; esac
}}
copies() {{
  for at in {" ".join(map(str, LUKS_COPIES))}; do
    at=$(($1 + at))
    [ $((at + {SECTOR})) -le "$size" ] || continue
    magic=$(bytes $at {SECTOR} | od -A n -t x1 -N 6)
    case $magic in " 53 4b 55 4c ba be"*) echo "luks $at" ;; esac
  done
}}
number=$(stat -L -c '0x%t 0x%T' "$disk") || exit
for part in "/sys/dev/block/$((${{number% *}})):$((${{number#* }}))"/*/partition; do
  {{ read -r start <"${{part%/*}}/start" && read -r sectors <"${{part%/*}}/size"; }} 2>/dev/null &&
    [ "$start" != 0 ] && [ "$sectors" -gt 2 ] &&
    inner $((start * {SECTOR})) -S $((sectors * {SECTOR}))
done  # not: the disk as a whole, in a hybrid image's table; the stub of an extended partition
[ "$rest" = {_ZEROS} ] || for at in {" ".join(map(str, FIRST_PARTITIONS))}; do inner $at; done
case "$first" in "0000000 4c 55 4b 53 ba be 00 02 "*) copies 0 ;; esac
for at in 0000000 0000512 0001024 0001536; do
  case "
$first" in *"
$at 4c 41 42 45 4c 4f 4e 45 "*) areas $((1$at - 10000000)); break ;; esac
done
echo end"""


def content(path: str) -> Probe[Content]:
    """Tables, LVM metadata, hidden superblocks and remains on the disk; nothing is written."""
    return Probe(f"disk.content({path})", f"disk={shlex.quote(path)}\n{_CONTENT}", parse_content)
