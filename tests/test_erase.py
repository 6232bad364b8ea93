"""What `gkprep fix` erases of a disk, with whose consent, and what it leaves alone.

On facts given as values. tests/test_wipe_lab.py does the same with real disks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from preflight import registry
from preflight.errors import Unfixable
from preflight.facts import block, disk, gluster, ports, usage
from preflight.facts.block import Block, Target
from preflight.facts.disk.footprint import footprint
from preflight.facts.disk.lvm import PhysicalVolume, Volume, VolumeGroup
from preflight.facts.disk.magic import Signature
from preflight.facts.disk.partitions import Gpt, Mbr, Partition
from preflight.facts.disk.probes import Content
from preflight.facts.gluster import State
from preflight.judge import judge
from preflight.model import Check, Device, Extent, Facts, Overwrite, Plan, Step
from preflight.plan import plan
from tests.test_fixes import CHECKS, NODE, planned, steps, whys

OTHER = hashlib.sha256(b"other").hexdigest()
SIZE = 12 << 30
NO_STATE = State((), (), (), ())
DISK = Block("sdb", "8:16", "disk", SIZE, serials=("S1",))
PRIMARY = Gpt(512, 512, backup=False, intact=True, partitions=())
TABLES = (PRIMARY, replace(PRIMARY, offset=SIZE - 512, backup=True))
PROTECTIVE = Mbr(protective=True, counts=True, partitions=())
EMPTY = Content(SIZE, "d", blank=False, leftover=False, mbr=PROTECTIVE, gpts=TABLES)
SEEN = (Signature(510, "PMBR"), Signature(512, "gpt"), Signature(SIZE - 512, "gpt"))


def disks(
    content: Content = EMPTY, found: Block = DISK, more: tuple[Block, ...] = ()
) -> dict[str, object]:
    path = "/dev/sdb"
    return {
        block.devices.name: (found, *more),
        block.target(path).name: Target(exists=True, number=found.number),
        usage.mounts.name: frozenset(),
        ports.listening.name: frozenset(),
        usage.swaps.name: frozenset(),
        usage.opens.name: frozenset(),
        usage.members.name: {},
        gluster.state.name: NO_STATE,
        disk.signatures(path).name: SEEN,
        disk.content(path).name: content,
    }


def test_an_empty_table_is_erased_where_it_is_marked_and_nowhere_else() -> None:
    [step] = steps(planned("device-clean", disks()))
    assert isinstance(step, Overwrite)
    assert step.extents == (Extent(SIZE - 512, 8), Extent(510, 10))
    assert (step.data, step.expected) == (bytes(18), None)
    assert step.identity == (("serial", "S1"), ("wwn", ""))


def test_an_empty_dos_table_is_its_last_two_bytes() -> None:
    mbr = Mbr(protective=False, counts=False, partitions=())
    values = disks(replace(EMPTY, mbr=mbr, gpts=()))
    values[disk.signatures("/dev/sdb").name] = (Signature(510, "dos"),)
    [step] = steps(planned("device-clean", values))
    assert isinstance(step, Overwrite)
    assert step.extents == (Extent(510, 2),)


PARTITION = Partition(1, 1 << 20, 1 << 30, "0x83")
LISTED = replace(EMPTY, gpts=(replace(TABLES[0], partitions=(PARTITION,)),), asked=(1 << 20,))


def consented(values: Mapping[str, object], *tokens: str, **of_device: Any) -> Plan:
    """What `gkprep fix --only device-clean` would do with these consents."""
    node = replace(NODE, devices=(Device("/dev/sdb", **of_device),))
    fleet = {node.name: Facts(node, values)}
    check = CHECKS["device-clean"]
    assert isinstance(check, Check)
    return plan(judge([check], fleet), fleet, registry.fixes(), tokens)


def token(values: Mapping[str, object]) -> str:
    [action] = consented(values).withheld
    assert action.finding.token
    return action.finding.token


@pytest.mark.parametrize(
    "content",
    [
        replace(EMPTY, leftover=True),
        LISTED,
        replace(EMPTY, inner=(Signature(1 << 20, "ext4"),)),
    ],
)
def test_what_could_be_data_waits_for_its_token(content: Content) -> None:
    values = disks(content)
    made = consented(values)
    assert (made.actions, made.left, made.spent) == ((), (), ())
    given = token(values)
    for agreed in (consented(values, given), consented(values, wipe=given)):
        assert [each.finding.token for each in agreed.actions] == [given]
        assert (agreed.withheld, agreed.spent) == ((), ())


def test_a_token_is_spent_when_the_disk_has_changed() -> None:
    given = token(disks(LISTED))
    changed = disks(replace(LISTED, digest=OTHER))
    for made in (consented(changed, given), consented(changed, wipe=given)):
        assert made.actions == ()
        assert len(made.withheld) == 1
        assert made.spent == (given,)


def test_a_token_left_behind_in_the_inventory_is_no_matter_once_the_disk_is_clean() -> None:
    clean = disks(VACANT)
    clean[disk.signatures("/dev/sdb").name] = ()
    assert consented(clean, wipe=token(disks(LISTED))) == Plan()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"usage.mounts": frozenset({usage.Mount("8:16", "/dev/sdb", "/mnt", "xfs")})}, "mounted"),
        ({"usage.swaps": frozenset({usage.Swap("8:16", "/dev/sdb")})}, "swapped to"),
        ({"usage.opens": frozenset({usage.Opener("8:16", 7, "dd", "sh")})}, "held open by dd"),
        (
            {
                "block.devices": (
                    replace(DISK, holders=("dm-0",)),
                    Block("dm-0", "253:0", "crypt", 1, label="secret"),
                )
            },
            "encrypted mapping",
        ),
    ],
)
def test_a_disk_in_use_is_never_erased(given: dict[str, object], why: str) -> None:
    values = disks(LISTED)
    named = token(values)
    for made in (consented(values | given), consented(values | given, named)):
        assert (made.actions, made.withheld) == ((), ())
        assert [left.why.startswith(f"in use, and never erased then: {why}") for left in made.left]


# --- where a signature is ------------------------------------------------------------------------

BARE = Content(SIZE, "d", blank=False, leftover=True)
MIB = 1 << 20
LABEL = 256 << 10


@pytest.mark.parametrize(
    ("signatures", "content", "extents"),
    [
        ([Signature(0x438, "ext4")], {}, [(0x438, 2)]),
        ([Signature(0, "xfs")], {}, [(0, 4)]),
        ([Signature(0x10040, "btrfs")], {}, [(0x10040, 8)]),
        ([Signature(SIZE - 65536, "linux_raid_member")], {}, [(SIZE - 65536, 4)]),
        ([Signature(0, "crypto_LUKS")], {"luks_copies": (16384,)}, [(16384, 6), (0, 6)]),
        (
            [Signature(0x1FE, "vfat")],
            {"mbr": Mbr(protective=False, counts=False, partitions=())},
            [(510, 2), (82, 8), (54, 8), (0, 1)],
        ),
        (
            [Signature(0x8001, "iso9660"), Signature(510, "dos")],
            {"mbr": Mbr(protective=False, counts=True, partitions=())},
            [(0x8001, 5), (510, 2)],
        ),
        (
            [Signature(0x23000, "zfs_member")],
            {},
            [(SIZE - 2 * LABEL, 2 * LABEL), (0, 2 * LABEL)],
        ),
        ([], {"young": (Signature(0, "ceph_bluestore"),)}, [(0, 22)]),
        ([], {"ext_backup": Signature((128 << 20) + 56, "ext4")}, [((128 << 20) + 56, 2)]),
        ([], {"inner": (Signature(MIB, "ext4"),)}, [(MIB + 0x438, 2)]),
        (
            [],
            {"inner": (Signature(MIB, "crypto_LUKS"),), "luks_copies": (MIB + 16384,)},
            [(MIB + 16384, 6), (MIB, 6)],
        ),
        ([], {"inner": (Signature(63 * 512, "swap"),)}, [(63 * 512 + 0xFF6, 10)]),
        ([Signature(0x218, "LVM2_member"), Signature(0, "xfs")], {}, [(0x218, 8), (0, 4)]),
        ([], {"gpts": (TABLES[1],)}, [(SIZE - 512, 8)]),
    ],
)
def test_what_marks_a_disk_is_erased_from_its_end_on(
    signatures: list[Signature], content: dict[str, Any], extents: list[tuple[int, int]]
) -> None:
    found = footprint(signatures, replace(BARE, **content))
    assert [(each.offset, each.size) for each in found] == extents


@pytest.mark.parametrize("kind", ["several signatures", "nilfs2", "next-year"])
def test_what_is_marked_in_a_way_that_nobody_knows_is_left_to_a_person(kind: str) -> None:
    with pytest.raises(Unfixable, match=kind):
        footprint([Signature(1030, kind)], BARE)
    with pytest.raises(Unfixable, match=kind):
        footprint([], replace(BARE, inner=(Signature(MIB, kind),)))


# --- a group of an earlier heketi ----------------------------------------------------------------

GROUP = f"vg_{'0123456789abcdef' * 2}"
OWNED = replace(
    BARE, volume=PhysicalVolume(512, "id", VolumeGroup(GROUP, "id", checksum=1, volumes=()))
)


def leftover(*more: Block, group: str = GROUP, state: State = NO_STATE) -> dict[str, object]:
    owner = VolumeGroup(group, "id", checksum=1, volumes=())
    volume = PhysicalVolume(512, "id", owner)
    values = disks(replace(BARE, volume=volume), more=more)
    holders = tuple(block.name for block in more)
    values[block.devices.name] = (replace(DISK, holders=holders), *more)
    values[disk.signatures("/dev/sdb").name] = (Signature(0x218, "LVM2_member"),)
    values[gluster.state.name] = state
    return values


ACTIVE = Block("dm-0", "253:0", "lvm", 1, label=f"{GROUP}-brick_1", uuid="LVM-x")


def test_a_leftover_group_loses_its_label_and_nothing_else() -> None:
    values = leftover()
    [step] = steps(consented(values, token(values)))
    assert isinstance(step, Overwrite)
    assert step.extents == (Extent(0x218, 8),)


def test_one_that_is_active_is_deactivated_first() -> None:
    values = leftover(ACTIVE)
    down, erase = steps(consented(values, token(values)))
    assert isinstance(down, Step)
    assert down.argv == ("vgchange", "--activate", "n", GROUP)
    assert down.undo == Step(("vgchange", "--activate", "y", GROUP))
    assert isinstance(erase, Overwrite)


def test_one_that_glusterd_or_heketi_still_knows_is_left_alone() -> None:
    by_volume = State((), (), (("vol_1", (GROUP,)),), ())
    by_fstab = State((), (), (), (f"/dev/mapper/{GROUP}-brick_1 /somewhere xfs rw 1 2",))
    given = token(leftover())
    for state, where in ((by_volume, "vols (vol_1)"), (by_fstab, "/var/lib/heketi/fstab")):
        [told] = whys(consented(leftover(state=state), given))
        assert f"{where} still mentions it" in told
    other = State((), (), (("vol_2", (f"vg_{'0' * 32}",)),), ())
    assert len(consented(leftover(state=other), given).actions) == 1


def test_a_group_that_heketi_did_not_make_is_never_touched() -> None:
    in_a_partition = replace(LISTED, inner=(Signature(MIB, "LVM2_member"),))
    for values in (leftover(group="data"), disks(in_a_partition)):
        made = consented(values)
        [told] = whys(made)
        assert told.endswith("gkprep never touches it")
        assert [left.finding.token for left in made.left] == [None]


def test_what_is_beside_a_group_is_told_and_named_with_it() -> None:
    values = leftover()
    mbr = Mbr(protective=False, counts=True, partitions=(PARTITION,))
    content = values[disk.content("/dev/sdb").name]
    beside = replace(content, mbr=mbr, asked=(63 * 512, MIB))  # type: ignore[type-var]
    both = values | {disk.content("/dev/sdb").name: beside}
    [action] = consented(both).withheld
    assert action.finding.saw.endswith(f"{GROUP} with 0 bricks and dos with 1 partition")
    foreign = replace(beside, inner=(Signature(MIB, "LVM2_member"),))  # type: ignore[type-var]
    [told] = whys(consented(values | {disk.content("/dev/sdb").name: foreign}))
    assert told.endswith("gkprep never touches it")


# A brick of another group is mounted: the node serves.
SERVED = Block("dm-1", "253:1", "lvm", 1, label=f"vg_{'f' * 32}-brick_{'f' * 32}", uuid="LVM-x")
BRICK = frozenset({usage.Mount("253:1", "/dev/dm-1", "/brick", "xfs")})
GLUSTERD = ports.Process(7, "glusterd", frozenset())
SERVING = (
    {"usage.mounts": BRICK},
    {"ports.listening": frozenset({ports.Listener("tcp", "::", 24007, frozenset({GLUSTERD}))})},
)


GLUSTERFSD = ports.Process(8, "glusterfsd", frozenset())
BRICKS_PROCESS = {
    "ports.listening": frozenset({ports.Listener("tcp", "::", 49152, frozenset({GLUSTERFSD}))})
}


def test_an_empty_table_goes_beside_a_glusterd_that_has_no_brick_there_yet() -> None:
    [empty, data] = (disks(), disks(LISTED))
    assert len(consented(empty | SERVING[1]).actions) == 1
    made = consented(data | SERVING[1], token(data))
    assert (made.actions, made.left[0].why) == (
        (),
        "nothing is erased on a node in service: glusterd runs",
    )


@pytest.mark.parametrize("serving", [SERVING[0], SERVING[0] | SERVING[1], BRICKS_PROCESS])
def test_nothing_is_erased_on_a_node_that_serves(serving: dict[str, object]) -> None:
    for values in (disks(more=(SERVED,)), disks(LISTED, more=(SERVED,))):
        made = consented(values | serving, token(values) if consented(values).withheld else "")
        assert (made.actions, made.withheld) == ((), ())
        assert "nothing is erased on a node in service" in made.left[0].why


def test_a_group_without_a_token_beside_one_that_serves_is_left_to_a_person() -> None:
    owner = VolumeGroup(GROUP, "id", 1, (Volume("brick_1", "id"),))
    values = leftover(SERVED) | {"usage.mounts": BRICK}
    values[block.devices.name] = (DISK, SERVED)
    content = replace(BARE, volume=PhysicalVolume(512, "id", owner))
    values[disk.content("/dev/sdb").name] = content
    [told] = whys(consented(values))
    assert told == "a person has to decide"


def test_what_nobody_could_look_into_may_be_a_volume_groups() -> None:
    copy = replace(TABLES[1], partitions=(replace(PARTITION, number=3, start=5 << 30),))
    values = disks(replace(EMPTY, mbr=None, gpts=(copy,), asked=(63 * 512, MIB)))
    values[disk.signatures("/dev/sdb").name] = SEEN[2:]
    [told] = whys(consented(values))
    assert told.startswith("nobody could look into its partition 3")


@pytest.mark.parametrize(
    "partition", [replace(PARTITION, start=2 * MIB), replace(PARTITION, type="0x05")]
)
def test_a_dos_table_of_which_the_kernel_knows_nothing_is_the_same(partition: Partition) -> None:
    mbr = Mbr(protective=False, counts=True, partitions=(partition,))
    values = disks(replace(EMPTY, mbr=mbr, gpts=(), asked=(63 * 512, MIB)))
    values[disk.signatures("/dev/sdb").name] = (Signature(0x1FE, "dos"),)
    [told] = whys(consented(values))
    assert told.startswith("nobody could look into its partition 1")
    content = replace(EMPTY, mbr=mbr, gpts=(), asked=(63 * 512, MIB))
    known = disks(content, more=(Block("sdb1", "8:17", "part", 1 << 30, parent="sdb"),))
    known[disk.signatures("/dev/sdb").name] = (Signature(0x1FE, "dos"),)
    assert bool(whys(consented(known))) is not partition.extended
    whole = replace(partition, start=0, type="0x17")
    image = disks(replace(content, mbr=replace(mbr, partitions=(whole,))))
    image[disk.signatures("/dev/sdb").name] = (Signature(0x1FE, "dos"),)
    assert whys(consented(image)) == []


# --- what else is left ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (disks(found=replace(DISK, serials=())), "nothing tells the disk from others"),
        (
            disks(more=(Block("sdb1", "8:17", "part", 1 << 30, parent="sdb"),)),
            "the kernel still has partitions of it",
        ),
    ],
)
def test_what_of_a_disk_is_left_to_a_person(values: dict[str, object], why: str) -> None:
    [told] = whys(planned("device-clean", values))
    assert told.startswith(why)


# --- the guard of a disk -------------------------------------------------------------------------


def under_the_lock(**given: object) -> Facts:
    """What is read again right before, where nothing has changed but what is `given`."""
    from preflight.facts.disk import guard  # noqa: PLC0415 - only here

    values = disks() | {
        guard.shell.name: 77,
        usage.swaps.name: frozenset(),
        usage.opens.name: frozenset({usage.Opener("8:16", 77, "sh", "sshd")}),
        usage.members.name: {},
        usage.taken("/dev/sdb").name: False,
    }
    return Facts(NODE, values | given)


def drift(facts: Facts) -> str | None:
    [step] = steps(planned("device-clean", disks()))
    assert isinstance(step, Overwrite)
    return step.guard.drift(facts)


def test_a_disk_that_is_as_it_was_may_be_written_to() -> None:
    assert drift(under_the_lock()) is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (
            {"block.devices": (replace(DISK, serials=("S2",)),)},
            "it is another disk, or has changed",
        ),
        ({"block.devices": ()}, "it is no disk any more"),
        ({"disk.content(/dev/sdb)": replace(EMPTY, digest=OTHER)}, "it is another disk, or has"),
        ({"disk.signatures(/dev/sdb)": (*SEEN, Signature(1080, "ext4"))}, "it is another disk, or"),
        ({"usage.taken(/dev/sdb)": True}, "something has taken it"),
        (
            {"usage.opens": frozenset({usage.Opener("8:16", 78, "postgres", "sh")})},
            "held open by postgres, pid 78",
        ),
        (
            {"usage.mounts": frozenset({usage.Mount("8:16", "/dev/sdb", "/mnt", "xfs")})},
            "mounted at /mnt",
        ),
        ({"usage.swaps": frozenset({usage.Swap("8:16", "/dev/sdb")})}, "swapped to"),
        (
            {"block.devices": (replace(DISK, holders=("dm-0",)), Block("dm-0", "253:0", "dm", 1))},
            "/dev/dm-0 is on it",
        ),
    ],
)
def test_any_drift_is_told_and_stops_it(given: dict[str, object], why: str) -> None:
    assert str(drift(under_the_lock(**given))).startswith(why)


VACANT = Content(SIZE, "d", blank=True, leftover=False)


def back(**given: object) -> str | None:
    """What keeps the erased table from being written back, where all is as it was left but this."""
    from preflight.facts.disk import guard  # noqa: PLC0415 - only here

    extents = (Extent(SIZE - 512, 8), Extent(510, 10))
    facts = under_the_lock(
        **{"disk.signatures(/dev/sdb)": (), "disk.content(/dev/sdb)": VACANT, **given}
    )
    return guard.vacant("/dev/sdb", {"serial": "S1", "wwn": ""}, extents).drift(facts)


def test_beside_a_glusterd_without_a_brick_a_table_goes_and_does_not_come_back() -> None:
    assert drift(under_the_lock(**SERVING[1])) is None
    assert drift(under_the_lock(**BRICKS_PROCESS)) == "the node is in service: glusterfsd runs"
    assert back(**SERVING[1]) == "the node is in service: glusterd runs"


@pytest.mark.parametrize(
    ("extents", "signatures", "content"),
    [
        ([(SIZE - 512, 8), (510, 10)], SEEN[:2], replace(EMPTY, gpts=TABLES[:1])),
        ([(0, 22)], (Signature(0, "ceph_bluestore"),), VACANT),
        ([(0x218, 8)], (Signature(0x218, "LVM2_member"),), OWNED),
        (
            [(MIB + 0x438, 2), (510, 10)],
            SEEN[:2],
            replace(LISTED, inner=(Signature(MIB, "ext4"),), gpts=LISTED.gpts[:1]),
        ),
    ],
)
def test_what_broke_off_half_way_can_be_gone_on_with(
    extents: list[tuple[int, int]], signatures: tuple[Signature, ...], content: Content
) -> None:
    from preflight.facts.disk import guard  # noqa: PLC0415 - only here

    seen = under_the_lock(
        **{"disk.signatures(/dev/sdb)": signatures, "disk.content(/dev/sdb)": content}
    )
    whole = [Extent(*each) for each in extents]
    named = {"serial": "S1", "wwn": ""}
    assert guard.vacant("/dev/sdb", named, whole).drift(seen) is None
    assert str(guard.vacant("/dev/sdb", named, whole[:-1]).drift(seen)).startswith("there is some")


def test_what_is_as_the_erasing_left_it_may_be_written_back() -> None:
    assert back() is None
    assert back(**{"disk.signatures(/dev/sdb)": (Signature(512, "gpt"),)}) is None, "half of it"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"block.devices": (replace(DISK, serials=("S2",)),)}, "it is another disk now"),
        ({"disk.signatures(/dev/sdb)": (Signature(0, "xfs"),)}, "there is something on it again"),
        ({"disk.signatures(/dev/sdb)": (Signature(4096, "gpt"),)}, "there is something on it"),
        (
            {"disk.content(/dev/sdb)": replace(VACANT, young=(Signature(0, "ceph_bluestore"),))},
            "there is something on it again",
        ),
        (
            {"disk.content(/dev/sdb)": replace(VACANT, inner=(Signature(1 << 20, "xfs"),))},
            "there is something on it again",
        ),
        ({"usage.taken(/dev/sdb)": True}, "something has taken it"),
    ],
)
def test_what_has_come_onto_a_disk_is_not_written_over(given: dict[str, object], why: str) -> None:
    assert str(back(**given)).startswith(why)


# --- a disk that is not the one ------------------------------------------------------------------


@pytest.mark.parametrize("pinned", [Device("/dev/sdb", serial="S2"), Device("/dev/sdb", wwn="0x5")])
def test_a_disk_that_the_inventory_does_not_name_is_left_alone(pinned: Device) -> None:
    node = replace(NODE, devices=(pinned,))
    [told] = whys(planned("device-clean", disks(), node))
    assert told.startswith("it is not the disk that the inventory names")


def test_a_disk_that_two_nodes_see_is_left_alone() -> None:
    nodes = (NODE, replace(NODE, name="node2"))
    fleet = {node.name: Facts(node, disks()) for node in nodes}
    check = CHECKS["device-clean"]
    assert isinstance(check, Check)
    made = plan(judge([check], fleet), fleet, registry.fixes())
    assert made.actions == ()
    assert {left.why for left in made.left} == {
        "the same disk is seen more than once: node1 /dev/sdb, node2 /dev/sdb"
    }


def test_two_letters_of_one_disk_are_left_alone() -> None:
    twin = replace(DISK, name="sdc", number="8:32")
    [told] = whys(planned("device-clean", disks(more=(twin,))))
    assert told == "the same disk is seen more than once: node1 /dev/sdb, node1 /dev/sdc"


def test_one_name_in_common_is_enough() -> None:
    """Two controllers spell the serial number in two ways."""
    twin = replace(DISK, name="sdc", number="8:32", serials=("x",), wwns=("0xABC",))
    one = replace(DISK, wwns=("0xabc",))
    [told] = whys(planned("device-clean", disks(found=one, more=(twin,))))
    assert told.startswith("the same disk is seen more than once")


def test_the_place_that_a_disk_is_plugged_in_is_each_nodes_own() -> None:
    nameless = replace(DISK, serials=(), id_path="pci-0000:00:07.0")
    nodes = (NODE, replace(NODE, name="node2"))
    fleet = {node.name: Facts(node, disks(found=nameless)) for node in nodes}
    check = CHECKS["device-clean"]
    assert isinstance(check, Check)
    made = plan(judge([check], fleet), fleet, registry.fixes())
    assert [action.finding.node for action in made.actions] == ["node1", "node2"]
