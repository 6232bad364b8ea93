"""What uses a disk, told from the facts: each thing by name, and what ends it. Pure functions."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from preflight.facts import block, heketi, usage
from preflight.facts.block import Block, by_number
from preflight.model import Facts

FEW = 3  # of names in one line
# Mount points without which the machine is none: a disk that has one is the wrong disk.
SYSTEM = frozenset({"/", "/boot", "/boot/efi", "/usr", "/var"})


@dataclass(frozen=True)
class Use:
    """One thing that uses a disk.

    `saw` is what is seen of it, `says` what heketi's pvcreate or vgcreate answers because of it
    (empty where they take the disk all the same), `cure` the command that ends it. `group` is the
    volume group that it consists of.
    """

    saw: str
    says: str
    cure: str
    group: str = ""


def uses(facts: Facts, path: str, layers: Sequence[Block]) -> Iterator[Use]:
    """Everything that uses the disk at `path`, in the order in which it is to be ended.

    `layers` is all that lies on the disk (`block.stack`), the disk first. Raises Unknown where
    something could not be found out, after all that was.
    """
    says = refusal(path, layers)
    yield from _mounted(facts, layers, says)
    yield from _swapped(facts, layers, says)
    yield from _stacked(path, layers, says)
    yield from _opened(facts, layers)


def exclusively(path: str) -> str:
    """What pvcreate says of a disk that somebody has for himself."""
    return f"Can't open {path} exclusively.  Mounted filesystem?"


def refusal(path: str, layers: Sequence[Block]) -> str:
    """What pvcreate says of a disk in use: it looks what is on it before it opens it."""
    disk, *above = layers
    if any(layer.kind == "mpath" for layer in above):
        return f"Cannot use {path}: device is a multipath component"
    if any(layer.parent == disk.name for layer in above):
        return f"Cannot use {path}: device is partitioned"
    held = [layer for layer in above if layer.name in disk.holders]
    if any(layer.kind == "raid" for layer in held):
        return f"Cannot use {path}: device is an md component"
    groups = [layer.volume[0] for layer in held if layer.kind == "lvm"]
    if not groups:
        return exclusively(path)
    owned = f'Can\'t initialize physical volume "{path}" of volume group "{groups[0]}" without -ff'
    return f"{owned} (or, when its label is gone: {exclusively(path)})"


def _mounted(facts: Facts, layers: Sequence[Block], says: str) -> Iterator[Use]:
    """One use for each filesystem, and for each process in whose namespace alone it is mounted.

    What other namespaces have beside the machine's own goes with that, or is named the next time.
    """
    names = _shared(facts, layers)
    fellows = [device for device in facts[block.devices] if device.name in names]
    places: dict[tuple[str, int], list[usage.Mount]] = {}
    for mount in usage.mounts_of([*layers, *fellows], facts[usage.mounts]):
        layer = by_number(layers, mount.number)
        source = layer.known_as if layer else mount.source
        if mount.pid == 1 or (source, 1) not in places:
            places.setdefault((source, mount.pid), []).append(mount)
    for (source, pid), found in places.items():
        saw = f"mounted at {_listed(mount.point for mount in found)}"
        saw = saw if source == layers[0].path else f"{source} is {saw}"
        cure = f"umount --all-targets {shlex.quote(source)}"
        if pid == 1 and not SYSTEM.isdisjoint(mount.point for mount in found):
            yield Use(f"{saw}: the system is on it", says, "")
        elif pid == 1:
            yield Use(saw, says, cure)
        else:
            saw += f" in the mount namespace of {found[0].name}, pid {pid}"
            yield Use(saw, says, f"nsenter --target {pid} --mount {cure}")
    if names and not places:
        yield Use(f"part of a mounted btrfs of {_listed(names)}", says, "")


def _shared(facts: Facts, layers: Sequence[Block]) -> set[str]:
    """Names of all devices of the mounted btrfs that one of `layers` belongs to."""
    own = {layer.name for layer in layers}
    return {name for names in facts[usage.members].values() if names & own for name in names}


def _swapped(facts: Facts, layers: Sequence[Block], says: str) -> Iterator[Use]:
    numbers = {swap.number for swap in facts[usage.swaps]}
    for layer in layers:
        if layer.number in numbers:
            saw = "swapped to" if layer is layers[0] else f"{layer.known_as} is swapped to"
            yield Use(saw, says, f"swapoff {shlex.quote(layer.known_as)}")


def _stacked(path: str, layers: Sequence[Block], says: str) -> Iterator[Use]:
    """One use for each thing that is built on the disk or its partitions, from the top down."""
    disk, *above = layers
    told = set()
    for layer in reversed(above):
        group, _ = layer.volume
        if group and group not in told:
            told.add(group)
            yield _group(group, above, says)
        elif not group and layer.kind != "part":
            yield _layer(path, disk, layer, says)
    if disk.claimed and not any(layer.kind == "mpath" for layer in above):
        yield Use("claimed by multipathd", "", f"multipath -w {disk.path} && {_told_anew(disk)}")


def _group(group: str, above: Sequence[Block], says: str) -> Use:
    volumes = [layer for layer in above if layer.volume[0] == group]
    count = f"{len(volumes)} volume{'s' * (len(volumes) > 1)}"
    saw = f"volume group {group} is active: {count}"
    if heketi.group_of(volumes[0]):
        saw += ", but no brick is mounted"
    return Use(saw, says, f"vgchange --activate n {group}", group)


def _layer(path: str, disk: Block, layer: Block, says: str) -> Use:
    """An array, a mapping or a loop device."""
    name = shlex.quote(layer.label)
    if layer.kind == "loop":
        # pvcreate takes the disk; vgcreate sees it twice and refuses.
        says = f"Cannot use device {path} with duplicates."
    saw, cure = {
        "raid": (f"array {layer.path} ({layer.label})", f"mdadm --stop {layer.path}"),
        "crypt": (f"encrypted mapping {layer.known_as}", f"cryptsetup close {name}"),
        "mpath": (f"multipath map {layer.known_as}", _unmap(disk, layer)),
        "dm": (f"mapping {layer.known_as}", f"dmsetup remove {name}"),
        "loop": (f"loop device {layer.path}", f"losetup --detach {layer.path}"),
    }.get(layer.kind, (layer.path, ""))
    return Use(f"{saw} lies on it", says, cure)


def _unmap(disk: Block, layer: Block) -> str:
    """Forbid multipathd the disk for good; a map that is only ended it makes again."""
    wwid = layer.uuid.removeprefix("mpath-")
    lines = shlex.quote(rf'blacklist {{\n  wwid "{wwid}"\n}}\n')
    forbid = f"printf {lines} >>/etc/multipath.conf && multipathd reconfigure"
    return f"{forbid} && {_told_anew(disk)}"


def _told_anew(disk: Block) -> str:
    """Have udev note that multipathd has nothing to do with the disk any more."""
    return f"udevadm trigger --name-match={disk.path} && udevadm settle"


def _opened(facts: Facts, layers: Sequence[Block]) -> Iterator[Use]:
    """One use for each process that holds the disk, or anything on it, open.

    multipathd holds the paths of its maps open, and lets go with them.
    """
    names = {layer.number: layer.known_as for layer in layers}
    mapped = any(layer.kind == "mpath" or layer.claimed for layer in layers)
    held: dict[tuple[int, str], list[str]] = {}
    for opener in facts[usage.opens]:
        ours = opener.number in names and not opener.passing
        if ours and not (mapped and opener.name == "multipathd"):
            held.setdefault((opener.pid, opener.name), []).append(names[opener.number])
    for (pid, name), paths in sorted(held.items()):
        what = "" if paths == [layers[0].path] else f"{_listed(paths)} "
        saw = f"{what}held open by {name}, pid {pid} (LVM notices only who opens exclusively)"
        yield Use(saw, "", f"kill {pid}")


def _listed(names: Iterable[str]) -> str:
    """The first few of `names`, and how many more there are."""
    shown = sorted(names)
    more = f" and {len(shown) - FEW} more" if len(shown) > FEW else ""
    return ", ".join(shown[:FEW]) + more
