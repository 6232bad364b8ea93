"""What is in use, and what is not heketi's to begin with. Nothing here writes to its disk."""

from __future__ import annotations

from tests.scenarios import DISK
from tests.scenarios.consent import State
from tests.scenarios.device_idle import filesystems, layers, processes


def ext4(point: str, device: str = DISK) -> str:
    """A filesystem on `device`, mounted there without a byte being written."""
    return f"mkfs.ext4 -qF {device}\nmkdir -p {point}\nmount -o ro,noload {device} {point}"


def for_good(broken: str) -> str:
    """A process of the state, kept for as long as the machine runs."""
    return broken.replace("sleep 300", "sleep infinity")


mounted = State(ext4("/run/mounted"), "ext4", "mounted at /run/mounted")

# Nothing but the place that it was bound to is left.
bound = State(
    f"""
{ext4("/run/first")}
mkdir -p /run/second
mount --bind /run/first /run/second
umount /run/first""",
    "ext4",
    "mounted at /run/second",
)

mounted_elsewhere = State(
    for_good(filesystems.mounted_elsewhere.broken), "ext4", filesystems.mounted_elsewhere.saw
)

# Through a loop device, as one gets at a partition of an image.
looped = State(
    f"""
loop=$(losetup --find --show --offset 1MiB {DISK})
{ext4("/run/looped", "$loop")}""",
    "",
    "/dev/loop* is mounted at /run/looped",
)

# A machine that swaps would write to it.
swapped = State(
    f"echo 0 >/proc/sys/vm/swappiness; {filesystems.swap.broken}", "swap", filesystems.swap.saw
)

foreign = State(
    f"""
vgcreate -qq others {DISK}
lvcreate -qq --size 64M --name home --wipesignatures n others
vgchange -qq --activate n others""",
    "LVM2_member",
    "LVM physical volume of volume group others; gkprep never touches it",
)

# Of a partition that begins where no first one would, and that the kernel has forgotten.
foreign_forgotten = State(
    f"""
parted -s {DISK} mklabel msdos mkpart primary 4096s 100%
udevadm settle
vgcreate -qq strangers {DISK}1
udevadm settle
partx --delete {DISK}""",
    "dos",
    "dos with 1 partition*",
)

foreign_active = State(layers.volumes.broken, "LVM2_member", layers.volumes.saw)

array = State(
    f"{layers.array.broken}\nmdadm --quiet --readonly /dev/md0",
    "linux_raid_member",
    layers.array.saw,
)

encrypted = State(layers.encrypted.broken, "crypto_LUKS", layers.encrypted.saw)

held_open = State(
    f"mkfs.ext4 -qF {DISK}\n{for_good(processes.reader.broken)}", "ext4", processes.reader.saw
)
