"""gluster-state: what is found, and how it is put aside and back, in roots of the tests' own."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from checks.gluster_state import gluster_state
from preflight import registry
from preflight.facts import gluster
from preflight.facts.block import Block
from preflight.facts.gluster import State
from preflight.facts.ports import Listener, Process
from preflight.facts.usage import Mount
from preflight.judge import judge
from preflight.model import Finding, Plan, Status, Step
from preflight.plan import plan
from tests.gluster_left import FSTAB, GROUP, ID, LEFT, NODE, facts
from tests.roots import ALONE, PLACES, Root, Roots

GLUSTERD = Listener("tcp", "0.0.0.0", 24007, frozenset({Process(7, "glusterd", frozenset())}))
NONE = State((("/var/lib/glusterd", "a" * 64),), (), (), ())


def found(state: State, **more: object) -> Finding:
    [finding] = judge([gluster_state], {NODE.name: facts(state, **more)})
    return finding


def test_folders_without_a_cluster_in_them_are_no_matter() -> None:
    assert (found(NONE).status, found(NONE).saw) == (Status.PASS, "none")


def test_what_an_earlier_cluster_left_is_named() -> None:
    finding = found(LEFT)
    assert finding.status is Status.FAIL
    assert finding.saw == (
        "1 peer, volumes heketidbstorage vol_1, 1 brick in /var/lib/heketi/fstab"
    )
    assert finding.token
    changed = found(replace(LEFT, folders=(("/var/lib/glusterd", "c" * 64),)))
    assert changed.token != finding.token


@pytest.mark.parametrize(
    ("more", "saw"),
    [
        (
            {"ports.listening": frozenset({GLUSTERD})},
            "in service: glusterd runs",
        ),
        (
            {
                "block.devices": (
                    Block("dm-1", "253:1", "lvm", 1, label=f"{GROUP}-brick_{ID}", uuid="LVM-x"),
                ),
                "usage.mounts": frozenset({Mount("253:1", "/dev/dm-1", "/brick", "xfs")}),
            },
            f"in service: {GROUP} with 1 brick mounted",
        ),
    ],
)
def test_a_cluster_that_is_there_now_is_in_service(more: dict[str, object], saw: str) -> None:
    finding = found(LEFT, **more)
    assert (finding.status, finding.saw) == (Status.PASS, saw)


def planned(state: State, *tokens: str) -> Plan:
    fleet = {NODE.name: facts(state)}
    return plan(judge([gluster_state], fleet), fleet, registry.fixes(), tokens)


def test_nothing_is_moved_without_the_token() -> None:
    made = planned(LEFT)
    assert (made.actions, made.left) == ((), ())
    [action] = made.withheld
    token = action.finding.token
    assert token
    for step, folder in zip(action.steps, ("/var/lib/glusterd", "/var/lib/heketi"), strict=True):
        assert isinstance(step, Step)
        assert step.shown == f"mv {folder} {folder}.gkprep-{token}"
        assert step.undo
        assert step.undo.shown == f"mv {folder}.gkprep-{token} {folder}"
    assert planned(LEFT, token).actions == (action,)


# On folders of a root of its own, by every shell.


@pytest.fixture(params=PLACES)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Root:
    """A node that an earlier cluster has left, with what the state is told and moved by."""
    place = str(request.param)
    roots = Roots(tmp_path)
    if why := roots.missing(place):
        pytest.skip(why)
    root = roots.new(place)
    if place != ALONE:
        for tool in ("sha256sum", "cut", "mv"):
            root.install(tool)
    root.write("proc/7/comm", "systemd\n")
    root.write("var/lib/glusterd/glusterd.info", "UUID=x\n")
    root.write("var/lib/glusterd/peers/1b2c", "uuid=1b2c\n")
    brick = f"path=/var/lib/heketi/mounts/{GROUP}/brick_{ID}/brick\n"
    root.write("var/lib/glusterd/vols/heketidbstorage/bricks/node1", brick)
    root.write("var/lib/glusterd/vols/vol_1/info", "type=2\n")
    root.write("var/lib/heketi/fstab", f"# by heketi\n\n{FSTAB}\n")
    return root


def asked(root: Root) -> State:
    state = root.tell(gluster.state)
    assert isinstance(state, State)
    return state


def run(root: Root, step: Step | None) -> str:
    """What the step complains of, empty where it did what it should."""
    assert step
    done = subprocess.run(
        ["chroot", root.path, *step.argv], capture_output=True, text=True, check=False
    )
    assert bool(done.returncode) == bool(done.stderr)
    return done.stderr.strip()


def steps(root: Root) -> list[Step]:
    [action] = planned(asked(root)).withheld
    return [step for step in action.steps if isinstance(step, Step)]


def test_the_state_is_read_by_every_shell(root: Root) -> None:
    state = asked(root)
    assert [folder for folder, _ in state.folders] == ["/var/lib/glusterd", "/var/lib/heketi"]
    assert replace(state, folders=()) == replace(LEFT, folders=())
    assert state.mentions(GROUP) == "/var/lib/glusterd/vols (heketidbstorage)"
    root.write("var/lib/heketi/more", "x")
    assert asked(root).folders[0] == state.folders[0]
    assert asked(root).folders[1] != state.folders[1]


def test_it_is_moved_aside_and_back(root: Root) -> None:
    before = asked(root)
    moves = steps(root)
    assert [run(root, step) for step in moves] == ["", ""]
    assert asked(root) == State((), (), (), ())
    assert [run(root, step.undo) for step in reversed(moves)] == ["", ""]
    assert asked(root) == before


def test_what_has_changed_or_is_at_work_is_not_moved(root: Root) -> None:
    first, second = steps(root)
    root.write("var/lib/heketi/more", "x")
    assert run(root, second) == "/var/lib/heketi has changed since"
    root.write("proc/8/comm", "glusterd\n")
    assert run(root, first) == "Gluster runs by now"
    assert (root.path / "var/lib/glusterd/peers/1b2c").exists()


def test_what_was_never_moved_is_not_moved_back(root: Root) -> None:
    before = asked(root)
    assert [run(root, step.undo) for step in steps(root)] == ["", ""]
    assert asked(root) == before


def test_what_is_there_again_is_not_moved_over(root: Root) -> None:
    first, second = steps(root)
    assert run(root, first) == ""
    root.write("var/lib/glusterd/glusterd.info", "UUID=y\n")
    assert "/var/lib/glusterd is there again" in run(root, first.undo)
    token = second.argv[-2]
    root.write(f"{token[1:]}/fstab", "")
    assert run(root, second) == f"{token} is there already"
