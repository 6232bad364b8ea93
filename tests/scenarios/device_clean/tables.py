"""Partition tables."""

from preflight.model import Status
from tests.scenarios import DISK, Scenario

blank = Scenario(broken="true", status=Status.PASS, saw="blank")

noise = Scenario(
    broken=f"yes noise | dd of={DISK} bs=1M count=1 seek=2 iflag=fullblock status=none",
    status=Status.PASS,
    saw="no signature, though not blank",
)

empty_gpt = Scenario(
    broken=f"parted -s {DISK} mklabel gpt", status=Status.FAIL, saw="gpt (empty table)"
)

empty_msdos = Scenario(
    broken=f"parted -s {DISK} mklabel msdos", status=Status.FAIL, saw="dos (empty table)"
)

gpt = Scenario(
    broken=f"parted -s {DISK} mklabel gpt mkpart one 1MiB 256MiB mkpart two 256MiB 100%",
    status=Status.FAIL,
    saw="gpt with 2 partitions",
    token=True,
)

msdos = Scenario(
    broken=f"parted -s {DISK} mklabel msdos mkpart extended 1MiB 100% mkpart logical 2MiB 256MiB",
    status=Status.FAIL,
    saw="dos with 1 partition",
    token=True,
)

# None of gkprep's two tables: a signature like any other.
sun = Scenario(broken=f"parted -s {DISK} mklabel sun", status=Status.FAIL, saw="sun", token=True)

gpt_with_damaged_ends = Scenario(
    broken=f"""
parted -s {DISK} mklabel gpt mkpart one 1MiB 256MiB
for byte in 600 $(($(blockdev --getsize64 {DISK}) - 500)); do
  printf damage | dd of={DISK} bs=1 seek=$byte conv=notrunc status=none
done""",
    status=Status.FAIL,
    saw="damaged gpt with 1 partition",
    token=True,
)

# What `dd if=/dev/zero of=DISK bs=1M count=1` leaves of a table.
gpt_without_a_beginning = Scenario(
    broken=f"""
parted -s {DISK} mklabel gpt mkpart one 1MiB 256MiB
dd if=/dev/zero of={DISK} bs=512 count=34 conv=notrunc status=none
blockdev --rereadpt {DISK}""",
    status=Status.FAIL,
    saw="gpt with 1 partition at the end of the disk only; LVM would take the disk all the same",
    token=True,
)

protective_mbr_alone = Scenario(
    broken=f"""
parted -s {DISK} mklabel gpt
wipefs --quiet --all --types gpt {DISK}""",
    status=Status.FAIL,
    saw="protective MBR without its gpt",
    token=True,
)

# A table that was overwritten while one of its partitions was in use.
partitions_of_no_table = Scenario(
    broken=f"addpart {DISK} 1 2048 524288",
    status=Status.FAIL,
    saw="blank; the kernel still has sda1",
)
