"""A laboratory of three virtual machines in the broken state that gkprep began with.

    python -m tests.lab up | shell | status | reset [NODE...] | down | build

Real Debian machines, booted by QEMU inside a network namespace of their own: an empty GPT on
the data disk, firewalld running with Gluster's ports closed, the device-mapper modules not
loaded, no mount.glusterfs, and port 111 held by systemd's rpcbind.socket. Every machine carries
a local APT repository, so `apt-get install glusterfs-client` works there without a network.
"""

from __future__ import annotations

from .errors import CommandError, LabError
from .image import OPS_PASSWORD
from .lab import Lab
from .machine import Machine

__all__ = ["OPS_PASSWORD", "CommandError", "Lab", "LabError", "Machine"]
