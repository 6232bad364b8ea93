"""judge: where not knowing becomes an ERROR."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pytest

from preflight.errors import Unknown
from preflight.judge import judge, needs, verdict
from preflight.model import Check, Device, Facts, Finding, Node, Probe, Role, Status, Verdict
from preflight.plugin import EVERY_ROLE, check, device_check, fail, fleet_check, ok, skip, warn

A_FACT = Probe("a.fact", "echo", str)
ANOTHER = Probe("another.fact", "echo", str)


def on_disk(path: str) -> Probe[str]:
    return Probe(f"on.disk({path})", "echo", str)


@check(A_FACT, ANOTHER)
def needs_both(facts: Facts) -> Iterator[Finding]:
    """One finding for each of two facts."""
    yield ok("one", facts[A_FACT])
    yield fail("two", facts[ANOTHER], "better")


@check(A_FACT)
def silent(_facts: Facts) -> Iterable[Finding]:
    """Finds nothing."""
    return ()


@check(A_FACT)
def broken(facts: Facts) -> Iterator[Finding]:
    """Breaks half way."""
    yield ok("one", "fine")
    yield ok("two", str(1 // (len(facts[A_FACT]) - 1)))


@check(A_FACT, roles=EVERY_ROLE)
def for_all(_facts: Facts) -> Iterator[Finding]:
    """For every kind of node."""
    yield ok("all", "fine")


@device_check(lambda path: [on_disk(path)])
def each_disk(facts: Facts, device: Device) -> Iterator[Finding]:
    """One finding a disk."""
    yield ok(device.path, facts[on_disk(device.path)])


@fleet_check(A_FACT)
def of_the_fleet(fleet: Mapping[str, Facts]) -> Iterator[Finding]:
    """One finding for all nodes."""
    yield ok("fleet", " ".join(facts[A_FACT] for facts in fleet.values()))


DISKS = (Device("/dev/sdb"), Device("/dev/sdc"))


def node(name: str, role: Role = Role.STORAGE, devices: tuple[Device, ...] = ()) -> Node:
    return Node(name, "192.0.2.1", "192.0.2.1", role=role, devices=devices)


def known(name: str = "node1", lost: str | None = None, **values: object) -> Facts:
    named = {key.replace("_", "."): value for key, value in values.items()}
    return Facts(node(name), named, lost)


def told(findings: Iterable[Finding]) -> list[tuple[str | None, str, Status, str]]:
    return [(f.node, f.subject, f.status, f.saw) for f in findings]


def test_findings_are_stamped_with_their_check_and_node() -> None:
    found = judge([needs_both], {"node1": known(a_fact="a", another_fact="b")})
    assert {(f.check, f.node) for f in found} == {("needs-both", "node1")}
    assert told(found) == [
        ("node1", "one", Status.PASS, "a"),
        ("node1", "two", Status.FAIL, "b"),
    ]


def test_an_unknown_fact_is_an_error_after_what_was_found() -> None:
    found = judge([needs_both], {"node1": known(a_fact="a", another_fact=Unknown("no answer"))})
    assert told(found) == [
        ("node1", "one", Status.PASS, "a"),
        ("node1", "", Status.ERROR, "no answer"),
    ]


def test_a_check_that_finds_nothing_is_an_error() -> None:
    [finding] = judge([silent], {"node1": known(a_fact="a")})
    assert (finding.status, finding.saw) == (
        Status.ERROR,
        "the check found nothing, which is no pass",
    )


def test_a_check_that_breaks_is_an_error() -> None:
    found = judge([broken], {"node1": known(a_fact="x")})
    assert [f.status for f in found] == [Status.PASS, Status.ERROR]
    assert found[-1].saw.startswith("the check broke: ZeroDivisionError: ")


@check(A_FACT)
def leaves(_facts: Facts) -> Iterator[Finding]:
    """Would end gkprep with the exit code of a good verdict."""
    yield ok("one", "fine")
    raise SystemExit(0)


@check(A_FACT)
def mumbles(_facts: Facts) -> Iterator[Finding]:
    """Finds something that is no text."""
    yield ok("one", 5)  # type: ignore[arg-type]


@check(A_FACT)
def babbles(_facts: Facts) -> Iterator[Finding]:
    """Finds something that is no finding."""
    yield "fine"  # type: ignore[misc]


@check(lambda node: [on_disk(node.devices[0].path)])
def cannot_say_what_it_needs(_facts: Facts) -> Iterator[Finding]:
    """Trips over a node without devices."""
    yield ok("one", "fine")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (leaves, "SystemExit: 0"),
        (mumbles, "TypeError: a finding is made of text, not of 5"),
        (babbles, "TypeError: a check yields findings, not str"),
        (cannot_say_what_it_needs, "IndexError: tuple index out of range"),
    ],
    ids=lambda given: getattr(given, "id", ""),
)
def test_a_check_that_is_wrong_is_an_error_and_hides_no_other(wrong: Check, why: str) -> None:
    assert list(needs([wrong, for_all], node("node1")))[-1] == A_FACT
    found = judge([wrong, for_all], {"node1": known(a_fact="a")})
    assert (found[-2].check, found[-2].status) == (wrong.id, Status.ERROR)
    assert found[-2].saw == f"the check broke: {why}"
    assert (found[-1].check, found[-1].status) == ("for-all", Status.PASS)


def test_a_check_that_asks_for_what_it_did_not_declare_is_an_error() -> None:
    [finding] = judge([silent, needs_both], {"node1": known()})[1:]
    assert finding.status is Status.ERROR
    assert "no check or fix declares that it needs it" in finding.saw


def test_a_node_that_gave_no_answer_is_one_error_for_each_check() -> None:
    fleet = {"node1": known("node1", lost="connection refused"), "node2": known("node2", a_fact="")}
    found = judge([for_all, silent], fleet)
    assert told(found) == [
        ("node1", "", Status.ERROR, "connection refused"),
        ("node2", "all", Status.PASS, "fine"),
        ("node1", "", Status.ERROR, "connection refused"),
        ("node2", "", Status.ERROR, "the check found nothing, which is no pass"),
    ]


def test_a_node_lost_half_way_is_judged_by_what_it_told() -> None:
    found = judge([needs_both], {"node1": known(lost="dropped", a_fact="a")})
    assert told(found) == [
        ("node1", "one", Status.PASS, "a"),
        ("node1", "", Status.ERROR, "dropped"),
    ]


def test_what_is_not_known_of_one_disk_says_nothing_of_the_next() -> None:
    values = {"on.disk(/dev/sdb)": Unknown("unreadable"), "on.disk(/dev/sdc)": "blank"}
    fleet = {"node1": Facts(node("node1", devices=DISKS), values)}
    assert told(judge([each_disk], fleet)) == [
        ("node1", "/dev/sdb", Status.ERROR, "unreadable"),
        ("node1", "/dev/sdc", Status.PASS, "blank"),
    ]


def test_without_a_disk_there_is_nothing_to_judge() -> None:
    [finding] = judge([each_disk], {"node1": known(a_fact="")})
    assert (finding.status, finding.saw) == (Status.SKIP, "no device is named")


def test_a_client_is_judged_only_by_what_is_for_clients() -> None:
    client = Facts(node("client", Role.CLIENT), {A_FACT.name: ""})
    assert [f.check for f in judge([for_all, silent], {"client": client})] == ["for-all"]
    assert list(needs([for_all, silent, each_disk], client.node)) == [A_FACT]


def test_the_fleet_has_no_node_and_one_unknown_spoils_it() -> None:
    good = {"a": known("a", a_fact="1"), "b": known("b", a_fact="2")}
    assert told(judge([of_the_fleet], good)) == [(None, "fleet", Status.PASS, "1 2")]
    bad = good | {"b": known("b", lost="gone")}
    assert told(judge([of_the_fleet], bad)) == [(None, "", Status.ERROR, "gone")]


PASS, WARN, SKIP = ok("x", "y"), warn("x", "y", "z"), skip("x", "y")
FAIL, ERROR = fail("x", "y", "z"), Finding("x", Status.ERROR, "y")


@pytest.mark.parametrize(
    ("findings", "lenient", "strict"),
    [
        ([PASS, SKIP], Verdict.UNKNOWN, Verdict.UNKNOWN),
        ([FAIL, SKIP], Verdict.BLOCKED, Verdict.BLOCKED),
        ([PASS], Verdict.READY, Verdict.READY),
        ([PASS, WARN], Verdict.READY, Verdict.BLOCKED),
        ([PASS, ERROR], Verdict.UNKNOWN, Verdict.UNKNOWN),
        ([WARN, ERROR], Verdict.UNKNOWN, Verdict.BLOCKED),
        ([FAIL, ERROR], Verdict.BLOCKED, Verdict.BLOCKED),
        ([], Verdict.UNKNOWN, Verdict.UNKNOWN),
    ],
)
def test_verdict(findings: list[Finding], lenient: Verdict, strict: Verdict) -> None:
    assert verdict(findings, strict=False) is lenient
    assert verdict(findings, strict=True) is strict
