"""Which deployment a folder is of, and what came of it: kept there beside the log of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from preflight.journal.keep import state_folder

RECORD = "deployment.json"
MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Deployed:
    """One run of `deployer` in `namespace` of the cluster with that UID of its kube-system.

    `back`: it was an abort. `stopped` is why it was no success, empty where it was one, None
    where gkprep did not come to tell; `rc` is the deployer's exit status, as far as it is known.
    """

    deployer: str
    cluster: str
    namespace: str
    back: bool = False
    rc: int | None = None
    stopped: str | None = None


def deployments_folder() -> Path:
    """Where the folders of deployments are; their names sort as they came."""
    return state_folder() / "deployments"


def log_of(folder: Path, deployer: str) -> Path:
    """Where all is that it printed."""
    return folder / f"{deployer}.log"


def printed(log: Path) -> str:
    """What is in it, of a long one the end. Raises OSError."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - MOST_BYTES))
        return file.read().decode("utf-8", "replace")


def keep(folder: Path, made: Deployed) -> None:
    """Write the record down, whole or not at all, for its owner alone. Raises OSError."""
    new = folder / f"{RECORD}.new"
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(json.dumps(asdict(made)))
    new.replace(folder / RECORD)


def last(cluster: str, namespace: str) -> tuple[Path, Deployed] | None:
    """The newest run there, and its folder; None where none was made from here."""
    for folder in sorted(deployments_folder().glob("*"), reverse=True):
        for made in _read(folder):
            if (made.cluster, made.namespace) == (cluster, namespace):
                return folder, made
    return None


def began(folder: Path) -> datetime:
    """When it was begun, which its name tells. Raises ValueError."""
    day_and_time = folder.name.rpartition("-")[0]
    return datetime.strptime(day_and_time, "%Y%m%d-%H%M%S").replace(tzinfo=timezone.utc)


def _read(folder: Path) -> Iterator[Deployed]:
    """The record in `folder`; none where there is none to be read, as of older releases."""
    with suppress(OSError, ValueError, TypeError):
        yield Deployed(**json.loads((folder / RECORD).read_text("utf-8")))
