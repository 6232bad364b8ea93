"""A laboratory of three virtual machines in the broken state that gkprep began with.

    python -m tests.lab up | shell | status | reset [NODE...] | down | build

Real Debian machines, booted by QEMU inside a network namespace of their own: an empty GPT on
the data disk, firewalld running with Gluster's ports closed, the device-mapper modules not
loaded, no mount.glusterfs, and port 111 held by systemd's rpcbind.socket. Every machine carries
a local APT repository, so `apt-get install glusterfs-client` works there without a network.
`/usr/share/lab/rpm-flavour`, run on one of them, makes it a machine of an RPM distribution until it
is reset: dnf, yum and rpm instead of apt and dpkg, rpcbind an RPM, and an RPM repository.
"""

from __future__ import annotations

from .errors import CommandError, LabError
from .image import OPS_PASSWORD
from .lab import Lab
from .machine import Machine

__all__ = ["OPS_PASSWORD", "CommandError", "Lab", "LabError", "Machine"]
