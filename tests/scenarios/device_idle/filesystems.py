"""Mounted somewhere, or swapped to."""

from preflight.model import Status
from tests.scenarios import DISK, Scenario

partitioned = Scenario(
    broken=f"parted -s {DISK} mklabel gpt mkpart data 1MiB 2GiB; mkfs.ext4 -qF {DISK}1",
    status=Status.PASS,
    saw="nothing uses it",
)

mounted = Scenario(
    broken=f"""
mkfs.ext4 -qF {DISK}
mount -o ro {DISK} /mnt
mkdir -p "/run/a place"
mount --bind /mnt "/run/a place\"""",
    status=Status.FAIL,
    saw="mounted at /mnt, /run/a place",
)

mounted_partition = Scenario(
    broken=f"""
parted -s {DISK} mklabel gpt mkpart data 1MiB 2GiB
mkfs.xfs -qf {DISK}1
mount -o ro {DISK}1 /mnt""",
    status=Status.FAIL,
    saw=f"{DISK}1 is mounted at /mnt",
)

# As in a container, or a service with PrivateMounts=: `findmnt` on the machine does not show it.
mounted_elsewhere = Scenario(
    broken=f"""
mkfs.ext4 -qF {DISK}
unshare --mount sh -c 'mount -o ro {DISK} /mnt; exec sleep 300' </dev/null >/dev/null 2>&1 &
until grep -q {DISK} /proc/$!/mountinfo; do sleep 0.1; done""",
    status=Status.FAIL,
    saw="mounted at /mnt in the mount namespace of sleep, pid *",
)

# A filesystem without a device number of its own.
btrfs = Scenario(
    broken=f"mkfs.btrfs -qf {DISK}; mount -o ro {DISK} /mnt",
    status=Status.FAIL,
    saw="mounted at /mnt",
)

btrfs_of_two = Scenario(
    broken=f"""
truncate --size 1G /run/other
other=$(losetup --find --show /run/other)
mkfs.btrfs -qf $other {DISK}
mount -o ro $other /mnt""",
    status=Status.FAIL,
    saw="/dev/loop* is mounted at /mnt",
)

swap = Scenario(
    broken=f"mkswap -q {DISK}; swapon {DISK}",
    status=Status.FAIL,
    saw="swapped to",
)
