"""Block devices: which there are, what they are, who they are, and what is built on them."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from preflight.errors import Unknown
from preflight.facts.tools import needs
from preflight.model import Device, Probe

GIB = 1024**3
SECTOR = 512  # sysfs counts in these, whatever the disk's own sectors are (sysfs-block, ABI)


@dataclass(frozen=True)
class Block:
    """One block device as the kernel knows it.

    `name` is the kernel's (`sda`, `dm-3`, `cciss/c0d0`), `number` its `major:minor`, `size` in
    bytes. `kind` is disk, part, rom, loop, raid, lvm, crypt, mpath, dm (another device-mapper
    target) or ram. `label` is the name people know: of the mapping, the array's level, the file
    or device behind a loop device; `uuid` is the mapping's. `serials` and `wwns` hold every
    spelling that the machine knows, the one that `lsblk` shows first. `parent` is a partition's
    disk, `holders` what lies directly on the device, `backing` the number of the block device
    that a loop device shows. `claimed` is set where multipathd wants the disk for itself.
    """

    name: str
    number: str
    kind: str
    size: int
    writable: bool = True
    model: str = ""
    serials: tuple[str, ...] = ()
    wwns: tuple[str, ...] = ()
    id_path: str = ""
    label: str = ""
    uuid: str = ""
    parent: str = ""
    holders: tuple[str, ...] = ()
    backing: str = ""
    claimed: bool = False

    @property
    def path(self) -> str:
        """`/dev/sda`: where devtmpfs puts the node."""
        return f"/dev/{self.name}"

    @property
    def known_as(self) -> str:
        """The path that people and mount(8) know it by: a mapping's is `/dev/mapper/LABEL`."""
        mapping = self.kind in {"lvm", "crypt", "mpath", "dm"}
        return f"/dev/mapper/{self.label}" if mapping and self.label else self.path

    @property
    def volume(self) -> tuple[str, str]:
        """Volume group and name of a logical volume; two empty strings for all else.

        Device-mapper's name joins the two with a hyphen, and doubles the hyphens in them
        (libdevmapper, dm_build_dm_name).
        """
        parts = (
            re.split(r"(?<!-)-(?!-)", self.label.replace("--", "\0")) if self.kind == "lvm" else []
        )
        group, name, *_ = [part.replace("\0", "-") for part in parts] + ["", ""]
        return group, name


@dataclass(frozen=True)
class Target:
    """What a path leads to: `number` is the `major:minor` of a block device, None of all else."""

    exists: bool
    number: str | None = None


def gib(size: int) -> str:
    """`16.0 GiB`."""
    return f"{size / GIB:.1f} GiB"


def describe(disk: Block) -> str:
    """`/dev/sdb (16.0 GiB, QEMU HARDDISK, serial LABDATA1)`: enough to know a disk again."""
    told = [gib(disk.size), disk.model]
    told += [f"serial {disk.serials[0]}"] if disk.serials else []
    told += [f"wwn {disk.wwns[0]}"] if disk.wwns and not disk.serials else []
    return f"{disk.path} ({', '.join(part for part in told if part)})"


def other_disk(device: Device, disk: Block) -> str:
    """What identity the disk has instead of the one the inventory gives; empty if it is the one."""
    if device.serial and device.serial.casefold() not in map(str.casefold, disk.serials):
        return f"serial {' or '.join(disk.serials) or 'unknown'}"
    if device.wwn and device.wwn.casefold() not in map(str.casefold, disk.wwns):
        return f"wwn {' or '.join(disk.wwns) or 'unknown'}"
    return ""


def by_number(blocks: Iterable[Block], number: str | None) -> Block | None:
    """The device with that `major:minor`, None where there is none."""
    return next((block for block in blocks if block.number == number), None)


def stack(blocks: Sequence[Block], base: Block) -> tuple[Block, ...]:
    """`base`, its partitions, what holds any of them, loop devices that show them, and so on up."""
    found = [base]
    for below in found:  # grows while it is walked
        above = (
            block
            for block in blocks
            if block.parent == below.name
            or block.name in below.holders
            or (block.backing and block.backing == below.number)
        )
        found.extend(block for block in above if block not in found)
    return tuple(found)


# One attribute a line: where sysfs keeps it below the device's folder (sysfs-block, sysfs-bus-scsi
# in the kernel's Documentation/ABI; `serial` is virtio's, `device/serial` NVMe's and MMC's).
_ATTRIBUTES = (
    "dev",
    "size",
    "ro",
    "partition",
    "serial",
    "wwid",
    "dm/name",
    "dm/uuid",
    "md/level",
    "loop/backing_file",
    "device/type",
    "device/model",
    "device/serial",
    "device/wwid",
)
# What udev found out by asking the disk, in the order of lsblk's own preference.
_PROPERTIES = (
    "ID_SCSI_SERIAL",
    "ID_SERIAL_SHORT",
    "ID_WWN_WITH_EXTENSION",
    "ID_WWN",
    "ID_PATH",
    "DM_MULTIPATH_DEVICE_PATH",
)
_SERIALS = ("ID_SCSI_SERIAL", "ID_SERIAL_SHORT", "serial", "device/serial")
_WWNS = ("ID_WWN_WITH_EXTENSION", "ID_WWN", "wwid", "device/wwid")
# SCSI peripheral device types (SPC-5, table 147): 0 disk, 5 CD or DVD, 14 simplified disk.
_SCSI_ROM = "5"
# What only the name tells: devices(4), and md_NAME of mdadm's CREATE names=yes.
_KINDS = {"loop": "loop", "md": "raid", "zram": "ram", "ram": "ram", "sr": "rom"}
_NAMED = re.compile(rf"({'|'.join(_KINDS)})[0-9_]")

Record = Mapping[str, Sequence[str]]


def parse_devices(text: str) -> tuple[Block, ...]:
    """`name NAME` begins a device; then `KEY VALUE`: sysfs, udev, `part`, `holder`, `backing`."""
    records: list[dict[str, list[str]]] = []
    for line in text.removesuffix("\n").split("\n"):
        key, _, value = line.partition(" ")
        if key == "name":
            records.append({})
        if not records:
            raise Unknown(f"expected `name`, got {line!r}")
        records[-1].setdefault(key, []).append(value)
    if not records:
        raise Unknown("the kernel names no block device")
    return _blocks(records)


def _blocks(records: Sequence[Record]) -> tuple[Block, ...]:
    parents = {part: record["name"][0] for record in records for part in record.get("part", ())}
    blocks = (_block(record, parents) for record in records)
    return tuple(sorted(blocks, key=lambda block: block.name))


def _block(record: Record, parents: Mapping[str, str]) -> Block:
    name, number, size = _one(record, "name"), _one(record, "dev"), _one(record, "size")
    if not (number and size):
        raise Unknown(f"sysfs says nothing of {name}")
    backing = _one(record, "backing")
    return Block(
        name=_node(name),
        number=number,
        kind=_kind(record),
        size=int(size) * SECTOR,
        writable=_one(record, "ro") == "0",
        model=" ".join(_one(record, "device/model").split()),
        serials=_spellings(record, _SERIALS),
        wwns=_spellings(record, _WWNS),
        id_path=_one(record, "ID_PATH"),
        label=_label(record),
        uuid=_one(record, "dm/uuid"),
        parent=_node(parents.get(name, "")),
        holders=tuple(sorted(_node(holder) for holder in record.get("holder", ()))),
        backing=decimal(backing) if backing else "",
        claimed=_one(record, "DM_MULTIPATH_DEVICE_PATH") == "1",
    )


def _kind(record: Record) -> str:
    name, uuid = _one(record, "name"), _one(record, "dm/uuid")
    if "partition" in record:
        return "part"
    if "dm/name" in record:
        known = {"LVM": "lvm", "CRYPT": "crypt", "mpath": "mpath"}
        return known.get(uuid.partition("-")[0], "dm")
    if named := _NAMED.match(name):
        return _KINDS[named[1]]
    return "rom" if _one(record, "device/type") == _SCSI_ROM else "disk"


def _label(record: Record) -> str:
    keys = ("dm/name", "md/level", "loop/backing_file")
    return next((_one(record, key) for key in keys if key in record), "")


def _spellings(record: Record, keys: Iterable[str]) -> tuple[str, ...]:
    found = (" ".join(_one(record, key).split()) for key in keys)
    return tuple(dict.fromkeys(value for value in found if value))


def _one(record: Record, key: str) -> str:
    return record[key][0].strip() if record.get(key) else ""


def _node(name: str) -> str:
    """Sysfs writes `!` for the `/` in names such as cciss/c0d0."""
    return name.replace("!", "/")


def decimal(number: str) -> str:
    """`fd:1e` as stat's %t:%T prints it, `253:30` as the rest of the kernel does."""
    major, _, minor = number.partition(":")
    return f"{int(major, 16)}:{int(minor, 16)}"


def _ask_udev() -> tuple[Block, ...] | None:
    try:
        import pyudev

        context = pyudev.Context()
    except ImportError:  # neither the package nor libudev must be there
        return None
    return _blocks([_record(device) for device in context.list_devices(subsystem="block")])


def _record(device: object) -> Record:
    """The same keys and values as the command prints, from pyudev's view of the device."""
    import pyudev

    assert isinstance(device, pyudev.Device)  # noqa: S101 - tells mypy, which knows no pyudev
    folder = Path(device.sys_path)
    values = {key: device.attributes.get(key) for key in _ATTRIBUTES}
    record = {key: [_first_line(value)] for key, value in values.items() if value}
    record |= {
        key: [str(device.properties[key])] for key in _PROPERTIES if key in device.properties
    }
    record["name"] = [folder.name]
    record["holder"] = [entry.name for entry in (folder / "holders").glob("*")]
    record["part"] = [entry.parent.name for entry in folder.glob(f"{folder.name}*/partition")]
    backing = record.get("loop/backing_file", [""])[0]
    if backing and Path(backing).is_block_device():
        number = Path(backing).stat().st_rdev
        record["backing"] = [f"{os.major(number):x}:{os.minor(number):x}"]
    return record


def _first_line(value: bytes) -> str:
    return value.split(b"\n")[0].decode("utf-8", "surrogateescape")


# All from the kernel's own tree and udev's files, with nothing but the shell: lsblk's columns and
# the sources of its SERIAL and WWN differ between util-linux 2.23 and today's.
devices = Probe(
    "block.devices",
    needs("stat")
    + f"""\
for folder in /sys/class/block/*; do
  [ -e "$folder/dev" ] || continue
  name=${{folder##*/}}
  printf 'name %s\\n' "$name"
  for key in {" ".join(_ATTRIBUTES)}; do
    value=
    [ -e "$folder/$key" ] && IFS= read -r value <"$folder/$key"
    [ -z "$value" ] || printf '%s %s\\n' "$key" "$value"
    case $key in
    dev) number=$value ;;
    loop/backing_file) [ ! -b "$value" ] || stat -L -c 'backing %t:%T' "$value" ;;
    esac
  done 2>/dev/null
  for path in "$folder"/holders/*; do
    [ ! -e "$path" ] || printf 'holder %s\\n' "${{path##*/}}"
  done
  for path in "$folder/$name"*; do
    [ ! -e "$path/partition" ] || printf 'part %s\\n' "${{path##*/}}"
  done
  [ ! -e "/run/udev/data/b$number" ] || while IFS= read -r line; do
    case $line in
    E:{"=* | E:".join(_PROPERTIES)}=*)
      line=${{line#E:}}; printf '%s %s\\n' "${{line%%=*}}" "${{line#*=}}" ;;
    esac
  done <"/run/udev/data/b$number"
done""",
    parse_devices,
    local=_ask_udev,
)


def parse_target(text: str) -> Target:
    """`block MAJOR:MINOR` in hexadecimal, `other` or `missing`."""
    word, _, number = text.strip().partition(" ")
    if word not in {"block", "other", "missing"}:
        raise Unknown(f"expected block, other or missing, got {text!r}")
    return Target(word != "missing", decimal(number) if word == "block" else None)


def target(path: str) -> Probe[Target]:
    """Where `path` leads to, through any symbolic links (/dev/disk/by-id and its like)."""
    quoted = shlex.quote(path)

    def here() -> Target:
        try:
            status = os.stat(path)  # noqa: PTH116 - a Path would lose the slash of /dev/sda/
        except OSError:  # for a shell, whatever cannot be followed is not there
            return Target(exists=False)
        if not stat.S_ISBLK(status.st_mode):
            return Target(exists=True)
        return Target(exists=True, number=f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}")

    return Probe(
        f"block.target({path})",
        f"if [ -b {quoted} ]; then stat -L -c 'block %t:%T' {quoted}\n"
        f"elif [ -e {quoted} ]; then echo other\nelse echo missing\nfi",
        parse_target,
        local=here,
    )
