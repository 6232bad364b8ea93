"""Where the programs of the control plane are kept, and that they are built once.

They are found under the hash of `recipe.py`. A build happens in a folder of another name which is
renamed when all is there, so one that was interrupted never looks like a result.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.lab.image import forget_old
from tests.lab.place import locked
from tests.lab.progress import say

from . import recipe
from .place import Place


@dataclass(frozen=True)
class Binaries:
    """The programs; they exist once `ensure` has returned them."""

    folder: Path

    @classmethod
    def located(cls, place: Place) -> Binaries:
        """Where those of this recipe are, or would be."""
        return cls(place.cache / recipe_hash())

    def __getitem__(self, name: str) -> str:
        return str(self.folder / name)


def ensure(place: Place) -> Binaries:
    """Build unless that was done before; KubeError where it fails, with the log's name."""
    binaries = Binaries.located(place)
    if binaries.folder.exists():
        os.utime(binaries.folder)
        return binaries
    place.cache.mkdir(parents=True, exist_ok=True)
    with locked(binaries.folder.with_suffix(".lock"), "another build"):
        if not binaries.folder.exists():
            _build(binaries.folder)
    return binaries


@cache
def recipe_hash() -> str:
    """Sixteen hex digits that change with everything the programs are made from."""
    return hashlib.sha256(Path(recipe.__file__).read_bytes()).hexdigest()[:16]


def _build(folder: Path) -> None:
    """Build beside the final place and rename. The caller holds the lock."""
    forget_old(folder.parent, "*")
    work = folder.with_suffix(".building")
    shutil.rmtree(work, ignore_errors=True)
    log = folder.with_suffix(".log")
    say(f"building Kubernetes {recipe.VERSION}, minutes; log in {log}")
    with log.open("wb") as output:
        recipe.Build(work, output.fileno()).make()
    # What is renamed must be on the disk: after a power cut an empty file would look whole.
    os.sync()
    (work / "bin").rename(folder)
    shutil.rmtree(work)
