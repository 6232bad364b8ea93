"""`gkprep check` on three real machines: broken as they boot, then put right by hand, in turn.

One story, told in order: each test goes on from where the one before it stopped.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lab import Lab

pytestmark = pytest.mark.lab

NODES = ("node1", "node2", "node3")
BY_HAND = {
    "kernel-modules": (
        "for name in dm_snapshot dm_mirror dm_thin_pool target_core_user; do"
        " modprobe $name && echo $name >> /etc/modules-load.d/gluster.conf || exit 1; done"
    ),
    "rpcbind-port": "systemctl disable --now rpcbind.socket rpcbind.service",
    "mount-glusterfs": "apt-get -qq install -y glusterfs-client >/dev/null",
}


@pytest.fixture(scope="module")
def broken(lab: Lab) -> Iterator[Lab]:
    """Put the machines back into the broken state, before and after."""
    lab.reset()
    yield lab
    lab.reset()


def check(lab: Lab, gkprep: str, *args: str) -> subprocess.CompletedProcess[str]:
    return lab.exec([gkprep, "check", str(lab.inventory), "--timeout", "120", *args])


def statuses(done: subprocess.CompletedProcess[str]) -> dict[str, set[tuple[str, str]]]:
    """The worst that every check says of every node, by check."""
    found: dict[str, dict[str, set[str]]] = {}
    for finding in json.loads(done.stdout)["findings"]:
        of_check = found.setdefault(finding["check"], {})
        of_check.setdefault(finding["node"] or "fleet", set()).add(finding["status"])
    return {
        name: {(node, "pass" if seen == {"pass"} else "fail") for node, seen in nodes.items()}
        for name, nodes in found.items()
        if all(seen <= {"pass", "fail"} for seen in nodes.values())
    }


def everywhere(status: str) -> set[tuple[str, str]]:
    return {(node, status) for node in NODES}


def right_from_the_start() -> dict[str, set[tuple[str, str]]]:
    return {"node-count": {("fleet", "pass")}, "device-usable": everywhere("pass")}


def test_the_broken_machines_fail_as_they_must(broken: Lab, gkprep: str) -> None:
    done = check(broken, gkprep, "-o", "json")
    assert done.returncode == 1, done.stderr
    assert statuses(done) == {
        **dict.fromkeys(BY_HAND, everywhere("fail")),
        **right_from_the_start(),
    }


def test_what_is_put_right_passes_and_the_others_stay(broken: Lab, gkprep: str) -> None:
    right: set[str] = set()
    for name, command in BY_HAND.items():
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda m, c=command: m.run(c, timeout=300), broken.machines.values()))
        right.add(name)
        done = check(broken, gkprep, "-o", "json")
        assert statuses(done) == {
            **{other: everywhere("pass" if other in right else "fail") for other in BY_HAND},
            **right_from_the_start(),
        }
        assert done.returncode == (0 if right == set(BY_HAND) else 1)


def test_a_machine_that_hangs_hides_no_other(broken: Lab, gkprep: str) -> None:
    broken.machines["node2"].pause()
    try:
        done = check(broken, gkprep, "-o", "json", "--limit", "node1", "--limit", "node2")
    finally:
        broken.machines["node2"].resume()
    report = json.loads(done.stdout)
    assert (done.returncode, report["verdict"]) == (3, "unknown")
    assert [(node["name"], node["reachable"]) for node in report["nodes"]] == [
        ("node1", True),
        ("node2", False),
    ]
    said = {(f["node"], f["status"]) for f in report["findings"]}
    assert said == {("node1", "pass"), ("node2", "error")}
