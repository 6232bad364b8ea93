"""gkprep inside a machine of the laboratory, as an administrator would have it there: in a venv.

The machines have Debian's python3 and neither pip nor a network. So the tree of locked packages is
put together here, for the Python over there, and pushed. It is kept beside the laboratory's images,
as long as requirements.lock stays the same.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.lab import Machine

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"

PYTHON = "3.11"  # Debian 12's
GLIBC = 36  # likewise: 2.36, and wheels for any older one run there too (PEP 600)
PLACE = "/opt/gkprep"
PACKAGES = f"{PLACE}/lib/python{PYTHON}/site-packages"

# What `python3 -m venv --without-pip` would leave behind, and the command on the PATH.
SET_UP = f"""\
set -eu
mkdir -p {PLACE}/bin
ln -sf /usr/bin/python3 {PLACE}/bin/python3
printf 'home = /usr/bin\\ninclude-system-site-packages = false\\n' >{PLACE}/pyvenv.cfg
printf '#!/bin/sh\\nexec {PLACE}/bin/python3 {PACKAGES}/bin/gkprep "$@"\\n' >/usr/local/bin/gkprep
chmod 755 /usr/local/bin/gkprep
gkprep --version
"""


def install(machine: Machine, scratch: Path) -> str:
    """Put this checkout into `machine`; return the version it has there. About ten seconds.

    `scratch` is an empty folder of the caller's.
    """
    machine.push(dependencies(), PACKAGES)
    machine.push(own(scratch), PACKAGES)
    return machine.run(SET_UP).stdout


def dependencies() -> Path:
    """The locked packages for the machines' Python; downloaded once for each requirements.lock."""
    cache = (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gkprep" / "installed"
    )
    recipe = f"{PYTHON} {GLIBC} {LOCK.read_text()}"
    folder = cache / hashlib.sha256(recipe.encode()).hexdigest()[:16]
    if not folder.exists():
        # Under a name of its own until it is whole: another test run may do the same meanwhile.
        work = cache / f"{folder.name}.{os.getpid()}"
        glibcs = [f"--platform=manylinux_2_{minor}_x86_64" for minor in range(GLIBC, 4, -1)]
        tags = ["--implementation=cp", f"--abi=cp{PYTHON.replace('.', '')}", "--abi=abi3"]
        wheels = [f"--python-version={PYTHON}", *tags, *glibcs, "--only-binary=:all:"]
        _pip(work, *wheels, "--require-hashes", f"--requirement={LOCK}")
        try:
            work.rename(folder)
        except OSError:  # the other run was faster
            shutil.rmtree(work)
    return folder


def own(scratch: Path) -> Path:
    """gkprep itself, from this checkout as it is: a wheel's contents, without dependencies."""
    source, tree = scratch / "source", scratch / "tree"
    # Built from a copy: setuptools builds in place, and would pack what an older build left there.
    others = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "tests")
    shutil.copytree(ROOT, source, ignore=others)
    # The lock pins what builds it, too; the environment of the tests may have an older one.
    _pip(tree, "--no-deps", "--no-build-isolation", str(source), path=dependencies())
    return tree


def _pip(target: Path, *options: str, path: Path | str = "") -> None:
    """Install into the folder `target`; without byte-code, which would be half of the bytes."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    common = ["--no-compile", "--root-user-action=ignore", f"--target={target}"]
    environment = {**os.environ, "PYTHONPATH": str(path)}
    subprocess.run([*command, *common, *options], check=True, env=environment)
