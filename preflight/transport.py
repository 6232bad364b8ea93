"""How bytes travel: the only file that touches a node."""

from __future__ import annotations

import os
import subprocess
from typing import Protocol

from preflight.model import Limits, Output


class Shell(Protocol):
    """A POSIX shell with root's rights on one machine, used for one script."""

    local: bool

    def run(self, script: str, limits: Limits) -> Output:
        """Run `script` by `sh -s`, as root; raise TransportError where it could not be started."""
        ...


class Local:
    """The machine that gkprep itself runs on."""

    local = True

    def run(self, script: str, limits: Limits) -> Output:
        """Run `script` by a subprocess, through `sudo -n` where gkprep does not run as root."""
        argv = ["sh", "-s"] if os.geteuid() == 0 else ["sudo", "-n", "--", "sh", "-s"]
        done = subprocess.run(argv, input=script.encode(), capture_output=True, timeout=limits.node)
        return Output(done.returncode, done.stdout, done.stderr)
