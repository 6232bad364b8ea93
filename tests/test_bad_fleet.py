"""One `gkprep check` of many nodes, nearly all of them bad: its exit code, and what it tells."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.command import Finding, at_a_terminal, findings, lost, unattended
from tests.site import ASKED as ASKED_FOR_A_PASSWORD
from tests.site import LOCALHOST, NOISY, Home, Site
from tests.test_bad_nodes import CASES, Bad
from tests.world import GLUSTERFS, greeted_by, having, lacking, loading_at_boot, mounting, world

pytestmark = [pytest.mark.sshd, pytest.mark.usefixtures("no_agent")]

LIMIT = 15  # seconds a node; the floods and all the shells of this fleet share two cores
SLACK = 15.0
GOOD = ("good-1", "good-2")
PATIENT = ("--timeout", str(LIMIT), "--parallel", "100")
ASKED = ("--only", "rpcbind-port", "--only", "mount-glusterfs")
FREE = ("--only", "rpcbind-port")
JSON = ("-o", "json")


@dataclass(frozen=True)
class Fleet:
    """The inventory in `home`, and the cause that each bad node's error must name."""

    home: Home
    causes: dict[str, str]


@pytest.fixture(scope="module")
def fleet(site: Site, users: Mapping[str, str]) -> Iterator[Fleet]:
    """Every bad node that needs no option of its own, and two that are well."""
    with ExitStack() as stack:
        places: dict[str, Bad] = {}
        causes: dict[str, str] = {}
        for name, (make, cause) in CASES.items():
            bad = stack.enter_context(make(site, stack.enter_context(site.server())))
            if not bad.options:
                key = "bad-" + re.sub(r"\W", "-", name.lower())
                places[key], causes[key] = bad, re.sub(r"\b\d+ s\b", r"[0-9]+ s", cause)
        for name in GOOD:
            places[name] = Bad(stack.enter_context(site.server()).port)
        known = [bad.port for bad in places.values() if bad.known]
        home = site.knows(*known)
        lines = "".join(bad.lines for bad in places.values())
        home.write("known_hosts", home.known_hosts.read_text() + lines)
        (home.path / "inventory.yaml").write_text(inventory(places, users))
        yield Fleet(home, causes)


def inventory(places: Mapping[str, Bad], users: Mapping[str, str]) -> str:
    lines = ["defaults: {devices: [/dev/sdz]}", "nodes:"]
    for number, (name, bad) in enumerate(places.items(), 1):
        ssh = f"ssh: {{user: {users[bad.user]}, port: {bad.port}}}"
        where = f"address: {LOCALHOST}, storage: 198.18.0.{number}"
        lines.append(f"  - {{name: {name}, {where}, {ssh}}}")
    return "\n".join([*lines, ""])


def check(gkprep: str, home: Home, *args: str) -> subprocess.CompletedProcess[str]:
    done = unattended([gkprep, "check", *args], home, patience=LIMIT + 60)
    assert "Traceback" not in done.stderr
    return done


def truth(gkprep: str, folder: Path, *asked: str) -> tuple[list[Finding], int]:
    """What is true of the well nodes, which are this machine, and the exit code of the fleet."""
    found = findings(check(gkprep, Home(folder), "--local", *asked, *JSON).stdout)
    return found, 1 if any(finding["status"] == "fail" for finding in found) else 3


def test_each_is_told_with_its_cause_and_the_well_ones_with_the_truth(
    gkprep: str, fleet: Fleet, tmp_path: Path
) -> None:
    true, code = truth(gkprep, tmp_path, *ASKED)
    started = time.monotonic()
    done = check(gkprep, fleet.home, *ASKED, *PATIENT, *JSON)
    assert time.monotonic() - started < LIMIT + SLACK
    errors, found = lost(done.stdout), findings(done.stdout)
    for name, cause in fleet.causes.items():
        assert re.search(cause, errors[name] or ""), f"{name}: {errors[name]}"
    bad = {(f["node"], f["status"]) for f in found if f["node"] in fleet.causes}
    assert bad == {(name, "error") for name in fleet.causes}
    for name in GOOD:
        assert errors[name] is None
        told = [finding for finding in found if finding["node"] == name]
        assert told == [finding | {"node": name} for finding in true]
    assert done.returncode == code


def test_the_text_names_every_bad_node_and_does_nothing_to_a_terminal(
    gkprep: str, fleet: Fleet, tmp_path: Path
) -> None:
    _, code = truth(gkprep, tmp_path, *FREE)
    done = check(gkprep, fleet.home, *FREE, *PATIENT)
    assert set(re.findall(r"[^ -~\n]", done.stdout)) == set()
    for name in (*fleet.causes, *GOOD):
        assert name in done.stdout
    last = done.stdout.rstrip().split("\n")[-1]
    assert (done.returncode, last.split()[0]) == (code, "BLOCKED" if code == 1 else "UNKNOWN")


# --- nodes that let gkprep in, or nearly, and answer oddly --------------------------------------

CHECKS = ("kernel-modules", "mount-glusterfs", "rpcbind-port")
ESCAPES = r"\033]0;owned\007 \033[2J \000 \377\376"
SHOWN = r"\x1b]0;owned\x07 \x1b[2J \x00 \xff\xfe"
FLOOD = 100_000_000

Told = Mapping[str, tuple[str, str]]
CAN_MOUNT = {"mount-glusterfs": ("pass", f"^{GLUSTERFS}$")}


@dataclass(frozen=True)
class Odd:
    """What makes the node odd, and what it is told: by check, the status and the words.

    A check that is not in `told` finds what it finds on this machine.
    """

    told: Told
    steps: Sequence[str]
    user: str = "root"
    impostor: bool = False


def odd(
    told: Told, *parts: Iterable[str], programs: Mapping[str, str] | None = None, **more: Any
) -> Odd:
    """A node that has the `parts` of a world, and can mount volumes unless `programs` cannot."""
    made = having(mounting() | dict(programs or {}))
    return Odd({**CAN_MOUNT, **told}, [*made, *(step for part in parts for step in part)], **more)


def mute(cause: str) -> Told:
    """No check has an answer, all for that reason."""
    return dict.fromkeys(CHECKS, ("error", cause))


ODD = {
    "well": odd({}),
    "broken": odd(
        {"mount-glusterfs": ("fail", "is there, but glusterfs --version says: oops$")},
        programs={"glusterfs": "echo oops; exit 1"},
    ),
    "no-ss": odd(
        {"rpcbind-port": ("error", r"^ports\.listening: exit 127: .*\bss: .*not found$")},
        lacking("ss"),
    ),
    "no-timeout": odd(
        mute(r"^[\w.]+: exit 127: .*\btimeout: .*not found$"),
        lacking("timeout"),
    ),
    "noisy-login": odd({}, user=NOISY),
    "odd-bytes": odd(
        {
            "mount-glusterfs": ("pass", rf"^{GLUSTERFS} \x1b\[31m\\xff$"),
            "rpcbind-port": ("error", r"^[\w.]+: exit 1: \x1b]0;owned\x07 \x1b\[2J \0 \\xff\\xfe$"),
        },
        loading_at_boot(f"printf '{ESCAPES}' >"),
        programs={
            **mounting(rf"{GLUSTERFS} \033[31m\377"),
            "ss": f"printf '{ESCAPES}' >&2; exit 1",
        },
    ),
    "answer-floods": odd(
        mute("^more than 16 MiB on standard output$"),
        loading_at_boot(f"truncate -s {FLOOD}"),
    ),
    "complaint-floods": odd(
        {"rpcbind-port": ("error", "^more than 16 MiB on standard error$")},
        programs={"ss": f"exec head -c {FLOOD} /dev/zero >&2"},
    ),
    "login-floods": odd(
        mute("^more than 16 MiB on standard output$"),
        greeted_by(f"head -c {FLOOD} /dev/zero"),
    ),
    "changed-key": odd(mute("^host key has CHANGED: .*/known_hosts:[0-9]+"), impostor=True),
    "wrong-password": odd(mute("^sudo: the password is wrong$"), user=ASKED_FOR_A_PASSWORD),
}


@pytest.fixture(scope="module")
def odd_ones(site: Site, users: Mapping[str, str]) -> Iterator[Home]:
    """An inventory of all of ODD."""
    banner = site.folder / "odd-banner"
    banner.write_bytes(b"WELCOME \x1b]0;owned\x07 \0 \xff\xfe\n" * 200)
    with ExitStack() as stack:
        places = {}
        for name, node in ODD.items():
            keys = (site.stranger,) if node.impostor else ()
            prefix = world(*node.steps)
            server = site.server(f"Banner {banner}", prefix=prefix, host_keys=keys)
            places[name] = Bad(stack.enter_context(server).port, node.user)
        home = site.knows(*(place.port for place in places.values()))
        (home.path / "inventory.yaml").write_text(inventory(places, users))
        yield home


def test_odd_ones_are_told_what_is_odd_and_all_else_is_true(
    gkprep: str, odd_ones: Home, tmp_path: Path
) -> None:
    only = [word for check in CHECKS for word in ("--only", check)]
    true, _ = truth(gkprep, tmp_path, *only)
    argv = [gkprep, "check", *only, *JSON, "--accept-new", "--ask-become-pass"]
    seen = at_a_terminal(argv, odd_ones, {"sudo password: ": "not it"}, to_file=True)
    assert "Traceback" not in seen.screen
    assert set(re.findall(r"[^ -~\r\n]", seen.screen)) == set()
    found = findings(seen.stdout)
    for name, node in ODD.items():
        for check in CHECKS:
            here = [each for each in found if (each["node"], each["check"]) == (name, check)]
            if check not in node.told:
                assert here == [each | {"node": name} for each in true if each["check"] == check]
                continue
            [finding] = here
            status, words = node.told[check]
            assert finding["status"] == status, finding
            assert re.search(words, finding["saw"]), finding
    assert seen.returncode == 1


def test_odd_ones_alone_block_nothing_and_do_nothing_to_a_terminal(
    gkprep: str, odd_ones: Home, tmp_path: Path
) -> None:
    _, code = truth(gkprep, tmp_path, *FREE)
    limit = [word for name in ODD if name != "broken" for word in ("--limit", name)]
    done = check(gkprep, odd_ones, *ASKED, *limit)
    assert set(re.findall(r"[^ -~\n]", done.stdout + done.stderr)) == set()
    assert f"exit 1: {SHOWN}" in done.stdout
    assert r"\x1b[31m\xff" in done.stdout
    assert done.returncode == code
