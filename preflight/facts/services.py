"""systemd units: what runs, and what starts at the next boot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from preflight.errors import Unknown
from preflight.model import Probe

KEYS = ("Id", "LoadState", "ActiveState", "UnitFileState")


@dataclass(frozen=True)
class Unit:
    """One unit, in systemd's own words (systemctl(1)); `file` is empty where there is no file."""

    load: str
    active: str
    file: str

    @property
    def exists(self) -> bool:
        """Whether systemd knows the unit; a masked one it knows."""
        return self.load != "not-found"

    @property
    def starts_at_boot(self) -> bool:
        """Whether it is enabled; what only another unit pulls in is not seen here."""
        return self.file in {"enabled", "enabled-runtime", "linked", "linked-runtime"}


def parse_units(text: str) -> Mapping[str, Unit]:
    """Blocks of `Key=Value` lines, one a unit, with an empty line between, as systemctl show."""
    units = {}
    for block in text.strip().split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines())
        if set(values) != set(KEYS):
            raise Unknown(f"systemctl answered {block!r}")
        units[values["Id"]] = Unit(
            values["LoadState"], values["ActiveState"], values["UnitFileState"]
        )
    return units


def units(*names: str) -> Probe[Mapping[str, Unit]]:
    """The state of the units called `names`, by name, also of those that do not exist.

    Works from systemd 219 (CentOS 7) on. Without systemd the fact is unknown: nothing else tells
    what starts at the next boot.
    """
    listed = " ".join(names)
    return Probe(
        f"services.units({listed})",
        f"systemctl show -p {','.join(KEYS)} -- {listed}",
        parse_units,
    )
