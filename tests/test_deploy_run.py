"""How a deployer is run: real processes, heard as they speak, and none left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from preflight.controller import controller
from preflight.deploy import making
from preflight.deploy.cluster import Cluster
from preflight.deploy.deployer import Options, Work
from preflight.deploy.gk_deploy import GkDeploy, Told
from preflight.deploy.keys import Keys
from preflight.deploy.options import WAIT, options
from preflight.deploy.place import Place, claimed, kubectl_wrapper
from preflight.deploy.redact import Redactor
from preflight.deploy.run import Conversation, run
from preflight.errors import DeployError, UsageError
from preflight.journal.deployments import Deployed, last
from preflight.model import Deployer, Facts, Inventory, Node, Output
from preflight.transport import Local

KEYS = Keys("onlyHEREadmin1", "onlyHEREuser22")
SILENCE = 20.0


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place.made(tmp_path / "deployments", "gk-deploy")
    yield made
    assert made.quiet(5), "something still runs"


class Hearing:
    """One run of a shell script in the place of gk-deploy, and what was heard of it."""

    def __init__(
        self,
        place: Place,
        script: str,
        enough: Callable[[], str | None] = lambda: None,
        silence: float = SILENCE,
    ) -> None:
        place.fill({"gk-deploy": script}, "{}", Deployer())
        self.reader = Told()
        with place.open_log() as log:
            redactor = Redactor((KEYS.admin, KEYS.user))
            self.heard = Conversation(self.reader, redactor, log, silence, enough)
            command = ["bash", str(place.copy / "gk-deploy"), KEYS.admin, "two words"]
            self.output: Output = run(Local(become=False), place, command, self.heard)
        self.log = place.log.read_text()


def test_its_output_its_status_and_its_words_arrive(place: Place) -> None:
    told = Hearing(place, 'echo "$2"; echo beside >&2; cat; exit 7')
    assert (told.output.rc, told.log) == (7, "two words\nbeside\n")
    assert told.heard.stopped is None


def test_the_log_is_its_owners_and_has_no_key(place: Place) -> None:
    told = Hearing(
        place, f'echo "key $1"; printf %s {KEYS.user[:5]}; sleep 1; echo {KEYS.user[5:]}'
    )
    assert told.log == "key ***\n***\n"
    assert place.log.stat().st_mode & 0o777 == 0o600


def test_no_key_is_in_the_command_lines_of_what_starts_it(place: Place) -> None:
    """The one that has them is gk-deploy itself, whose interface is so (D1)."""
    told = Hearing(place, f'grep -al {KEYS.admin[:-1]} /proc/[0-9]*/cmdline; echo "me $$"')
    *found, me = told.log.split("\n")[:-1]
    pid = me.removeprefix("me ")
    assert [line for line in found if pid not in line and not _is_grep(line)] == []
    assert any(pid in line for line in found)


def _is_grep(line: str) -> bool:
    """grep's own, which has ended by now."""
    return not Path(line).exists()


def test_it_works_in_an_empty_folder_which_goes_with_all_but_the_log_and_a_record(
    place: Place,
) -> None:
    """D3: it writes ./heketi.json, and deletes it."""
    told = Hearing(place, "ls -A; pwd; echo '{}' >heketi.json; umask")
    assert told.log == f"{place.work}\n0077\n"
    place.keep(Deployed("gk-deploy", "uid", "glusterfs"))
    place.empty()
    assert {file.name for file in place.folder.iterdir()} == {"gk-deploy.log", "deployment.json"}
    assert {file.stat().st_mode & 0o777 for file in place.folder.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("script", "files"),
    [
        ("echo {} >heketi.json; rm heketi.json; echo {} >own; mkdir $PLACE/deploy/made", []),
        ("echo {} >$PLACE/deploy/left", ["deploy/left"]),
        ("echo >>$PLACE/deploy/gk-deploy; : >$PLACE/bin/sed", ["bin/sed", "deploy/gk-deploy"]),
        ("printf %s '[]' >$PLACE/topology.json", ["topology.json"]),
        (
            "rm $PLACE/deploy/gk-deploy; ln -s . $PLACE/deploy/link",
            ["deploy/gk-deploy", "deploy/link"],
        ),
        (
            "mv $PLACE/deploy $PLACE/other; ln -s / $PLACE/deploy",
            ["deploy", "deploy/gk-deploy", "other/gk-deploy"],
        ),
        ("mkdir $PLACE/deploy/deep; mkfifo $PLACE/deploy/deep/pipe", ["deploy/deep/pipe"]),
    ],
)
def test_what_it_writes_to_what_it_was_given_is_found(
    place: Place, script: str, files: list[str]
) -> None:
    """D3: where it works it may write, and what it was given it leaves as it is."""
    place.fill({"gk-deploy": script}, "{}", Deployer())
    given = place.given()
    environment = {**os.environ, "PLACE": str(place.folder)}
    command = ["bash", "-e", str(place.copy / "gk-deploy")]
    subprocess.run(command, check=True, cwd=place.work, env=environment)
    assert list(place.written(given)) == files


@dataclass(frozen=True)
class Scripted(GkDeploy):
    """A deployer that is a shell script."""

    text: str = ""

    def prepare(self, work: Work, place: Place) -> None:
        place.fill({"gk-deploy": self.text}, "{}", work.inventory.deployer)


def test_what_it_wrote_is_told_beside_what_else_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D3: not all names, where there are many, and none that could forge a line."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    text = "cd ${0%/*}; for n in 1 2 3 4 5 6 $'0\\n'; do echo >\"$n\"; done; exit 3"
    nodes = (Node("node1", "127.0.0.1", "127.0.0.1"),)
    own = tmp_path / "kubectl"
    own.write_text('#!/bin/sh\necho \'{"metadata": {"uid": "uid-1"}}\'\n')
    own.chmod(0o755)
    inventory = Inventory(nodes, deployer=Deployer(kubectl=str(own)))
    node, deployer = controller(inventory), Scripted(text=text)
    work = Work(inventory, Facts(node, {}), options(()))
    cluster = Cluster(node, lambda _: Local(become=False))
    made = making.make(cluster, deployer, work, making.Run(deployer.command, Told(), ""), KEYS)
    assert made.stopped == (
        "gk-deploy ended with exit status 3; gk-deploy wrote to what it was given:"
        " deploy/0\\n, deploy/1, deploy/2, deploy/3, deploy/4 and 2 more (D3)"
    )
    # And kept, for who asks later.
    assert last("uid-1", "glusterfs") == (
        made.log.parent,
        Deployed("gk-deploy", "uid-1", "glusterfs", rc=3, stopped=made.stopped),
    )


def test_kubectl_is_the_inventorys(place: Place, tmp_path: Path) -> None:
    own = tmp_path / "my kubectl"
    own.write_text('#!/bin/sh\nfor word; do echo "<$word>"; done\n')
    own.chmod(0o755)
    deployer = Deployer(kubectl=str(own), kubeconfig=tmp_path / "a b", context="prod one")
    place.fill({"gk-deploy": ""}, "{}", deployer)
    done = subprocess.run([place.bin / "kubectl", "get", "po ds"], capture_output=True, check=True)
    told = done.stdout.decode().split("\n")
    assert told[:-1] == [
        f"<--kubeconfig={tmp_path}/a b>",
        "<--context=prod one>",
        "<get>",
        "<po ds>",
    ]
    assert kubectl_wrapper(Deployer(kubectl="no-such")).endswith('exec no-such "$@"\n')


STUBBORN = """\
trap 'echo not yet' TERM
(trap '' TERM; sleep 60) &
echo "begun $!"
while :; do sleep 0.1; done"""


@pytest.mark.parametrize("script", ["echo begun; sleep 60 & sleep 61", STUBBORN])
def test_it_ends_with_all_that_it_started_when_it_has_to(place: Place, script: str) -> None:
    started = time.monotonic()
    told = Hearing(place, script, lambda: "the cluster is gone" if _begun(place) else None)
    assert told.heard.stopped == "the cluster is gone"
    assert place.quiet(3)
    assert time.monotonic() - started < 10


def _begun(place: Place) -> bool:
    return place.log.exists() and "begun" in place.log.read_text()


def test_it_ends_when_it_says_nothing_for_too_long(place: Place) -> None:
    told = Hearing(place, "echo begun; sleep 60", silence=1.0)
    assert told.heard.stopped == "it said nothing for 1 s"


RUNNER = """\
import sys, time
from pathlib import Path
from preflight import signals
from preflight.deploy.place import Place
from preflight.deploy.redact import Redactor
from preflight.deploy.run import Conversation, run
from preflight.deploy.gk_deploy import Told
from preflight.transport import Local
signals.raise_exit()
place = Place(Path(sys.argv[1]), "gk-deploy")
with place.open_log() as log:
    heard = Conversation(Told(), Redactor(()), log, 60, lambda: None)
    run(Local(become=False), place, ["bash", str(place.copy / "gk-deploy")], heard)
"""


@pytest.mark.parametrize("signal", ["INT", "TERM", "HUP", "KILL"])
def test_it_ends_with_gkprep_however_that_ends(place: Place, signal: str) -> None:
    place.fill({"gk-deploy": "echo begun; sleep 60 & sleep 61"}, "{}", Deployer())
    with subprocess.Popen([sys.executable, "-c", RUNNER, place.folder]) as process:
        end = time.monotonic() + 20
        while not _begun(place) and time.monotonic() < end:
            time.sleep(0.05)
        assert not place.quiet(0)
        subprocess.run(["kill", f"-{signal}", str(process.pid)], check=True)
        process.wait(10)
    assert place.quiet(5)


def test_two_do_not_work_in_one_place(place: Place) -> None:
    place.fill({"gk-deploy": ""}, "{}", Deployer())
    holder = ["flock", "--no-fork", str(place.lock), "sleep", "30"]
    with subprocess.Popen(holder) as process:
        try:
            while place.quiet(0):
                time.sleep(0.05)
            assert Hearing(place, "echo ran").log == ""
        finally:
            process.kill()


def test_two_do_not_deploy_to_one_cluster(tmp_path: Path) -> None:
    with claimed(tmp_path / "keys"):
        with pytest.raises(DeployError, match="another gkprep"), claimed(tmp_path / "keys"):
            pass
        with claimed(tmp_path / "other"):
            pass
    with claimed(tmp_path / "keys"):
        pass


def test_a_relative_kubeconfig_leads_to_the_same_file_from_another_folder(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "kubectl"
    own.write_text('#!/bin/sh\necho "$KUBECONFIG"\n')
    own.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", "one:/two")
    place.fill({"gk-deploy": ""}, "{}", Deployer(kubectl=str(own)))
    done = subprocess.run([place.bin / "kubectl"], capture_output=True, check=True, cwd="/")
    assert done.stdout.decode() == f"{tmp_path}/one:/two\n"


def test_a_log_that_cannot_be_kept_ends_it(place: Place) -> None:
    place.log.symlink_to("/dev/full")
    place.fill({"gk-deploy": "echo begun; sleep 60"}, "{}", Deployer())
    with place.log.open("wb", buffering=0) as log:
        heard = Conversation(Told(), Redactor(()), log, SILENCE, lambda: None)
        run(Local(become=False), place, ["bash", str(place.copy / "gk-deploy")], heard)
    assert heard.stopped == "its log could not be kept: No space left on device"


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ([], Options((), WAIT)),
        (["-w", "30"], Options((), 30)),
        (["--single-node", "-v"], Options(("--single-node", "-v"), WAIT)),
        (["--daemonset-label", "gluster2"], Options(("--daemonset-label", "gluster2"), WAIT)),
    ],
)
def test_options_that_a_person_adds(words: list[str], kept: Options) -> None:
    assert options(words) == kept


@pytest.mark.parametrize(
    "words",
    [
        ["--abort"],
        ["-h"],
        ["--admin-key", "x"],
        ["--ssh-user", "core"],
        ["topology.json"],
        ["-w"],
        ["-w", "soon"],
        ["-w", "0"],
        ["--daemonset-label", "a b"],
        ["-w=30"],
    ],
)
def test_options_that_gkprep_does_not_hand_on(words: list[str]) -> None:
    """D4: what gk-deploy misreads; and what would make it do something else than deploy."""
    with pytest.raises(UsageError):
        options(words)


def test_a_place_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DeployError, match="cannot be made"):
        Place.made(tmp_path / "file" / "deployments", "gk-deploy")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
