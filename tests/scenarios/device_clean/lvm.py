"""Physical volumes: nobody's, heketi's, somebody else's."""

from preflight.model import Status
from tests.scenarios import DISK, HEKETI_ID, VG, Scenario

# As heketi 10 makes them (executors/cmdexec/device.go, brick.go).
HEKETI = f"""
pvcreate -qq --metadatasize=128M --dataalignment=256K {DISK}
vgcreate -qq --physicalextentsize=4M --autobackup=n {VG} {DISK}
lvcreate -qq --autobackup=n --poolmetadatasize 8M --chunksize 256K --size 128M \\
  --thin {VG}/tp_{HEKETI_ID} --virtualsize 1G --name brick_{HEKETI_ID}
udevadm settle"""
BRICK = f"/dev/{VG}/brick_{HEKETI_ID}"

orphan = Scenario(
    broken=f"pvcreate -q {DISK}",
    status=Status.PASS,
    saw="LVM physical volume without a volume group, which heketi takes",
)

orphan_of_few_words = Scenario(
    broken=f"pvcreate -q --metadatacopies 0 {DISK}",
    status=Status.PASS,
    saw="LVM physical volume without a volume group, which heketi takes",
)

leftover = Scenario(
    broken=HEKETI,
    status=Status.FAIL,
    saw=f"LVM physical volume of volume group {VG} with 1 brick",
    token=True,
)

# Read-only, so that nothing but gkprep could write to the disk meanwhile.
in_service = Scenario(
    broken=f"""
{HEKETI}
mkfs.xfs -q -i size=512 -n size=8192 {BRICK}
mkdir -p /run/brick
mount -o ro,inode64,noatime,nouuid {BRICK} /run/brick""",
    status=Status.PASS,
    saw=f"in service: {VG} with 1 brick mounted",
)

# Nothing shows it until the next reboot, and then the bricks are gone.
in_service_without_a_label = Scenario(
    broken=f"{in_service.broken}\nwipefs --quiet --all --force {DISK}",
    status=Status.FAIL,
    saw=f"in service: {VG} with 1 brick mounted, but its LVM label is gone",
    cure="umount /run/brick && dmsetup remove_all",
)

foreign = Scenario(
    broken=f"""
vgcreate -q data {DISK}
lvcreate -qq --size 64M --name home --wipesignatures n data""",
    status=Status.FAIL,
    saw="LVM physical volume of volume group data; gkprep never touches it",
    cure=f"vgremove --force data && pvremove {DISK}",
)

# The metadata is on the group's other disk, which is gone.
unknown_group = Scenario(
    broken=f"""
rm -f /tmp/other; truncate --size 1G /tmp/other
other=$(losetup --find --show /tmp/other)
pvcreate -q --metadatacopies 0 {DISK}
vgcreate -q two $other {DISK}
losetup --detach $other""",
    status=Status.FAIL,
    saw="LVM physical volume of an unknown group: it is marked as used*; gkprep never touches it",
    cure=f"wipefs --all {DISK}",
)

damaged_label = Scenario(
    broken=f"""
vgcreate -q data {DISK}
printf damage | dd of={DISK} bs=1 seek=612 conv=notrunc status=none""",
    status=Status.FAIL,
    saw="LVM physical volume of an unknown group: its label is damaged; gkprep never touches it",
    cure=f"wipefs --all {DISK}",
)

# Not heketi's, and inactive, so that nothing but its label shows it.
foreign_in_a_partition = Scenario(
    broken=f"""
parted -s {DISK} mklabel gpt mkpart one 1MiB 1GiB mkpart two 1GiB 2GiB
udevadm settle
vgcreate -q data {DISK}2
vgchange -qq --activate n data""",
    status=Status.FAIL,
    saw="gpt with 2 partitions: LVM2_member at sector 2097152; gkprep never touches it",
    cure=f"vgremove --force data && pvremove {DISK}2 && wipefs --all {DISK}",
)
