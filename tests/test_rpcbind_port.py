"""rpcbind-port on facts given as values: every branch, under both policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from checks.rpcbind_port import (
    FORBID_IT,
    FREE_IT,
    HOLD_IT,
    PACKAGE,
    PULLED,
    RUNNING,
    USERS,
    rpcbind_port,
)
from preflight.errors import Unknown
from preflight.facts import nfs, ports
from preflight.facts.packages import Package
from preflight.facts.ports import Listener, Process
from preflight.facts.services import Pull, Unit
from preflight.judge import judge
from preflight.model import Facts, Finding, Node, Policy, Rpcbind, Status
from preflight.plugin import THEN

ON = Unit("loaded", "active", "enabled")
OFF = Unit("loaded", "inactive", "disabled")
WAITING = Unit("loaded", "inactive", "enabled")
ACTIVE = Unit("loaded", "active", "disabled")
MASKED = Unit("masked", "inactive", "masked")
ABSENT = Unit("not-found", "inactive", "")
MULTI_USER = "multi-user.target"

SYSTEMD = Process(1, "systemd", frozenset({"/init.scope"}))
RPCBIND = Process(239, "rpcbind", frozenset({"/system.slice/rpcbind.service"}))
PYTHON = Process(500, "python3", frozenset({"/user.slice"}))
POD = "/kubepods.slice/kubepods-pod12345678_1234_1234_1234_123456789abc.slice/cri-x.scope"
IN_POD = Process(900, "rpcbind", frozenset({POD}))


def held(*owners: Process, protocols: tuple[str, ...] = ("tcp", "udp")) -> frozenset[Listener]:
    return frozenset(Listener(name, "0.0.0.0", 111, frozenset(owners)) for name in protocols)


# As systemd tells it of an NFS server that is enabled, or is not.
NFS = {
    "rpcbind.socket": {"nfs-server.service", "rpc-statd.service", "rpcbind.service"},
    "rpc-statd.service": {"nfs-server.service"},
    "nfs-server.service": {MULTI_USER, "nfs-mountd.service"},
    "nfs-mountd.service": {"nfs-server.service"},
}
NFS_DISABLED = NFS | {"nfs-server.service": {"nfs-mountd.service"}}
SERVES = {"nfs-server.service": ON}


def pulls(by: Mapping[str, set[str]], *active: str) -> dict[str, Pull]:
    names = {"rpcbind.socket", "rpcbind.service", *by, *active}
    return {name: Pull(name in active, frozenset(by.get(name, ()))) for name in names}


def enabling(units: Mapping[str, Unit]) -> dict[str, set[str]]:
    """What wants rpcbind's units because they are enabled."""
    targets = {"rpcbind.socket": "sockets.target", "rpcbind.service": MULTI_USER}
    by = {name: {targets[name]} for name, unit in units.items() if unit.file == "enabled"}
    return {**by, "rpcbind.socket": {"rpcbind.service", *by.get("rpcbind.socket", ())}}


def found(  # noqa: PLR0913 - one for each thing that can differ
    listeners: object,
    socket: Unit = OFF,
    service: Unit = OFF,
    policy: Rpcbind = Rpcbind.POD,
    *,
    pulled: Mapping[str, set[str]] | None = None,
    units: Mapping[str, Unit] | None = None,
    locking: object = frozenset(),
    package: object = Package("dpkg", "1.2.6-6"),
) -> Finding:
    node = Node("node1", "192.0.2.1", "192.0.2.1", policy=Policy(rpcbind=policy))
    own = {"rpcbind.socket": socket, "rpcbind.service": service}
    values: dict[str, object] = {
        ports.listening.name: listeners,
        RUNNING.name: dict.fromkeys(USERS, ABSENT) | own | dict(units or {}),
        PULLED.name: pulls(enabling(own) if pulled is None else pulled),
        nfs.locking.name: locking,
        PACKAGE.name: package,
    }
    [finding] = judge([rpcbind_port], {"node1": Facts(node, values)})
    return finding


def host(listeners: object, socket: Unit = OFF, service: Unit = OFF, **more: Any) -> Finding:
    return found(listeners, socket, service, Rpcbind.HOST, **more)


def test_free_now_and_at_boot_passes() -> None:
    for unit in (OFF, MASKED, ABSENT):
        assert found(held(protocols=()), unit, unit).status is Status.PASS


def test_other_ports_are_of_no_interest() -> None:
    ssh = Listener("tcp", "0.0.0.0", 22, frozenset({PYTHON}))
    assert found(frozenset({ssh})).status is Status.PASS


def test_free_but_enabled_fails_and_names_the_unit() -> None:
    finding = found(frozenset(), WAITING)
    assert finding.status is Status.FAIL
    assert finding.saw == "free now, but rpcbind.socket will start at boot"
    assert finding.cure == FREE_IT


def test_held_by_systemd_is_named() -> None:
    finding = found(held(SYSTEMD, RPCBIND), ON, ON)
    assert finding.status is Status.FAIL
    assert finding.saw == "tcp+udp held by systemd, pid 1 and rpcbind, pid 239"
    assert finding.cure == FREE_IT


def test_a_stranger_is_named_and_nothing_is_said_to_cure_it() -> None:
    finding = found(held(PYTHON, protocols=("udp",)))
    assert (finding.status, finding.cure) == (Status.FAIL, "")
    assert finding.saw == "udp held by python3, pid 500"


def test_a_holder_that_cannot_be_seen_is_no_pass() -> None:
    finding = found(held())
    assert finding.status is Status.FAIL
    assert "cannot be seen" in finding.saw


def test_the_pod_that_serves_is_in_service() -> None:
    finding = found(held(IN_POD))
    assert finding.status is Status.PASS
    assert finding.saw == "in service: held by a pod's rpcbind, pid 900"
    assert found(held(IN_POD, PYTHON)).status is Status.FAIL


def test_a_pod_that_the_hosts_rpcbind_will_forestall_at_the_next_boot_is_a_warning() -> None:
    finding = found(held(IN_POD), WAITING)
    assert finding.status is Status.WARN
    assert finding.saw.endswith("pid 900, but rpcbind.socket will start at boot")
    assert finding.cure == "systemctl disable --now rpcbind.socket rpcbind.service"


def test_the_other_policy_wants_it_held_by_the_host() -> None:
    assert host(held(SYSTEMD, RPCBIND), ON, ON).status is Status.PASS
    assert host(held(SYSTEMD), ON).status is Status.PASS
    assert host(held(RPCBIND), OFF, ON).status is Status.PASS


def test_the_other_policy_fails_without_it() -> None:
    for finding in (
        host(frozenset()),
        host(frozenset(), WAITING),
        host(held(RPCBIND, protocols=("tcp",)), ON),
        host(held(RPCBIND)),
    ):
        assert (finding.status, finding.cure) == (Status.FAIL, HOLD_IT)


def test_the_other_policy_fails_with_a_stranger() -> None:
    for owner in (PYTHON, IN_POD, SYSTEMD):
        assert host(held(owner), WAITING).status is Status.FAIL


# Disabled, and there again after a reboot.


def test_a_disabled_unit_comes_back_where_another_one_wants_it() -> None:
    finding = found(frozenset(), pulled=NFS)
    assert (finding.status, finding.cure) == (Status.FAIL, FORBID_IT)
    assert finding.saw == (
        "free now, but rpcbind.socket (for nfs-server.service, rpc-statd.service)"
        " will start at boot"
    )


def test_a_target_wants_a_disabled_unit_too() -> None:
    finding = found(frozenset(), pulled={"rpcbind.socket": {"sockets.target"}})
    assert (finding.status, finding.cure) == (Status.FAIL, FORBID_IT)


def test_an_enabled_unit_that_others_want_must_be_masked() -> None:
    finding = found(held(SYSTEMD), ON, ON, pulled=NFS | {"rpcbind.service": {MULTI_USER}})
    assert (finding.status, finding.cure) == (Status.FAIL, FORBID_IT)


@pytest.mark.parametrize("unit", [MASKED, ABSENT])
def test_what_is_masked_or_absent_nobody_brings_back(unit: Unit) -> None:
    assert found(frozenset(), unit, unit, pulled=NFS).status is Status.PASS


@pytest.mark.parametrize(
    "pulled",
    [
        NFS_DISABLED,
        {"rpcbind.socket": {"rpcbind.service"}},
        {"rpcbind.socket": {"odd.service"}},
        {"rpcbind.socket": {"odd.target"}},
        {"rpcbind.socket": {"a.service"}, "a.service": {"b.service"}, "b.service": {"a.service"}},
    ],
)
def test_what_does_not_start_at_boot_brings_nothing_back(pulled: Mapping[str, set[str]]) -> None:
    assert found(frozenset(), pulled=pulled).status is Status.PASS


def test_the_other_policy_is_content_with_that() -> None:
    assert host(held(SYSTEMD), ACTIVE, pulled=NFS).status is Status.PASS
    assert host(held(SYSTEMD), ACTIVE, pulled=NFS_DISABLED).status is Status.FAIL


# Needed on the node itself.


def test_an_nfs_server_is_named_and_not_just_cut_off() -> None:
    finding = found(held(SYSTEMD), ON, ON, pulled=NFS, units=SERVES)
    assert finding.saw == "tcp+udp held by systemd, pid 1; needed by nfs-server.service"
    look, _, cure = finding.cure.partition(THEN)
    assert look == "systemctl status nfs-server.service"
    assert cure == f"systemctl disable --now nfs-server.service && {FORBID_IT}"


def test_mounted_nfs_is_named_and_not_just_cut_off() -> None:
    finding = found(held(SYSTEMD), ON, ON, locking=frozenset({"/home", "/a place"}))
    assert finding.saw.endswith("; needed by NFS at /a place, NFS at /home")
    look, _, cure = finding.cure.partition(THEN)
    assert look == "findmnt --types nfs"
    assert cure == f"umount '/a place' /home && {FREE_IT}"


def test_nis_is_named() -> None:
    finding = found(frozenset(), WAITING, units={"ypbind.service": ON})
    assert finding.saw.endswith("; needed by ypbind.service")
    assert finding.cure.startswith("systemctl status ypbind.service  # look")


def test_what_needs_rpcbind_is_no_failure_where_the_port_is_free() -> None:
    assert found(frozenset(), MASKED, MASKED, units=SERVES).status is Status.PASS


def test_the_other_policy_says_how_to_begin() -> None:
    assert host(frozenset(), MASKED).cure == f"systemctl unmask rpcbind.socket && {HOLD_IT}"
    assert host(frozenset(), ABSENT, ABSENT).cure == f"install the package rpcbind; {HOLD_IT}"
    outlived = host(frozenset(), MASKED, MASKED, package=None)
    assert outlived.cure == (
        f"install the package rpcbind; systemctl unmask rpcbind.socket rpcbind.service && {HOLD_IT}"
    )


def test_whether_the_package_can_go_is_the_fixs_question_alone() -> None:
    asked = Unknown("no answer within 20 s")
    assert found(frozenset(), package=asked).status is Status.PASS
    assert found(held(SYSTEMD), ON, package=asked).cure == FREE_IT


def test_what_is_not_known_is_no_pass() -> None:
    assert found(Unknown("ss: not found")).status is Status.ERROR
    assert found(frozenset(), WAITING, locking=Unknown("grep: /proc")).status is Status.ERROR


def test_a_port_that_is_held_fails_whatever_else_is_not_known() -> None:
    finding = found(held(SYSTEMD), locking=Unknown("grep: /proc"))
    assert (finding.status, finding.cure) == (Status.FAIL, "")
    assert finding.saw.endswith("who needs it could not be found out: grep: /proc")


UNTIL_BOOT = Unit("loaded", "active", "enabled-runtime")
LINKED = Unit("loaded", "inactive", "linked")


def test_what_is_enabled_until_the_next_boot_does_not_come_back() -> None:
    """Its target wants it as well, but by a link in /run."""
    wanted = {"rpcbind.socket": {"sockets.target", "rpcbind.service"}}
    finding = host(held(SYSTEMD), UNTIL_BOOT, pulled=wanted)
    assert finding.status is Status.FAIL
    assert finding.saw == "tcp+udp held by systemd, pid 1, but nothing starts it at boot"


def test_a_unit_that_is_only_linked_is_not_started() -> None:
    assert found(frozenset(), LINKED).status is Status.PASS


@pytest.mark.parametrize("state", ["enabled-runtime", "linked-runtime", "linked"])
def test_what_the_next_boot_forgets_leaves_the_port_to_the_pod(state: str) -> None:
    """Of an enabled-runtime unit PULLED says that its target wants it."""
    unit = Unit("loaded", "inactive", state)
    wanted = {"rpcbind.socket": {"sockets.target"}} if unit.wanted_by_itself else {}
    assert found(frozenset(), unit, pulled=wanted).status is Status.PASS


def test_a_mask_that_the_next_boot_takes_away_keeps_nothing_from_the_port() -> None:
    """systemd says of a masked unit, too, who wants it: here, an enabled one's target."""
    masked = Unit("masked", "inactive", "masked-runtime")
    finding = found(frozenset(), masked, pulled={"rpcbind.socket": {"sockets.target"}})
    assert (finding.status, finding.cure) == (Status.FAIL, FORBID_IT)
    assert "rpcbind.socket (for sockets.target) will start at boot" in finding.saw
