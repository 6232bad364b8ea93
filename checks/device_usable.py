"""device-usable: the disk that heketi is to get is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from preflight.facts import block, usage
from preflight.facts.block import Block, by_number, describe, gib, stack
from preflight.plugin import Device, Facts, Finding, Node, Probe, Unknown, check, fail, ok, warn

SMALLEST = 2.2 * block.GIB
ROOMY = 10 * block.GIB
WANT = "a whole, writable disk of at least 2.2 GiB"


def targets(node: Node) -> Iterable[Probe[object]]:
    """Where the path of each device of the node leads to."""
    return [block.target(device.path) for device in node.devices]


@check(block.devices, targets, usage.mounts, usage.swaps)
def device_usable(facts: Facts) -> Iterator[Finding]:
    """Each disk that is to carry bricks exists, is a whole disk, writable and big enough.

    Checks: the path leads to a block device; that is a disk, not a partition, logical volume,
    array, loop device or ROM; it is writable; it has at least 2.2 GiB, and should have 10; no other
    path of the node leads to the same disk; it carries the serial number or World Wide Name that
    the inventory gives.

    Why: heketi keeps its own database in a brick of 2 GiB a node and fails on anything smaller with
    `Error: No space`. A logical volume ends in `Device /dev/mapper/... not found`, a loop device is
    gone after a reboot, and a disk letter that moved leads to somebody else's data.

    By hand: name another path in the inventory, best one of /dev/disk/by-id. `lsblk` shows the
    disks; `blockdev --getro` tells whether one is read-only.

    Source: catalogue N22, N32, N33, N34 and section 4 (sizes measured with heketi 10).
    """
    blocks = facts[block.devices]
    if not facts.node.devices:
        yield unnamed(facts)
    seen: dict[str, str] = {}
    for device in facts.node.devices:
        number = facts[block.target(device.path)].number
        twin = seen.setdefault(number, device.path) if number else device.path
        if twin != device.path:
            yield fail(device.path, f"the same disk as {twin}", "a disk of its own")
        else:
            yield judge_device(facts, device, blocks)


def judge_device(  # noqa: PLR0911 - one return for each thing that can be wrong, in order
    facts: Facts, device: Device, blocks: Sequence[Block]
) -> Finding:
    """One device, by the first thing that is wrong with it."""
    target = facts[block.target(device.path)]
    if not target.exists:
        saw = f"not there; {candidates(facts)}"
        return fail(device.path, saw, WANT, says=f"Device {device.path} not found.")
    disk = by_number(blocks, target.number)
    if disk is None:
        return fail(device.path, "not a block device", WANT)
    if disk.kind != "disk":
        return fail(device.path, f"{describe(disk)} is of type {disk.kind}", WANT)
    if wrong := block.other_disk(device, disk):
        return fail(device.path, wrong, pinned(device))
    if not disk.writable:
        saw = f"{describe(disk)} is read-only"
        cure = f"blockdev --setrw {disk.path}"
        return fail(device.path, saw, WANT, says="Error writing device", cure=cure)
    if disk.size < SMALLEST:
        return fail(device.path, describe(disk), WANT, says="Error: No space")
    if disk.size < ROOMY:
        return warn(device.path, describe(disk), f"at least {gib(int(ROOMY))}")
    return ok(device.path, describe(disk), WANT)


def pinned(device: Device) -> str:
    """The identity that the inventory gives."""
    pins = (("serial", device.serial), ("wwn", device.wwn))
    return ", ".join(f"{name} {value}" for name, value in pins if value)


def unnamed(facts: Facts) -> Finding:
    """No disk is named at all: show those that could be."""
    cure = "gkprep check --local --device PATH"
    return fail("devices", f"none is named; {candidates(facts)}", WANT, cure=cure)


def candidates(facts: Facts) -> str:
    """Whole disks to choose from: without partitions, and nothing is seen to use them."""
    blocks = facts[block.devices]
    try:
        swaps = {swap.number for swap in facts[usage.swaps]}
        mounts = facts[usage.mounts]
    except Unknown as exc:  # the disk that was named fails all the same
        return f"other disks are not shown: {exc}"
    free = [
        disk
        for disk in blocks
        if disk.kind == "disk" and disk.size and stack(blocks, disk) == (disk,)
        if disk.number not in swaps and not disk.claimed and not usage.mounts_of([disk], mounts)
    ]
    shown = "; ".join(map(describe, free))
    return f"unused whole disks: {shown or 'none'}"
