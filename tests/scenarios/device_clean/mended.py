"""Partition tables that name nothing: the one thing that is erased without a token."""

from tests.scenarios import DISK, Mended

empty_gpt = Mended(broken="true", saw="gpt (empty table)")

empty_msdos = Mended(
    broken=f"wipefs -qa {DISK}; parted -s {DISK} mklabel msdos", saw="dos (empty table)"
)

empty_gpt_without_its_copy = Mended(
    broken=f"""
dd if=/dev/zero of={DISK} bs=512 count=33 seek=$(($(blockdev --getsz {DISK}) - 33)) \\
  conv=notrunc,fsync status=none""",
    saw="gpt (empty table)",
)
