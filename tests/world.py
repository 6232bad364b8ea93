"""Machines that differ from this one: commands run in a mount namespace, after some steps.

A step is a line of shell. What it changes is seen by the command that is started afterwards, and
by nobody else. Steps before the last must not need what an earlier one took away.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

GLUSTERFS = "glusterfs 11.1"
DISK = "/mnt/sdz"
SECTORS_A_GIB = 1 << 21


def world(*steps: str) -> list[str]:
    """Start the next command in a world of its own, in which these steps have been taken."""
    script = " && ".join(["mount -t tmpfs none /mnt", *steps, 'cd / && exec "$@"'])
    return ["unshare", "-m", "/bin/bash", "-c", script, "bash"]


def lacking(*commands: str) -> Iterator[str]:
    """These commands of /usr/bin, which /bin is a link to, are nowhere."""
    yield from _linked("/usr/bin")
    yield f"(cd /usr/bin && rm {shlex.join(commands)})"


def having(programs: Mapping[str, str]) -> Iterator[str]:
    """Scripts, by name, that go before what PATH would find; mount(8) finds its helpers there too.

    The folder is /usr/sbin, which /sbin is a link to.
    """
    yield from _linked("/usr/sbin")
    for name, script in programs.items():
        path, text = f"/usr/sbin/{name}", shlex.quote(f"#!/bin/sh\n{script}\n")
        # The link goes first: what is written through it would last.
        yield f"rm -f {path} && printf %s {text} >{path} && chmod 755 {path}"


def mounting(version: str = GLUSTERFS) -> dict[str, str]:
    """The programs of a node that can mount Gluster volumes; printf(1) prints the version."""
    return {"mount.glusterfs": "exit 1", "glusterfs": f"printf {shlex.quote(version)}"}


def loading_at_boot(write: str) -> Iterator[str]:
    """One file more of modules-load.d(5), which hides no other; its path is added to `write`."""
    yield "mount -t tmpfs none /usr/local/lib && mkdir /usr/local/lib/modules-load.d"
    yield f"{write} /usr/local/lib/modules-load.d/gkprep-tests.conf"


def greeted_by(command: str) -> Iterator[str]:
    """What root's shell runs before anything else: bash takes sshd for rshd, and reads .bashrc."""
    yield f"mount -t tmpfs none /root && echo {shlex.quote(command)} >/root/.bashrc"


def with_disk(size: int) -> Iterator[str]:
    """A disk of `size` GiB at DISK, and no other: as the kernel tells of one, but with no data."""
    folder = f"/sys/class/block/{DISK.rpartition('/')[2]}"
    yield f"mount -t tmpfs none /sys/class/block && mkdir {folder}"
    yield f"(cd {folder} && echo 8:400 >dev && echo {size * SECTORS_A_GIB} >size && echo 0 >ro)"
    yield f"mknod {DISK} b 8 400"


def _linked(folder: str) -> Iterator[str]:
    """Make `folder` one of links to what was in it, so that it can be changed."""
    kept = f"/mnt{folder}"
    yield f"mkdir -p {kept} && mount --bind {folder} {kept} && mount -t tmpfs none {folder}"
    yield f"PATH={kept}:$PATH ln -s {kept}/* {folder}/"
