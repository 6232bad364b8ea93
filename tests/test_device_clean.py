"""device-clean on disks as they were recorded, and on facts given as values: every branch."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checks.device_clean import device_clean
from preflight.errors import Unknown
from preflight.facts import block, disk, usage
from preflight.facts.block import GIB, Block, Target
from preflight.facts.disk import Content
from preflight.facts.disk.lvm import Volume, VolumeGroup
from preflight.facts.disk.magic import Signature
from preflight.facts.disk.partitions import Mbr, Partition
from preflight.facts.disk.remains import Remains, remains
from preflight.facts.usage import Mount
from preflight.judge import judge
from preflight.model import Device, Facts, Finding, Node, Status
from preflight.plugin import THEN

CAPTURES = Path(__file__).parent / "captures"
SDA = "/dev/sda"
DISK = Block("sda", "8:0", "disk", 12 * GIB, serials=("LABDATA3",), wwns=("0x5",))
VG = "vg_0123456789abcdef0123456789abcdef"
BRICK = Block(
    "dm-4", "252:4", "lvm", GIB, label=f"{VG}-brick_0123456789abcdef0123456789abcdef", uuid="LVM-1"
)
BRICK_MOUNT = Mount("252:4", "/dev/mapper/brick", "/var/lib/heketi/mounts/brick", "xfs")
PARTITIONED = (
    f"Cannot use {SDA}: device is partitioned (CentOS 7: Device {SDA} excluded by a filter.)"
)
MEMBER = f"Cannot use {SDA}: device is an md component"
TAKEN = "; LVM would take the disk all the same"
ELSEWHERE = "it is marked as used, and its group's metadata is not on it"
HANDS_OFF = "; gkprep never touches it"


def read(name: str, case: str) -> str:
    data = (CAPTURES / name / f"debian-12-{case}.out").read_bytes()
    return data.decode("utf-8", "surrogateescape")


def signatures(case: str) -> tuple[Signature, ...]:
    return disk.parse_signatures(read("disk.signatures", case))


def content(case: str) -> Content:
    return disk.parse_content(read("disk.content", case))


def find(values: dict[str, object], *, node: str = "node3", path: str = SDA) -> Finding:
    known = {
        block.devices.name: (DISK,),
        block.target(path).name: Target(exists=True, number="8:0"),
        usage.mounts.name: frozenset(),
        **values,
    }
    where = Node(node, "192.0.2.3", "192.0.2.3", devices=(Device(path),))
    [finding] = judge([device_clean], {node: Facts(where, known)})
    assert finding.subject == path
    return finding


def values(case: str, *blocks: Block, path: str = SDA) -> dict[str, object]:
    """What is known of a node whose disk is as it was when `case` was recorded."""
    return {
        block.devices.name: blocks or (DISK,),
        disk.signatures(path).name: signatures(case),
        disk.content(path).name: content(case),
    }


def wipe(kind: str, offset: int) -> str:
    return f"WARNING: {kind} signature detected on {SDA} at offset {offset}. Wipe it? [y/n]: [n]"


def owned(group: str) -> str:
    return f'Can\'t initialize physical volume "{SDA}" of volume group "{group}" without -ff'


PASSING = {
    "blank": "blank",
    "noise": "no signature, though not blank",
    "wiped-filesystem": "no signature, though not blank",
    "orphan": "LVM physical volume without a volume group, which heketi takes",
    "orphan-of-few-words": "LVM physical volume without a volume group, which heketi takes",
}
EMPTY = {
    "empty-gpt": ("gpt (empty table)", PARTITIONED),
    "empty-msdos": ("dos (empty table)", wipe("dos", 510)),
}
FOREIGN = {
    "foreign": (
        f"LVM physical volume of volume group data{HANDS_OFF}",
        owned("data"),
    ),
    "unknown-group": (
        f"LVM physical volume of an unknown group: {ELSEWHERE}{HANDS_OFF}",
        f"PV {SDA} is used by a VG but its metadata is missing.",
    ),
    "damaged-label": (
        f"LVM physical volume of an unknown group: its label is damaged{HANDS_OFF}",
        "",
    ),
}
# What could be data, as a pattern with `#` for a UUID; and the words of LVM, empty where it takes
# the disk.
DATA = {
    "gpt": ("gpt with 2 partitions", PARTITIONED),
    "gpt-of-4096": ("gpt with 1 partition", PARTITIONED),
    "msdos": ("dos with 1 partition", PARTITIONED),
    "sun": ("sun", wipe("sun", 508)),
    "gpt-with-damaged-ends": ("damaged gpt with 1 partition", PARTITIONED),
    "gpt-without-a-beginning": (f"gpt with 1 partition at the end of the disk only{TAKEN}", ""),
    "protective-mbr-alone": ("protective MBR without its gpt", PARTITIONED),
    "ext4": ("ext4 (label data, UUID #)", wipe("ext4", 1080)),
    "xfs": ("xfs (UUID #)", wipe("xfs", 0)),
    "vfat": ("vfat (UUID #)", PARTITIONED),
    "swap": ("swap (UUID #)", wipe("swap", 4086)),
    "luks": ("crypto_LUKS (UUID #)", wipe("crypto_LUKS", 0)),
    "md": ("linux_raid_member (label node3:0, UUID #)", MEMBER),
    "md-of-old": ("linux_raid_member (UUID #)", MEMBER),
    "ceph": ("ceph_bluestore", wipe("ceph_bluestore", 0)),
    "leftover": (
        f"LVM physical volume of volume group {VG} with 1 brick",
        owned(VG),
    ),
    "table-over-a-partition": ("gpt (empty table) over ext4 at sector 2048", PARTITIONED),
    "table-over-an-old-partition": ("dos (empty table) over xfs at sector 63", wipe("dos", 510)),
    "table-over-a-filesystem": (
        "gpt (empty table) over ext4 (UUID #) with a damaged superblock",
        PARTITIONED,
    ),
    "table-over-noise": ("gpt (empty table) over data without a signature", PARTITIONED),
    "partition-without-a-table": (
        f"ext4 at sector 2048{TAKEN}",
        "",
    ),
    "damaged-superblock": (
        f"ext4 (UUID #) with a damaged superblock{TAKEN}",
        "",
    ),
}


def test_every_recorded_disk_is_judged_here() -> None:
    cases = {path.stem for path in (CAPTURES / "disk.content").glob("debian-12-*.out")}
    judged_here = {*PASSING, *EMPTY, *FOREIGN, *DATA}
    assert {f"debian-12-{case}" for case in judged_here} == cases - {"debian-12-unreadable"}


@pytest.mark.parametrize("case", PASSING)
def test_what_heketi_takes_and_may_take_passes(case: str) -> None:
    finding = find(values(case))
    assert (finding.status, finding.saw) == (Status.PASS, PASSING[case])
    assert (finding.says, finding.cure, finding.token) == ("", "", None)


@pytest.mark.parametrize("case", EMPTY)
def test_an_empty_table_and_nothing_else_needs_no_token(case: str) -> None:
    finding = find(values(case))
    assert (finding.status, finding.saw, finding.says) == (Status.FAIL, *EMPTY[case])
    assert (finding.cure, finding.token) == ("wipefs --all /dev/sda", None)


@pytest.mark.parametrize("case", FOREIGN)
def test_a_group_that_is_not_heketis_is_never_offered(case: str) -> None:
    finding = find(values(case))
    assert (finding.status, finding.saw, finding.says) == (Status.FAIL, *FOREIGN[case])
    assert (finding.cure, finding.token) == ("pvs -o pv_name,vg_name,lv_name /dev/sda", None)


@pytest.mark.parametrize("case", DATA)
def test_what_could_be_data_fails_with_a_token_and_a_look(case: str) -> None:
    finding = find(values(case))
    saw = re.sub(r"UUID [0-9a-fA-F-]+", "UUID #", finding.saw)
    assert (finding.status, saw, finding.says) == (Status.FAIL, *DATA[case])
    assert re.fullmatch("[a-f][0-9a-f]{11}", finding.token or "")
    assert re.match(f"(lsblk --fs /dev/sda|lvs {VG}){THEN}", finding.cure)


@pytest.mark.parametrize("case", [*PASSING, *EMPTY, *FOREIGN, *DATA])
def test_a_finding_is_plain_text_of_one_line(case: str) -> None:
    finding = find(values(case))
    for text in (finding.saw, finding.says, finding.cure):
        assert text.isascii()
        assert text.isprintable() or not text


def erase(case: str, *blocks: Block) -> str:
    return find(values(case, *blocks)).cure.partition(THEN)[2]


def test_a_cure_goes_from_the_top_down() -> None:
    one = Block("sda1", "8:1", "part", GIB, parent="sda")
    two = replace(one, name="sda2", number="8:2")
    assert erase("gpt", DISK, one, two) == "wipefs --all /dev/sda1 /dev/sda2 /dev/sda"
    array = Block("md0", "9:0", "raid", GIB)
    member = replace(DISK, holders=("md0",))
    assert erase("md", array, member) == "mdadm --stop /dev/md0 && wipefs --all /dev/sda"
    assert erase("leftover") == f"vgchange --activate n {VG} && wipefs --all --backup /dev/sda"


def test_a_cure_zeroes_what_wipefs_would_leave() -> None:
    head = "dd if=/dev/zero of=/dev/sda bs=1M count=129 conv=fsync"
    tail = "dd if=/dev/zero of=/dev/sda bs=512 seek=25163776 count=2048 conv=fsync"
    assert erase("xfs") == "wipefs --all /dev/sda"
    assert erase("gpt-without-a-beginning") == "wipefs --all /dev/sda"
    assert erase("damaged-superblock") == f"wipefs --all /dev/sda && {head}"
    assert erase("table-over-a-partition") == f"wipefs --all /dev/sda && {head}"
    assert erase("gpt-with-damaged-ends") == f"wipefs --all /dev/sda && {head} && {tail}"


def test_a_cure_has_the_kernel_forget_what_only_a_boot_sector_names() -> None:
    """mkfs.vfat writes a partition into it; wipefs has the kernel look again only after a table."""
    forget = "udevadm settle && blockdev --rereadpt /dev/sda"
    assert erase("vfat") == f"wipefs --all /dev/sda && {forget}"
    one = Block("sda1", "8:1", "part", 12 * GIB, parent="sda")
    assert erase("vfat", DISK, one) == f"wipefs --all /dev/sda1 /dev/sda && {forget}"


@pytest.mark.parametrize("case", ["blank", "orphan", "empty-gpt"])
def test_partitions_that_only_the_kernel_has_are_told(case: str) -> None:
    part = Block("sda1", "8:1", "part", GIB, parent="sda")
    finding = find(values(case, DISK, part))
    assert (finding.status, finding.token) == (Status.FAIL, None)
    assert finding.saw.endswith("; the kernel still has sda1")
    assert finding.cure == "blockdev --rereadpt /dev/sda"


def serving(*mounts: Mount, **changes: object) -> Finding:
    held = replace(DISK, holders=("dm-4",))
    mounted = {usage.mounts.name: frozenset(mounts)}
    return find({**values("leftover", held, BRICK), **mounted, **changes})


def test_a_group_with_a_mounted_brick_is_in_service() -> None:
    finding = serving(BRICK_MOUNT)
    assert (finding.status, finding.token) == (Status.PASS, None)
    assert finding.saw == f"in service: {VG} with 1 brick mounted"


def test_what_serves_without_a_label_ends_with_the_next_reboot() -> None:
    """The metadata of another group, or none: the bricks stay mounted all the same (N8)."""
    for case in ("foreign", "blank"):
        known = {disk.content(SDA).name: content(case)}
        finding = serving(BRICK_MOUNT, **known)
        assert (finding.status, finding.token) == (Status.FAIL, None)
        assert finding.saw == f"in service: {VG} with 1 brick mounted, but its LVM label is gone"
        assert "exclusively" in finding.says


def test_what_serves_from_a_partition_has_its_label_there() -> None:
    part = Block("sda1", "8:1", "part", GIB, parent="sda", holders=("dm-4",))
    mounted = {usage.mounts.name: frozenset({BRICK_MOUNT})}
    finding = find({**values("gpt", DISK, part, BRICK), **mounted})
    assert (finding.status, finding.saw) == (
        Status.PASS,
        f"in service: {VG} with 1 brick mounted",
    )


def test_a_group_with_active_volumes_of_which_none_is_mounted_is_a_leftover() -> None:
    finding = serving(Mount("254:0", "/dev/vda", "/", "ext4"))
    assert (finding.status, finding.says) == (Status.FAIL, owned(VG))
    assert finding.token


def test_whether_a_heketi_group_serves_must_be_known() -> None:
    held = replace(DISK, holders=("dm-4",))
    known = values("leftover", held, BRICK)
    finding = find({**known, usage.mounts.name: Unknown("no /proc")})
    assert (finding.status, finding.saw) == (Status.ERROR, "no /proc")


OTHER = "vg_ffffffffffffffffffffffffffffffff"
ELSEWHERE_MOUNTED = (
    replace(BRICK, label=BRICK.label.replace(VG, OTHER)),
    frozenset({BRICK_MOUNT}),
)


def beside(group: VolumeGroup) -> Finding:
    """What is found of a group of heketi's that lies idle on a node where another one serves."""
    brick, mounts = ELSEWHERE_MOUNTED
    seen = content("leftover")
    assert seen.volume
    seen = replace(seen, volume=replace(seen.volume, group=group))
    known = values("leftover", DISK, brick)
    return find({**known, disk.content(SDA).name: seen, usage.mounts.name: mounts})


def test_a_group_without_bricks_on_a_node_that_serves_waits_for_some() -> None:
    finding = beside(VolumeGroup(VG, "uuid", 1, ()))
    assert (finding.status, finding.token) == (Status.PASS, None)
    assert finding.saw == (
        f"in service: LVM physical volume of volume group {VG} with 0 bricks,"
        f" on a node that serves {OTHER}"
    )


@pytest.mark.parametrize("complete", [True, False])
def test_bricks_that_are_not_mounted_on_a_node_that_serves_get_no_token(complete: bool) -> None:
    bricks = (Volume("brick_0", "uuid"),) if complete else ()
    finding = beside(VolumeGroup(VG, "uuid", 1, bricks, complete))
    assert (finding.status, finding.token) == (Status.FAIL, None)
    assert finding.saw.endswith(f"on a node that serves {OTHER}; no brick of it is mounted")
    assert finding.cure == f"lvs {VG}"


def test_mounts_are_no_matter_where_heketi_has_nothing() -> None:
    finding = find({**values("blank"), usage.mounts.name: Unknown("no /proc")})
    assert finding.status is Status.PASS


@pytest.mark.parametrize("name", [disk.signatures(SDA).name, disk.content(SDA).name])
def test_a_disk_that_cannot_be_read_is_no_pass(name: str) -> None:
    finding = find({**values("blank"), name: Unknown("Input/output error")})
    assert (finding.status, finding.saw) == (Status.ERROR, "Input/output error")


@pytest.mark.parametrize(
    "known",
    [
        {block.target(SDA).name: Target(exists=False)},
        {block.target(SDA).name: Target(exists=True)},
        {block.devices.name: (replace(DISK, kind="part", parent="sdb"),)},
        {block.devices.name: (replace(DISK, kind="lvm"),)},
        {block.devices.name: (replace(DISK, size=0),)},
        {block.devices.name: (replace(DISK, number="8:16"),)},
    ],
)
def test_what_is_no_disk_is_left_to_device_usable(known: dict[str, object]) -> None:
    finding = find({**values("blank"), **known})
    assert finding.status is Status.SKIP
    assert "device-usable" in finding.saw


def test_the_path_of_the_inventory_is_the_one_in_every_command() -> None:
    path = "/dev/disk/by-id/scsi-LABDATA3"
    finding = find(values("empty-gpt", path=path), path=path)
    assert finding.cure == f"wipefs --all {path}"
    assert finding.says.startswith(f"Cannot use {path}: ")


def named(case: str = "ext4", node: str = "node3", **changes: Any) -> str | None:
    return find(values(case, replace(DISK, **changes)), node=node).token


def test_a_token_names_this_content_of_this_disk_of_this_node() -> None:
    one = named()
    assert one
    assert one == named(name="sdb") == named(label="x", holders=("dm-9",))
    others = {
        named(node="node2"),
        named(serials=("LABDATA4",)),
        named(wwns=("0x6",)),
        named(size=13 * GIB),
        named("xfs"),
        named("table-over-a-partition"),
    }
    assert len(others) == 6
    assert one not in others


def test_a_token_is_spent_by_any_change_of_what_was_seen() -> None:
    case = values("table-over-a-partition")
    seen = content("table-over-a-partition")
    renamed = replace(seen.inner[0], uuid="another")
    for change in (replace(seen, digest="0" * 64), replace(seen, inner=(renamed,))):
        assert find({**case, disk.content(SDA).name: change}).token != find(case).token


def test_a_place_names_a_disk_without_a_number_and_nothing_names_none() -> None:
    bare = replace(DISK, serials=(), wwns=())
    here, there = (replace(bare, id_path=f"pci-0000:00:0{slot}.0") for slot in (3, 4))
    assert find(values("ext4", here)).token
    assert find(values("ext4", here)).token != find(values("ext4", there)).token
    nameless = find(values("ext4", bare))
    assert nameless.token is None
    assert nameless.saw.endswith("no serial, WWN or ID_PATH")


# The rest is constructed: states that no tool here makes.


def judged(found: tuple[Signature, ...], case: str = "blank", **changes: Any) -> Finding:
    known = values(case)
    known[disk.signatures(SDA).name] = found
    known[disk.content(SDA).name] = replace(content(case), blank=False, **changes)
    return find(known)


def test_a_format_that_the_node_does_not_know_is_seen_and_zeroed() -> None:
    """Ceph's bluestore under CentOS 7's libblkid, which shows nothing."""
    finding = judged((), "ceph")
    assert finding.saw == f"ceph_bluestore{TAKEN}"
    assert finding.token
    assert " && dd if=/dev/zero " in finding.cure


def test_a_format_that_the_node_knows_as_well_is_told_once() -> None:
    found = replace(signatures("ceph")[0], uuid="1")
    assert judged((found,), "ceph").saw == "ceph_bluestore (UUID 1)"


def test_a_label_that_only_wipefs_sees_is_not_judged() -> None:
    finding = judged((Signature(0x10018, "LVM2_member"),))
    assert finding.status is Status.ERROR
    assert "no such label" in finding.saw


@pytest.mark.parametrize("mbr", [None, Mbr(protective=False, counts=False, partitions=())])
def test_a_table_that_only_wipefs_sees_is_data(mbr: Mbr | None) -> None:
    finding = judged((Signature(0, "gpt"),), mbr=mbr)
    assert (finding.status, finding.saw) == (Status.FAIL, f"gpt{TAKEN}")
    assert finding.token


def test_a_physical_volume_with_something_else_is_data() -> None:
    orphan = signatures("orphan")
    finding = judged((*orphan, Signature(0, "xfs")), "orphan")
    assert finding.saw == "LVM physical volume without a volume group and xfs"
    assert (finding.status, finding.says) == (Status.FAIL, wipe("xfs", 0))
    assert finding.token


def test_two_tables_are_data_even_if_both_are_empty() -> None:
    """A disk that was relabelled by a tool that left the GPT's copy at the end."""
    mbr = Mbr(protective=False, counts=False, partitions=())
    gpts = tuple(table for table in content("empty-gpt").gpts if table.backup)
    finding = judged((Signature(510, "dos"),), mbr=mbr, gpts=gpts)
    assert finding.saw == "gpt (empty table) at the end of the disk only and dos (empty table)"
    assert finding.token


BACKUP = content("damaged-superblock").ext_backup
BITLOCKER = Signature(3, "BitLocker")  # in the sector that is taken for the table's own
PARTITION = Partition(1, 1 << 20, 1 << 30, "0x83")


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        ("empty-gpt", {"ext_backup": BACKUP}),
        ("empty-gpt", {"young": (BITLOCKER,)}),
        ("empty-gpt", {"inner": (Signature(1 << 20, "xfs"),)}),
        ("empty-gpt", {"leftover": True}),
        ("empty-msdos", {"ext_backup": BACKUP}),
        ("empty-msdos", {"young": (BITLOCKER,)}),
        ("empty-msdos", {"mbr": Mbr(protective=False, counts=True, partitions=(PARTITION,))}),
        ("empty-msdos", {"gpts": content("empty-gpt").gpts}),
        ("empty-msdos", {"leftover": True}),
    ],
)
def test_one_thing_beside_an_empty_table_and_it_takes_a_token(
    case: str, changes: dict[str, Any]
) -> None:
    assert judged(signatures(case), case).token is None
    finding = judged(signatures(case), case, **changes)
    assert finding.status is Status.FAIL
    assert finding.token
    assert THEN in finding.cure


def test_a_damaged_table_without_a_name_in_it_is_data() -> None:
    gpts = tuple(replace(table, intact=False) for table in content("empty-gpt").gpts)
    finding = judged(signatures("empty-gpt"), "empty-gpt", gpts=gpts, leftover=True)
    assert finding.saw == "damaged gpt"
    assert finding.token


def test_an_empty_gpt_of_which_the_copy_is_gone_is_still_only_that() -> None:
    """As on a virtual disk that grew."""
    seen = content("empty-gpt")
    found = signatures("empty-gpt")[:2]
    assert remains(found, replace(seen, gpts=seen.gpts[:1])) is Remains.EMPTY_TABLE
    assert remains(found, replace(seen, gpts=seen.gpts[1:])) is Remains.DATA


def test_hostile_labels_are_shown_in_ascii() -> None:
    finding = judged((Signature(0, "xfs", "1", "d\u00e9j\u00e0 \udcff"),))
    assert finding.saw == r"xfs (label d\xe9j\xe0 \udcff, UUID 1)"


def grouped(**changes: Any) -> Finding:
    volume = content("leftover").volume
    assert volume
    assert volume.group
    other = replace(volume, group=replace(volume.group, **changes))
    return judged(signatures("leftover"), "leftover", volume=other)


def test_a_long_group_is_counted_as_far_as_it_was_read() -> None:
    assert grouped(complete=False).saw.endswith(f"{VG} with at least 1 brick")


@pytest.mark.parametrize("name", [f"{VG}0", VG[:-1], VG.upper(), f"my{VG}", "vg_data"])
def test_a_name_that_is_only_like_heketis_is_somebody_elses(name: str) -> None:
    finding = grouped(name=name)
    assert (finding.status, finding.token) == (Status.FAIL, None)
    assert finding.saw == f"LVM physical volume of volume group {name}{HANDS_OFF}"


def test_a_table_is_not_empty_beside_a_signature() -> None:
    finding = judged((*signatures("empty-gpt"), Signature(1 << 20, "nilfs2")), "empty-gpt")
    assert finding.saw == "gpt (empty table) and nilfs2"
    assert finding.token


def test_every_disk_of_a_node_is_asked_for_itself() -> None:
    node = Node("n", "192.0.2.1", "192.0.2.1", devices=(Device("/dev/sdb"), Device("/dev/sdc")))
    asked = [probe.name for probe in device_clean.needs(node)]
    for path in ("/dev/sdb", "/dev/sdc"):
        assert {f"disk.content({path})", f"disk.signatures({path})"} <= {*asked}
