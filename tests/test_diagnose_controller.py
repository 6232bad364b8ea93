"""`gkprep diagnose` as a command: nodes, controller and cluster are joined."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preflight.controller import HERE
from preflight.deploy.verify import standing
from preflight.diagnose import nodes
from preflight.diagnose.evidence import Diagnosis
from preflight.judge import judge
from preflight.model import Check, Facts, Finding, FleetCheck, Node, Role, Verdict
from preflight.plugin import check, controller_check, fail, fleet_check
from preflight.registry import checks
from preflight.report import machine
from tests.cluster_answers import GLUSTER, HEKETI, Cluster, break_node2, daemonset, well
from tests.command import unattended
from tests.diagnosed import SAMPLES, run_of
from tests.judged import INVENTORY, found
from tests.site import Home

BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
NODES = "/api/v1/nodes"


@pytest.fixture
def plane(tmp_path: Path) -> Cluster:
    return well(tmp_path / "cluster")


@pytest.fixture
def home(plane: Cluster, tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    home = Home(tmp_path / "home")
    (home.path / "inventory.yaml").write_text(f"""\
nodes:
  - {{name: node2, address: gone.invalid, storage: 10.78.0.12, devices: [/dev/sda]}}
deployer: {{kubectl: "{plane.kubectl}", namespace: gluster}}
""")
    return home


def diagnosed(gkprep: str, home: Home, *words: str) -> dict[str, Any]:
    done = unattended([gkprep, "diagnose", "-o", "json", *words], home)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def quoted(report: dict[str, Any], number: int = 0) -> list[str]:
    evidence = report["causes"][number]["evidence"]
    return [line for quote in evidence for line in quote["lines"]]


def test_the_command_goes_on_without_the_nodes_that_it_cannot_reach(
    plane: Cluster, gkprep: str, home: Home
) -> None:
    break_node2(plane)
    done = unattended([gkprep, "diagnose", "-o", "json"], home)
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert [cause["id"] for cause in report["causes"]] == ["N11"]
    assert [node["reachable"] for node in report["nodes"]] == [False, True]
    assert {"error", "fail"} <= {finding["status"] for finding in report["findings"]}
    told = unattended([gkprep, "diagnose"], home).stdout
    assert "- node node2: " in told


def test_a_stale_binding_is_named_beside_what_heketi_says_of_it(
    plane: Cluster, gkprep: str, home: Home
) -> None:
    """C5: heketi's log tells that it may not, the controller's check who may instead."""
    name = HEKETI["metadata"]["name"]
    plane.says(f"logs/{name}", (SAMPLES / "C5/heketi.log").read_text())
    plane.has("pods", HEKETI)
    stale = {"kind": "ServiceAccount", "namespace": "other", "name": "heketi-service-account"}
    binding = {"roleRef": {"name": "edit"}, "subjects": [stale]}
    plane.answers(BINDINGS, {"items": [binding]})
    report = diagnosed(gkprep, home)
    assert [cause["id"] for cause in report["causes"]] == ["C5"]
    told = "edit for ServiceAccount other/heketi-service-account"
    finding = f"kubernetes-binding fail heketi-sa-view: saw {told}"
    assert any(line.startswith(finding) for line in quoted(report))
    # Left out, it is neither asked for nor told.
    report = diagnosed(gkprep, home, "--skip", "kubernetes-binding")
    assert not any("kubernetes-binding" in line for line in quoted(report))


def tainted(name: str) -> dict[str, Any]:
    taint = {"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"}
    ready = [{"type": "Ready", "status": "True"}]
    info = {"architecture": "amd64", "kubeletVersion": "v1.20.2"}
    return {
        "metadata": {"name": name},
        "spec": {"taints": [taint]},
        "status": {"conditions": ready, "addresses": [], "nodeInfo": info},
    }


def test_a_taint_explains_the_node_that_has_no_pod(plane: Cluster, gkprep: str, home: Home) -> None:
    """N23: nothing else tells of it, for no pod is made that an event could be about."""
    plane.answers(NODES, {"items": [tainted("node2")]})
    plane.has("pods", GLUSTER[0], HEKETI)
    plane.says(f"logs/{HEKETI['metadata']['name']}", "")
    plane.has("events")
    report = diagnosed(gkprep, home, "--only", "kubernetes-taints")
    (cause,) = report["causes"]
    assert (cause["id"], cause["node"]) == ("N23", "node2")
    assert "tainted (node-role.kubernetes.io/master:NoSchedule)" in cause["cause"]
    assert report["unexplained"] == []
    asked_of_heketi = {check.id for check in standing(None)}
    assert {each["check"] for each in report["findings"]} == {"kubernetes-taints"} | asked_of_heketi


@pytest.mark.parametrize(
    ("failing", "cause"),
    [(("kubernetes-taints", "node2"), "N23"), (("kubernetes-nodes", "other"), "N18")],
)
def test_that_no_pod_is_there_needs_a_cause_only_once_something_makes_them(
    plane: Cluster, gkprep: str, home: Home, failing: tuple[str, str], cause: str
) -> None:
    check, member = failing
    plane.answers(NODES, {"items": [tainted(member)]})
    for kind in ("pods", "daemonsets", "events", "persistentvolumeclaims"):
        plane.has(kind)
    report = diagnosed(gkprep, home, "--only", check)
    assert [each["status"] for each in report["findings"]][:1] == ["fail"]
    assert (report["causes"], report["verdict"]) == ([], "unknown")
    assert [each["saw"] for each in report["unexplained"]] == ["no GlusterFS pods"]
    plane.has("daemonsets", daemonset(0))
    report = diagnosed(gkprep, home, "--only", check)
    assert [(each["id"], each["node"]) for each in report["causes"]] == [(cause, "node2")]


def test_the_controller_is_asked_whichever_nodes_are_wanted(
    plane: Cluster, gkprep: str, home: Home
) -> None:
    report = diagnosed(gkprep, home, "--limit", "node2")
    assert [each["name"] for each in report["nodes"]] == ["node2", "controller"]
    assert "node-count" not in {each["check"] for each in report["findings"]}
    assert any("--raw" in words for words in plane.asked())
    report = diagnosed(gkprep, home, "--limit", "controller")
    assert [each["name"] for each in report["nodes"]] == ["controller"]


def whole(_facts: object) -> Iterable[Finding]:
    yield fail("node1", "bad", "good")


WHERE = Node("controller", HERE, None, role=Role.CONTROLLER)


@pytest.mark.parametrize(
    ("check", "node", "about"),
    [
        (controller_check(about_nodes=True)(whole), WHERE, "node1"),
        (controller_check()(whole), WHERE, None),
        (check()(whole), Node("node2", "10.0.0.2", "10.0.0.2"), "node2"),
        (check()(whole), Node("(controller)", "10.0.0.2", "10.0.0.2"), "(controller)"),
        (fleet_check()(whole), WHERE, None),
    ],
    ids=["of a node", "of the cluster", "on a node", "on one of that name", "of the fleet"],
)
def test_what_is_found_is_about_a_node_or_the_cluster_now_and_out_of_a_report(
    check: Check | FleetCheck, node: Node, about: str | None
) -> None:
    """A check says itself that its subjects are nodes; no check that there is has to be known."""
    facts = {node.name: Facts(node, {})}
    findings = judge([check], facts)
    (piece,) = nodes.findings(findings, WHERE.name).evidence
    assert (piece.node, piece.text) == (about, "whole fail node1: saw bad")
    run = replace(
        run_of(Diagnosis(Verdict.BLOCKED, (), (), (), ())), facts=facts, findings=findings
    )
    (read,) = nodes.report(json.loads(machine.render(run)), "deploy.json").evidence
    assert (read.node, read.text) == (piece.node, piece.text)


CONTROLLERS = [
    each for each in checks() if isinstance(each, Check) and each.roles == {Role.CONTROLLER}
]


@pytest.mark.parametrize("check", CONTROLLERS, ids=lambda check: check.id)
def test_a_check_of_each_of_the_clusters_nodes_says_so(check: Check) -> None:
    subjects = set(found(check))
    assert check.about_nodes == (subjects >= {node.name for node in INVENTORY.nodes})


def test_a_node_that_is_called_controller_is_one() -> None:
    told = {"check": "kubelet-reach", "status": "fail", "subject": "node1", "saw": "bad"}
    document = {
        "findings": [{**told, "node": "controller"}],
        "nodes": [{"name": "controller", "address": "10.0.0.1"}],
    }
    (piece,) = nodes.report(document, "check.json").evidence
    assert piece.node == "controller"
