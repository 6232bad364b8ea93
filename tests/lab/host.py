"""What this computer must bring: root, namespaces, Debian packages, and KVM where it works."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import LabError
from .place import PREFIX
from .progress import say

if TYPE_CHECKING:
    from .image import Image

TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mke2fs": "e2fsprogs",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "nsenter": "util-linux",
}
"""Every program that the laboratory calls, and the Debian package that brings it."""

KVM_SECONDS = 10
"""How long a kernel may take until it panics for want of a root. It takes 2 s without KVM."""


def missing() -> str | None:
    """Why no laboratory can run here, in words for a skipped test; None when it can.

    Packages that are missing are no reason where `install()` can bring them.
    """
    if platform.machine() != "x86_64":
        return f"the lab's machines are x86_64, this is {platform.machine()}"
    if os.geteuid() != 0:
        return "the lab needs root, for network namespaces and for building its image"
    if (packages := _missing_packages()) and not shutil.which("apt-get"):
        return f"the lab needs the Debian packages {' '.join(packages)}"
    if not Path("/dev/net/tun").exists():
        return "the lab needs /dev/net/tun: modprobe tun, or give it to this container"
    trial = ["unshare", "--net", "--mount", "true"]
    if subprocess.run(trial, check=False, capture_output=True).returncode:
        return "the lab needs network namespaces, and unshare --net --mount is refused here"
    return None


def install() -> None:
    """Bring the packages that are missing; LabError with the line that does it where that fails."""
    if reason := missing():
        raise LabError(reason)
    bring(_missing_packages())


def bring(packages: list[str]) -> None:
    """Install Debian packages, none or more; LabError with the line that does it by hand."""
    if not packages:
        return
    say(f"apt-get install {' '.join(packages)}")
    line = ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", *packages]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "-qq", "update"], line):
        done = subprocess.run(command, check=False, env=quiet, capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"{' '.join(line)} failed; run it by hand:\n{done.stderr}")


def accelerator(image: Image) -> str:
    """`kvm` where a kernel really boots with it, else `tcg`; found out once per boot of this host.

    /dev/kvm proves nothing: nested virtualisation can accept every ioctl and then never run
    an instruction. So a kernel without a root filesystem is started, and must get as far as
    its panic.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    known = Path("/run") / f"{PREFIX}.accelerator"
    if known.exists() and known.read_text().startswith(boot):
        return known.read_text().split()[1]
    answer = "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) and _boots(image) else "tcg"
    known.write_text(f"{boot} {answer}\n")
    say("KVM works here" if answer == "kvm" else "no KVM here: the machines are emulated")
    return answer


def _boots(image: Image) -> bool:
    command = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "max", "-m", "512", "-no-user-config"]
    command += ["-machine", "q35", "-nodefaults", "-display", "none", "-serial", "stdio"]
    command += ["-no-reboot", "-kernel", str(image.kernel), "-append", "console=ttyS0 panic=-1"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, timeout=KVM_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return b"Kernel panic" in done.stdout


def _missing_packages() -> list[str]:
    return sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
