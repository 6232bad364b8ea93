"""The command line as a user meets it: what it starts, what it refuses, what it exits with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from preflight.journal import Journal

ROOT = Path(__file__).parent.parent
COMMANDS = ("check", "fix", "undo", "topology", "init", "list", "explain")
HEAVY = ("paramiko", "rich.table", "yaml", "psutil", "pyudev", "checks", "fixes")


def run(gkprep: str, *args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "GKPREP_INVENTORY"}
    return subprocess.run(
        [gkprep, *args],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("args", [["--version"], ["--help"], *([c, "--help"] for c in COMMANDS)])
def test_what_answers_from_itself_imports_nothing_heavy(args: list[str]) -> None:
    program = (
        "import sys\nfrom preflight.cli import app\n"
        f"try: app({args!r}, prog_name='gkprep')\nexcept SystemExit as end: assert not end.code\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(gkprep: str, command: str) -> None:
    done = run(gkprep, command, "--help")
    assert done.returncode == 0
    assert f"gkprep {command}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["check"], "there is no inventory"),
        (["check", "nowhere.yaml"], "nowhere.yaml"),
        (["check", "--local", "--only", "kernel-module"], "did you mean kernel-modules"),
        (["check", "--local", "--limit", "node1"], "--limit has nothing to choose from"),
        (["check", "--local", "--only", "node-count"], "judged on the whole inventory"),
        (["check", "--device", "/dev/sdb"], "they go with --local"),
        (["check", "--local", "inventory.yaml", "--device", "/dev/sdb"], "without an inventory"),
        (["check", "--parallel", "0"], "--parallel"),
        (["check", "-o", "yaml"], "json"),
        (["chek"], "No such command"),
        (["explain", "N99"], "N99"),
        (["explain"], "ID"),
    ],
)
def test_a_wrong_command_line_is_told_in_words(
    gkprep: str, tmp_path: Path, args: list[str], complaint: str
) -> None:
    done = run(gkprep, *args, cwd=tmp_path)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_init_writes_what_topology_and_check_can_read(gkprep: str, tmp_path: Path) -> None:
    assert run(gkprep, "init", cwd=tmp_path).returncode == 0
    text = (tmp_path / "inventory.yaml").read_text()
    assert text == (ROOT / "inventory.example.yaml").read_text()
    done = run(gkprep, "topology", cwd=tmp_path)
    nodes = json.loads(done.stdout)["clusters"][0]["nodes"]
    assert [node["node"]["hostnames"]["manage"] for node in nodes] == [
        ["node-181"],
        ["node-182"],
        ["node-183"],
    ]


def test_init_never_overwrites(gkprep: str, tmp_path: Path) -> None:
    (tmp_path / "inventory.yaml").write_text("mine")
    done = run(gkprep, "init", cwd=tmp_path)
    assert done.returncode == 2
    assert "exists" in done.stderr
    assert (tmp_path / "inventory.yaml").read_text() == "mine"


def test_three_mistakes_are_told_at_once(gkprep: str, tmp_path: Path) -> None:
    text = (ROOT / "inventory.example.yaml").read_text()
    for right, wrong in (
        ("    # storage: 192.168.136.181 ", "    storage: node-181.example "),
        ("  - name: node-182\n", "  - name: node-181\n"),
        ("  rpcbind: pod ", "  rpcbnd: pod "),
    ):
        assert text.count(right) == 1
        text = text.replace(right, wrong)
    (tmp_path / "inventory.yaml").write_text(text)
    done = run(gkprep, "check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    taken = text.count("\n", 0, text.index("node-181")) + 1
    assert done.stderr == (
        f"{place(text, 'node-181.example')}: storage: saw node-181.example, which is no IP address;"
        " allowed: an IP address that the other nodes reach\n"
        f"{place(text, 'node-181', last=True)}: name: node-181 is taken already (line {taken})\n"
        f"{place(text, 'rpcbnd')}: unknown key 'rpcbnd' in policy; did you mean 'rpcbind'?"
        " allowed: single_node, gluster_block, rpcbind, brick_ports\n"
    )


def place(text: str, part: str, *, last: bool = False) -> str:
    """Where `part` begins, as editors understand it."""
    at = text.rindex(part) if last else text.index(part)
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return f"inventory.yaml:{line}:{column}"


def test_a_reader_that_goes_away_changes_no_exit_code(gkprep: str) -> None:
    with subprocess.Popen(
        [gkprep, "explain", "kernel-modules"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_this_machine_gets_a_verdict_without_an_inventory(gkprep: str, tmp_path: Path) -> None:
    done = run(gkprep, "check", "--local", "-o", "json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert {"ready": 0, "blocked": 1, "unknown": 3}[report["verdict"]] == done.returncode
    assert len(report["nodes"]) == 1


# --- where nobody listens, and where nothing is as it should be --------------------------------


def shell(gkprep: str, line: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which $g is the command."""
    environment = {**os.environ, "g": gkprep, **env}
    return subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, env=environment, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "line",
    [
        "$g list >/dev/full",
        "$g check --local --device /dev/none --only mount-glusterfs -o junit >/dev/full",
    ],
)
def test_a_report_that_cannot_be_written_is_no_report(gkprep: str, line: str) -> None:
    done = shell(gkprep, line)
    assert done.returncode == 2
    assert done.stderr == "gkprep: the output could not be written: No space left on device\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_verdict(gkprep: str, closed: str) -> None:
    line = "$g check --local --device /dev/none --only device-usable"
    done = shell(gkprep, f"{line} {closed}")
    assert done.returncode == shell(gkprep, line).returncode == 1
    assert done.stderr == ""


def test_a_mistake_of_its_own_does_not_say_that_a_node_is_blocked() -> None:
    program = (
        "import preflight.cli.entry as cli\n"
        "def broken(**_): raise ZeroDivisionError('oops')\n"
        "cli.app = broken\ncli.main()\n"
    )
    run_it = [sys.executable, "-c", program]
    done = subprocess.run(run_it, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    told = "gkprep: internal error: ZeroDivisionError: oops (GKPREP_DEBUG=1 shows where)\n"
    assert done.stderr == told


@pytest.mark.parametrize("seconds", ["inf", "nan", "1e10", "0"])
def test_a_limit_is_a_number_of_seconds(gkprep: str, seconds: str) -> None:
    done = run(gkprep, "check", "--local", "--timeout", seconds)
    assert done.returncode == 2
    assert "--timeout" in done.stderr


def at_a_terminal(line: list[str], **env: str) -> str:
    """Run a command at a terminal, in the environment `env` alone; return what it shows."""
    ours, theirs = os.openpty()
    with subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        screen = b""
        with suppress(OSError):  # nobody is at its other end any more
            while True:
                screen += os.read(ours, 65536)
    os.close(ours)
    assert process.returncode == 1
    return screen.decode()


@pytest.mark.parametrize(
    ("env", "plain"),
    [
        ({"LC_ALL": "C", "LC_CTYPE": "C.UTF-8", "LANG": "C.UTF-8"}, True),
        ({"LC_ALL": "POSIX"}, True),
        ({"LC_CTYPE": "C", "LANG": "C.UTF-8"}, True),
        ({"LANG": "C"}, True),
        ({}, True),
        ({"LC_ALL": "C.UTF-8", "LANG": "C"}, False),
        ({"LC_ALL": "", "LC_CTYPE": "C.UTF-8", "LANG": "C"}, False),
        ({"LANG": "C.UTF-8"}, False),
    ],
)
def test_where_the_locale_has_no_utf8_all_is_ascii(
    gkprep: str, env: dict[str, str], plain: bool
) -> None:
    """Python makes C.UTF-8 of the locale C, for itself."""
    line = [gkprep, "check", "--local", "--device", "/dev/none", "--only", "device-usable"]
    path = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    screen = at_a_terminal(line, TERM="xterm", **path, **env)
    assert (screen.isascii(), "\x1b[" in screen) == (plain, not plain)
    assert ("x device-usable" in screen) is plain


def test_ids_are_the_same_in_any_case(gkprep: str) -> None:
    assert (
        run(gkprep, "explain", " Device-Clean").stdout
        == run(gkprep, "explain", "device-clean").stdout
    )
    assert run(gkprep, "explain", "n16").stdout == run(gkprep, "explain", "N16").stdout != ""


def test_where_a_mistake_was_made_is_shown_to_those_who_ask() -> None:
    program = (
        "import preflight.cli.entry as cli\n"
        "def broken(**_): raise ValueError('one\\ntwo')\n"
        "cli.app = broken\ncli.main()\n"
    )
    done = shell(sys.executable, '$g -c "$program"', program=program, GKPREP_DEBUG="1")
    assert done.returncode == 2
    assert done.stderr.startswith("Traceback")
    assert done.stderr.splitlines()[-1].startswith(r"gkprep: internal error: ValueError: one\ntwo ")


def test_a_topology_is_written_whatever_the_encoding(gkprep: str, tmp_path: Path) -> None:
    file = tmp_path / "topology.json"
    described = {
        "node": {
            "hostnames": {"manage": ["a"], "storage": ["192.0.2.1"]},
            "zone": 1,
            "tags": {"rack": "r\u00e9d"},
        },
        "devices": ["/dev/sdb"],
    }
    file.write_text(json.dumps({"clusters": [{"nodes": [described]}]}))
    done = shell(gkprep, f"$g topology {file}", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["clusters"][0]["nodes"] == [described]


def test_a_name_stays_on_its_line(gkprep: str, tmp_path: Path) -> None:
    done = run(gkprep, "init", "a\nb", cwd=tmp_path)
    assert (tmp_path / "a\nb").exists()
    assert done.stderr == "a\\nb written: edit it, then run gkprep check 'a\\nb'\n"


def test_an_account_without_a_home_is_told_to_name_one(gkprep: str, tmp_path: Path) -> None:
    """As in a container that runs under a number that passwd(5) does not have."""
    program = (
        "import os, pwd, sys, preflight.cli.entry as cli\n"
        "def unknown(_): raise KeyError\n"
        "pwd.getpwuid = unknown\n"
        "os.environ.pop('HOME', None)\n"
        "sys.argv = ['gkprep', 'check', 'inventory.yaml']\ncli.main()\n"
    )
    assert run(gkprep, "init", cwd=tmp_path).returncode == 0
    done = shell(sys.executable, f'cd {tmp_path} && $g -c "$program"', program=program)
    assert done.returncode == 2
    assert done.stderr.startswith("gkprep: HOME is not set")


def test_where_no_complaint_can_be_written_the_exit_code_tells(gkprep: str) -> None:
    assert shell(gkprep, "$g check /nowhere.yaml 2>/dev/full").returncode == 2
    assert shell(gkprep, "$g list >/dev/full 2>/dev/full").returncode == 2


def test_a_plan_is_shown_and_nothing_done_where_nobody_can_say_yes(
    gkprep: str, tmp_path: Path
) -> None:
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    line = "$g fix --local --device /dev/none --only kernel-modules --only mount-glusterfs"
    for more in ("", " --dry-run --yes"):
        done = shell(gkprep, line + more, **environment)
        assert done.returncode in {1, 3}
        assert done.stdout.startswith(("plan for ", "left to you on "))
        assert done.stdout.splitlines()[-1].startswith(("BLOCKED", "UNKNOWN"))
    assert not list(tmp_path.iterdir()), "no journal, for nothing was begun"
    assert shell(gkprep, "$g undo", **environment).stdout == "no run has changed anything yet\n"
    assert json.loads(shell(gkprep, "$g undo -o json", **environment).stdout)["runs"] == []
    for words in ("--yes", "--dry-run", "--limit a", "-o junit"):
        done = shell(gkprep, f"$g undo {words}", **environment)
        told = "gkprep: without RUN, the runs are only listed, as text or json\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", told)
    wrong = shell(gkprep, "$g undo 20260101-000000-0000", **environment)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "no run is called" in wrong.stderr


def test_what_an_undo_has_done_is_done_again_by_a_fix(gkprep: str, tmp_path: Path) -> None:
    folder = tmp_path / "gkprep/runs"
    with closing(Journal.begun(folder, "undo", [], version="1", undoes="x")) as made:
        run = made.run
    done = shell(gkprep, f"$g undo {run} --yes", XDG_STATE_HOME=str(tmp_path))
    assert done.returncode == 2
    told = f"gkprep: {run} is an undo itself: gkprep fix does again what it has undone\n"
    assert done.stderr == told
