"""Fixtures that more than one test file uses."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import netns
from tests.applied import journal, shell
from tests.kube import Plane
from tests.lab import Lab
from tests.site import no_agent, site, sshd, users

__all__ = ["gkprep", "journal", "lab", "no_agent", "shell", "site", "sshd", "users"]

KUBE, THIS_MACHINE = "kube", "this machine"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For `--dist loadgroup`: which tests run together, and which of those first.

    All about the control plane is one part, and begins: it may have to build it. A file on virtual
    machines is a part, all others are one together: those are about this machine, of which there
    is one: its users, its lock, its ports. Large parts come before small ones.
    """
    sizes = Counter(map(_part, items))
    order = {KUBE: 0, THIS_MACHINE: 1}
    items.sort(key=lambda item: (order.get(_part(item), 2), -sizes[_part(item)]))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_part(item)))


def _part(item: pytest.Item) -> str:
    if item.get_closest_marker("kube"):
        return KUBE
    return item.path.stem if item.get_closest_marker("lab") else THIS_MACHINE


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


@pytest.fixture(scope="session")
def kube() -> Iterator[Plane]:
    """A running control plane, built the first time. Ended afterwards unless it ran before.

    Tests replace its nodes and delete what is not in a namespace, so it is not the one that a
    person has by default: it is `test`, or what GKPREP_KUBE names. Tests that run side by side have
    one each.
    """
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        os.environ["GKPREP_KUBE"] = f"test-{worker}"
    os.environ.setdefault("GKPREP_KUBE", "test")
    plane = Plane.default()
    if why := plane.missing():
        pytest.skip(f"no control plane: {why}")
    ran_before = plane.runs()
    try:
        plane.up()
        yield plane
    finally:
        if not ran_before:
            plane.down()


@pytest.fixture
def namespace(kube: Plane) -> Iterator[str]:
    """The name of a namespace for one test; the nodes are as new, and nothing is held."""
    kube.forget()
    kube.nodes()
    with kube.namespace() as name:
        yield name
