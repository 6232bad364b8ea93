"""Data that no table and no superblock leads to any more."""

from preflight.model import Status
from tests.scenarios import DISK, Scenario

PARTED = f"""
parted -s {DISK} mklabel gpt mkpart one 1MiB 256MiB
udevadm settle
mkfs.ext4 -q {DISK}1"""

# What gkprep must never take for the table that a disk was delivered with.
table_over_a_partition = Scenario(
    broken=f"{PARTED}; parted -s {DISK} mklabel gpt",
    status=Status.FAIL,
    saw="gpt (empty table) over ext4 at sector 2048",
    token=True,
)

table_over_an_old_partition = Scenario(
    broken=f"""
echo 63,1000000,L | sfdisk --quiet --force {DISK}
udevadm settle
mkfs.xfs -q {DISK}1
parted -s {DISK} mklabel msdos""",
    status=Status.FAIL,
    saw="dos (empty table) over xfs at sector 63",
    token=True,
)

table_over_a_filesystem = Scenario(
    broken=f"mkfs.ext4 -q {DISK}; parted -s {DISK} mklabel gpt",
    status=Status.FAIL,
    saw="gpt (empty table) over ext4 (UUID *) with a damaged superblock",
    token=True,
)

table_over_noise = Scenario(
    broken=f"""
yes noise | dd of={DISK} bs=1M count=1 seek=2 iflag=fullblock status=none
parted -s {DISK} mklabel gpt""",
    status=Status.FAIL,
    saw="gpt (empty table) over data without a signature",
    token=True,
)

partition_without_a_table = Scenario(
    broken=f"{PARTED}; wipefs --quiet --all {DISK}",
    status=Status.FAIL,
    saw="ext4 at sector 2048; LVM would take the disk all the same",
    token=True,
)

damaged_superblock = Scenario(
    broken=f"""
mkfs.ext4 -q {DISK}
dd if=/dev/zero of={DISK} bs=1K seek=1 count=1 conv=notrunc status=none""",
    status=Status.FAIL,
    saw="ext4 (UUID *) with a damaged superblock; LVM would take the disk all the same",
    token=True,
)

# `wipefs --all` takes nothing but two bytes of the superblock, and whoever ran it meant it.
wiped_filesystem = Scenario(
    broken=f"mkfs.ext4 -q {DISK}; wipefs --quiet --all {DISK}",
    status=Status.PASS,
    saw="no signature, though not blank",
)
