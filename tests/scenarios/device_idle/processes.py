"""Held open, by processes or by the kernel."""

from preflight.model import Status
from tests.scenarios import DISK, Scenario

# LVM would take the disk.
reader = Scenario(
    broken=f"sleep 300 <{DISK} >/dev/null 2>&1 &\nuntil [ -b /proc/$!/fd/0 ]; do :; done",
    status=Status.FAIL,
    saw="held open by sleep, pid *",
)

# Under another name, as in a container's /dev.
writer = Scenario(
    broken="""
mknod /root/raw b 8 0
sleep 300 </dev/null >>/root/raw 2>/dev/null &
until [ -b /proc/$!/fd/1 ]; do :; done
rm /root/raw""",
    status=Status.FAIL,
    saw="held open by sleep, pid *",
)
