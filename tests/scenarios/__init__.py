"""States of a disk that `gkprep check` must tell apart, brought about on a real machine.

A scenario is a variable in `scenarios/<check>/<subject>.py`: a folder for the check that it is
about, files by subject, the variable's name for its own. `empty_gpt` in `device_clean/tables.py`
is `device-clean/empty-gpt` in the tests. To add one, add a variable:

    empty_gpt = Scenario(
        broken="parted -s /dev/sda mklabel gpt",
        status=Status.FAIL,
        saw="gpt (empty table)",
    )

Those in `consent/` are of another kind: tests/test_wipe_lab.py plays them, many at a time.

tests/test_scenarios.py says what it does with each. It starts from a blank disk every time, and
unmounts, deactivates and blanks whatever a scenario leaves behind; what else one leaves running,
its `cure` ends.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from preflight.model import Status

DISK = "/dev/sda"  # 12 GiB, and nothing of the system is on it
# A name as heketi gives to its groups and bricks: an id is 32 hex digits.
HEKETI_ID = "0123456789abcdef0123456789abcdef"
VG = f"vg_{HEKETI_ID}"


@dataclass(frozen=True)
class Scenario:
    """One state, what the check says of the disk in it, and how a person ends it.

    `broken` is what root types on a machine with a blank disk. `saw` is what the finding shows,
    with `*` for whatever differs from time to time. `cure` ends the state, so that the check
    passes; None: what the finding itself gives as its cure, word for word. A scenario that passes
    needs none. `token` is whether the finding carries a consent token.
    """

    broken: str
    status: Status
    saw: str
    cure: str | None = None
    token: bool = False

    def describes(self, saw: str) -> bool:
        """Whether this is what a finding shows here; only `*` has a meaning of its own."""
        return fnmatchcase(saw, self.saw.replace("[", "[[]").replace("?", "[?]"))


@dataclass(frozen=True)
class Mended:
    """One state that `gkprep fix --yes` ends, and `gkprep undo` brings about again.

    `broken` is what root types on a machine as the laboratory breaks it; `saw` is as a Scenario's;
    `token` is whether `--yes` alone leaves it as it is, for want of the finding's token.
    tests/test_story_lab.py breaks each machine by one of every check's, and mends them all at once;
    those that take a token have their turn after the others.
    """

    broken: str
    saw: str
    token: bool = False


def mended() -> dict[str, list[Mended]]:
    """All that are fixed, by the id of the check, as `scenarios/<check>/mended.py` has them."""
    found: dict[str, list[Mended]] = {}
    for info in pkgutil.iter_modules(__path__):
        folder = Path(__path__[0]) / info.name
        if info.ispkg and (folder / "mended.py").exists():
            module = importlib.import_module(f"{__name__}.{info.name}.mended")
            states = [state for state in vars(module).values() if isinstance(state, Mended)]
            found[info.name.replace("_", "-")] = states
    return found


def scenarios() -> dict[str, Scenario]:
    """Every scenario by its name, `check/name`."""
    found: dict[str, Scenario] = {}
    for info in pkgutil.walk_packages(__path__, f"{__name__}."):
        if not info.ispkg:
            module = importlib.import_module(info.name)
            check = info.name.split(".")[-2]
            for name, value in vars(module).items():
                if isinstance(value, Scenario):
                    found[f"{check}/{name}".replace("_", "-")] = value
    return found
