"""`gkprep check` on three real machines: broken as they boot, then put right by hand, in turn.

One story, told in order: each test goes on from where the one before it stopped.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests import installed
from tests.by_hand import CURES, put_right
from tests.lab import Lab, Machine

pytestmark = pytest.mark.lab

NODES = ("node1", "node2", "node3")
RIGHT_FROM_THE_START = {"device-usable", "device-idle", "gluster-state"}
OF_THE_FLEET = {"node-count"}
COMPARED = ("check", "node", "subject", "status", "saw", "want", "token")

# A machine that hangs is waited for 10 s, and one under emulation beside other tests answers in up
# to 30. A connection without a limit is waited for two minutes (tcp(7), tcp_syn_retries).
ANSWER_SECONDS = 60.0
STOP_SECONDS = 3.0
TIMED_OUT = "connection timed out after 10 s"

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What one run of `gkprep check -o json` came to."""

    code: int
    report: Json
    seconds: float

    @property
    def findings(self) -> list[Json]:
        found: list[Json] = self.report["findings"]
        return found

    def statuses(self) -> dict[str, dict[str | None, set[str]]]:
        """By check and node (None: the fleet), every status that was given."""
        table: dict[str, dict[str | None, set[str]]] = {}
        for finding in self.findings:
            nodes = table.setdefault(finding["check"], {})
            nodes.setdefault(finding["node"], set()).add(finding["status"])
        return table

    def of(self, wanted: Callable[[Json], bool]) -> list[tuple[object, ...]]:
        """Whatever a report says of the findings that are `wanted`, in order."""
        return [tuple(f[key] for key in COMPARED) for f in self.findings if wanted(f)]


def answer(run: Callable[[], subprocess.CompletedProcess[str]]) -> Answer:
    started = time.monotonic()
    done = run()
    assert "Traceback" not in done.stderr
    assert done.stdout, done.stderr
    return Answer(done.returncode, json.loads(done.stdout), time.monotonic() - started)


@dataclass
class Story:
    """The laboratory, and how far it has been put right."""

    lab: Lab
    gkprep: str
    checks: frozenset[str]
    right: set[str] = field(default_factory=set)
    told: Answer | None = None

    def check(self, *args: str) -> Answer:
        """Ask the three machines over SSH."""
        command = [self.gkprep, "check", str(self.lab.inventory), "-o", "json", *args]
        return answer(lambda: self.lab.exec(command, timeout=300))

    def now(self) -> Answer:
        """What gkprep says of the machines as they are now: asked once for each state of theirs."""
        self.told = self.told or self.check()
        return self.told

    def put_right(self, check: str) -> None:
        if check not in self.right:
            self.told = None
            put_right(self.lab.machines.values(), check)
            self.right.add(check)

    def expected(self) -> dict[str, dict[str | None, set[str]]]:
        """What is true by now, as `Answer.statuses` has it."""
        table: dict[str, dict[str | None, set[str]]] = {}
        for check in self.checks:
            if check in OF_THE_FLEET:
                table[check] = {None: {"pass"}}
            else:
                good = check in self.right or check in RIGHT_FROM_THE_START
                table[check] = {node: {"pass" if good else "fail"} for node in NODES}
        return table


@pytest.fixture(scope="module")
def story(lab: Lab, gkprep: str) -> Story:
    lab.reset()
    listing = json.loads(lab.exec([gkprep, "list", "-o", "json"], check=True).stdout)
    of_nodes = (check for check in listing["checks"] if check["roles"] != ["controller"])
    return Story(lab, gkprep, frozenset(check["id"] for check in of_nodes))


@pytest.fixture(scope="module")
def inside(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine that has gkprep itself, and the very inventory of the controller."""
    machine = story.lab.machines["node1"]
    installed.install(machine, tmp_path_factory.mktemp("installed"))
    folder = tmp_path_factory.mktemp("inventory")
    (folder / "inventory.yaml").write_bytes(story.lab.inventory.read_bytes())
    machine.push(folder, "/root/site")
    return machine


@contextmanager
def hanging(machine: Machine) -> Iterator[None]:
    machine.pause()
    try:
        yield
    finally:
        machine.resume()


def failing(statuses: dict[str | None, set[str]]) -> dict[str | None, str]:
    """A check that fails may also say what is right with a node: one verdict a node."""
    return {node: "fail" if "fail" in said else "".join(said) for node, said in statuses.items()}


def assert_true(found: Answer, story: Story) -> None:
    said = {check: failing(nodes) for check, nodes in found.statuses().items()}
    assert said == {check: failing(nodes) for check, nodes in story.expected().items()}


def test_every_check_has_a_part_in_this_story(story: Story) -> None:
    assert story.checks == {*CURES, *RIGHT_FROM_THE_START, *OF_THE_FLEET}


def test_broken_machines_are_told_as_they_are(story: Story) -> None:
    found = story.now()
    assert_true(found, story)
    assert (found.code, found.report["verdict"]) == (1, "blocked")
    assert [(node["name"], node["reachable"]) for node in found.report["nodes"]] == [
        (name, True) for name in NODES
    ]


def assert_same_from_inside(story: Story, machine: Machine) -> None:
    """What gkprep says on the machine is what it says of it from outside, one by one."""
    command = "cd /root/site && gkprep check --local inventory.yaml -o json"
    there = answer(lambda: machine.run(command, check=False, timeout=300))
    here = story.check("--limit", machine.name)
    assert there.of(lambda _: True) == here.of(lambda _: True)
    assert {finding["check"] for finding in there.findings} == story.checks - OF_THE_FLEET
    assert there.code == here.code


def test_local_and_over_ssh_agree_on_a_broken_machine(story: Story, inside: Machine) -> None:
    assert_same_from_inside(story, inside)


def assert_lost(found: Answer, story: Story, causes: dict[str, str]) -> None:
    """Each lost node is one error for each check, and says why; nothing else is changed by it."""
    nodes = {node["name"]: node for node in found.report["nodes"]}
    for name in NODES:
        assert nodes[name]["reachable"] is (name not in causes)
        assert re.search(causes.get(name, "^$"), nodes[name]["error"] or "")
    lost = [finding for finding in found.findings if finding["node"] in causes]
    assert all(finding["status"] == "error" for finding in lost)
    assert all(finding["saw"] == nodes[finding["node"]]["error"] for finding in lost)
    of_nodes = story.checks - OF_THE_FLEET
    assert {(f["check"], f["node"]) for f in lost} == {(c, n) for c in of_nodes for n in causes}
    for check, expected in story.expected().items():
        said = failing(found.statuses()[check])
        assert {n: s for n, s in said.items() if n not in causes} == {
            n: s for n, s in failing(expected).items() if n not in causes
        }
    assert found.seconds < ANSWER_SECONDS


def test_a_machine_that_hangs_hides_nothing_of_the_others(story: Story) -> None:
    with hanging(story.lab.machines["node2"]):
        found = story.check()
    assert_lost(found, story, {"node2": TIMED_OUT})
    assert (found.code, found.report["verdict"]) == (1, "blocked")


def test_an_interrupt_ends_it_at_once_and_prints_nothing(story: Story) -> None:
    # A test run in the background of a shell has SIGINT ignored, and whatever it starts as well.
    interruptible = ["env", "--default-signal=INT"]
    check = [story.gkprep, "check", str(story.lab.inventory), "-o", "json"]
    command = interruptible + story.lab.command(check)
    with (
        hanging(story.lab.machines["node2"]),
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=story.lab.environment(),
        ) as run,
    ):
        assert run.stderr
        assert "node2" in _line_with(run.stderr, "waiting for")
        asked = time.monotonic()
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
        took = time.monotonic() - asked
    assert (run.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert took < STOP_SECONDS


def _line_with(lines: Iterable[str], text: str) -> str:
    return next((line for line in lines if text in line), "")


@pytest.mark.parametrize("check", CURES)
def test_what_is_put_right_passes_and_the_rest_stays(story: Story, check: str) -> None:
    before = story.now()
    story.put_right(check)
    after = story.now()
    assert_true(after, story)
    assert after.statuses()[check] == {node: {"pass"} for node in NODES}
    assert after.of(lambda finding: finding["check"] != check) == before.of(
        lambda finding: finding["check"] != check
    )


def test_all_right_is_ready(story: Story) -> None:
    for check in story.checks & set(CURES):
        story.put_right(check)
    found = story.now()
    assert {finding["status"] for finding in found.findings} == {"pass"}
    assert (found.code, found.report["verdict"]) == (0, "ready")


def test_local_and_over_ssh_agree_on_a_machine_put_right(story: Story, inside: Machine) -> None:
    assert_same_from_inside(story, inside)


def test_what_is_lost_among_good_machines_leaves_it_unknown(story: Story) -> None:
    """Last, for the machine without power loses what it was."""
    story.lab.machines["node3"].power_off()
    with hanging(story.lab.machines["node2"]):
        found = story.check()
    assert_lost(found, story, {"node2": TIMED_OUT, "node3": f"{TIMED_OUT}|No route to host"})
    assert (found.code, found.report["verdict"]) == (3, "unknown")
