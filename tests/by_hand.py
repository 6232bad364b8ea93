"""What a person types to put a machine of the laboratory right, one requirement at a time."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from tests.lab import Machine

TCP = ("2222", "24007", "24008", "49152-49251")
OPEN = " ".join(f"--add-port={ports}/tcp" for ports in TCP)
MODULES = "dm_snapshot dm_mirror dm_thin_pool target_core_user"

# By the id of the check. The storage address is eth1's, and eth1 is in the zone `internal`.
CURES = {
    "device-clean": "wipefs --all /dev/sda",
    "firewall-ports": (
        f"firewall-cmd --zone=internal {OPEN} && firewall-cmd --permanent --zone=internal {OPEN}"
    ),
    "kernel-modules": (
        f"modprobe --all {MODULES} && printf '%s\\n' {MODULES} >/etc/modules-load.d/gluster.conf"
    ),
    "mount-glusterfs": "apt-get --quiet --quiet --yes install glusterfs-client",
    "rpcbind-port": "systemctl disable --now rpcbind.socket rpcbind.service",
}


def put_right(machines: Iterable[Machine], *checks: str) -> None:
    """Cure what `checks` complain of, on all machines side by side: emulation makes it slow."""
    command = " && ".join(CURES[check] for check in checks)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda machine: machine.run(command, timeout=600), machines))
