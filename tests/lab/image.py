"""The disk that all machines start from: mmdebstrap, then ext4, then qcow2. A minute on two cores.

The result is kept under the hash of the recipe: every byte of `recipe/` and of this file. A build
happens in a folder of another name which is renamed when all is there, so a build that was
interrupted never looks like an image.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from . import host
from .errors import LabError
from .node import NODES
from .place import locked
from .progress import say

if TYPE_CHECKING:
    from .place import Place

RECIPE = Path(__file__).parent / "recipe"
SUITE = "bookworm"
ROOT_SIZE = "6G"
"""Size of the root filesystem; the file that holds it is sparse."""
OPS_PASSWORD = "lab-ops-7"
"""Password of the user `ops`, whose sudo asks for it. Nothing outside can reach the machines."""
KEEP_DAYS = 30
"""What was not used for so long is removed when its successor is built."""

# What nobody reads on such a machine is a third of a minimal Debian, and unpacking takes time.
LEAN = [f"path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale", "info")]


@dataclass(frozen=True)
class Image:
    """The files of one image; they exist once `ensure` has returned it."""

    folder: Path

    @property
    def disk(self) -> Path:
        """The root disk, qcow2, never written to again."""
        return self.folder / "root.qcow2"

    @property
    def kernel(self) -> Path:
        """The kernel of the image, for `-kernel`."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initrd of the image, for `-initrd`."""
        return self.folder / "initrd"

    @property
    def key(self) -> Path:
        """The private key that all users of the machines accept."""
        return self.folder / "keys" / "id_ed25519"

    def host_keys(self, node: str) -> list[str]:
        """The public host keys of a node, each as `type base64`."""
        files = sorted((self.folder / "keys" / "hosts" / node).glob("*.pub"))
        return [" ".join(file.read_text().split()[:2]) for file in files]


def located(place: Place) -> Image:
    """Where the image of this recipe is, or would be."""
    return Image(place.cache / recipe_hash())


def ensure(place: Place) -> Image:
    """Return the image of this recipe, built first if need be; LabError if that fails."""
    image = located(place)
    if not image.folder.exists():
        host.install()
        place.cache.mkdir(parents=True, exist_ok=True)
        with locked(image.folder.with_suffix(".lock"), "another build of the image"):
            if not image.folder.exists():
                forget_old(place.cache, "*")
                try:
                    _build(image)
                except LabError as error:
                    raise LabError(f"{error}; see {image.folder.with_suffix('.log')}") from error
    os.utime(image.folder)
    return image


@cache
def recipe_hash() -> str:
    """Sixteen hex digits that change with everything an image is made from."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for file in sorted(path for path in RECIPE.iterdir() if path.is_file()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _build(image: Image) -> None:
    """Build beside the final place and rename. The caller holds the lock."""
    work = image.folder.with_suffix(".building")
    log = image.folder.with_suffix(".log")
    _remove(work)
    work.mkdir()
    say(f"building the image, log in {log}")
    with log.open("wb") as output:
        _make_keys(work / "keys")
        root = work / "root"
        _run(_mmdebstrap(root, work / "keys"), log=output.fileno(), env=_build_environment())
        say("a disk of it")
        _collect_boot_files(root / "boot", work)
        raw = work / "root.img"
        lazy = "lazy_itable_init=1,lazy_journal_init=1"
        disk = ["mke2fs", "-q", "-t", "ext4", "-L", "root", "-E", lazy, "-d", str(root)]
        _run([*disk, str(raw), ROOT_SIZE], log=output.fileno())
        convert = ["qemu-img", "convert", "-O", "qcow2", str(raw), str(work / "root.qcow2")]
        _run(convert, log=output.fileno())
        raw.unlink()
        _remove(root)
    # What is renamed must be on the disk: after a power cut an empty file would look like an image.
    os.sync()
    work.rename(image.folder)


def _mmdebstrap(root: Path, keys: Path) -> list[str]:
    words = ["mmdebstrap", "--mode=root", "--variant=minbase", "--components=main"]
    words += ['--aptopt=Acquire::Languages "none"', "--skip=cleanup/apt/lists"]
    words += [f"--dpkgopt={option}" for option in ("force-unsafe-io", *LEAN)]
    words += [f"--include={','.join(_names(RECIPE / 'packages.txt'))}"]
    # mmdebstrap hands a hook to a shell, with the root folder as its $1.
    for hook, more in (("repository.sh", []), ("rpm.sh", []), ("customize.sh", [keys])):
        script, *others = (shlex.quote(str(path)) for path in (RECIPE / hook, RECIPE, *more))
        words += [f'--customize-hook=sh {script} "$1" {" ".join(others)}']
    return [*words, SUITE, str(root)]


def _build_environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8", "OPS_PASSWORD": OPS_PASSWORD}


def _make_keys(folder: Path) -> None:
    """One key for people, and host keys of its own for every node, as on real machines."""
    folder.mkdir()
    _keygen("ed25519", folder / "id_ed25519", "gkprep-lab")
    for node in NODES:
        (folder / "hosts" / node.name).mkdir(parents=True)
        for kind in ("ed25519", "ecdsa", "rsa"):
            _keygen(kind, folder / "hosts" / node.name / f"ssh_host_{kind}_key", node.name)


def _keygen(kind: str, path: Path, comment: str) -> None:
    _run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", str(path)])


def _collect_boot_files(boot: Path, work: Path) -> None:
    shutil.copy(next(boot.glob("vmlinuz-*")), work / "vmlinuz")
    shutil.copy(next(boot.glob("initrd.img-*")), work / "initrd")


def forget_old(folder: Path, pattern: str) -> None:
    """Remove what was not used for KEEP_DAYS: an image, a saved state, or half of one."""
    for entry in folder.glob(pattern):
        if entry.is_dir() and time.time() - entry.stat().st_mtime > KEEP_DAYS * 86400:
            say(f"removing {entry}, unused for {KEEP_DAYS} days")
            _remove(entry)


def _remove(folder: Path) -> None:
    # --one-file-system: should an interrupted build have left /dev mounted in there, it survives.
    _run(["rm", "-rf", "--one-file-system", "--", str(folder)])


def _names(file: Path) -> list[str]:
    lines = file.read_text().splitlines()
    return [name for line in lines for name in line.partition("#")[0].split()]


def _run(command: list[str], log: int | None = None, env: dict[str, str] | None = None) -> None:
    """Run one step of the build with its output in `log` (a file descriptor)."""
    nothing = subprocess.DEVNULL
    done = subprocess.run(command, check=False, stdin=nothing, stdout=log, stderr=log, env=env)
    if done.returncode:
        raise LabError(f"{command[0]} failed with {done.returncode}")
