"""In-process twins: asked of this machine, each says exactly what its command says."""

from __future__ import annotations

import inspect
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from preflight.collect import cut, script
from preflight.model import Limits, Probe
from preflight.transport import Local
from tests.plain import plain
from tests.probes import find, probes

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="commands run as root, and so do twins")

MARK = "parity"
# What the machine does meanwhile, a process that starts, may come between the two questions.
TRIES = 5

KNOWN = dict(probes())
NAMES = sorted(name for name, probe in KNOWN.items() if isinstance(probe, Probe) and probe.local)
MADE = sorted(name for name, probe in KNOWN.items() if not isinstance(probe, Probe))
# Probes that are made by a function and have a twin; `paths` has what they are asked about.
MADE_WITH_TWINS = ["block.target"]


def by_command(probe: Probe[object]) -> object:
    output = Local().run(script([probe], MARK, Limits()), Limits())
    status, text = cut(output.out, MARK)[0]
    assert status in probe.rcs, output.err
    return probe.parse(text.decode("utf-8", "surrogateescape"))


def assert_alike(probe: Probe[object]) -> None:
    assert probe.local
    for _ in range(TRIES):
        here, there = probe.local(), by_command(probe)
        if here is None:
            pytest.skip("the library behind the twin is not installed")
        if here == there:
            break
    assert plain(here) == plain(there)
    assert here == there


@pytest.fixture
def sockets() -> Iterator[None]:
    """Listeners of every kind, so that there is something to tell."""
    with ExitStack() as stack:
        stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)).bind(("127.0.0.1", 0))
        if socket.has_dualstack_ipv6():
            inet6 = socket.AF_INET6
            stack.enter_context(socket.create_server(("", 0), family=inet6, dualstack_ipv6=True))
            stack.enter_context(socket.socket(inet6, socket.SOCK_DGRAM)).bind(("::1", 0))
        yield


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Paths to a block device, to something else and to nothing, direct and by a link."""
    names = (path.name for path in sorted(Path("/sys/class/block").iterdir()))
    disks = [f"/dev/{name}" for name in names if Path(f"/dev/{name}").is_block_device()][:2]
    folder = tmp_path / 'it\'s a "folder"'
    folder.mkdir()
    for number, target in enumerate([*disks, "/dev/null", "/nowhere", "circle"]):
        (folder / str(number)).symlink_to(target)
    (folder / "circle").symlink_to("circle")
    links = [str(path) for path in folder.iterdir()]
    slashed = [f"{path}/" for path in [*disks, "/dev/null", folder]]
    return [*disks, *links, *slashed, str(folder), "/dev/null", "/dev/null/x", "/nowhere", ""]


@pytest.mark.usefixtures("sockets")
@pytest.mark.parametrize("name", NAMES)
def test_a_twin_says_what_the_command_says(name: str) -> None:
    assert_alike(find(name, []))


@pytest.mark.parametrize("name", MADE_WITH_TWINS)
def test_a_made_twin_says_what_the_command_says(name: str, paths: list[str]) -> None:
    for path in paths:
        assert_alike(find(name, [path]))


@pytest.mark.parametrize("name", MADE)
def test_no_made_twin_is_forgotten(name: str) -> None:
    make = cast("Callable[..., Probe[object]]", KNOWN[name])
    probe = make(*("x" for _ in inspect.signature(make).parameters))
    assert (probe.local is not None) is (name in MADE_WITH_TWINS)


def test_there_are_twins() -> None:
    assert {"block.devices", "ports.listening"} <= {*NAMES}
