"""Arrays, mappings and volume groups on the disk."""

from preflight.model import Status
from tests.scenarios import DISK, VG, Scenario
from tests.scenarios.device_clean.lvm import BRICK, HEKETI

array = Scenario(
    broken=f"mdadm --create /dev/md0 --run --level=1 --raid-devices=2 {DISK} missing",
    status=Status.FAIL,
    saw="array /dev/md0 (raid1) lies on it",
)

mapping = Scenario(
    broken=f"dmsetup create a-mapping --table '0 2097152 linear {DISK} 0'",
    status=Status.FAIL,
    saw="mapping /dev/mapper/a-mapping lies on it",
)

encrypted = Scenario(
    broken=f"""
printf secret | cryptsetup luksFormat --batch-mode --type luks1 --pbkdf-force-iterations 1000 \\
  {DISK} -
printf secret | cryptsetup open {DISK} secrets --key-file -""",
    status=Status.FAIL,
    saw="encrypted mapping /dev/mapper/secrets lies on it",
)

volumes = Scenario(
    broken=f"vgcreate -q a-b {DISK} && lvcreate -qq --size 64M --name c-d --wipesignatures n a-b",
    status=Status.FAIL,
    saw="volume group a-b is active: 1 volume",
)

leftover = Scenario(
    broken=HEKETI,
    status=Status.FAIL,
    saw=f"volume group {VG} is active: 5 volumes, but no brick is mounted",
)

# In a mount namespace of its own, as the Gluster pod's bricks are.
in_service = Scenario(
    broken=f"""
{HEKETI}
mkfs.xfs -q -i size=512 -n size=8192 {BRICK}
unshare --mount sh -c 'mount -o ro,nouuid {BRICK} /mnt; exec sleep 60' </dev/null >/dev/null 2>&1 &
until grep -q /mnt /proc/$!/mountinfo; do sleep 0.1; done""",
    status=Status.PASS,
    saw=f"in service: {VG} with 1 brick mounted",
)
