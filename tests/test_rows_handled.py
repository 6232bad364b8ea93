"""Every C and D row of the failure catalogue is handled, and is not once its handling is taken out.

A case shows the handled behaviour through the product's own code. Then the one function, rule,
check, fix or cause that handles the row is taken out, and the same question must be answered by no.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from checks.earlier_deployment import earlier_deployment
from checks.gluster_state import gluster_state
from checks.kubelet_reach import kubelet_reach
from checks.kubernetes_binding import kubernetes_binding
from checks.kubernetes_namespace import kubernetes_namespace
from checks.kubernetes_rights import kubernetes_rights
from checks.kubernetes_storage_class import kubernetes_storage_class
from preflight import registry, select
from preflight.collect import collect
from preflight.controller import controller
from preflight.deploy import gate, making, manifest, objects, verify
from preflight.deploy.abort import Backwards
from preflight.deploy.cluster import Cluster
from preflight.deploy.deployer import Work
from preflight.deploy.gk_deploy import GkDeploy
from preflight.deploy.keys import ADMIN_VARIABLE, Keys, keys
from preflight.deploy.options import options
from preflight.deploy.patches import Asked
from preflight.deploy.place import Place
from preflight.deploy.run import _SCRIPT
from preflight.deploy.source import where
from preflight.deploy.state import Result
from preflight.deploy.tree import NEEDED, SCRIPT
from preflight.diagnose import match, saved, table
from preflight.diagnose.evidence import together
from preflight.errors import UsageError
from preflight.facts import deployer as facts
from preflight.facts.deployer import Python
from preflight.facts.deployment import Known
from preflight.facts.kubernetes import Binding, Kubelet, Namespace, Right, Try
from preflight.judge import judge, verdict
from preflight.model import (
    Check,
    Deployer,
    Facts,
    FleetCheck,
    Inventory,
    Limits,
    Status,
    Step,
    Verdict,
)
from preflight.plugin import ok
from preflight.report import catalogue
from preflight.transport import Local
from tests import gluster_left
from tests.cluster_answers import GLUSTER, pod
from tests.cluster_answers import Cluster as Answers
from tests.diagnosed import SAMPLES
from tests.gk_deploy import GkDeploy as Stubbed
from tests.gk_deploy import make
from tests.judged import (
    BEGUN,
    CONFIG,
    DATABASE,
    ENDPOINTS,
    HEKETI,
    JOB,
    MEMBERS,
    NODES,
    TOPOLOGY,
    found,
    member,
    planned,
    version,
)
from tests.kube.standins import GK_DEPLOY
from tests.patched import OWN, patched, run_snippet, workloads
from tests.verified import MADE, PODS, SERVICE, look

OTHER_NAMESPACE = Binding("edit", ("ServiceAccount other/heketi-service-account",))
HEKETIS = Keys("onlyHEREadmin1", "onlyHEREuser22")
MINE = "heketi.json"
ABORT = "gkprep deploy --abort"

# As they are: what takes their place makes use of them.
HEKETI_TOPOLOGY = verify.heketi_topology
COMMON = GkDeploy._common  # noqa: SLF001
EDITED = manifest.edited
SCRIPT_OF_A_RUN = _SCRIPT


@dataclass
class World:
    """What a case may use: a folder of its own, and what is put back when it is over."""

    folder: Path
    patch: pytest.MonkeyPatch

    def deployed(self, fault: str = "") -> Ran:
        """gk-deploy's stand-in, run as `gkprep deploy` runs it, beside a kubectl with answers."""
        gk = make(GK_DEPLOY, self.folder)
        (gk.stub / "oc").write_text("#!/bin/sh\nexit 1\n")
        (gk.stub / "oc").chmod(0o755)
        self.patch.setenv("PATH", f"{gk.stub}{os.pathsep}{os.environ['PATH']}")
        self.patch.setenv("STUB", str(gk.stub))
        self.patch.setenv("GKPREP_STANDIN_FAULT", fault)
        self.patch.chdir(gk.cwd)
        (gk.cwd / MINE).write_text("a file of the caller's")
        self.patch.setenv("XDG_STATE_HOME", str(self.folder / "state"))
        work, gk_deploy = self.work(), GkDeploy()
        cluster = Cluster(work.controller.node, lambda _: Local(become=False))
        way = making.Run(gk_deploy.command, gk_deploy.reading(), "")
        made = making.make(cluster, gk_deploy, work, way, HEKETIS)
        return Ran(gk, made.log.read_text(), made.stopped)

    def work(self) -> Work:
        """The deployment that `deployed` makes."""
        deployer = Deployer(
            namespace="storage",
            gk_deploy=self.folder / "deploy" / "gk-deploy",
            kubectl=str(self.folder / "stub" / "kubectl"),
        )
        inventory = Inventory(NODES, deployer=deployer)
        node = controller(inventory)
        found = collect(node, [where(node)], Local(become=False), Limits())
        known = {**found.values, facts.python.name: Python("python3", "3.11.2")}
        return Work(inventory, Facts(node, known), options([]))


@dataclass(frozen=True)
class Ran:
    """Where it was run, what it printed, and why it was no success."""

    gk: Stubbed
    log: str
    why: str


@dataclass(frozen=True)
class Case:
    """One row: `handling` is what handles it, `take_out` takes just that out.

    `shows` tells whether the handled behaviour is there.
    """

    handling: str
    take_out: Callable[[pytest.MonkeyPatch], None]
    shows: Callable[[World], bool]


# --- what is taken out, and how ------------------------------------------------------------------


def instead(handling: str, other: object, shows: Callable[[World], bool]) -> Case:
    """A function, a rule or a table that has `other` in its place."""
    return Case(handling, lambda patch: patch.setattr(handling, other), shows)


def unchecked(check: Check, shows: Callable[[World], bool]) -> Case:
    """A check that nobody has installed."""

    def take_out(patch: pytest.MonkeyPatch) -> None:
        left = tuple(each for each in registry.checks() if each is not check)
        patch.setattr(registry, "checks", lambda: left)

    return Case(f"checks.{check.id}", take_out, shows)


def unfixed(check: Check, shows: Callable[[World], bool]) -> Case:
    """A check whose fix nobody has installed."""

    def take_out(patch: pytest.MonkeyPatch) -> None:
        left = {name: each for name, each in registry.fixes().items() if name != check.id}
        patch.setattr(registry, "fixes", lambda: left)

    return Case(f"fixes.{check.id}", take_out, shows)


def unknown(row: str, shows: Callable[[World], bool]) -> Case:
    """A cause that is not in the table of a diagnosis."""

    def take_out(patch: pytest.MonkeyPatch) -> None:
        whole = table.load()
        left = replace(whole, rows=tuple(each for each in whole.rows if each.id != row))
        patch.setattr(table, "load", lambda: left)

    return Case(f"causes.yaml: {row}", take_out, shows)


def as_it_is(tree: object) -> object:
    """A patch that changes nothing."""
    return tree


def trusting(check: Check) -> Check:
    """A check that believes gk-deploy, which has said that it is complete."""
    return replace(check, needs=lambda _: (), parts=lambda _: [(check.id, _believe)])


def _believe(_facts: Facts) -> Iterator[Any]:
    yield ok("gk-deploy", "Deployment complete!")


# --- what is shown -------------------------------------------------------------------------------


def closed(**given: Any) -> Callable[[World], bool]:
    """The gate is closed where the controller sees what is `given`, and all else is in order."""

    def shows(_: World) -> bool:
        checks = [each for each in registry.checks() if select.of_controller(each)]
        seen = [
            finding
            for check in checks
            if isinstance(check, Check)
            for finding in found(check, **given).values()
        ]
        return gate.verdict(seen, (), strict=False) is Verdict.BLOCKED

    return shows


def unverified(**other: object) -> Callable[[World], bool]:
    """A deployment that has come to its end is not called verified."""

    def shows(_: World) -> bool:
        judged = [each for of_check in look(**other).values() for each in of_check.values()]
        return verdict(judged, strict=False) is not Verdict.READY

    return shows


def warned(cure: str, **given: Any) -> Callable[[World], bool]:
    """A person is warned of what is left of an earlier deployment, with what to do."""

    def shows(_: World) -> bool:
        seen = found(earlier_deployment, **given).values()
        return any(each.status is Status.WARN and cure in each.cure for each in seen)

    return shows


def mends(check: Check, *commands: str, **given: Any) -> Callable[[World], bool]:
    """`gkprep fix` would do just that, and puts back what it has deleted but for a job."""

    def shows(_: World) -> bool:
        steps = [step for action in planned(check, **given).actions for step in action.steps]
        told = [step for step in steps if isinstance(step, Step)]
        undone = all(step.undo for step in told if " delete job " not in step.shown)
        return [step.shown.removeprefix(KUBECTL) for step in told] == [*commands] and undone

    return shows


def diagnosed(row: str) -> Callable[[World], bool]:
    """The row's own sample is told by this id, and as more than a guess."""

    def shows(_: World) -> bool:
        told = match.diagnose(together(saved.read(SAMPLES / row)), table.load())
        return any(cause.id == row and not cause.general for cause in told.causes)

    return shows


def apps_v1(_: World) -> bool:
    """Each workload is of a version that the server has, and selects its pods."""
    made = workloads(patched(OWN, "C1")).values()
    return all(each["apiVersion"] == "apps/v1" and "selector" in each["spec"] for each in made)


def nodes_are_read(world: World) -> bool:
    """The snippet runs with the python that is there, and finds the topology's nodes."""
    out, _ = run_snippet(patched(OWN, "C4")[SCRIPT], world.folder)
    return out == "node-1\nnode-2\n"


def coding_is_known(_: World) -> bool:
    """Out of a pipe python 3.6 to 3.13 takes utf-8 under that name alone."""
    return "# coding: utf-8\n" in patched(OWN, "C4")[SCRIPT]


def waits_long(world: World) -> bool:
    """What gk-deploy is told to wait for pods."""
    words = GkDeploy().command(world.work(), Place(world.folder, "gk-deploy"), HEKETIS)
    return int(words[words.index("-w") + 1]) >= 900


def without_dns(_: World) -> bool:
    """The StorageClass leads to an address, which nobody has to look up."""
    made = objects.storage_class("storage", "10.96.0.9")
    host = urlsplit(made["parameters"]["resturl"]).hostname
    try:
        return bool(ipaddress.ip_address(host or ""))
    except ValueError:
        return False


def pinned(_: World) -> bool:
    """The image of the DaemonSet is the one that was asked for."""
    image = "mirror.example:5000/gluster@sha256:" + "0f" * 32
    asked = Asked("python3", images={"gluster/gluster-centos": image})
    made = workloads(patched(OWN, "C13", asked=asked))[NEEDED[0]]
    return bool(made["spec"]["template"]["spec"]["containers"][0]["image"] == image)


def slash_is_refused(world: World) -> bool:
    """A key that breaks gk-deploy's sed is not handed to it."""
    try:
        keys(world.folder, {ADMIN_VARIABLE: "with/slash1"}, None, None)
    except UsageError:
        return True
    return False


def callers_file_stays(world: World) -> bool:
    """gk-deploy writes ./heketi.json, and deletes it."""
    return (world.deployed().gk.cwd / MINE).exists()


def no_key_is_kept(world: World) -> bool:
    """gk-deploy prints the user's key at its end."""
    log = world.deployed().log
    return "restuserkey" in log and HEKETIS.user not in log


def value_is_refused(_: World) -> bool:
    """gk-deploy would take the value for the topology."""
    try:
        options(["--ssh-user", "core"])
    except UsageError:
        return True
    return False


def quotes_stay(_: World) -> bool:
    """The API server reads a plain y as a boolean."""
    return 'value: "y"' in patched(OWN, "C1")[NEEDED[2]]


def leftovers_are_cleared(_: World) -> bool:
    """What an abort leaves on a node is found there, by a check that has a fix."""
    checks: list[Check | FleetCheck] = [
        each for each in registry.checks() if each.id == gluster_state.id
    ]
    node = gluster_left.NODE
    seen = judge(checks, {node.name: gluster_left.facts(gluster_left.LEFT)})
    return any(each.status is Status.FAIL and each.check in registry.fixes() for each in seen)


def heketi_is_asked(world: World) -> bool:
    """gk-deploy says that glusterd does not run; why, only heketi's log says."""
    heketi = pod("deploy-heketi-1", "node1", ready=True)
    heketi["metadata"]["labels"] = {"deploy-heketi": "pod"}
    plane = Answers(world.folder)
    plane.has("pods", *GLUSTER, pod("glusterfs-2", "node2", ready=True), heketi)
    for kind in ("daemonsets", "events", "nodes", "storageclasses", "pods Pending"):
        plane.has(kind)
    plane.says("logs/deploy-heketi-1", (SAMPLES / "C5" / "heketi.log").read_text())
    log = world.folder / "gk-deploy.log"
    log.write_text((SAMPLES / "D12" / "gk-deploy.log").read_text())
    return "C5" in {cause.id for cause in plane.diagnosed(log).causes}


UNREADY = Kubelet(Try("error dialing backend: dial tcp 10.0.0.1:10250: i/o timeout"), Try(""))
NO_RIGHTS = (Right("create", "daemonsets.apps", allowed=False),)
LABELLED = (*MEMBERS, member("extra", label="glusterfs", schedulable=False))
DEPLOY = "preflight.deploy"
EARLIER = "checks.earlier_deployment"
RESTRICTED: dict[str, Any] = {
    "namespace": Namespace("Active", "restricted"),
    "server": version("1.25.0"),
}
KUBECTL = "kubectl --request-timeout=10s "
OURS = "--namespace=glusterfs"


def succeeds(rc: int, _reader: object) -> Result:
    """As a shell judges."""
    return Result(success=rc == 0)


def by_name(namespace: str, _ip: str, **_more: object) -> dict[str, str]:
    """As gk-deploy's own StorageClass has it."""
    return {"resturl": f"http://heketi.{namespace}.svc:8080"}


def rewritten(text: str, edits: Any) -> str:
    """As a YAML library writes it."""
    return yaml.safe_dump_all(yaml.safe_load_all(EDITED(text, edits)))


def by_exit_status(_self: object, rc: int | None, _now: float) -> str:
    """As a shell judges, of an abort."""
    return "" if rc == 0 else f"exit status {rc}"


def without_cli(work: Work, found: Keys) -> list[str]:
    """gk-deploy's options, but for the one that says which program to use."""
    return [*COMMON(work, found)[2:]]


ROWS: dict[str, tuple[Case, ...]] = {
    "C1": (instead(f"{DEPLOY}.templates.modernised", as_it_is, apps_v1),),
    "C2": (
        instead(
            f"{DEPLOY}.script.without_show_all",
            as_it_is,
            lambda world: not world.deployed().why,
        ),
    ),
    "C3": (
        instead("checks.kubernetes_version.REMOVED", (9, 99), closed(server=version("1.26.0"))),
    ),
    "C4": (
        instead(f"{DEPLOY}.script.runnable", lambda _, tree: tree, nodes_are_read),
        instead(f"{DEPLOY}.script._utf8", as_it_is, coding_is_known),
    ),
    "C5": (
        unchecked(kubernetes_binding, closed(binding=OTHER_NAMESPACE)),
        unfixed(
            kubernetes_binding,
            mends(
                kubernetes_binding,
                "delete clusterrolebinding heketi-sa-view",
                binding=OTHER_NAMESPACE,
            ),
        ),
    ),
    "C6": (
        unchecked(kubernetes_namespace, closed(namespace=None)),
        unfixed(
            kubernetes_namespace,
            mends(kubernetes_namespace, "create namespace glusterfs", namespace=None),
        ),
    ),
    "C7": (
        instead(
            f"{DEPLOY}.gk_deploy.GkDeploy._common",
            staticmethod(without_cli),
            lambda world: "Using Kubernetes CLI." in world.deployed().log,
        ),
    ),
    "C8": (instead(f"{DEPLOY}.options.WAIT", 300, waits_long),),
    "C9": (instead("preflight.facts.deployment.storage_parameters", by_name, without_dns),),
    "C10": (
        instead(
            f"{DEPLOY}.script.storage_class",
            as_it_is,
            lambda world: "apiVersion: storage.k8s.io/v1\n" in world.deployed().log,
        ),
    ),
    "C11": (
        instead(f"{EARLIER}.STORED", (), closed(objects=ENDPOINTS)),
        unfixed(
            earlier_deployment,
            mends(
                earlier_deployment,
                f"{OURS} delete job heketi-storage-copy-job",
                f"{OURS} delete endpoints heketi-storage-endpoints",
                f"{OURS} delete service heketi-storage-endpoints",
                f"{OURS} delete secret heketi-storage-secret",
                objects=(JOB, *ENDPOINTS, DATABASE),
            ),
        ),
    ),
    "C12": (
        instead("checks.kubernetes_namespace.ENFORCED", (9, 99), closed(**RESTRICTED)),
        unfixed(
            kubernetes_namespace,
            mends(
                kubernetes_namespace,
                "label --overwrite namespace glusterfs"
                " pod-security.kubernetes.io/enforce=privileged",
                **RESTRICTED,
            ),
        ),
    ),
    "C13": (instead(f"{DEPLOY}.templates.pinned", lambda _, tree: tree, pinned),),
    "C14": (unchecked(kubelet_reach, closed(kubelet=UNREADY)),),
    "C15": (
        unchecked(kubernetes_storage_class, closed(storage_class=MADE, service=None)),
        unknown("C15", diagnosed("C15")),
    ),
    "C16": (unknown("C16", diagnosed("C16")),),
    "C17": (unknown("C17", diagnosed("C17")),),
    "D1": (
        instead(
            f"{DEPLOY}.keys._given", lambda environ, name: environ.get(name, ""), slash_is_refused
        ),
        instead(f"{DEPLOY}.redact.Redactor.feed", lambda _, piece: piece, no_key_is_kept),
    ),
    "D2": (
        instead(
            f"{DEPLOY}.gk_deploy.result",
            succeeds,
            lambda world: "D2" in world.deployed("no-last-line").why,
        ),
        instead(
            f"{DEPLOY}.abort.Backwards.ended",
            by_exit_status,
            lambda _: not Backwards().ended(1, 0.0),
        ),
    ),
    "D3": (
        instead(
            f"{DEPLOY}.run._SCRIPT",
            SCRIPT_OF_A_RUN.replace(" && cd {work}", ""),
            callers_file_stays,
        ),
        instead(
            f"{DEPLOY}.place.Place.written",
            lambda *_: (),
            lambda world: "deploy/left-behind" in world.deployed("writes-files").why,
        ),
        unknown("D3", diagnosed("D3")),
    ),
    "D4": (instead(f"{DEPLOY}.options._OPTIONS", {"--ssh-user": ".+"}, value_is_refused),),
    "D5": (unchecked(kubernetes_rights, closed(rights=NO_RIGHTS)),),
    "D6": (
        instead(
            f"{DEPLOY}.verify.gluster_pods",
            trusting(verify.gluster_pods),
            unverified(pods=PODS[:2]),
        ),
    ),
    "D7": (
        instead(
            f"{DEPLOY}.verify.heketi_topology",
            lambda key: trusting(HEKETI_TOPOLOGY(key)),
            unverified(known=Known((), ())),
        ),
    ),
    "D8": (
        instead(
            f"{EARLIER}.BEGUN",
            (),
            lambda _: any(
                each.cure == ABORT
                for each in found(earlier_deployment, objects=(*ENDPOINTS, *BEGUN)).values()
            ),
        ),
    ),
    "D9": (
        instead(
            f"{EARLIER}._secret", lambda *_: (), closed(objects=(CONFIG,), topology=TOPOLOGY[:2])
        ),
        unfixed(
            earlier_deployment,
            mends(
                earlier_deployment,
                f"{OURS} delete secret heketi-config-secret",
                objects=(CONFIG,),
                topology=TOPOLOGY[:2],
            ),
        ),
    ),
    "D10": (
        instead(
            f"{EARLIER}.Left.heketi",
            lambda _: (),
            warned("heketi-cli node add", objects=(HEKETI, CONFIG), topology=TOPOLOGY),
        ),
    ),
    "D11": (
        unchecked(gluster_state, leftovers_are_cleared),
        instead(f"{EARLIER}._labels", lambda *_: (), warned("storagenode-", nodes=LABELLED)),
    ),
    "D12": (instead("preflight.diagnose.cluster.questions", lambda *_: (), heketi_is_asked),),
    "D13": (instead(f"{DEPLOY}.manifest.edited", rewritten, quotes_stay),),
    "D14": (
        instead(
            f"{DEPLOY}.steps.real",
            lambda _: True,
            lambda world: "D14" in world.deployed("empty-address").why,
        ),
        instead(
            f"{DEPLOY}.verify.heketi_address",
            trusting(verify.heketi_address),
            unverified(service=replace(SERVICE, endpoints=())),
        ),
    ),
    "D15": (unknown("D15", diagnosed("D15")),),
}

CASES = [
    pytest.param(case, id=f"{row} {case.handling}") for row, cases in ROWS.items() for case in cases
]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_every_c_and_d_row_of_the_catalogue_is_here_and_no_other() -> None:
    rows = catalogue.rows(catalogue.load())
    assert list(ROWS) == [row for row in rows if row[0] in "CD"]
    assert all(ROWS.values())


@pytest.mark.parametrize("case", CASES)
def test_a_row_is_handled(case: Case, world: World) -> None:
    assert case.shows(world)


@pytest.mark.parametrize("case", CASES)
def test_a_row_is_not_handled_once_that_is_taken_out(case: Case, world: World) -> None:
    case.take_out(world.patch)
    assert not case.shows(world)
