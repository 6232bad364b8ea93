"""Roots of the file system of a test's own, in which a probe runs as `collect` runs it.

It reads that root's /etc, /proc and /sys, by each of the shells that it must run under, and by this
machine's own tools or busybox's. Nothing is mounted, nothing outside the root is changed.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from preflight.collect import read_reply, script
from preflight.errors import Unknown
from preflight.model import Limits, Output, Probe

# What `sh` is, by the program behind it. Called sh, bash keeps to POSIX; by its own name it does
# not.
SHELLS = {"dash": "dash", "bash": "bash", "bash as sh": "bash", "busybox": "busybox"}
ALONE = "busybox alone"
"""A root without any other program: each tool is one of busybox's applets."""

PLACES = (*SHELLS, ALONE)

# Of coreutils and its like: what a node has that has anything.
TOOLS = ["awk", "cat", "find", "grep", "head", "sed", "sort", "stat", "timeout", "tr", "uname"]
AWKS = ("mawk", "gawk", "original-awk", "busybox")

MARK = "asked"
LIMITS = Limits(probe=20, node=60)


def applets() -> list[str]:
    """What busybox can be called as, but for the shell."""
    listed = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split() if name not in {"sh", "busybox"}]


def put_shell(folder: Path, name: str) -> None:
    """Make one of SHELLS what `sh` is in `folder`."""
    if name == "bash":
        (folder / "sh").write_text('#!/bin/bash\nexec /bin/bash "$@"\n')
        (folder / "sh").chmod(0o755)
    else:
        (folder / "sh").symlink_to(f"/bin/{SHELLS[name]}")


def reply(probe: Probe[object], done: subprocess.CompletedProcess[bytes]) -> object:
    """The probe's value, or why there is none, from what its script printed."""
    output = Output(done.returncode, done.stdout, done.stderr)
    values = read_reply([probe], MARK, output, LIMITS)
    assert probe.name in values, done.stderr
    return values[probe.name]


@dataclass(frozen=True)
class Root:
    """One root; every path is given from there, without the first slash."""

    path: Path

    def write(self, name: str, text: str = "", mode: int = 0o644) -> None:
        """A file, and the folders above it."""
        file = self._free(name)
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        file.chmod(mode)

    def link(self, name: str, target: str) -> None:
        self._free(name).symlink_to(target)

    def device(self, name: str, number: str) -> None:
        """The node of a block device, by its `major:minor`."""
        major, minor = map(int, number.split(":"))
        os.mknod(self._free(name), stat.S_IFBLK | 0o600, os.makedev(major, minor))

    def program(self, name: str, command: str) -> None:
        """A script that goes before whatever else is called so."""
        self.write(f"usr/local/sbin/{name}", f"#!/bin/sh\n{command}\n", 0o755)

    def install(self, program: str, name: str = "") -> None:
        """One of this machine's programs, with its libraries, perhaps under another name."""
        found = Path(shutil.which(program) or program).resolve(strict=True)
        shutil.copy(found, self._free(f"usr/bin/{name or program}"))
        listed = subprocess.run(["ldd", found], capture_output=True, text=True, check=False)
        for library in re.findall(r"(/\S+) \(0x", listed.stdout):
            if not (self.path / library[1:]).exists():
                shutil.copy(library, self._free(library[1:]))

    def lack(self, program: str) -> None:
        (self.path / "usr/bin" / program).unlink()

    def ask(self, probe: Probe[object]) -> object:
        """The value of `probe`, or the Unknown that says why there is none."""
        done = subprocess.run(
            ["chroot", self.path, "/bin/sh", "-s"],
            input=script([probe], MARK, LIMITS).encode(),
            capture_output=True,
            timeout=LIMITS.node,
            check=False,
        )
        return reply(probe, done)

    def tell(self, probe: Probe[object]) -> object:
        """The value of `probe`; raises Unknown where there is none."""
        value = self.ask(probe)
        if isinstance(value, Unknown):
            raise value
        return value

    def _free(self, name: str) -> Path:
        """Where something of that name can be made; what was there is another root's too."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        return path


class Roots:
    """Makes roots below `folder`, as many as are wanted, with hard links to the same programs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0

    def missing(self, place: str) -> str | None:
        """Why there cannot be such a root here; None where there can."""
        if os.geteuid() != 0:
            return "chroot needs root"
        if os.statvfs(self._folder).f_flag & os.ST_NODEV:
            return f"no device nodes below {self._folder}"
        program = SHELLS.get(place, "busybox")
        return None if shutil.which(program) else f"no {program} here"

    def new(self, place: str) -> Root:
        """A root with one of PLACES' shells and tools, and nothing else."""
        base = self._folder / place
        if not base.exists():
            _furnish(Root(base), place)
        self._made += 1
        path = self._folder / str(self._made)
        shutil.copytree(base, path, symlinks=True, copy_function=os.link)
        return Root(path)


def _furnish(root: Root, place: str) -> None:
    (root.path / "usr/bin").mkdir(parents=True)
    (root.path / "bin").symlink_to("usr/bin")
    (root.path / "dev").mkdir()
    os.mknod(root.path / "dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    if place == ALONE:
        root.install("busybox")
        for name in (*applets(), "sh"):
            root.link(f"usr/bin/{name}", "busybox")
        return
    for tool in {*TOOLS, "bash", SHELLS[place]}:
        root.install(tool)
    put_shell(root.path / "usr/bin", place)
