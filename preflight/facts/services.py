"""systemd units: what runs, and what starts at the next boot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from preflight.errors import Unknown
from preflight.model import Probe

KEYS = ("Id", "LoadState", "ActiveState", "UnitFileState")
# How a unit starts another: Wants=, Requires=, BindsTo=, Upholds= (systemd.unit(5), "Mapping of
# unit properties to their inverses"); the second is systemd 219's, the last is new in 249.
PULLS = ("WantedBy", "RequiredByOverridable", "RequiredBy", "BoundBy", "UpheldBy")
# What every boot reaches (bootup(7)), even while it is still going on.
BOOT = frozenset({"sysinit.target", "sockets.target", "basic.target", "multi-user.target"})


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
        """Whether it is enabled for good; who else would start it, `pulled` tells.

        `enabled-runtime` is gone with /run at the next boot, and a `linked` unit is only known to
        systemd, not enabled (systemctl(1), is-enabled).
        """
        return self.file == "enabled"

    @property
    def wanted_by_itself(self) -> bool:
        """Whether targets want it because it is enabled, for good or until the next boot."""
        return self.file in {"enabled", "enabled-runtime"}


@dataclass(frozen=True)
class Pull:
    """What starts a unit whenever it is started itself: `by`, names of units. `active`: is it now.

    Of targets only `active` is known: what a boot does not reach is not active either.
    """

    active: bool
    by: frozenset[str] = frozenset()


def pullers(pulls: Mapping[str, Pull], name: str) -> tuple[str, ...]:
    """Units that start at boot and then start the unit called `name`, each a step away."""
    return tuple(sorted(by for by in pulls[name].by if _boots(pulls, by, {name})))


def _boots(pulls: Mapping[str, Pull], name: str, below: set[str]) -> bool:
    if name.endswith(".target"):
        return name in BOOT or (name in pulls and pulls[name].active)
    above = pulls[name].by - below if name in pulls else frozenset()
    return any(_boots(pulls, by, below | {name}) for by in above)


def parse_units(text: str) -> Mapping[str, Unit]:
    """Blocks of `Key=Value` lines, one a unit, with an empty line between, as systemctl show."""
    units = {}
    for values in _blocks(text):
        if set(values) != set(KEYS):
            raise Unknown(f"systemctl answered {values}")
        units[values["Id"]] = Unit(
            values["LoadState"], values["ActiveState"], values["UnitFileState"]
        )
    return units


def parse_pulled(text: str) -> Mapping[str, Pull]:
    """Blocks likewise, of every unit from those asked for up to the targets that reach them."""
    pulls = {}
    for values in _blocks(text):
        if not {"Id", "ActiveState"} <= set(values) <= {"Id", "ActiveState", *PULLS}:
            raise Unknown(f"systemctl answered {values}")
        names = [] if values["Id"].endswith(".target") else [values.get(key, "") for key in PULLS]
        by = frozenset(" ".join(names).split())
        pulls[values["Id"]] = Pull(values["ActiveState"] == "active", by)
    return pulls


def _blocks(text: str) -> Iterator[dict[str, str]]:
    for block in filter(None, text.strip().split("\n\n")):
        lines = [line for line in block.split("\n") if line]
        if any("=" not in line for line in lines):
            raise Unknown(f"systemctl answered {block!r}")
        yield dict(line.split("=", 1) for line in lines)


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


def pulled(*names: str) -> Probe[Mapping[str, Pull]]:
    """Who would start the units called `names`, though they may be disabled; see `pullers`.

    Asked from unit to unit upwards; systemd knows the inverse of a dependency as long as both units
    are loaded, which all are that belong to the boot. Names may have backslashes
    (systemd-escape(1)): awk gets them from its environment, for `-v` would take them for its own.
    """
    listed = " ".join(names)
    command = f"""\
todo='{listed}' seen=' '
while [ -n "$todo" ]; do
  told=$(systemctl show -p Id,ActiveState,{",".join(PULLS)} -- $todo) || exit
  printf '%s\\n\\n' "$told"
  seen="$seen$(echo $todo) "
  todo=$(printf '%s\\n' "$told" | SEEN=$seen awk -v RS= -F '\\n' '
  BEGIN {{ seen = ENVIRON["SEEN"] }}
  !/(^|\\n)Id=[^\\n]*\\.target(\\n|$)/ {{
    for (at = 1; at <= NF; at++) {{
      if ($at !~ /^[A-Za-z]*By[A-Za-z]*=/) continue
      sub(/^[^=]*=/, "", $at); count = split($at, names, " ")
      for (each = 1; each <= count; each++)
        if (!index(seen, " " names[each] " ")) {{ print names[each]; seen = seen names[each] " " }}
    }}
  }}')
done"""
    return Probe(f"services.pulled({listed})", command, parse_pulled)


# `starting` until all that starts at boot has; any exit status but 0 where it is not `running`
# (systemctl(1), is-system-running).
system = Probe(
    "services.system", "systemctl is-system-running", str.strip, rcs=frozenset({0, 1, 3, 4})
)
