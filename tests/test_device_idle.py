"""device-idle on facts given as values: every branch."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from checks.device_idle import IDLE, UNSEEN, device_idle
from preflight.errors import Unknown
from preflight.facts import block, heketi, usage
from preflight.facts.block import GIB, Block, Target
from preflight.facts.usage import Mount, Opener, Swap
from preflight.judge import judge
from preflight.model import Device, Facts, Finding, Node, Status

ID = "0123456789abcdef0123456789abcdef"
VG = f"vg_{ID}"
VDA = Block("vda", "254:0", "disk", 40 * GIB)
SDB1 = Block("sdb1", "8:17", "part", 8 * GIB, parent="sdb")
EXCLUSIVELY = "Can't open /dev/sdb exclusively.  Mounted filesystem?"
UNMAP = (
    "printf 'blacklist {\\n  wwid \"WWID\"\\n}\\n' >>/etc/multipath.conf && multipathd reconfigure"
    " && udevadm trigger --name-match=/dev/sdb && udevadm settle"
)
PARTITIONED = "Cannot use /dev/sdb: device is partitioned"


def sdb(*holders: str, **more: Any) -> Block:
    return Block("sdb", "8:16", "disk", 16 * GIB, holders=holders, **more)


def volume(number: int, label: str, **more: Any) -> Block:
    return Block(f"dm-{number}", f"253:{number}", "lvm", GIB, label=label, **more)


BRICK = volume(4, f"{VG}-brick_{ID}")
POOL = volume(2, f"{VG}-tp_{ID}-tpool", holders=("dm-4",))
HEKETI = (sdb("dm-1"), volume(1, f"{VG}-tp_{ID}_tdata", holders=("dm-2",)), POOL, BRICK)


def facts(  # noqa: PLR0913 - one for each fact
    *blocks: Block,
    mounts: Iterable[Mount] | Unknown = (),
    swaps: Iterable[Swap] | Unknown = (),
    opens: Iterable[Opener] | Unknown = (),
    members: Mapping[str, frozenset[str]] | None = None,
    taken: bool | Unknown = False,
    target: Target = Target(exists=True, number="8:16"),  # noqa: B008 - frozen
) -> Facts:
    node = Node("node1", "192.0.2.1", "192.0.2.1", devices=(Device("/dev/sdb"),))
    system = Mount("254:0", "/dev/vda", "/", "ext4")
    values: dict[str, object] = {
        block.devices.name: (VDA, *blocks),
        block.target("/dev/sdb").name: target,
        usage.mounts.name: mounts if isinstance(mounts, Unknown) else {system, *mounts},
        usage.swaps.name: swaps,
        usage.opens.name: opens,
        usage.members.name: members or {},
        usage.taken("/dev/sdb").name: taken,
    }
    return Facts(node, values)


def found(known: Facts) -> list[Finding]:
    return list(judge([device_idle], {"node1": known}))


def failing(*blocks: Block, **more: Any) -> list[tuple[str, str, str]]:
    """What is seen, said and to be done about each use."""
    findings = found(facts(*(blocks or (sdb(),)), **more))
    assert {(f.subject, f.status, f.want) for f in findings} == {("/dev/sdb", Status.FAIL, IDLE)}
    return [(f.saw, f.says, f.cure) for f in findings]


def test_a_disk_that_nothing_uses_passes() -> None:
    [finding] = found(facts(sdb()))
    assert (finding.status, finding.subject) == (Status.PASS, "/dev/sdb")
    assert finding.saw == "nothing uses it"


def test_partitions_that_nothing_uses_are_no_use() -> None:
    assert [f.status for f in found(facts(sdb(), SDB1))] == [Status.PASS]


def test_other_disks_are_of_no_interest() -> None:
    known = facts(
        sdb(),
        Block("sda", "8:0", "disk", GIB, holders=("dm-9",)),
        volume(9, "data-home"),
        mounts={Mount("253:9", "/dev/mapper/data-home", "/home", "xfs")},
        swaps={Swap("8:0", "/dev/sda"), Swap("", "/dev/gone")},
        opens={Opener("8:0", 5, "dd", "sh")},
        members={"uuid": frozenset({"sda", "vda"})},
    )
    assert [f.status for f in found(known)] == [Status.PASS]


@pytest.mark.parametrize(
    ("blocks", "target"),
    [
        ((), Target(exists=False)),
        ((), Target(exists=True)),
        ((), Target(exists=True, number="8:16")),
        ((Block("sdb", "8:16", "rom", GIB),), Target(exists=True, number="8:16")),
        ((volume(3, "a-b"),), Target(exists=True, number="253:3")),
    ],
)
def test_what_is_no_disk_is_for_device_usable_to_say(
    blocks: tuple[Block, ...], target: Target
) -> None:
    [finding] = found(facts(*blocks, target=target))
    assert (finding.status, finding.subject) == (Status.SKIP, "/dev/sdb")
    assert "device-usable" in finding.saw


# Mounted, swapped to.


def test_mounts_of_a_disk_are_one_use() -> None:
    points = ("/mnt", "/run/a place")
    mounts = {Mount("8:16", "/dev/sdb", point, "ext4") for point in points}
    assert failing(mounts=mounts) == [
        ("mounted at /mnt, /run/a place", EXCLUSIVELY, "umount --all-targets /dev/sdb")
    ]


def test_many_mounts_are_counted() -> None:
    mounts = {Mount("8:16", "/dev/sdb", f"/mnt/{at}", "ext4") for at in range(9)}
    [(saw, _, _)] = failing(mounts=mounts)
    assert saw == "mounted at /mnt/0, /mnt/1, /mnt/2 and 6 more"


@pytest.mark.parametrize("point", ["/", "/boot/efi", "/var"])
def test_the_disk_of_the_system_is_the_wrong_one_and_nothing_cures_that(point: str) -> None:
    mounts = {Mount("8:17", "/dev/sdb1", point, "ext4")}
    assert failing(sdb(), SDB1, mounts=mounts) == [
        (f"/dev/sdb1 is mounted at {point}: the system is on it", PARTITIONED, "")
    ]


def test_a_mounted_partition_is_named() -> None:
    mounts = {Mount("8:17", "/dev/sdb1", "/mnt", "xfs")}
    assert failing(sdb(), SDB1, mounts=mounts) == [
        ("/dev/sdb1 is mounted at /mnt", PARTITIONED, "umount --all-targets /dev/sdb1")
    ]


def test_a_mount_in_another_namespace_names_a_process_there() -> None:
    mounts = {Mount("8:16", "/dev/xvdb", "/data", "ext4", 812, "database")}
    assert failing(mounts=mounts) == [
        (
            "mounted at /data in the mount namespace of database, pid 812",
            EXCLUSIVELY,
            "nsenter --target 812 --mount umount --all-targets /dev/sdb",
        )
    ]


def test_what_the_machine_itself_has_mounted_hides_copies_elsewhere() -> None:
    mounts = {
        Mount("8:16", "/dev/sdb", "/mnt", "ext4"),
        Mount("8:16", "/dev/sdb", "/copy", "ext4", 812, "database"),
    }
    [(saw, _, _)] = failing(mounts=mounts)
    assert saw == "mounted at /mnt"


def test_btrfs_is_known_by_its_path() -> None:
    mounts = {Mount("0:41", "/dev/sdb", "/mnt", "btrfs")}
    assert failing(mounts=mounts) == [
        ("mounted at /mnt", EXCLUSIVELY, "umount --all-targets /dev/sdb")
    ]


def test_btrfs_on_a_mapping_is_known_by_its_name() -> None:
    mounts = {Mount("0:41", "/dev/mapper/a-b", "/mnt", "btrfs")}
    (mount, group) = failing(sdb("dm-1"), volume(1, "a-b"), mounts=mounts)
    assert (mount[0], mount[2]) == (
        "/dev/mapper/a-b is mounted at /mnt",
        "umount --all-targets /dev/mapper/a-b",
    )
    assert group[0] == "volume group a is active: 1 volume"


def test_btrfs_of_several_disks_names_the_one_that_is_mounted() -> None:
    members = {"uuid": frozenset({"sda", "sdb"}), "other": frozenset({"vda"})}
    sda = Block("sda", "8:0", "disk", GIB)
    mounts = {Mount("0:41", "/dev/sda", "/mnt", "btrfs")}
    assert failing(sda, sdb(), mounts=mounts, members=members) == [
        ("/dev/sda is mounted at /mnt", EXCLUSIVELY, "umount --all-targets /dev/sda")
    ]


def test_btrfs_that_is_mounted_nobody_knows_where() -> None:
    members = {"uuid": frozenset({"sda", "sdb"})}
    assert failing(members=members) == [("part of a mounted btrfs of sda, sdb", EXCLUSIVELY, "")]


def test_swap() -> None:
    assert failing(swaps={Swap("8:16", "/dev/disk/by-id/x")}) == [
        ("swapped to", EXCLUSIVELY, "swapoff /dev/sdb")
    ]
    assert failing(sdb(), SDB1, swaps={Swap("8:17", "/dev/sdb1")}) == [
        ("/dev/sdb1 is swapped to", PARTITIONED, "swapoff /dev/sdb1")
    ]


# Built on.


@pytest.mark.parametrize(
    ("layer", "saw", "says", "cure"),
    [
        (
            Block("md0", "9:0", "raid", GIB, label="raid1"),
            "array /dev/md0 (raid1) lies on it",
            "Cannot use /dev/sdb: device is an md component",
            "mdadm --stop /dev/md0",
        ),
        (
            Block("dm-1", "253:1", "crypt", GIB, label="secrets"),
            "encrypted mapping /dev/mapper/secrets lies on it",
            EXCLUSIVELY,
            "cryptsetup close secrets",
        ),
        (
            Block("dm-1", "253:1", "dm", GIB, label="a mapping"),
            "mapping /dev/mapper/a mapping lies on it",
            EXCLUSIVELY,
            "dmsetup remove 'a mapping'",
        ),
        (
            Block("dm-1", "253:1", "mpath", GIB, label="mpatha", uuid="mpath-WWID"),
            "multipath map /dev/mapper/mpatha lies on it",
            "Cannot use /dev/sdb: device is a multipath component",
            UNMAP,
        ),
        (
            Block("bcache0", "252:0", "disk", GIB),
            "/dev/bcache0 lies on it",
            EXCLUSIVELY,
            "",
        ),
    ],
)
def test_what_lies_on_the_disk_is_named(layer: Block, saw: str, says: str, cure: str) -> None:
    assert failing(sdb(layer.name), layer) == [(saw, says, cure)]


def test_a_loop_device_on_the_disk_or_a_partition() -> None:
    words = "Cannot use device /dev/sdb with duplicates."
    cure = "losetup --detach /dev/loop0"
    for backing in ("8:16", "8:17"):
        loop = Block("loop0", "7:0", "loop", GIB, label="/dev/x", backing=backing)
        assert failing(sdb(), SDB1, loop) == [("loop device /dev/loop0 lies on it", words, cure)]


def test_an_array_on_a_partition_is_named_and_lvm_stumbles_over_the_table() -> None:
    part = Block("sdb1", "8:17", "part", GIB, parent="sdb", holders=("md0",))
    array = Block("md0", "9:0", "raid", GIB, label="raid5")
    assert failing(sdb(), part, array) == [
        ("array /dev/md0 (raid5) lies on it", PARTITIONED, "mdadm --stop /dev/md0")
    ]


def test_layers_are_told_from_the_top_down() -> None:
    array = Block("md0", "9:0", "raid", GIB, label="raid1", holders=("dm-1",))
    secret = Block("dm-1", "253:1", "crypt", GIB, label="secrets", holders=("dm-2", "dm-3"))
    blocks = (sdb("md0"), array, secret, volume(2, "a--b-c"), volume(3, "a--b-d"))
    mounts = {Mount("253:2", "/dev/mapper/a--b-c", "/c", "xfs")}
    told = failing(*blocks, mounts=mounts, swaps={Swap("253:3", "/dev/dm-3")})
    assert [cure for _, _, cure in told] == [
        "umount --all-targets /dev/mapper/a--b-c",
        "swapoff /dev/mapper/a--b-d",
        "vgchange --activate n a-b",
        "cryptsetup close secrets",
        "mdadm --stop /dev/md0",
    ]
    assert {says for _, says, _ in told} == {"Cannot use /dev/sdb: device is an md component"}


def test_a_claim_of_multipathd_is_a_use_without_a_map_too() -> None:
    again = "udevadm trigger --name-match=/dev/sdb && udevadm settle"
    opens = {Opener("8:16", 300, "multipathd", "systemd")}
    assert failing(sdb(claimed=True), opens=opens) == [
        ("claimed by multipathd", "", f"multipath -w /dev/sdb && {again}")
    ]


def test_multipathd_holds_the_paths_of_its_maps() -> None:
    table = Block("dm-1", "253:1", "mpath", GIB, label="mpatha", uuid="mpath-WWID")
    opens = {Opener("8:16", 300, "multipathd", "systemd")}
    assert len(failing(sdb("dm-1", claimed=True), table, opens=opens)) == 1
    assert len(failing(sdb(), opens=opens)) == 1  # and of others it is a stranger


# heketi's own.


@pytest.mark.parametrize("pid", [1, 812])
def test_a_group_of_heketis_with_a_mounted_brick_is_in_service(pid: int) -> None:
    mounts = {Mount(BRICK.number, BRICK.known_as, "/bricks", "xfs", pid, "glusterd")}
    known = facts(*HEKETI, mounts=mounts, opens=Unknown("find: not found"), taken=True)
    [finding] = found(known)
    assert finding.status is Status.PASS
    assert finding.saw == f"in service: {VG} with 1 brick mounted"


def test_bricks_that_serve_are_counted() -> None:
    second = volume(5, f"{VG}-brick_{ID[::-1]}")
    pool = volume(2, f"{VG}-tp_{ID}-tpool", holders=("dm-4", "dm-5"))
    mounts = {Mount(brick.number, "/dev/x", "/b", "xfs") for brick in (BRICK, second)}
    [finding] = found(facts(*HEKETI[:2], pool, BRICK, second, mounts=mounts))
    assert finding.saw == f"in service: {VG} with 2 bricks mounted"


def test_a_group_of_heketis_without_a_mounted_brick_is_a_leftover() -> None:
    [(saw, says, cure)] = failing(*HEKETI)
    assert saw == f"volume group {VG} is active: 3 volumes, but no brick is mounted"
    assert says.startswith('Can\'t initialize physical volume "/dev/sdb" of volume group')
    assert says.endswith(f"(or, when its label is gone: {EXCLUSIVELY})")
    assert cure == f"vgchange --activate n {VG}"


@pytest.mark.parametrize(
    "label",
    [
        f"vg_{ID}-lv",  # no brick
        f"vg_{ID}-brick_{ID}0",
        f"vg_{ID}0-brick_{ID}",  # no group of heketi's
        f"vg_{ID.upper()}-brick_{ID}",
        f"my--vg_{ID}-brick_{ID}",
    ],
)
def test_what_only_looks_like_heketis_is_not_in_service(label: str) -> None:
    mounts = {Mount("253:1", "/dev/x", "/mnt", "xfs")}
    told = failing(sdb("dm-1"), volume(1, label), mounts=mounts)
    assert len(told) == 2
    assert heketi.service([sdb("dm-1"), volume(1, label)], mounts) is None


# Held open.


def test_processes_that_hold_the_disk_are_named_each() -> None:
    opens = {
        Opener("8:16", 500, "dd", "sh"),
        Opener("8:16", 70, "oracle", "systemd"),
        Opener("8:17", 70, "oracle", "systemd"),
    }
    note = "(LVM notices only who opens exclusively)"
    assert failing(sdb(), SDB1, opens=opens) == [
        (f"/dev/sdb, /dev/sdb1 held open by oracle, pid 70 {note}", "", "kill 70"),
        (f"held open by dd, pid 500 {note}", "", "kill 500"),
    ]


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("(udev-worker)", "systemd-udevd"),  # systemd 252
        ("systemd-udevd", "systemd-udevd"),  # systemd 219
        ("ata_id", "(udev-worker)"),
        ("mdadm", "systemd-udevd"),
        ("udevd", "init"),
    ],
)
def test_udev_passes_by(name: str, parent: str) -> None:
    [finding] = found(facts(sdb(), opens={Opener("8:16", 500, name, parent)}))
    assert finding.status is Status.PASS


def test_taken_by_nobody_knows_whom() -> None:
    assert failing(taken=True) == [(UNSEEN, EXCLUSIVELY, "")]


# Not known.


@pytest.mark.parametrize("fact", ["mounts", "swaps", "opens", "taken"])
def test_what_is_not_known_is_no_pass(fact: str) -> None:
    unknown: dict[str, Any] = {fact: Unknown(f"{fact}: not found")}
    [finding] = found(facts(sdb(), **unknown))
    assert (finding.status, finding.subject) == (Status.ERROR, "/dev/sdb")
    assert finding.saw == f"{fact}: not found"


def test_what_is_known_is_said_beside_what_is_not() -> None:
    mounts = {Mount("8:16", "/dev/sdb", "/mnt", "ext4")}
    first, second = found(facts(sdb(), mounts=mounts, opens=Unknown("find: not found")))
    assert (first.status, second.status) == (Status.FAIL, Status.ERROR)


def test_cures_are_commands_on_one_line() -> None:
    odd = Block("dm-1", "253:1", "crypt", GIB, label="x; reboot")
    [(_, _, cure)] = failing(sdb("dm-1"), odd)
    assert shlex.split(cure) == ["cryptsetup", "close", "x; reboot"]
