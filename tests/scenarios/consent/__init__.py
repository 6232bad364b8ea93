"""States of a disk that `gkprep fix --wipe` erases (`erasable`), or never touches (`untouchable`).

A state is a variable there, and its name, with hyphens, the serial number of a disk of its own,
320 MiB small. Many are on one machine at a time: what a state makes besides (arrays, groups,
mounts) is called after nothing that another one on that machine is called after.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from tests.scenarios import DISK


@dataclass(frozen=True)
class State:
    """One state of a disk: what root types, on DISK, what `wipefs` then shows, what gkprep says.

    `types` are those that `wipefs` lists, each once and sorted. `saw` is what a finding about the
    disk shows, device-clean's or device-idle's, with `*` for whatever differs.
    """

    broken: str
    types: str
    saw: str

    def on(self, disk: str) -> str:
        """What brings another disk into the state; `disk` is as the kernel calls it."""
        return self.broken.replace(DISK, disk)


def states(module: ModuleType) -> dict[str, State]:
    """The states in a module, by name and in its order."""
    found = {name: each for name, each in vars(module).items() if isinstance(each, State)}
    return {name.replace("_", "-"): state for name, state in found.items()}
