"""Filesystems, and members of what lies above a disk."""

from preflight.model import Status
from tests.scenarios import DISK, Scenario

ext4 = Scenario(
    broken=f"mkfs.ext4 -q -L data {DISK}",
    status=Status.FAIL,
    saw="ext4 (label data, UUID *)",
    token=True,
)

xfs = Scenario(broken=f"mkfs.xfs -q {DISK}", status=Status.FAIL, saw="xfs (UUID *)", token=True)

# Its boot sector looks like a partition table, to LVM too.
vfat = Scenario(broken=f"mkfs.vfat -I {DISK}", status=Status.FAIL, saw="vfat (UUID *)", token=True)

swap = Scenario(broken=f"mkswap {DISK}", status=Status.FAIL, saw="swap (UUID *)", token=True)

luks = Scenario(
    broken=f"""
echo secret | cryptsetup luksFormat --batch-mode \\
  --pbkdf pbkdf2 --pbkdf-force-iterations 1000 {DISK} -""",
    status=Status.FAIL,
    saw="crypto_LUKS (UUID *)",
    token=True,
)

MDADM = f"mdadm --create /dev/md0 --level=1 --raid-devices=2 --assume-clean --run {DISK} missing"

md = Scenario(
    broken=f"{MDADM} && mdadm --stop /dev/md0",
    status=Status.FAIL,
    saw="linux_raid_member (label *:0, UUID *)",
    token=True,
)

# The superblock is at the end of the disk.
md_of_old = Scenario(
    broken=f"{MDADM} --metadata=0.90 && mdadm --stop /dev/md0",
    status=Status.FAIL,
    saw="linux_raid_member (UUID *)",
    token=True,
)

# CentOS 7's libblkid does not know it, and LVM there takes the disk: gkprep looks itself.
ceph = Scenario(
    broken=f"printf 'bluestore block device\\n' | dd of={DISK} conv=notrunc status=none",
    status=Status.FAIL,
    saw="ceph_bluestore",
    token=True,
)

ext4_in_a_partition = Scenario(
    broken=f"""
parted -s {DISK} mklabel gpt mkpart one 1MiB 256MiB
udevadm settle
mkfs.ext4 -q {DISK}1""",
    status=Status.FAIL,
    saw="gpt with 1 partition: ext4 at sector 2048",
    token=True,
)
