"""Fixtures that more than one test file uses."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import netns
from tests.applied import journal, shell
from tests.lab import Lab
from tests.site import no_agent, site, sshd, users

__all__ = ["gkprep", "journal", "lab", "no_agent", "shell", "site", "sshd", "users"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For `--dist loadgroup`: a file on virtual machines is a part, all others are one together.

    Those are about this machine, of which there is one: its users, its lock, its ports.
    """
    items.sort(key=_on_virtual_machines)
    for item in items:
        part = item.path.stem if _on_virtual_machines(item) else "this machine"
        item.add_marker(pytest.mark.xdist_group(part))


def _on_virtual_machines(item: pytest.Item) -> bool:
    return item.get_closest_marker("lab") is not None


@pytest.fixture(scope="session")
def gkprep() -> str:
    """Path of the installed command."""
    return str(Path(sys.executable).with_name("gkprep"))


@pytest.fixture(scope="module")
def hosts() -> Iterator[netns.Hosts]:
    """Two hosts in network namespaces, without any rule; leave them so."""
    if why := netns.missing():
        pytest.skip(why)
    with netns.hosts() as pair:
        yield pair


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Three running machines, in any state: `reset` breaks those that a test needs.

    Ended afterwards unless they ran before. Tests that run side by side have three machines each.
    """
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        os.environ["GKPREP_LAB"] = f"test-{worker}"
    lab = Lab.default()
    if why := lab.missing():
        pytest.skip(f"no virtual machines: {why}")
    with lab.claim("a test run"):
        ran_before = set(lab.states().values()) == {"running"}
        lab.up()
        yield lab
        if not ran_before:
            lab.down()
