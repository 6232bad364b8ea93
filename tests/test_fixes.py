"""Fixes on facts given as values: what is to be done is compared word by word, and what is not."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checks.kernel_modules import required
from fixes.firewall_ports import opened
from fixes.kernel_modules import ADD, FORGET, OWN
from fixes.mount_glusterfs import INSTALL, REMOVE
from preflight import registry
from preflight.errors import Unfixable, Unknown
from preflight.facts import kernel, nfs, packages, ports, services
from preflight.facts.firewall.walls import Closed, Ufw, Wall, Zone
from preflight.facts.kernel import Loadable
from preflight.facts.packages import MountHelper, Package
from preflight.facts.ports import Listener, Process
from preflight.facts.services import Unit
from preflight.judge import judge
from preflight.model import (
    Act,
    Check,
    Device,
    Facts,
    Node,
    Plan,
    Policy,
    PortRange,
    Risk,
    Rpcbind,
    Step,
)
from preflight.plan import plan

NODE = Node("node1", "192.0.2.1", "192.0.2.1", devices=(Device("/dev/sdb"),))
CHECKS = {check.id: check for check in registry.checks()}


def planned(check: str, values: Mapping[str, object], node: Node = NODE) -> Plan:
    """What `gkprep fix --only CHECK` would do."""
    fleet = {node.name: Facts(node, values)}
    found = CHECKS[check]
    assert isinstance(found, Check)
    return plan(judge([found], fleet), fleet, registry.fixes())


def steps(plan: Plan) -> list[Act]:
    assert plan.left == ()
    return [step for action in plan.actions for step in action.steps]


def argvs(plan: Plan) -> list[tuple[str, ...]]:
    return [step.argv for step in steps(plan)]


def undos(plan: Plan) -> list[tuple[str, ...] | None]:
    return [
        step.undo.argv if isinstance(step, Step) and step.undo else None for step in steps(plan)
    ]


def whys(plan: Plan) -> list[str]:
    assert plan.actions == ()
    return [left.why for left in plan.left]


# --- kernel-modules ------------------------------------------------------------------------------


def modules(**given: object) -> dict[str, object]:
    names = frozenset(required(NODE))
    values: dict[str, object] = {
        kernel.modules.name: names,
        kernel.persisted.name: names,
        kernel.builtin.name: frozenset(),
        kernel.loadable(*required(NODE)).name: Loadable("6.1.0", names),
    }
    return values | {f"kernel.{key}": value for key, value in given.items()}


def test_a_module_is_loaded_now_and_at_boot() -> None:
    names = frozenset(required(NODE)) - {"dm_mirror"}
    made = planned("kernel-modules", modules(modules=names, persisted=names))
    [load, keep] = steps(made)
    assert isinstance(load, Step)
    assert isinstance(keep, Step)
    assert load == Step(("modprobe", "dm_mirror"), undo=Step(("modprobe", "-r", "dm_mirror")))
    assert keep.argv == ("sh", "-c", ADD, "sh", "dm_mirror", OWN)
    assert keep.shown == "add dm_mirror to /etc/modules-load.d/gkprep.conf"
    assert {action.risk for action in made.actions} == {Risk.SAFE}


def test_only_what_is_missing_is_done() -> None:
    names = frozenset(required(NODE)) - {"dm_mirror"}
    assert [argv[0] for argv in argvs(planned("kernel-modules", modules(persisted=names)))] == [
        "sh"
    ]
    assert [argv[0] for argv in argvs(planned("kernel-modules", modules(modules=names)))] == [
        "modprobe"
    ]
    assert steps(planned("kernel-modules", modules())) == []


def test_a_kernel_without_the_module_is_left_to_a_person() -> None:
    names = frozenset(required(NODE)) - {"dm_mirror"}
    less = {kernel.loadable(*required(NODE)).name: Loadable("6.1.0", names)}
    made = planned("kernel-modules", modules(modules=names, persisted=names) | less)
    assert whys(made) == ["this kernel needs the package that brings the module"]


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "one\ntwo\n"),
        ("", "one\ntwo\n"),
        ("other\n", "other\none\ntwo\n"),
        ("# mine\nother", "# mine\nother\none\ntwo\n"),
        ("one\nother\n", "one\nother\ntwo\n"),
    ],
)
def test_lines_are_added_to_what_is_there_and_taken_out_again(
    tmp_path: Path, before: str | None, after: str, *, link: bool
) -> None:
    file, name = tmp_path / "real", tmp_path / "gkprep.conf"
    if link:
        name.symlink_to(file)
    else:
        file = name
    if before is not None:
        file.write_text(before)

    def run(script: str, module: str, fed: bytes = b"") -> bytes:
        words = ["sh", "-c", script, "sh", module, str(name)]
        return subprocess.run(words, input=fed, check=True, capture_output=True).stdout

    told = {module: run(ADD, module) for module in ("one", "two")}
    assert file.read_text() == after
    for module in ("two", *(["one"] if before != "one\nother\n" else [])):
        run(FORGET, module, told[module])
        run(FORGET, module, told[module])
    assert (file.read_text() if file.exists() else None) == before
    assert name.is_symlink() is link


# --- mount-glusterfs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("dnf", "dnf --setopt=exit_on_lock=1 install -y glusterfs-fuse"),
        ("yum", "yum --setopt=exit_on_lock=1 install -y glusterfs-fuse"),
        (
            "apt-get",
            "apt-get -o DPkg::Lock::Timeout=60 install --no-install-recommends -y glusterfs-client",
        ),
        ("zypper", "zypper install -y glusterfs"),
    ],
)
def test_the_nodes_own_package_manager_installs(manager: str, command: str) -> None:
    values = {
        packages.mount_helper.name: MountHelper(None, None, ""),
        packages.managers.name: (manager,),
    }
    [step] = steps(planned("mount-glusterfs", values))
    assert isinstance(step, Step)
    assert (step.shown, step.argv[3:]) == (command, ("sh", *command.split()))
    assert step.undo
    assert step.undo.fed_output
    assert step.undo.argv[3:] == ("sh", manager)


@pytest.mark.parametrize("managers", [(), ("rpm-ostree", "dnf")])
def test_without_a_package_manager_a_person_has_to_decide(managers: tuple[str, ...]) -> None:
    values = {
        packages.mount_helper.name: MountHelper(None, None, ""),
        packages.managers.name: managers,
    }
    [why] = whys(planned("mount-glusterfs", values))
    assert "no package manager" in why


def stand_ins(folder: Path, **programs: str) -> dict[str, str]:
    """An environment with scripts for `programs`, in which - is spelt _."""
    for name, script in programs.items():
        program = folder / name.replace("_", "-")
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


DPKG_KNOWS = """printf 'ii zlib1g:amd64\\nii old\\nrc gone\\n'
[ ! -e {0} ] || printf 'ii new-b\\nii new-a\\nii somebodys\\n'"""
RPM_KNOWS = """case "$*" in *VERSION*) [ ! -e {0} ] || echo gpg-pubkey-1-2; exit ;; esac
echo old.x86_64
[ ! -e {0} ] || printf 'gpg-pubkey.(none)\\nnew.x86_64\\nsomebodys.noarch\\n'"""


SAID = {
    "apt-get": "Setting up new-a (1.0) ...\nSetting up new-b:amd64 (2.0) ...\nnoise",
    "rpm": "Installed:\n  new-1.0-1.x86_64\nnoise",
}


@pytest.mark.parametrize(
    ("manager", "told"),
    [
        ("apt-get", "new-a\nnew-b\n"),
        ("dnf", "gpg-pubkey-1-2\nnew.x86_64\n"),
        ("yum", "gpg-pubkey-1-2\nnew.x86_64\n"),
    ],
)
def test_only_packages_that_are_new_are_told(tmp_path: Path, manager: str, told: str) -> None:
    """On a node that has both databases: the one of the manager that installs is asked.

    Of what came meanwhile only that is told which this run says it has installed.
    """
    done = tmp_path / "installed"
    said = SAID["apt-get" if manager == "apt-get" else "rpm"]
    environment = stand_ins(
        tmp_path,
        dpkg_query=DPKG_KNOWS.format(done),
        rpm=RPM_KNOWS.format(done),
        **{manager: f"echo '{said}'; >{done}; exit 3"},
    )
    words = ["sh", "-c", INSTALL, "sh", manager, "install"]
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (3, told, f"{said}\nnoise\n")


# What they printed: apt 2.6.1 and dnf 4.14 of Debian 12; yum 3.4.3 by its source. Why, and which
# line tells.
COMPLAINTS = {
    "apt-get offline": (
        """\
Err:1 http://127.0.0.1:8099/lab-apt ./ libgfxdr0 10.3-5
  Could not connect to 127.0.0.1:8099 (127.0.0.1). - connect (111: Connection refused)
E: Failed to fetch http://127.0.0.1:8099/lab-apt/./libgfxdr0_10.3-5_amd64.deb  Could not connect
E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?""",
        "a repository cannot be reached: ",
        2,
    ),
    "apt-get locked": (
        """\
Waiting for cache lock: Could not get lock /var/lib/dpkg/lock. It is held by process 24178 (apt)...
E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock), is another process using it?""",
        "another program is at work on the packages: ",
        0,
    ),
    "apt-get waited": (
        """\
Waiting for cache lock: Could not get lock /var/lib/dpkg/lock. It is held by process 24178 (apt)...
E: Unable to locate package glusterfs-client""",
        "no repository of this node has it: ",
        1,
    ),
    "apt-get half": (
        """\
The following packages have unmet dependencies:
 glusterfs-common : Depends: attr but it is not installable
                    Depends: psmisc but it is not installable
E: Unable to correct problems, you have held broken packages.""",
        "other packages do not allow it: ",
        1,
    ),
    "dnf offline": (
        """\
Errors during downloading metadata for repository 'lab':
  - Curl error (6): Couldn't resolve host name for http://repo.invalid/repodata/repomd.xml
Error: Failed to download metadata for repo 'lab': Cannot download repomd.xml
Ignoring repositories: lab
No match for argument: glusterfs-fuse
Error: Unable to find a match: glusterfs-fuse""",
        "a repository cannot be reached: ",
        1,
    ),
    "dnf locked": (
        """\
Running transaction check
RPMDB already locked by 19366
  The application with PID 19366 is: python3
    State  : Sleeping""",
        "another program is at work on the packages: ",
        1,
    ),
    "yum offline": (
        """\
Could not retrieve mirrorlist http://mirrorlist.centos.org/?release=7&arch=x86_64 error was
14: curl#6 - "Could not resolve host: mirrorlist.centos.org; Unknown error"
 One of the configured repositories failed (Unknown),
Cannot find a valid baseurl for repo: base/7/x86_64""",
        "a repository cannot be reached: ",
        1,
    ),
    "yum missing": (
        "No package glusterfs-fuse available.\nError: Nothing to do",
        "no repository of this node has it: ",
        0,
    ),
    "yum locked": (
        """\
Existing lock /var/run/yum.pid: another copy is running as pid 1234.
Another app is currently holding the yum lock; exiting as configured by exit_on_lock""",
        "another program is at work on the packages: ",
        0,
    ),
    "yum else": ("something\nthat nobody knows", "", 1),
}


@pytest.mark.parametrize("case", COMPLAINTS)
def test_the_last_line_is_why_it_failed(tmp_path: Path, case: str) -> None:
    said, why, line = COMPLAINTS[case]
    manager, _, _ = case.partition(" ")
    (tmp_path / "said").write_text(f"{said}\n")
    printing = {manager: f"cat {tmp_path}/said; exit 1"}
    environment = stand_ins(tmp_path, dpkg_query="", rpm="", **printing)
    words = ["sh", "-c", INSTALL, "sh", manager]
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    last = said.split("\n")[line].lstrip(" -")
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", f"{said}\n{why}{last}\n")


def test_where_nothing_was_installed_nothing_is_removed(tmp_path: Path) -> None:
    told = tmp_path / "told"
    rpm = f'[ "$1 $3" != "-q gone" ] || exit 1; [ "$1" = -q ] || echo rpm "$@" >>{told}'
    environment = stand_ins(tmp_path, dpkg=f'echo dpkg "$@" >>{told}', rpm=rpm)

    def remove(manager: str, names: bytes) -> None:
        words = ["sh", "-c", REMOVE, "sh", manager]
        subprocess.run(words, input=names, env=environment, check=True)

    remove("apt-get", b"")
    assert not told.exists()
    remove("apt-get", b"a\nb\n")
    remove("dnf", b"c\ngone\n")
    remove("dnf", b"gone\n")
    assert told.read_text() == "dpkg --remove a b\nrpm -e c\n"


# --- rpcbind-port --------------------------------------------------------------------------------

ON, OFF = Unit("loaded", "active", "enabled"), Unit("loaded", "inactive", "disabled")
MASKED, ABSENT = Unit("masked", "inactive", "masked"), Unit("not-found", "inactive", "")
SYSTEMD = Process(1, "systemd", frozenset({"/init.scope"}))
PYTHON = Process(500, "python3", frozenset({"/user.slice"}))
HOST = replace(NODE, policy=Policy(rpcbind=Rpcbind.HOST))


def rpcbind(socket: Unit, service: Unit, *holders: Process, **more: Any) -> dict[str, object]:
    from checks.rpcbind_port import (  # noqa: PLC0415 - its names are its own
        PACKAGE,
        PULLED,
        RUNNING,
        USERS,
    )

    own = {"rpcbind.socket": socket, "rpcbind.service": service}
    held = {Listener(name, "0.0.0.0", 111, frozenset(holders)) for name in ("tcp", "udp")}
    return {
        ports.listening.name: frozenset(held if holders else ()),
        RUNNING.name: dict.fromkeys(USERS, ABSENT) | own | more.get("units", {}),
        PULLED.name: dict.fromkeys(own, services.Pull(active=False)),
        nfs.locking.name: more.get("locking", frozenset()),
        PACKAGE.name: more.get("package", Package("dpkg", "1.2.6-6")),
    }


def test_rpcbind_is_stopped_disabled_masked_and_removed() -> None:
    made = planned("rpcbind-port", rpcbind(ON, OFF, SYSTEMD))
    *units, removed = steps(made)
    assert [step.argv for step in units] == [
        ("systemctl", "stop", "rpcbind.socket"),
        ("systemctl", "disable", "rpcbind.socket"),
        ("systemctl", "mask", "rpcbind.socket", "rpcbind.service"),
    ]
    assert isinstance(removed, Step)
    assert removed.shown.startswith("remove the package rpcbind, if a file of 1.2.6-6 can be kept")
    assert removed.argv[3:] == ("sh", "rpcbind", "1.2.6-6")
    assert removed.undo
    assert removed.undo.argv[3:] == removed.argv[3:]
    assert undos(made)[:-1] == [
        ("systemctl", "start", "rpcbind.socket"),
        ("systemctl", "enable", "rpcbind.socket"),
        ("systemctl", "unmask", "rpcbind.socket", "rpcbind.service"),
    ]
    assert [action.risk for action in made.actions] == [Risk.DISRUPTIVE]


@pytest.mark.parametrize(
    ("package", "why"),
    [
        (Package("rpm", "1.2.6-6", "nfs-utils-1.3 needs it"), "nfs-utils-1.3 needs it"),
        (Unknown("no answer within 20 s"), "whether another needs it could not be found out: no"),
    ],
)
def test_a_package_that_has_to_stay_is_masked_and_the_plan_says_why(
    package: object, why: str
) -> None:
    made = planned("rpcbind-port", rpcbind(ON, OFF, SYSTEMD, package=package))
    assert [argv[:2] for argv in argvs(made)] == [
        ("systemctl", "stop"),
        ("systemctl", "disable"),
        ("systemctl", "mask"),
    ]
    last = steps(made)[-1]
    said = f"systemctl mask rpcbind.socket rpcbind.service  # the package rpcbind stays: {why}"
    assert last.shown.startswith(said)


def test_where_rpcbind_is_no_package_nothing_is_said_of_one() -> None:
    made = planned("rpcbind-port", rpcbind(ON, OFF, SYSTEMD, package=None))
    assert len(argvs(made)) == 3
    assert [step.shown for step in steps(made)] == [""] * 3


def test_what_stopping_the_socket_stops_too_is_started_again_with_it() -> None:
    """However early the run ends: by then the service is no longer seen to be active."""
    made = planned("rpcbind-port", rpcbind(ON, ON, SYSTEMD))
    stop = steps(made)[0]
    assert isinstance(stop, Step)
    assert stop.argv == ("systemctl", "stop", "rpcbind.socket", "rpcbind.service")
    assert stop.undo
    assert stop.undo.argv == ("systemctl", "start", "rpcbind.socket", "rpcbind.service")


def test_rpcbind_is_given_to_the_host() -> None:
    made = planned("rpcbind-port", rpcbind(MASKED, OFF), HOST)
    assert argvs(made) == [
        ("systemctl", "unmask", "rpcbind.socket"),
        ("systemctl", "enable", "rpcbind.socket"),
        ("systemctl", "start", "rpcbind.socket"),
    ]


@pytest.mark.parametrize(
    ("node", "values", "why"),
    [
        (NODE, rpcbind(OFF, OFF, PYTHON), "another program holds the port"),
        (NODE, rpcbind(ON, OFF, SYSTEMD, locking=frozenset({"/m"})), "needed by NFS at /m: give"),
        (NODE, rpcbind(ON, OFF, SYSTEMD, units={"ypbind.service": ON}), "needed by ypbind.service"),
        (HOST, rpcbind(OFF, OFF, PYTHON), "another program holds the port"),
        (HOST, rpcbind(ABSENT, ABSENT), "rpcbind is not installed"),
        (HOST, rpcbind(MASKED, MASKED, package=None), "rpcbind is not installed"),
    ],
)
def test_what_of_rpcbind_is_left_to_a_person(
    node: Node, values: dict[str, object], why: str
) -> None:
    [told] = whys(planned("rpcbind-port", values, node))
    assert told.startswith(why)


# --- firewall-ports ------------------------------------------------------------------------------

PORTS = PortRange(24007, 24007)


@pytest.mark.parametrize(
    ("closed", "argv", "undo"),
    [
        (
            Closed(Zone("internal", "eth1", "", "firewall-cmd"), PORTS, permanent=False),
            ["firewall-cmd", "--zone=internal", "--add-port=24007/tcp"],
            ["firewall-cmd", "--zone=internal", "--remove-port=24007/tcp"],
        ),
        (
            Closed(Zone("internal", "eth1", "", "firewall-cmd"), PORTS, permanent=True),
            ["firewall-cmd", "--permanent", "--zone=internal", "--add-port=24007/tcp"],
            ["firewall-cmd", "--permanent", "--zone=internal", "--remove-port=24007/tcp"],
        ),
        (
            Closed(Zone("internal", "eth1", "", "firewall-offline-cmd"), PORTS, permanent=True),
            ["firewall-offline-cmd", "--zone=internal", "--add-port=24007/tcp"],
            ["firewall-offline-cmd", "--zone=internal", "--remove-port=24007/tcp"],
        ),
        (
            Closed(Ufw(""), PortRange(49152, 49251), permanent=True),
            ["ufw", "allow", "49152:49251/tcp"],
            ["ufw", "delete", "allow", "49152:49251/tcp"],
        ),
    ],
)
def test_a_port_is_opened_where_it_is_closed(
    closed: Closed, argv: list[str], undo: list[str]
) -> None:
    assert list(opened(closed)) == [Step(tuple(argv), undo=Step(tuple(undo)))]


def test_what_ufw_allows_for_good_it_allows_now() -> None:
    assert list(opened(Closed(Ufw(""), PORTS, permanent=False))) == []


@pytest.mark.parametrize(
    "wall",
    [Zone("internal", "eth1", "rule reject", "firewall-cmd"), Zone(None, "", "", "x"), Ufw("deny")],
)
def test_a_rule_that_refuses_a_port_is_left_to_a_person(wall: Wall) -> None:
    with pytest.raises(Unfixable, match="a person made"):
        list(opened(Closed(wall, PORTS, permanent=True)))
