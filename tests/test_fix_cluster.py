"""Fixes of the cluster on facts given as values, and their scripts with a kubectl of the tests'."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preflight import journal, registry, survey, transport
from preflight.apply import Applied, apply
from preflight.collect import collect
from preflight.controller import controller
from preflight.deploy.place import claimed
from preflight.errors import DeployError, Unknown, UsageError
from preflight.facts.block import devices
from preflight.facts.kubernetes import Binding, Listed, Namespace, Told, Version
from preflight.journal.plain import node_of, node_plain
from preflight.judge import needs
from preflight.model import (
    Check,
    Deployer,
    Facts,
    Inventory,
    Limits,
    Node,
    Plan,
    Probe,
    Risk,
    Step,
)
from preflight.reach import Wanted, reach
from preflight.transport import Local
from preflight.undo import in_use, reverse
from tests import judged
from tests.judged import (
    BEGUN,
    CONFIG,
    DATABASE,
    ENDPOINTS,
    HEKETI,
    INVENTORY,
    JOB,
    TOPOLOGY,
)

CHECKS = {check.id: check for check in registry.checks()}
HERE = replace(INVENTORY, deployer=Deployer(kubeconfig=Path("/k c"), context="prod"))
KUBECTL = "kubectl --request-timeout=10s '--kubeconfig=/k c' --context=prod"
STALE = Binding("edit", ("ServiceAccount gone/heketi-service-account",))


def planned(name: str, inventory: Inventory = HERE, **given: object) -> Plan:
    """What `gkprep fix --only NAME` would do, where all is in order but for what is `given`."""
    check = CHECKS[name]
    assert isinstance(check, Check)
    return judged.planned(check, inventory, **given)


def shown(plan: Plan) -> list[tuple[str, str]]:
    """Each step, and how it is undone."""
    assert plan.left == ()
    steps = [step for action in plan.actions for step in action.steps]
    assert all(isinstance(step, Step) for step in steps)
    return [(step.shown, step.undo.shown if step.undo else "") for step in steps]  # type: ignore[union-attr]


def only(plan: Plan) -> Step:
    [action] = plan.actions
    [step] = action.steps
    assert isinstance(step, Step)
    return step


def whys(plan: Plan) -> list[str]:
    assert plan.actions == ()
    return [left.why for left in plan.left]


# --- what is planned, and what is not ----------------------------------------------------------


def test_c5_a_binding_that_nobody_needs_is_deleted() -> None:
    found = planned("kubernetes-binding", binding=STALE)
    back = f"{KUBECTL} create -f -  # the clusterrolebinding heketi-sa-view as it was"
    assert shown(found) == [(f"{KUBECTL} delete clusterrolebinding heketi-sa-view", back)]
    assert found.actions[0].risk is Risk.DISRUPTIVE


@pytest.mark.parametrize(
    ("needs_binding", "why"),
    [
        (("deployment/heketi of namespace a", "pod/b"), "needed by deployment/heketi of"),
        (Unknown("Forbidden"), "whether somebody needs it could not be found out: Forbidden"),
    ],
)
def test_c5_a_binding_that_may_be_needed_stays(needs_binding: object, why: str) -> None:
    found = planned("kubernetes-binding", binding=STALE, needs_binding=needs_binding)
    [left] = found.left
    assert left.why.startswith(why)
    assert why in left.finding.saw
    assert "delete" not in left.finding.cure
    assert found.actions == ()


def test_c11_leftovers_are_deleted_endpoints_before_their_service() -> None:
    within = f"{KUBECTL} --namespace=glusterfs"
    found = planned("earlier-deployment", objects=(DATABASE, *ENDPOINTS, JOB))
    assert shown(found) == [
        (f"{within} delete job heketi-storage-copy-job", ""),
        *(
            (
                f"{within} delete {kind} {name}",
                f"{within} create -f -  # the {kind} {name} as it was",
            )
            for kind, name in (
                ("endpoints", "heketi-storage-endpoints"),
                ("service", "heketi-storage-endpoints"),
                ("secret", "heketi-storage-secret"),
            )
        ),
    ]


@pytest.mark.parametrize(
    ("living", "name"),
    [
        ((Listed("Service", "heketi"),), "service/heketi"),
        (BEGUN, "deployment/deploy-heketi"),
    ],
)
def test_c11_d9_nothing_is_deleted_that_a_heketi_may_need(
    living: tuple[Listed, ...], name: str
) -> None:
    given: Any = {"objects": (*ENDPOINTS, CONFIG, *living), "topology": TOPOLOGY[:2]}
    why = f"{name} is there: take it back with `gkprep deploy --abort`"
    assert {*whys(planned("earlier-deployment", **given))} == {why}


def test_a_heketi_that_restarts_loses_nothing() -> None:
    heketi = replace(HEKETI, ready=0)
    found = planned("earlier-deployment", objects=(heketi, DATABASE, *ENDPOINTS, CONFIG))
    look = f"{KUBECTL} -n glusterfs describe pods --selector=heketi=pod"
    assert whys(found) == [f"deployment/heketi is there, and may just restart: `{look}`"]


def test_d9_a_topology_that_is_another_is_deleted() -> None:
    objects = (CONFIG, Listed("Secret", "heketi-admin-key"), BEGUN[1])
    found = planned("earlier-deployment", objects=objects, topology=TOPOLOGY[:2])
    [(do, _)] = shown(found)
    assert do == f"{KUBECTL} --namespace=glusterfs delete secret heketi-config-secret"


def test_c6_c12_the_namespace_is_made_or_opened() -> None:
    found = planned("kubernetes-namespace", namespace=None)
    remove = f"{KUBECTL} delete namespace glusterfs  # if nothing is in it"
    assert shown(found) == [(f"{KUBECTL} create namespace glusterfs", remove)]
    closed: dict[str, Any] = {
        "namespace": Namespace("Active", "baseline"),
        "server": Told(Version(1, 25, "v1.25.0"), ""),
    }
    label = f"{KUBECTL} label --overwrite namespace glusterfs pod-security.kubernetes.io/enforce"
    assert shown(planned("kubernetes-namespace", **closed)) == [
        (f"{label}=privileged", f"{label}=baseline")
    ]
    closed["namespace"] = Namespace("Terminating", "")
    assert whys(planned("kubernetes-namespace", **closed)) == [
        "it is Terminating: its conditions say what it waits for"
    ]


def test_without_the_name_of_the_cluster_nothing_is_planned() -> None:
    for check, given in (
        ("kubernetes-binding", {"binding": STALE}),
        ("kubernetes-namespace", {"namespace": None}),
        ("earlier-deployment", {"objects": ENDPOINTS}),
    ):
        assert whys(planned(check, cluster=Unknown("no answer"), **given)) == ["no answer"]


# --- the scripts -------------------------------------------------------------------------------


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on $PATH; `kubectl` there says a cluster's UID, and writes down what it is asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "kubectl"
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$*" >>{tmp_path}/asked\n'
        'case "$*" in *"namespace kube-system"*) printf %s "$CLUSTER" ;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path / "asked"


def run(step: Step, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        step.argv,
        check=False,
        capture_output=True,
        text=True,
        input="metadata:\n  uid: 1\n",
        env={**os.environ, **environment},
        timeout=20,
    )


@pytest.mark.parametrize(
    ("check", "given"),
    [
        ("kubernetes-binding", {"binding": STALE}),
        ("kubernetes-namespace", {"namespace": None}),
        ("earlier-deployment", {"objects": (DATABASE,)}),
    ],
)
def test_no_step_and_no_undo_touches_another_cluster(
    play: Path, check: str, given: dict[str, Any]
) -> None:
    step = only(planned(check, **given))
    assert step.undo
    for each in (step, step.undo):
        done = run(each, CLUSTER="another")
        assert (done.returncode, done.stderr) == (1, "kubectl leads to another cluster by now\n")
    asked = play.read_text().splitlines()
    assert {line.rpartition("--context=prod ")[2] for line in asked} == {
        "--namespace=glusterfs get namespace kube-system -o jsonpath={.metadata.uid}"
    }
    done = run(step, CLUSTER="uid-of-kube-system")
    assert done.returncode == 0, done.stderr
    assert len(play.read_text().splitlines()) > len(asked) + 1


def test_which_cluster_it_is_only_a_fix_asks() -> None:
    node = controller(HERE)
    for name in ("kubernetes-binding", "kubernetes-namespace", "earlier-deployment"):
        own = {probe.name for probe in needs([CHECKS[name]], node)}
        whole = {probe.name for probe in needs([CHECKS[name]], node, registry.fixes())}
        assert {each.partition("(")[0] for each in whole - own} == {"deployment.cluster"}


def answering(play: Path, *answers: str) -> None:
    """Have kubectl answer what these lines of a shell's `case` say, beside the cluster's UID."""
    known = '*"namespace kube-system"*) printf %s uid-of-kube-system ;;'
    program = play.with_name("bin") / "kubectl"
    cases = "\n".join((known, *answers))
    program.write_text(f'#!/bin/sh\necho "$*" >>{play}\ncase "$*" in\n{cases}\nesac\n')


@pytest.mark.parametrize("living", ["deployment.apps/heketi", "deployment.apps/deploy-heketi"])
def test_what_a_later_heketi_would_stumble_over_is_not_made_again(play: Path, living: str) -> None:
    answering(play, f'*"get deployment/heketi "*) echo {living} ;;')
    step = only(planned("earlier-deployment", objects=(DATABASE,)))
    assert step.undo
    done = run(step.undo)
    why = f"secret heketi-storage-secret is not made again, there is by now: {living}\n"
    assert (done.returncode, done.stderr) == (1, why)
    assert "create -f -" not in play.read_text()


@pytest.mark.parametrize(
    ("unknown", "code"),
    [
        ("nothing) ;;", 0),
        ('*"api-resources"*) exit 1 ;;', 1),
        ('*"get pods,things"*) exit 1 ;;', 1),
    ],
)
def test_a_namespace_in_which_something_cannot_be_listed_stays(
    play: Path, unknown: str, code: int
) -> None:
    answering(
        play,
        unknown,
        '*"get namespace glusterfs"*) echo "metadata: 1" ;;',
        '*"api-resources"*) echo pods; echo events; echo things ;;',
    )
    step = only(planned("kubernetes-namespace", namespace=None))
    assert step.undo
    fed = Step(("sh", "-c", 'printf metadata: | exec "$@"', "sh", *step.undo.argv))
    assert run(fed).returncode == code
    assert ("delete --raw /api/v1/namespaces/glusterfs" in play.read_text()) is (code == 0)


# --- the controller as a node of a run ---------------------------------------------------------


def test_the_journal_has_all_of_the_controller() -> None:
    deployer = Deployer(
        gk_deploy=Path("/g"), kubeconfig=Path("/k"), tolerate=("a:b",), images=(("a", "b"),)
    )
    node = controller(replace(INVENTORY, deployer=deployer))
    assert node.site
    node = replace(node, site=replace(node.site, kubeconfig="/k:/l"))
    assert node_of(node_plain(node)) == node
    before = {key: value for key, value in node_plain(INVENTORY.nodes[0]).items() if key != "site"}
    assert node_of(before) == INVENTORY.nodes[0], "one of a journal that had none"


def test_the_controller_is_not_asked_for_disks_and_may_serve_itself() -> None:
    node, other = controller(INVENTORY), Node("other", "localhost", None)
    connect = transport.connector([node, other], transport.ConnectOptions(), local=True)
    known = survey.survey(
        [node, other],
        [],
        connect=connect,
        limits=Limits(),
        parallel=1,
        on_done=lambda _: None,
        also=(devices,),
    )
    assert devices.name not in known.facts[node.name].values
    assert devices.name in known.facts["other"].values
    assert in_use(known.facts[node.name]) == ""
    assert in_use(known.facts["other"]) != ""


def wanted(**more: Any) -> Wanted:
    return Wanted(parallel=1, accept_new=False, ask_become_pass=False, **{"local": False, **more})


def test_what_does_not_go_with_the_controller_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "inventory.yaml"
    file.write_text(
        "nodes: [{name: a, address: 127.0.0.1, storage: 10.0.0.1, devices: [/dev/sdb]}]"
    )
    for more, why in (
        ({"local": True}, "--local is about one node"),
        ({"inventory": file, "limit": ["a"]}, "judged of .* leaves out; add --limit controller$"),
    ):
        with pytest.raises(UsageError, match=why), reach(wanted(only=["kubectl"], **more)):
            pass
    with reach(wanted(only=["kubectl"], inventory=file, limit=["controller"])) as fleet:
        assert [node.name for node in fleet.nodes] == ["controller"]
    with reach(wanted(only=["kubectl", "device-clean"], inventory=file)) as fleet:
        assert [node.name for node in fleet.nodes] == ["a", "controller"]
    with reach(wanted(inventory=file)) as fleet:
        assert [node.name for node in fleet.nodes] == ["a"]


def test_a_node_that_is_called_controller_is_not_the_one_that_deploys(tmp_path: Path) -> None:
    file = tmp_path / "inventory.yaml"
    file.write_text(
        "nodes: [{name: controller, address: a, storage: 10.0.0.1, devices: [/dev/sdb]},"
        " {name: b, address: b, storage: 10.0.0.2, devices: [/dev/sdb]}]"
    )
    own = {"only": ["kubectl"], "inventory": file}
    for name in ("controller", "b"):
        with (
            pytest.raises(UsageError, match=r"; add --limit '\(controller\)'$"),
            reach(wanted(**own, limit=[name])),
        ):
            pass
    with reach(wanted(**own, limit=["(controller)"])) as fleet:
        assert [node.address for node in fleet.nodes] == ["localhost"]


def test_this_machine_is_not_restarted(tmp_path: Path, gkprep: str) -> None:
    file = tmp_path / "inventory.yaml"
    file.write_text(
        "nodes: [{name: a, address: 127.0.0.1, storage: 10.0.0.1, devices: [/dev/sdb]}]"
    )
    words = [gkprep, "fix", str(file), "--only", "kubectl", "--reboot", "--yes"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--reboot would end gkprep itself" in done.stderr


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def applied(node: Node, step: Step) -> tuple[journal.Journal, Applied]:
    """One step of the controller, taken in a run of its own."""
    [action] = planned("kubernetes-binding", binding=STALE).actions
    kept = journal.Journal.begun(journal.runs_folder(), "fix", [node], version="1")
    done = apply(
        Plan((replace(action, steps=(step,)),)),
        {node.name: node},
        connect=transport.connector([node], transport.ConnectOptions(), local=True),
        limits=Limits(),
        parallel=1,
        journal=kept,
        on_done=lambda _: None,
    )
    kept.close()
    return kept, done[node.name]


def test_what_a_step_of_the_controller_prints_is_its_owners_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is beside the journal, goes into the undo from there, and never into a plan."""
    state = tmp_path / "a state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    node = controller(INVENTORY)
    step = Step(("sh", "-c", "echo told"), undo=Step(("cat",), fed_output=True))
    kept, done = applied(node, step)
    assert done.stopped is None
    printed = kept.folder / "0.out"
    assert printed.read_text() == "told\n"
    assert mode(printed) == 0o600
    assert mode(state / "gkprep/lock") == 0o600
    assert {mode(each) for each in (state, state / "gkprep", state / "gkprep/runs")} == {0o700}
    [back] = reverse(journal.read(kept.folder), {node.name: Facts(node, {})}).actions
    [undone] = back.steps
    assert isinstance(undone, Step)
    assert (undone.stdin, undone.shown) == (b"", "cat")
    assert subprocess.run(undone.argv, check=True, capture_output=True).stdout == b"told\n"
    printed.unlink()
    assert subprocess.run(undone.argv, check=False, capture_output=True).returncode != 0


def test_a_step_of_the_controller_finds_the_program_that_its_probes_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is the user's own: another kubectl may lead to another cluster."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    program = tmp_path / "awk"
    program.write_text("#!/bin/sh\necho mine\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert applied(controller(INVENTORY), Step(("awk", "1")))[1].done[0].out == b"mine\n"


def test_an_undo_in_another_folder_has_the_kubeconfigs_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("KUBECONFIG", "one::/two")
    monkeypatch.chdir(tmp_path)
    told = Step(("sh", "-c", 'echo "$KUBECONFIG"'))
    kept, _ = applied(controller(INVENTORY), Step(("true",), undo=told))
    monkeypatch.chdir("/")
    monkeypatch.delenv("KUBECONFIG")
    record = journal.read(kept.folder)
    [node], [back] = (
        record.nodes,
        reverse(record, {n.name: Facts(n, {}) for n in record.nodes}).actions,
    )
    [step] = back.steps
    assert isinstance(step, Step)
    assert applied(node, step)[1].done[0].out == f"{tmp_path}/one:/two\n".encode()
    probe = Probe("kubeconfig", 'echo "$KUBECONFIG"', str.strip)
    assert collect(node, [probe], Local(become=False), Limits())[probe] == f"{tmp_path}/one:/two"


def test_an_undo_judges_what_the_run_was_about_and_no_more_of_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gkprep: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    kept, _ = applied(controller(INVENTORY), Step(("true",), undo=Step(("true",))))
    words = [gkprep, "undo", kept.run, "--yes", "-o", "json"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {each["check"] for each in json.loads(done.stdout)["findings"]} == {"kubernetes-binding"}


def test_no_deployment_begins_while_the_cluster_is_put_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two deployments are none of each other's business: each has a namespace or a cluster."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with claimed(tmp_path / "one"), claimed(tmp_path / "two"):
        pass
    with journal.controller_lock().open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DeployError, match="gkprep fix is at work"), claimed(tmp_path / "one"):
            pass


def test_a_fix_of_the_cluster_is_told_that_a_deployment_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not who has put right something before."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    node, step = controller(INVENTORY), Step(("true",))
    assert applied(node, step)[1].stopped is None
    assert "@" in journal.controller_lock().read_text()
    with claimed(tmp_path / "one"), claimed(tmp_path / "two"):
        _, done = applied(node, step)
    assert done.stopped == "another gkprep is at work here: gkprep deploy"


def test_what_a_deployment_keeps_here_is_its_owners_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = journal.state_folder() / "keys/one"
    with claimed(folder):
        pass
    for each in (folder, *folder.parents):
        if each == tmp_path:
            break
        assert mode(each) == 0o700, each
    assert {mode(each) for each in (journal.controller_lock(), folder / "lock")} == {0o600}


def test_a_state_folder_that_cannot_be_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "state"
    file.write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(file))
    with (
        pytest.raises(DeployError, match=f"{file}/gkprep cannot be written: Not a directory"),
        claimed(journal.state_folder() / "keys/one"),
    ):
        pass
