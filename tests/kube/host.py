"""What this computer must bring: root, network namespaces, and a few Debian packages."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess

from tests.lab.host import bring

from .binaries import Binaries
from .errors import KubeError
from .place import Place
from .recipe import KEYRING

TOOLS = {"ip": "iproute2", "nsenter": "util-linux", "curl": "curl"}
"""Programs that a running plane calls, and the Debian package that brings each."""
BUILD_TOOLS = {"apt-get": "apt", "dpkg-source": "dpkg-dev", "xz": "xz-utils"}
"""Those that only the build calls."""


def missing(place: Place) -> str | None:
    """Why no control plane can run here, in words for a skipped test; None when it can."""
    if platform.machine() != "x86_64":
        return f"the control plane is built for x86_64, this is {platform.machine()}"
    if os.geteuid() != 0:
        return "the control plane needs root, for its network namespace"
    if (packages := _missing_packages(place)) and not shutil.which("apt-get"):
        return f"the control plane needs the Debian packages {' '.join(packages)}"
    trial = ["unshare", "--net", "true"]
    if subprocess.run(trial, check=False, capture_output=True).returncode:
        return "the control plane needs a network namespace, and unshare --net is refused here"
    if not Binaries.located(place).folder.exists() and not KEYRING.exists():
        return (
            f"the control plane is built from Debian's source packages, and there is no {KEYRING}"
        )
    return None


def install(place: Place) -> None:
    """Bring the packages that are missing; KubeError where that fails."""
    if reason := missing(place):
        raise KubeError(reason)
    bring(_missing_packages(place))


def _missing_packages(place: Place) -> list[str]:
    built = Binaries.located(place).folder.exists()
    tools = TOOLS if built else TOOLS | BUILD_TOOLS
    return sorted({package for tool, package in tools.items() if not shutil.which(tool)})
