"""The controller's checks on facts given as values: all of them, and the versions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from checks.earlier_deployment import earlier_deployment
from checks.gk_deploy import gk_deploy
from checks.kubectl import kubectl
from checks.kubelet_reach import kubelet_reach
from checks.kubernetes_namespace import kubernetes_namespace
from checks.kubernetes_nodes import kubernetes_nodes
from checks.kubernetes_rights import kubernetes_rights
from checks.kubernetes_version import kubernetes_version
from preflight import registry, select
from preflight.controller import controller
from preflight.errors import Unknown, UsageError
from preflight.facts import kubernetes
from preflight.facts.kubernetes import Kubelet, Listed, Right, Told, Try
from preflight.judge import judge
from preflight.model import Check, Facts, Inventory, Policy, Role, Rpcbind, Status
from tests.judged import (
    CHECKS,
    ENDPOINTS,
    GOOD,
    HEKETI,
    INVENTORY,
    NODES,
    VALUES,
    found,
    one,
    version,
    with_deployer,
)

# --- all of them -------------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_cluster_that_is_in_order_passes(check: Check) -> None:
    assert {finding.status for finding in found(check).values()} == {Status.PASS}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_what_cannot_be_found_out_is_no_pass(check: Check) -> None:
    nothing: dict[str, Any] = {name: Unknown("the server was refused") for name in VALUES}
    findings = found(check, **nothing).values()
    assert {finding.status for finding in findings} == {Status.ERROR}
    assert "the server was refused" in next(iter(findings)).saw


def test_these_are_all_the_controllers_checks() -> None:
    assert [check.id for check in CHECKS] == [
        "earlier-deployment",
        "gk-deploy",
        "gluster-image",
        "kubectl",
        "kubelet-reach",
        "kubernetes-binding",
        "kubernetes-namespace",
        "kubernetes-nodes",
        "kubernetes-rights",
        "kubernetes-storage-class",
        "kubernetes-taints",
        "kubernetes-version",
        "node-architecture",
    ]


def test_a_fleet_without_a_controller_is_not_judged_by_them() -> None:
    fleet = {node.name: Facts(node, {}) for node in NODES}
    assert judge(CHECKS, fleet) == ()
    left = select.asked_for(registry.checks(), [])
    assert {check.id for check in left}.isdisjoint(check.id for check in CHECKS)
    assert len(left) == len(registry.checks()) - len(CHECKS)


def test_the_controller_is_judged_where_its_check_is_named() -> None:
    every = (*NODES, controller(INVENTORY))
    both = [check for check in registry.checks() if check.id in {"kubectl", "device-clean"}]
    assert select.asked_for(both, ["kubectl", "device-clean"]) == tuple(both)
    assert select.judged(every, both, "controller") == every
    assert select.judged(every, [kubectl], "controller") == every[-1:], "no node is asked for"
    with pytest.raises(UsageError, match=r"kubectl: judged of .* --limit leaves out"):
        select.judged(NODES, both, "controller")
    with pytest.raises(UsageError, match="leaves no check of the nodes"):
        select.asked_for(CHECKS, [])


# --- the controller ----------------------------------------------------------------------------


def test_the_controller_is_this_machine_as_this_user() -> None:
    node = controller(replace(INVENTORY, policy=Policy(rpcbind=Rpcbind.HOST)))
    assert (node.name, node.address, node.role) == ("controller", "localhost", Role.CONTROLLER)
    assert (node.become, node.policy.rpcbind) == (False, Rpcbind.HOST)
    assert node.site
    assert node.site.nodes == NODES


def test_a_node_may_be_called_so_too() -> None:
    assert controller(Inventory((replace(NODES[0], name="controller"),))).name == "(controller)"


def test_kubectl_is_called_as_the_inventory_says() -> None:
    inventory = with_deployer(kubectl="/opt/my kubectl", kubeconfig="/k/a b", context="it's")
    assert kubernetes.kubectl(controller(inventory)) == (
        "'/opt/my kubectl' --request-timeout=10s '--kubeconfig=/k/a b' '--context=it'\"'\"'s'"
    )
    with pytest.raises(ValueError, match="node1 is not the controller"):
        kubernetes.kubectl(NODES[0])


# --- kubectl, the versions ---------------------------------------------------------------------


def test_without_kubectl_the_server_is_not_asked() -> None:
    absent = found(kubectl, client=Told(None, "kubectl: not found"))
    assert [*absent] == ["kubectl"]
    assert (absent["kubectl"].status, absent["kubectl"].saw) == (Status.FAIL, "kubectl: not found")
    assert absent["kubectl"].cure


def test_a_server_that_is_not_reached_fails_with_kubectls_own_words() -> None:
    finding = one(kubectl, server=Told(None, "connection refused"))
    assert (finding.subject, finding.status) == ("API server", Status.FAIL)
    assert finding.saw == "connection refused"
    assert "cluster-info" in finding.cure


@pytest.mark.parametrize(("text", "patched"), [("1.13.12", False), ("1.14.0", True)])
def test_c2_a_kubectl_without_show_all_is_told(text: str, patched: bool) -> None:
    assert ("--show-all" in found(kubectl, client=version(text))["kubectl"].saw) is patched


@pytest.mark.parametrize(
    ("text", "status", "saw"),
    [
        ("1.8.15", Status.FAIL, "no apps/v1"),
        ("1.15.12", Status.PASS, "v1.15.12"),
        ("1.16.0", Status.PASS, "are made apps/v1"),  # C1
        ("1.24.17", Status.PASS, "are made apps/v1"),
        ("1.25.16", Status.WARN, "the last one"),
        ("1.26.0", Status.FAIL, "no GlusterFS driver"),  # C3
        ("2.0.0", Status.FAIL, "no GlusterFS driver"),
    ],
)
def test_c1_c3_each_version_decides_for_itself(text: str, status: Status, saw: str) -> None:
    finding = found(kubernetes_version, server=version(text))["API server"]
    assert finding.status is status
    assert saw in finding.saw
    assert bool(finding.cure) is (status is not Status.PASS)


def test_c3_says_what_to_use_instead() -> None:
    finding = one(kubernetes_version, server=version("1.26.0"))
    assert finding.says == "no volume plugin matched"
    assert "CSI driver" in finding.cure


def test_a_version_that_is_not_told_is_unknown() -> None:
    finding = one(kubernetes_version, server=Told(None, "refused"))
    assert (finding.status, finding.saw) == (Status.ERROR, "kubectl: refused")


BREAKS: list[tuple[Check, dict[str, Any]]] = [
    (kubectl, {"client": Told(None, "x")}),
    (kubernetes_nodes, {"nodes": ()}),
    (kubernetes_namespace, {"namespace": None}),
    (kubernetes_rights, {"rights": (Right("get", "pods", allowed=False),)}),
    (kubelet_reach, {"kubelet": Kubelet(Try("refused"), Try(""))}),
    (earlier_deployment, {"objects": GOOD}),
    (earlier_deployment, {"objects": (*ENDPOINTS, Listed("Service", "heketi"))}),
    (earlier_deployment, {"objects": (HEKETI,)}),
    (gk_deploy, {"gk_deploy": None, "python": None}),
]


@pytest.mark.parametrize(("check", "given"), BREAKS)
def test_what_fails_says_how_it_is_cured(check: Check, given: dict[str, Any]) -> None:
    statuses = {Status.FAIL, Status.WARN}
    broken = [each for each in found(check, **given).values() if each.status in statuses]
    assert broken
    assert all(each.cure for each in broken)
