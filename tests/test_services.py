"""What the probes of `services` must not take for an answer. The texts are constructed."""

from __future__ import annotations

import pytest

from preflight.errors import Unknown
from preflight.facts.services import Pull, Unit, parse_pulled, parse_units, pullers

UNITS = "Id=a.service\nLoadState=loaded\nActiveState=active\nUnitFileState=static"


def test_units_are_told_apart_by_empty_lines() -> None:
    assert parse_units(f"{UNITS}\n\n{UNITS.replace('a.', 'b.')}\n") == {
        "a.service": Unit("loaded", "active", "static"),
        "b.service": Unit("loaded", "active", "static"),
    }


@pytest.mark.parametrize("text", ["Id=a.service", f"{UNITS}\nMore=x", "not a property"])
def test_units_that_are_not_told_whole(text: str) -> None:
    with pytest.raises(Unknown, match="systemctl answered"):
        parse_units(text)


@pytest.mark.parametrize("text", ["Id=a.service", "ActiveState=active", "Id=a\nActiveState=x\nB=c"])
def test_pulls_that_are_not_told_whole(text: str) -> None:
    with pytest.raises(Unknown, match="systemctl answered"):
        parse_pulled(text)


def test_every_way_to_pull_counts_and_of_a_target_none() -> None:
    ways = (
        "WantedBy=a.service\nRequiredBy=b.service c.service\nBoundBy=\n"
        "RequiredByOverridable=d.service\nUpheldBy=e.service"
    )
    text = f"Id=x.service\nActiveState=inactive\n{ways}\n\nId=x.target\nActiveState=active\n{ways}"
    names = frozenset(f"{name}.service" for name in "abcde")
    assert parse_pulled(text) == {
        "x.service": Pull(active=False, by=names),
        "x.target": Pull(active=True),
    }


def test_a_boot_may_be_some_steps_away() -> None:
    pulls = {
        "a.service": Pull(active=False, by=frozenset({"b.service", "odd.service"})),
        "b.service": Pull(active=False, by=frozenset({"c.service", "a.service"})),
        "c.service": Pull(active=False, by=frozenset({"remote-fs.target"})),
        "odd.service": Pull(active=False, by=frozenset({"rescue.target"})),
        "remote-fs.target": Pull(active=True),
        "rescue.target": Pull(active=False),
    }
    assert pullers(pulls, "a.service") == ("b.service",)


# UnitFileState's words (systemctl(1), is-enabled), and whether they bring the unit at a boot.
@pytest.mark.parametrize(
    ("state", "at_boot", "by_itself"),
    [
        ("enabled", True, True),
        ("enabled-runtime", False, True),
        ("linked", False, False),
        ("linked-runtime", False, False),
        ("alias", False, False),
        ("masked", False, False),
        ("masked-runtime", False, False),
        ("static", False, False),
        ("indirect", False, False),
        ("disabled", False, False),
        ("generated", False, False),
        ("transient", False, False),
        ("bad", False, False),
        ("not-found", False, False),
        ("", False, False),
    ],
)
def test_what_starts_at_boot(state: str, at_boot: bool, by_itself: bool) -> None:
    unit = Unit("loaded", "inactive", state)
    assert (unit.starts_at_boot, unit.wanted_by_itself) == (at_boot, by_itself)
