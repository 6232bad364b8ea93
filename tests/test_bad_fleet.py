"""One `gkprep check` of many nodes, nearly all of them bad: its exit code, and what it tells."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.site import LOCALHOST, Home, Site
from tests.test_bad_nodes import CASES, Bad

pytestmark = [pytest.mark.sshd, pytest.mark.usefixtures("no_agent")]

LIMIT = 15  # seconds a node; the floods and all the shells of this fleet share two cores
SLACK = 15.0
GOOD = ("good-1", "good-2")
PATIENT = ("--timeout", str(LIMIT), "--parallel", "100")
ASKED = ("--only", "rpcbind-port", "--only", "mount-glusterfs")
FREE = ("--only", "rpcbind-port")


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
    return subprocess.run(
        [gkprep, "check", *args],
        capture_output=True,
        text=True,
        cwd=home.path,
        env={**os.environ, "HOME": str(home.path)},
        timeout=LIMIT + 60,
        check=False,
    )


def findings(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return found


def truth(gkprep: str, folder: Path, *asked: str) -> tuple[list[dict[str, Any]], int]:
    """What is true of the well nodes, which are this machine, and the exit code of the fleet."""
    found = findings(check(gkprep, Home(folder), "--local", *asked, "-o", "json"))
    return found, 1 if any(finding["status"] == "fail" for finding in found) else 3


def test_each_is_told_with_its_cause_and_the_well_ones_with_the_truth(
    gkprep: str, fleet: Fleet, tmp_path: Path
) -> None:
    true, code = truth(gkprep, tmp_path, *ASKED)
    started = time.monotonic()
    done = check(gkprep, fleet.home, *ASKED, *PATIENT, "-o", "json")
    assert time.monotonic() - started < LIMIT + SLACK
    assert "Traceback" not in done.stderr
    errors = {node["name"]: node["error"] for node in json.loads(done.stdout)["nodes"]}
    for name, cause in fleet.causes.items():
        assert re.search(cause, errors[name]), f"{name}: {errors[name]}"
    found = findings(done)
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
