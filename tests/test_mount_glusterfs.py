"""mount-glusterfs on facts given as values: every branch."""

from __future__ import annotations

import pytest

from checks.mount_glusterfs import mount_glusterfs
from preflight.errors import Unknown
from preflight.facts import packages
from preflight.facts.packages import MountHelper
from preflight.judge import judge
from preflight.model import Facts, Finding, Node, Role, Status
from preflight.plugin import EVERY_ROLE

ABSENT = MountHelper(None, None, "glusterfs: not found")
WORKING = MountHelper("/sbin/mount.glusterfs", "glusterfs 10.3", "")
BROKEN = MountHelper("/sbin/mount.glusterfs", None, "libglusterfs.so.0: cannot open")


def found(helper: object, managers: tuple[str, ...] = (), role: Role = Role.STORAGE) -> Finding:
    node = Node("node1", "192.0.2.1", "192.0.2.1", role=role)
    values = {packages.mount_helper.name: helper, packages.managers.name: managers}
    [finding] = judge([mount_glusterfs], {"node1": Facts(node, values)})
    return finding


@pytest.mark.parametrize("role", sorted(EVERY_ROLE, key=str))
def test_every_kind_of_node_needs_it_and_the_version_is_shown(role: Role) -> None:
    finding = found(WORKING, role=role)
    assert (finding.status, finding.saw) == (Status.PASS, "glusterfs 10.3")
    assert found(ABSENT, role=role).status is Status.FAIL


def test_a_program_that_does_not_run_is_not_there() -> None:
    finding = found(BROKEN)
    assert finding.status is Status.FAIL
    assert "libglusterfs.so.0: cannot open" in finding.saw


@pytest.mark.parametrize(
    ("managers", "cure"),
    [
        (("dnf", "yum"), "dnf install -y glusterfs-fuse"),
        (("yum",), "yum install -y glusterfs-fuse"),
        (("apt-get",), "apt-get install -y glusterfs-client"),
        (("zypper",), "zypper install -y glusterfs"),
        (("rpm-ostree", "dnf"), ""),
        ((), ""),
    ],
)
def test_the_cure_is_the_nodes_own_package_manager(managers: tuple[str, ...], cure: str) -> None:
    assert found(ABSENT, managers).cure == cure


def test_what_is_not_known_is_no_pass() -> None:
    assert found(Unknown("no answer within 20 s")).status is Status.ERROR
