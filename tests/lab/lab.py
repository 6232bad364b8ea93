"""Image, network and machines together."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from . import home, host, image, network, saved
from .errors import CommandError, LabError
from .machine import Machine
from .node import NODES
from .place import Place
from .progress import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

HEALTHY_SECONDS = 30.0
"""How long a machine that runs may take to answer before `up` puts it back."""


class Lab:
    """Three machines in a namespace of their own. Make one with `Lab.default()`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.image = image.located(place)
        self.machines = {node.name: Machine(node, place, self.image) for node in NODES}

    @classmethod
    def default(cls) -> Lab:
        """The laboratory of this user, or the one that GKPREP_LAB names. Nothing is started."""
        return cls(Place.default())

    @property
    def inventory(self) -> Path:
        """The inventory that names the machines, for gkprep."""
        return self.place.inventory

    @property
    def home(self) -> Path:
        """HOME of commands inside."""
        return self.place.home

    @property
    def netns(self) -> str:
        """Name of the network namespace."""
        return self.place.netns

    @staticmethod
    def missing() -> str | None:
        """Why it cannot run here, for an honest skip; None when it can."""
        return host.missing()

    def up(self) -> None:
        """Have the three machines run and answer: whatever is missing or half dead is made new.

        Machines that run and answer are left as they are; `reset` is what breaks them again.
        Raises LabError.
        """
        host.install()
        with self.place.locked():
            self._refuse_others()
            image.ensure(self.place)
            self._own()
            home.write(self.place, self.image)
            machines = list(self.machines.values())
            if not network.exists(self.netns) or not any(m.emulator.pid for m in machines):
                for machine in machines:
                    machine.power_off()
                network.create(self.netns)
            saved.ensure(self.image, machines)
            _side_by_side(Machine.load, [m for m in machines if not _answers(m)])
            _side_by_side(Machine.answer, machines)
            say("all three answer")

    def down(self) -> None:
        """End the machines and remove the namespace. Image and saved state stay."""
        with self.place.locked():
            self._refuse_others(same_image=False)
            for machine in self.machines.values():
                machine.power_off()
            network.delete(self.netns)

    def reset(self, *names: str) -> None:
        """Put the named machines, or all, back into the broken state. LabError if not up."""
        chosen = [self._machine(name) for name in names or self.machines]
        with self.place.locked():
            self._refuse_others()
            if not network.exists(self.netns):
                raise LabError("the lab is not up")
            _side_by_side(Machine.load, chosen)
            _side_by_side(Machine.answer, chosen)

    @contextmanager
    def claim(self, who: str) -> Iterator[None]:
        """Use the machines alone, as a test run does; LabError if another process does already."""
        with self._claim_file().open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LabError(f"{self.netns} is in use by {self.claimed_by()}") from None
            file.truncate(0)
            file.write(f"{who} (pid {os.getpid()})")
            file.flush()
            yield
            file.truncate(0)

    def claimed_by(self) -> str:
        """Who uses the machines alone; empty when nobody does."""
        try:
            with self._claim_file().open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return ""
        except BlockingIOError:
            return self._claim_file().read_text()
        return ""

    def states(self) -> dict[str, str]:
        """State of each machine: `running`, `paused`, `off`, ..."""
        return {name: machine.emulator.state() for name, machine in self.machines.items()}

    def command(self, argv: Sequence[str | Path]) -> list[str]:
        """The command line that runs `argv` inside; its environment is `environment()`."""
        return [*self.place.inside(), *(str(word) for word in argv)]

    def environment(self) -> dict[str, str]:
        """Environment of commands inside: HOME, PATH, GKPREP_INVENTORY."""
        return home.environment(self.place)

    def exec(  # noqa: PLR0913 - subprocess.run's own arguments
        self,
        argv: Sequence[str | Path],
        *,
        check: bool = False,
        timeout: float | None = None,
        input: str | None = None,  # noqa: A002 - subprocess.run's own word
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside and return what it said, as subprocess.run does.

        `env` is added to `environment()`. Raises CommandError when `check`.
        """
        done = subprocess.run(
            self.command(argv),
            check=False,
            input=input if input is not None else "",
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=cwd,
            env={**self.environment(), **(env or {})},
        )
        if check and done.returncode:
            raise CommandError(done.returncode, [str(w) for w in argv], done.stdout, done.stderr)
        return done

    def _machine(self, name: str) -> Machine:
        if name not in self.machines:
            raise LabError(f"no machine {name!r}; there are {', '.join(self.machines)}")
        return self.machines[name]

    def _claim_file(self) -> Path:
        return Path("/run") / f"{self.netns}.claim"

    def _own(self) -> None:
        self.place.run.mkdir(mode=0o700, exist_ok=True)
        owner = {"state": str(self.place.state), "image": self.image.folder.name}
        (self.place.run / "owner.json").write_text(json.dumps(owner))

    def _refuse_others(self, *, same_image: bool = True) -> None:
        """Two checkouts or two users may share a laboratory, but never by accident."""
        file = self.place.run / "owner.json"
        if not file.exists() or not any(m.emulator.pid for m in self.machines.values()):
            return
        owner = json.loads(file.read_text())
        beside = f"GKPREP_LAB=NAME starts another lab beside {self.netns}"
        if owner["state"] != str(self.place.state):
            raise LabError(f"{self.netns} runs already, for {owner['state']}; {beside}")
        if same_image and owner["image"] != self.image.folder.name:
            raise LabError(
                f"{self.netns} runs already, from an image of another recipe "
                f"(another checkout, or an edit); `down` ends it, {beside}"
            )


def _side_by_side(action: Callable[[Machine], None], machines: Iterable[Machine]) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(action, machines))


def _answers(machine: Machine) -> bool:
    """Whether the machine runs and lets root in; a paused one is woken first."""
    if machine.emulator.state() not in ("running", "paused"):
        return False
    machine.emulator.resume()
    try:
        machine.remote.wait(HEALTHY_SECONDS)
    except LabError:
        say(f"{machine.name} runs and does not answer: it is put back")
        return False
    return True
