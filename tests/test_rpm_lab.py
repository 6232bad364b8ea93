"""Packages for real: `gkprep fix` and `undo` by dnf and rpm on node1, by apt and dpkg on node2.

How rpcbind's package goes and comes back, where it stays, and what is said where a package manager
cannot do its work. One story, told in order.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from fixes.rpcbind_port import removal
from preflight import registry
from preflight.facts import packages
from preflight.model import Facts, Finding, Node, Status, Step
from tests.lab import Lab, Machine

pytestmark = pytest.mark.lab

Json = dict[str, Any]
REPO, SOURCES = "/etc/yum.repos.d/lab.repo", "/etc/apt/sources.list"
NO_REPOSITORIES = (
    'Error: There are no enabled repositories in "/etc/yum.repos.d", "/etc/yum/repos.d", '
    '"/etc/distro.repos.d".'
)
UNITS = "rpcbind.socket rpcbind.service"
# Packages, units and what enables them, and rpcbind's settings, which somebody has changed.
STATE = f"""
rpm -qa | sort
dpkg-query -W -f '${{db:Status-Abbrev}} ${{Package}} ${{Version}}\\n' | grep '^.i'
systemctl is-enabled {UNITS}; systemctl is-active {UNITS}
find /etc/systemd/system /etc/rc?.d -name '*rpcbind*' | sort; systemctl --failed --no-legend
ls -l --full-time /etc/default/rpcbind* /etc/init.d/rpcbind; cat /etc/default/rpcbind"""
DEB_NEEDS_IT = """\
mkdir -p needs/DEBIAN && printf '%s: %s\\n' Package needs-rpcbind Version 1 Architecture all \
  Maintainer lab Depends rpcbind Description lab >needs/DEBIAN/control &&
dpkg-deb --build needs && dpkg --install needs.deb"""
# What a transaction of dnf's or of apt's holds.
HOLDS_RPM = "import dnf.lock; dnf.lock.build_rpmdb_lock('/var/lib/dnf', True).__enter__()"
HOLDS_DEB = (
    "import fcntl; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX)"
)
SERVER = "127.0.0.1:8099"
# The lists come from a server that is ended then.
OUT_OF_REACH = f"""\
cd /srv; python3 -m http.server 8099 >/dev/null 2>&1 & server=$!
echo 'deb [trusted=yes] http://{SERVER}/lab-apt ./' >/etc/apt/sources.list
sleep 2; apt-get -qq -o APT::Get::List-Cleanup=0 update; kill $server"""


@dataclass
class Story:
    """A machine of each kind, and what was seen on the way."""

    lab: Lab
    gkprep: str
    rpm: Machine
    deb: Machine
    states: list[str] = field(default_factory=list)

    def fix(self, *words: str) -> tuple[int, str]:
        limits = ("--limit", self.rpm.name, "--limit", self.deb.name)
        done = self.lab.exec([self.gkprep, "fix", "--yes", *words, *limits], timeout=900)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout

    def undo(self) -> None:
        """Take the last run back; all is then as it was."""
        run = self.lab.exec([self.gkprep, "undo"]).stdout.split()[0]
        done = self.lab.exec([self.gkprep, "undo", run, "--yes"], timeout=900)
        assert done.returncode == 0, done.stdout
        assert self.each(STATE) == self.states

    @property
    def machines(self) -> tuple[Machine, Machine]:
        return self.rpm, self.deb

    def each(self, command: str) -> list[str]:
        """What both machines print."""
        with ThreadPoolExecutor() as pool:
            asked = pool.map(lambda m: m.run(command, check=False, timeout=240), self.machines)
            return [done.stdout for done in asked]


@pytest.fixture(scope="module")
def story(lab: Lab, gkprep: str) -> Story:
    lab.reset("node1", "node2")
    rpm, deb = lab.machines["node1"], lab.machines["node2"]
    rpm.run("/usr/share/lab/rpm-flavour", timeout=240)
    told = Story(lab, gkprep, rpm, deb)
    told.each("echo '# changed' >>/etc/default/rpcbind")
    return told


@contextmanager
def instead(machine: Machine, file: str, command: str) -> Iterator[None]:
    """`file` is another one for a while, which `command` makes."""
    machine.run(f"mv {file} /root/kept; {command}", timeout=240)
    yield
    machine.run(f"mv /root/kept {file}")


@contextmanager
def out_of_reach(story: Story) -> Iterator[None]:
    """Neither machine's repository answers."""
    url = f"http://{SERVER}"
    with (
        instead(story.rpm, REPO, f"sed 's,file://,{url},' /root/kept >{REPO}"),
        instead(story.deb, SOURCES, OUT_OF_REACH),
    ):
        yield


@contextmanager
def locked(machine: Machine, how: str) -> Iterator[None]:
    """Another program is at work on the packages."""
    script = shlex.quote(f"{how}; print(flush=True); import time; time.sleep(300)")
    machine.run(f"python3 -c {script} >holds 2>&1 </dev/null & echo $! >holder")
    machine.run("until [ -s holds ]; do sleep 0.2; done")
    yield
    machine.run("kill $(cat holder); rm holds")


def installing(manager: str) -> Step:
    """What mount-glusterfs does by `manager`."""
    node, there = Node("node", "192.0.2.1", None), {packages.managers.name: (manager,)}
    finding = Finding("mount.glusterfs", Status.FAIL, "")
    [step] = registry.fixes()["mount-glusterfs"].steps(finding, Facts(node, there))
    assert isinstance(step, Step)
    return step


def last_words(machine: Machine, step: Step) -> tuple[int, str]:
    """How the step ends there, and the last line of what it says; it has done nothing."""
    words = [word.replace("Timeout=60", "Timeout=3") for word in step.argv]
    done = machine.run(f"LC_ALL=C {shlex.join(words)}", check=False, timeout=240)
    assert done.stdout == ""
    return done.returncode, done.stderr.strip().rpartition("\n")[2]


def removing(machine: Machine) -> Step:
    """What rpcbind-port does there about the package, where it seemed that it could go."""
    asked = machine.run(packages.installed("rpcbind").command).stdout
    package = packages.parse_installed(asked)
    assert package
    return removal(package)


def test_the_two_are_of_different_distributions(story: Story) -> None:
    managers = packages.managers.command
    assert [text.split() for text in story.each(managers)] == [["dnf", "yum"], ["apt-get"]]
    assert story.each("rpm -qf /usr/sbin/rpcbind; dpkg-query -S sbin/rpcbind") == [
        story.rpm.run("rpm -q rpcbind").stdout,
        "rpcbind: /sbin/rpcbind\n",
    ]


def test_a_repository_that_does_not_answer_is_told(story: Story) -> None:
    unreachable = "a repository cannot be reached: "
    stays = "gkprep: the package rpcbind stays, its units are masked: "
    with out_of_reach(story):
        code, said = last_words(story.rpm, installing("dnf"))
        assert (code, said[: len(unreachable)]) == (1, unreachable), said
        assert f"Curl error (7): Couldn't connect to server for http://{SERVER}" in said
        code, said = last_words(story.deb, installing("apt-get"))
        assert (code, said[: len(unreachable)]) == (100, unreachable), said
        assert f"Failed to fetch http://{SERVER}" in said
        code, said = last_words(story.rpm, removing(story.rpm))
        assert (code, said[: len(stays)]) == (0, stays), said
        assert unreachable in said
        story.rpm.run("rpm -q rpcbind")


def test_a_repository_without_the_package_is_told(story: Story) -> None:
    nowhere = "no repository of this node has it: "
    with instead(story.rpm, REPO, "true"):
        code, said = last_words(story.rpm, installing("dnf"))
        assert (code, said) == (1, f"{nowhere}{NO_REPOSITORIES}")
    empty = (
        f"mkdir empty; createrepo_c -q empty; sed 's,file://.*,file:///root/empty,' kept >{REPO}"
    )
    with instead(story.rpm, REPO, empty):
        code, said = last_words(story.rpm, installing("yum"))
        assert (code, said) == (1, f"{nowhere}No match for argument: glusterfs-fuse")
    with instead(story.deb, SOURCES, f": >{SOURCES}"):
        code, said = last_words(story.deb, installing("apt-get"))
        assert (code, said) == (100, f"{nowhere}E: Unable to locate package glusterfs-client")


def test_who_holds_the_lock_is_told_and_nobody_waits_for_ever(story: Story) -> None:
    busy = "another program is at work on the packages: "
    with locked(story.rpm, HOLDS_RPM):
        code, said = last_words(story.rpm, installing("dnf"))
        assert code == 200
        assert re.fullmatch(f"{busy}RPMDB already locked by \\d+", said), said
    with locked(story.deb, HOLDS_DEB):
        code, said = last_words(story.deb, installing("apt-get"))
        assert code == 100
        assert re.match(f"{busy}.*It is held by process \\d+ [(]python3[)]", said), said
        code, said = last_words(story.deb, removing(story.deb))
        assert code == 0
        assert re.search(f"stays, .*: {busy}.*locked by another process with pid \\d+$", said), said


def test_what_another_package_needs_stays_and_is_masked(story: Story) -> None:
    story.states = story.each(STATE)
    gone = removing(story.deb)
    story.deb.run(DEB_NEEDS_IT)
    code, said = last_words(story.deb, gone)
    assert (code, said.rpartition(": ")[2]) == (0, "needs-rpcbind depends on rpcbind.")
    story.deb.run("dpkg --purge needs-rpcbind")
    story.rpm.run("rpm --install /srv/lab-rpm/nfs-utils.rpm")
    with out_of_reach(story):
        _, text = story.fix("--only", "rpcbind-port")
    told = " ".join(text.split())
    assert re.search("the package rpcbind stays: nfs-utils-[^ ]+ needs it", told), text
    assert re.search("node2 note: the package rpcbind stays, its units are masked: undo", told), (
        text
    )
    assert "rpcbind-1.2" in story.rpm.run("rpm -q rpcbind").stdout
    assert "ii" in story.deb.run("dpkg-query -W -f '${db:Status-Abbrev}' rpcbind").stdout
    masked = story.each(f"systemctl is-enabled {UNITS}; systemctl is-active {UNITS}")
    assert masked == ["masked\nmasked\ninactive\ninactive\n"] * 2
    story.rpm.run("rpm -e nfs-utils")
    story.undo()


def test_fix_installs_and_removes_for_real(story: Story) -> None:
    code, text = story.fix("--only", "mount-glusterfs", "--only", "rpcbind-port", "-o", "json")
    report: Json = json.loads(text)
    assert (code, report["verdict"]) == (0, "ready"), report
    cures = {
        finding["node"]: finding["cure"]
        for finding in report["before"]
        if finding["check"] == "mount-glusterfs"
    }
    assert cures == {
        "node1": "dnf install -y glusterfs-fuse",
        "node2": "apt-get install -y glusterfs-client",
    }
    story.rpm.run("rpm -q glusterfs-fuse && ! rpm -q rpcbind")
    story.deb.run("dpkg-query -W glusterfs-client && dpkg-query -s rpcbind | grep deinstall")
    free = story.each("ss -lntu | grep -c ':111 '; glusterfs --version | grep -c '^glusterfs 10'")
    assert free == ["0\n1\n"] * 2


def test_to_fix_again_plans_nothing(story: Story) -> None:
    code, text = story.fix("--only", "mount-glusterfs", "--only", "rpcbind-port", "-o", "json")
    nothing: Json = {"actions": [], "withheld": [], "left": [], "spent": []}
    assert (code, json.loads(text)["plan"]) == (0, nothing)


def test_undo_brings_packages_units_and_settings_back_without_a_repository(story: Story) -> None:
    with out_of_reach(story):
        story.undo()
