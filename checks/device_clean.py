"""device-clean: nothing is on the disk that LVM would stumble over, or that could be data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from preflight.facts import block, disk, gluster, heketi, service, usage
from preflight.facts.block import Block, by_number, stack
from preflight.facts.disk.lvm import VolumeGroup
from preflight.facts.disk.magic import Signature
from preflight.facts.disk.pvcreate import refusal
from preflight.facts.disk.remains import TABLES, Remains, describe, remains
from preflight.facts.disk.token import token
from preflight.plugin import (
    Device,
    Facts,
    Finding,
    Probe,
    device_check,
    fail,
    look_first,
    ok,
    skip,
)

WANT = "no signature"
# Beyond the first backup superblock of an ext4, the last place where anything is looked for.
HEAD_MIB = 129
NAMELESS = "no token, for nothing tells the disk from others: no serial, WWN or ID_PATH"


def probes(path: str) -> Iterable[Probe[object]]:
    """What is asked of each disk: where its path leads to, and what is on it."""
    return (block.target(path), disk.signatures(path), disk.content(path))


# Its fix also asks who uses the disk, whether the node serves, and what mentions a group on it.
@device_check(
    *service.ASKED,
    usage.swaps,
    usage.opens,
    usage.members,
    gluster.state,
    probes,
)
def device_clean(facts: Facts, device: Device) -> Iterator[Finding]:
    """Each disk that is to carry bricks is blank: no partition table, no signature, no LVM.

    Checks: the disk itself, not a cache: partition tables at both ends, everything that `wipefs`
    knows, LVM's label and metadata, and what a lost table or superblock leaves behind (ext4's
    backup superblock, whatever begins at sectors 63 and 2048). A physical volume without a volume
    group is as good as blank. A disk that serves, a group of heketi's with mounted bricks, is
    `in service` and passes. What nothing marks (a raw database, an encrypted disk with its header
    elsewhere, btrfs or XFS of which the first superblock is gone) cannot be told from the remains
    that `wipefs` leaves: both pass, and the finding says `not blank`.

    Why: heketi answers every question of LVM's with no. Even an empty partition table ends in
    `Cannot use /dev/sdb: device is partitioned` (CentOS 7: `Device /dev/sdb excluded by a
    filter.`), a filesystem in `WARNING: xfs signature detected`, a former brick in `Can't
    initialize physical volume`. Of a disk whose table or superblock is damaged LVM sees nothing,
    and takes it, data and all.

    By hand: look first, with `lsblk --fs DISK`, `wipefs DISK`, `pvs`. If nothing on it is needed,
    `wipefs --all` on its partitions and then on the disk; of a group that heketi made, `vgchange
    --activate n GROUP` first. What could be data carries a token: it names this disk with this
    content, and no other. A volume group that heketi did not make has none: gkprep never touches
    it.

    Source: catalogue N4, N6, N7, N8 and section 4 (measured with LVM 2.03.16); wipefs(8);
    lib/device/dev-type.c and lib/filters of LVM2.
    """
    blocks = facts[block.devices]
    subject = by_number(blocks, facts[block.target(device.path)].number)
    if subject is None or subject.kind != "disk" or subject.size < disk.HEAD + disk.TAIL:
        yield skip(device.path, "no disk that could be looked at: device-usable says why")
        return
    layers = stack(blocks, subject)
    served = any(map(heketi.group_of, layers)) and heketi.service(layers, facts[usage.mounts])
    yield (
        judge_service(facts, device, subject, served)
        if served
        else judge_disk(facts, device, layers)
    )


def judge_service(facts: Facts, device: Device, subject: Block, served: heketi.Service) -> Finding:
    """A disk that serves now, and will after a reboot only if LVM finds its label again (N8)."""
    path, volume = device.path, facts[disk.content(device.path)].volume
    group = volume.group.name if volume and volume.group else ""
    if subject.holders and group != served.group:
        says = f"Can't open {path} exclusively.  Mounted filesystem?"
        cure = "before the next reboot: heketi-cli device remove ID"
        return fail(path, f"{served}, but its LVM label is gone", "its label", says=says, cure=cure)
    return ok(path, str(served), WANT)


def judge_disk(facts: Facts, device: Device, layers: Sequence[Block]) -> Finding:
    """One disk that does not serve; `layers` begins with it."""
    path, subject = device.path, layers[0]
    signatures, content = facts[disk.signatures(path)], facts[disk.content(path)]
    kind, saw = remains(signatures, content), describe(signatures, content)
    says = refusal(path, signatures, content)
    if kind is Remains.FOREIGN:
        saw, cure = f"{saw}; gkprep never touches it", f"pvs -o pv_name,vg_name,lv_name {path}"
        return fail(path, saw, WANT, says=says, cure=cure)
    if kind in {Remains.LEFTOVER, Remains.DATA}:
        return judge_data(facts, path, layers, says)
    if stale := [layer.name for layer in layers if layer.parent == subject.name]:
        saw += f"; the kernel still has {', '.join(stale)}"
        return fail(path, saw, "no partitions", says=says, cure=f"blockdev --rereadpt {path}")
    if kind is Remains.EMPTY_TABLE:
        return fail(path, saw, WANT, says=says, cure=f"wipefs --all {path}")
    return ok(path, f"{saw}, which heketi takes" if kind is Remains.ORPHAN else saw, WANT)


def judge_data(facts: Facts, path: str, layers: Sequence[Block], says: str) -> Finding:
    """What could be data, and a group of heketi's: the token names it as it is now."""
    signatures, content = facts[disk.signatures(path)], facts[disk.content(path)]
    saw = describe(signatures, content)
    group = content.volume.group if content.volume else None
    serving = group and heketi.service(facts[block.devices], facts[usage.mounts])
    if group and serving:
        return judge_beside(path, group, f"{saw}, on a node that serves {serving.group}")
    named = token(facts.node.name, layers[0], signatures, content)
    saw += "" if says else "; LVM would take the disk all the same"
    saw += "" if named else f"; {NAMELESS}"
    cure = careful(path, layers, signatures, content)
    return fail(path, saw, WANT, says=says, cure=cure, token=named)


def judge_beside(path: str, group: VolumeGroup, saw: str) -> Finding:
    """A group of heketi's on a node where another one serves: hardly a leftover, and no token."""
    if group.complete and not group.bricks:
        return ok(path, f"in service: {saw}", WANT)
    return fail(path, f"{saw}; no brick of it is mounted", "mounted", cure=f"lvs {group.name}")


def careful(
    path: str, layers: Sequence[Block], signatures: Sequence[Signature], content: disk.Content
) -> str:
    """A look that harms nothing and, as a comment, what removes it all."""
    group = content.volume.group if content.volume else None
    if group:
        erase = f"vgchange --activate n {group.name} && wipefs --all --backup {path}"
        return look_first(f"lvs {group.name}", erase)
    arrays = [f"mdadm --stop {layer.path}" for layer in layers if layer.kind == "raid"]
    parts = [layer.path for layer in layers if layer.parent == layers[0].name]
    wipe = f"wipefs --all {' '.join([*parts, path])}"
    erased = [*arrays, wipe, *zeros(path, signatures, content)]
    erase = " && ".join([*erased, *forgotten(path, signatures, content)])
    return look_first(f"lsblk --fs {path}", erase)


def forgotten(path: str, signatures: Sequence[Signature], content: disk.Content) -> Iterator[str]:
    """The commands after which the kernel has no partitions: wipefs has it look only after a table.

    A boot sector may name one all the same (mkfs.vfat writes such an entry on a whole disk), and
    the kernel may have come upon it before the erasing, or just then.
    """
    named = content.mbr and content.mbr.partitions
    if named and not TABLES & {signature.type for signature in signatures}:
        yield f"udevadm settle && blockdev --rereadpt {path}"


def zeros(path: str, signatures: Sequence[Signature], content: disk.Content) -> Iterator[str]:
    """The commands for what wipefs does not see, and so does not erase either."""
    listed = {signature.offset for signature in signatures}
    ends = {table.backup for table in content.gpts if table.offset not in listed}
    if False in ends or content.young or content.inner or content.ext_backup:
        yield f"dd if=/dev/zero of={path} bs=1M count={HEAD_MIB} conv=fsync"
    if True in ends:
        seek, count = (content.size - disk.TAIL) // 512, disk.TAIL // 512
        yield f"dd if=/dev/zero of={path} bs=512 seek={seek} count={count} conv=fsync"
