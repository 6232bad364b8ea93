"""device-idle: nothing uses the disk that heketi is to get."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from preflight.facts import block, heketi, usage
from preflight.facts.block import by_number, stack
from preflight.facts.uses import exclusively, uses
from preflight.plugin import Device, Facts, Finding, Probe, device_check, fail, ok, skip

IDLE = "nothing uses it"
UNSEEN = (
    "taken by what cannot be seen: the kernel for itself (ZFS, an iSCSI target, swap whose node is"
    " gone, the journal of another filesystem), or a process in hiding"
)


def asked(path: str) -> Iterable[Probe[object]]:
    """What is asked of each disk: where its path leads to, and whether somebody has taken it."""
    return (block.target(path), usage.taken(path))


@device_check(block.devices, usage.mounts, usage.swaps, usage.opens, usage.members, asked)
def device_idle(facts: Facts, device: Device) -> Iterator[Finding]:
    """Nothing uses the disks that are to carry bricks.

    Checks: no filesystem of the disk is mounted, in any mount namespace; it is not swapped to; no
    volume group, array, mapping, multipath map or loop device lies on it or on a partition of it;
    no process holds it open; it can be opened exclusively (O_EXCL). Each thing that uses it is
    named. A disk that serves, a group of heketi's with mounted bricks, is `in service` and passes.
    Partitions that nothing uses are for device-clean to say.

    Why: LVM takes a disk for itself alone, or not at all: `Can't open /dev/sdb exclusively.
    Mounted filesystem?`. A process that has it open without having taken it, as databases on raw
    disks do, LVM does not even notice: what it writes later lands in the brick.

    By hand: `umount` (and take the line out of /etc/fstab), `swapoff`, `vgchange --activate n`,
    `mdadm --stop`, `cryptsetup close`, `losetup --detach`; stop the process that holds it
    (`systemctl status PID` names its unit). Where that is not what you want, it is the wrong disk.

    Source: catalogue N4, N5, N8, N24 and section 4 (measured with LVM 2.03.16); open(2), O_EXCL on
    block devices; proc(5), mountinfo.
    """
    path, blocks = device.path, facts[block.devices]
    disk = by_number(blocks, facts[block.target(path)].number)
    if disk is None or disk.kind != "disk":
        yield skip(path, "no disk: device-usable says why")
        return
    layers = stack(blocks, disk)
    if serving := heketi.service(layers, facts[usage.mounts]):
        yield ok(path, str(serving), IDLE)
        return
    idle = True
    for use in uses(facts, path, layers):
        idle = False
        yield fail(path, use.saw, IDLE, says=use.says, cure=use.cure)
    if idle:
        yield alone(facts, path)


def alone(facts: Facts, path: str) -> Finding:
    """Of a disk that nothing is seen to use: whether it can really be had."""
    if facts[usage.taken(path)]:
        return fail(path, UNSEEN, IDLE, says=exclusively(path))
    return ok(path, IDLE, IDLE)
