"""rpcbind-port on facts given as values: every branch, under both policies."""

from __future__ import annotations

from checks.rpcbind_port import FREE_IT, HOLD_IT, RUNNING, rpcbind_port
from preflight.errors import Unknown
from preflight.facts import ports
from preflight.facts.ports import Listener, Process
from preflight.facts.services import Unit
from preflight.judge import judge
from preflight.model import Facts, Finding, Node, Policy, Rpcbind, Status

ON = Unit("loaded", "active", "enabled")
OFF = Unit("loaded", "inactive", "disabled")
WAITING = Unit("loaded", "inactive", "enabled")
MASKED = Unit("masked", "inactive", "masked")
ABSENT = Unit("not-found", "inactive", "")

SYSTEMD = Process(1, "systemd", frozenset({"/init.scope"}))
RPCBIND = Process(239, "rpcbind", frozenset({"/system.slice/rpcbind.service"}))
PYTHON = Process(500, "python3", frozenset({"/user.slice"}))
POD = "/kubepods.slice/kubepods-pod12345678_1234_1234_1234_123456789abc.slice/cri-x.scope"
IN_POD = Process(900, "rpcbind", frozenset({POD}))


def held(*owners: Process, protocols: tuple[str, ...] = ("tcp", "udp")) -> frozenset[Listener]:
    return frozenset(Listener(name, "0.0.0.0", 111, frozenset(owners)) for name in protocols)


def found(
    listeners: object, socket: Unit = OFF, service: Unit = OFF, policy: Rpcbind = Rpcbind.POD
) -> Finding:
    node = Node("node1", "192.0.2.1", "192.0.2.1", policy=Policy(rpcbind=policy))
    units = {"rpcbind.socket": socket, "rpcbind.service": service}
    values = {ports.listening.name: listeners, RUNNING.name: units}
    [finding] = judge([rpcbind_port], {"node1": Facts(node, values)})
    return finding


def host(listeners: object, socket: Unit = OFF, service: Unit = OFF) -> Finding:
    return found(listeners, socket, service, Rpcbind.HOST)


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
    finding = found(held(IN_POD), WAITING)
    assert finding.status is Status.PASS
    assert finding.saw == "in service: held by a pod's rpcbind, pid 900"
    assert found(held(IN_POD, PYTHON)).status is Status.FAIL


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


def test_what_is_not_known_is_no_pass() -> None:
    assert found(Unknown("ss: not found")).status is Status.ERROR
