"""What could be data, and goes once somebody has named it.

Two that follow each other are on different machines: the two volume groups have one name.
"""

from __future__ import annotations

import base64

from tests.scenarios import DISK, VG
from tests.scenarios.consent import State
from tests.scenarios.device_clean import filesystems, leftovers, lvm


def put(data: bytes, offset: int) -> str:
    """A command that writes `data` at that offset in bytes."""
    text = base64.b64encode(data).decode()
    to = f"of={DISK} oflag=seek_bytes seek={offset} conv=notrunc status=none"
    return f"echo {text} | base64 --decode | dd {to}"


def md(metadata: str, inside: str = "true") -> str:
    """A member of a RAID 1 that is stopped; `inside` is done on the array before."""
    create = f"--create /dev/md0 --level=1 --raid-devices=2 --assume-clean --run {DISK} missing"
    return f"""
mdadm --quiet {create} --metadata={metadata}
{inside}
udevadm settle
mdadm --quiet --stop /dev/md0"""


def luks(kind: str) -> str:
    quick = "--pbkdf pbkdf2 --pbkdf-force-iterations 1000"
    return f"echo secret | cryptsetup luksFormat --batch-mode --type {kind} {quick} {DISK} -"


ext4 = State(filesystems.ext4.broken, "ext4", filesystems.ext4.saw)
xfs = State(filesystems.xfs.broken, "xfs", filesystems.xfs.saw)
btrfs = State(f"mkfs.btrfs -qf {DISK}", "btrfs", "btrfs (UUID *)")
swap = State(filesystems.swap.broken, "swap", filesystems.swap.saw)
vfat = State(filesystems.vfat.broken, "vfat", filesystems.vfat.saw)
damaged_ext4 = State(leftovers.damaged_superblock.broken, "", leftovers.damaged_superblock.saw)

leftover = State(f"{lvm.HEKETI}\nvgchange -qq --activate n {VG}", "LVM2_member", lvm.leftover.saw)
leftover_active = State(lvm.HEKETI, "LVM2_member", lvm.leftover.saw)

md_0_90 = State(md("0.90"), "linux_raid_member", "linux_raid_member (UUID *)")
md_1_2 = State(md("1.2"), "linux_raid_member", "linux_raid_member (label *:0, UUID *)")
luks1 = State(luks("luks1"), "crypto_LUKS", filesystems.luks.saw)
luks2 = State(luks("luks2"), "crypto_LUKS", filesystems.luks.saw)

# Metadata 1.0 is at the end: what is on the array is at the beginning of the disk too.
xfs_on_md = State(
    md("1.0", "mkfs.xfs -q /dev/md0"),
    "linux_raid_member xfs",
    "xfs (UUID *) and linux_raid_member (label *:0, UUID *)",
)
orphan_on_md = State(
    md("1.0", "pvcreate -q /dev/md0"),
    "LVM2_member linux_raid_member",
    "LVM physical volume without a volume group and linux_raid_member (label *:0, UUID *)",
)

# Debian has no ZFS. What its libblkid looks for (2.38, superblocks/zfs.c) are uberblocks (magic
# 0x00bab10c, version 5000) in the rings of 128 KiB that end the four labels of 256 KiB, two at
# either end of the disk. A pool that was used for ten minutes has them all. Later versions
# (2.41) look for a label's list of names and values instead, and would see nothing here.
zfs = State(
    rf"""
printf '\014\261\272\000\000\000\000\000\210\023' >/run/ring
truncate --size 1K /run/ring
for doubled in 1 2 3 4 5 6 7; do cat /run/ring /run/ring >/run/twice; mv /run/twice /run/ring; done
labels=$(($(blockdev --getsize64 {DISK}) >> 18))
for label in 0 1 $((labels - 2)) $((labels - 1)); do
  dd if=/run/ring of={DISK} bs=128K seek=$((2 * label + 1)) conv=notrunc status=none
done""",
    "zfs_member",
    "zfs_member",
)

# A backing device: bcache's cache_sb (kernel, drivers/md/bcache) at sector 8 names its own place,
# version 1, the magic and a UUID. The checksum before them is left out: libblkid 2.38 reads none.
BCACHE = bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")
bcache = State(
    put((8).to_bytes(8, "little") + (1).to_bytes(8, "little") + BCACHE + bytes(range(16)), 4104),
    "bcache",
    "bcache (UUID 00010203-0405-0607-0809-0a0b0c0d0e0f)",
)

bluestore = State(filesystems.ceph.broken, "ceph_bluestore", filesystems.ceph.saw)

gpt = State(filesystems.ext4_in_a_partition.broken, "PMBR gpt", filesystems.ext4_in_a_partition.saw)

gpt_without_a_header = State(
    f"""{leftovers.PARTED}
dd if=/dev/zero of={DISK} bs=512 seek=1 count=1 conv=notrunc status=none
udevadm settle
blockdev --rereadpt {DISK}""",
    "PMBR gpt",
    "gpt with 1 partition at the end of the disk only: ext4 at sector 2048",
)

msdos = State(
    f"""
parted -s {DISK} mklabel msdos mkpart primary 1MiB 64MiB mkpart extended 64MiB 100% \\
  mkpart logical 65MiB 128MiB mkpart logical 129MiB 192MiB
udevadm settle
mkfs.ext4 -q {DISK}5
mkswap -q {DISK}6""",
    "dos",
    "dos with * partitions: ext4 at sector * and swap at sector *",
)

# What isohybrid makes of an ISO 9660 image, and nothing else of it: a partition of type 17 over
# all of it, for a BIOS that boots from a stick. Built by hand, since nothing in the machines
# makes one: sector 16 is the primary volume descriptor, 17 the end of the list (ECMA-119, 8).
iso = State(
    "\n".join(
        (
            put(bytes.fromhex("800001001720203f00000000") + (1 << 16).to_bytes(4, "little"), 446),
            put(b"\x55\xaa", 510),
            put(b"\1CD001\1\0" + b"LINUX".ljust(32) + b"LIVE".ljust(32), 16 << 11),
            put(b"\xffCD001\1", 17 << 11),
            f"udevadm settle; blockdev --rereadpt {DISK}",
        )
    ),
    "dos iso9660",
    "dos and iso9660 (label LIVE)",
)

table_over_partition = State(
    leftovers.table_over_a_partition.broken, "PMBR gpt", leftovers.table_over_a_partition.saw
)
