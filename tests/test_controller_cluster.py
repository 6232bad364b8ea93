"""The controller's checks of the cluster: nodes, namespace, rights, binding."""

from __future__ import annotations

from typing import Any

import pytest

from checks.kubernetes_binding import kubernetes_binding
from checks.kubernetes_namespace import kubernetes_namespace
from checks.kubernetes_nodes import kubernetes_nodes
from checks.kubernetes_rights import kubernetes_rights
from checks.kubernetes_storage_class import kubernetes_storage_class
from checks.kubernetes_taints import kubernetes_taints
from checks.node_architecture import node_architecture
from preflight.deploy import gate
from preflight.errors import Unknown
from preflight.facts import deployment
from preflight.facts.deployment import Service, StorageClass
from preflight.facts.kubernetes import Binding, Namespace, Right, Taint, Told
from preflight.facts.kubernetes.claims import GLUSTERFS
from preflight.model import Check, Inventory, Node, Role, Status, Verdict
from tests.judged import (
    CHECKS,
    NODES,
    VALUES,
    found,
    judged,
    member,
    members,
    one,
    version,
    with_deployer,
)


def test_n18_a_name_that_is_no_node_fails_with_the_likely_one() -> None:
    other = member("ip-10-78-0-13", "10.78.0.13")
    finding = found(kubernetes_nodes, nodes=members(other, without="node3"))["node3"]
    assert (finding.status, finding.cure) == (
        Status.FAIL,
        "name it ip-10-78-0-13 in the inventory",
    )
    longer = member("node3.example.com")
    cure = found(kubernetes_nodes, nodes=members(longer, without="node3"))["node3"].cure
    assert cure == "name it node3.example.com in the inventory"
    none = found(kubernetes_nodes, nodes=members(without="node3"))["node3"]
    assert (none.status, none.cure) == (Status.FAIL, "kubectl get nodes shows the names")


def test_n18_a_client_that_is_no_node_is_only_a_warning() -> None:
    client = Node("client", "10.77.0.20", None, role=Role.CLIENT)
    finding = one(kubernetes_nodes, Inventory((*NODES, client)))
    assert (finding.subject, finding.status) == ("client", Status.WARN)


def test_n18_a_node_that_is_not_ready_fails_and_says_why() -> None:
    finding = one(kubernetes_nodes, nodes=members(member("node2", "10.78.0.12", unready="gone")))
    assert (finding.subject, finding.status, finding.saw) == (
        "node2",
        Status.FAIL,
        "not Ready: gone",
    )


def test_n20_an_address_of_another_node_fails_one_of_another_network_does_not() -> None:
    swapped = members(member("node1", "10.78.0.12"), member("node2", "10.78.0.11"))
    table = found(kubernetes_nodes, nodes=swapped)
    assert table["node1"].saw == "its storage address 10.78.0.11 is the InternalIP of node2"
    assert table["node1"].status is Status.FAIL
    apart = found(kubernetes_nodes, nodes=members(member("node1", "10.77.0.11")))["node1"]
    assert apart.status is Status.PASS
    assert "Gluster uses 10.78.0.11, Kubernetes 10.77.0.11" in apart.saw


def test_n13_a_node_that_takes_pods_and_is_not_listed_is_told() -> None:
    finding = one(kubernetes_nodes, nodes=members(member("extra", "10.78.0.20")))
    assert (finding.subject, finding.status) == ("extra", Status.WARN)
    assert "{name: extra, address: 10.78.0.20, role: client}" in finding.cure


@pytest.mark.parametrize(
    "closed",
    [
        {"schedulable": False},
        {"taints": (Taint("master", "", "NoSchedule"),)},
        {"taints": (Taint("storage", "only", "NoExecute"),)},
    ],
)
def test_n13_a_node_that_takes_no_pods_is_nobodys_business(closed: dict[str, Any]) -> None:
    findings = found(kubernetes_nodes, nodes=members(member("extra", **closed)))
    assert "extra" not in findings


MASTER, ONLY = (
    Taint("node-role.kubernetes.io/master", "", "NoSchedule"),
    Taint("a", "b", "NoExecute"),
)


def test_n23_a_taint_that_nothing_tolerates_fails_with_the_toleration() -> None:
    finding = one(kubernetes_taints, nodes=members(member("node1", taints=(MASTER, ONLY))))
    assert (finding.subject, finding.status) == ("node1", Status.FAIL)
    assert finding.saw == "tainted node-role.kubernetes.io/master:NoSchedule, a=b:NoExecute"
    assert finding.cure == (
        'deployer: {tolerate: ["node-role.kubernetes.io/master:NoSchedule", "a:NoExecute"]}'
    )


@pytest.mark.parametrize(
    ("tolerate", "status"),
    [
        (("a:NoExecute",), Status.PASS),
        (("a=b:NoExecute",), Status.PASS),
        (("a=c:NoExecute",), Status.FAIL),
        (("a:NoSchedule",), Status.FAIL),
        (("a=b:NoExecute", "x:NoSchedule"), Status.PASS),
    ],
)
def test_n23_what_the_inventory_tolerates_is_no_obstacle(
    tolerate: tuple[str, ...], status: Status
) -> None:
    tainted = members(member("node1", taints=(ONLY,)))
    given = with_deployer(tolerate=tolerate)
    assert found(kubernetes_taints, given, nodes=tainted)["node1"].status is status


def test_n23_what_every_daemonset_tolerates_is_no_obstacle() -> None:
    harmless = (
        Taint("node.kubernetes.io/unschedulable", "", "NoSchedule"),
        Taint("x", "", "PreferNoSchedule"),
    )
    node1 = found(kubernetes_taints, nodes=members(member("node1", taints=harmless)))["node1"]
    assert node1.status is Status.PASS


def test_a_client_outside_the_cluster_leaves_the_gate_open() -> None:
    """It can mount volumes all the same; the warning is that its name may be a wrong one."""
    client = Node("client", "10.77.0.20", None, role=Role.CLIENT)
    told = judged(CHECKS, Inventory((*NODES, client)))
    assert gate.verdict(told, (), strict=False) is Verdict.READY
    assert [(each.check, each.status) for each in told if each.status is not Status.PASS] == [
        ("kubernetes-nodes", Status.WARN)
    ]


OUTSIDE: dict[str, dict[str, Any]] = {
    "no-node": {"nodes": ()},
    "one-less": {"nodes": members(without="node2")},
    "unready": {"nodes": members(member("node1", unready="gone"))},
    "unknown": dict.fromkeys(VALUES, Unknown("the server was refused")),
    "no-kubectl": {"client": Told(None, "not found"), "server": Told(None, "not found")},
    "empty": {name: () for name, value in VALUES.items() if isinstance(value, tuple)},
    "none": dict.fromkeys(("namespace", "binding", "topology", "gk_deploy", "python")),
}


@pytest.mark.parametrize("given", OUTSIDE.values(), ids=OUTSIDE)
def test_what_is_skipped_is_found_by_the_check_that_it_names(given: dict[str, Any]) -> None:
    """A SKIP closes the gate, so that somebody has to say why."""
    client = Node("client", "10.77.0.20", None, role=Role.CLIENT)
    told = judged(CHECKS, Inventory((*NODES, client)), **given)
    found_by = {(f.check, f.subject) for f in told if f.status in {Status.FAIL, Status.ERROR}}
    for each in told:
        if each.status is Status.SKIP:
            named = each.saw.partition(": see ")[2]
            assert (named, each.subject) in found_by, each


@pytest.mark.parametrize("check", [kubernetes_taints, node_architecture])
def test_a_node_that_is_not_there_is_left_to_the_check_that_says_so(check: Check) -> None:
    finding = one(check, nodes=members(without="node2"))
    assert (finding.subject, finding.status) == ("node2", Status.SKIP)


def test_n38_another_architecture_fails_unless_there_is_an_image_for_it() -> None:
    arm = members(member("node1", architecture="arm64"))
    finding = one(node_architecture, nodes=arm)
    assert (finding.status, finding.says) == (Status.FAIL, "exec format error")
    own = with_deployer(images=(("gluster/gluster-centos", "mine/gluster:1"),))
    assert one(node_architecture, own, nodes=arm).status is Status.WARN
    silent = members(member("node1", architecture=""))
    assert one(node_architecture, nodes=silent).status is Status.ERROR


# --- the StorageClass --------------------------------------------------------------------------

SERVICE = Service("10.96.0.9", ("10.244.0.3:8080",))
PARAMETERS = deployment.storage_parameters("glusterfs", SERVICE.ip)


def of(*, own: bool = False, provisioner: str = GLUSTERFS, **other: str) -> StorageClass:
    return StorageClass(provisioner, tuple(sorted({**PARAMETERS, **other}.items())), own)


@pytest.mark.parametrize(
    ("there", "service", "status"),
    [
        (None, None, Status.PASS),
        (None, SERVICE, Status.PASS),
        (of(own=True), SERVICE, Status.PASS),
        (of(), SERVICE, Status.PASS),
        (of(gidMin="2000"), SERVICE, Status.PASS),
        (of(own=True), None, Status.FAIL),
        (of(own=True, resturl="http://10.96.0.8:8080"), SERVICE, Status.FAIL),
        (of(own=True, secretNamespace="other"), SERVICE, Status.FAIL),
        (of(volumetype="none"), SERVICE, Status.FAIL),
        (of(provisioner="example.org/other"), SERVICE, Status.FAIL),
        (of(restuserkey="verySECRET1"), SERVICE, Status.FAIL),
    ],
)
def test_c15_a_storage_class_of_another_deployment_fails(
    there: StorageClass | None, service: Service | None, status: Status
) -> None:
    given: dict[str, Any] = {"storage_class": there, "service": service}
    finding = found(kubernetes_storage_class, **given)["glusterfs-storage"]
    assert finding.status is status, finding
    assert "SECRET" not in finding.saw + finding.want
    if status is Status.FAIL:
        look, _, act = finding.cure.partition("  # look")
        assert "get persistentvolumes,persistentvolumeclaims --all-namespaces" in look
        assert "delete storageclass glusterfs-storage" in act


def test_c15_says_what_is_there_and_what_is_wanted() -> None:
    """Before there is a heketi, nobody knows its address: whatever leads to one leads elsewhere."""
    other = of(own=True, secretNamespace="other")
    finding = one(kubernetes_storage_class, storage_class=other)
    assert finding.saw == (
        "gkprep's, of another deployment: kubernetes.io/glusterfs, resturl http://10.96.0.9:8080,"
        " secretNamespace other"
    )
    assert finding.want == (
        "kubernetes.io/glusterfs, resturl http://HEKETI'S-ADDRESS-TO-BE:8080,"
        " secretNamespace glusterfs"
    )


# --- namespace, rights, binding ----------------------------------------------------------------


def test_c6_a_namespace_that_is_not_there_fails() -> None:
    finding = one(kubernetes_namespace, namespace=None)
    assert finding.status is Status.FAIL
    assert finding.cure.endswith("create namespace glusterfs")


def test_c6_a_namespace_that_is_about_to_go_fails() -> None:
    finding = one(kubernetes_namespace, namespace=Namespace("Terminating", ""))
    assert (finding.status, finding.saw) == (Status.FAIL, "it is Terminating")


@pytest.mark.parametrize(
    ("level", "text", "status"),
    [
        ("restricted", "1.23.0", Status.FAIL),
        ("baseline", "1.25.0", Status.FAIL),
        ("restricted", "1.20.2", Status.WARN),
        ("privileged", "1.25.0", Status.PASS),
        ("", "1.25.0", Status.PASS),
    ],
)
def test_c12_pod_security_keeps_the_pods_out(level: str, text: str, status: Status) -> None:
    given: dict[str, Any] = {"namespace": Namespace("Active", level), "server": version(text)}
    finding = found(kubernetes_namespace, **given)["glusterfs"]
    assert finding.status is status
    assert finding.cure.endswith("enforce=privileged") or status is Status.PASS


def test_c12_without_a_version_it_is_not_known() -> None:
    given: dict[str, Any] = {
        "namespace": Namespace("Active", "restricted"),
        "server": Told(None, "refused"),
    }
    assert one(kubernetes_namespace, **given).status is Status.ERROR


def test_rights_that_are_missing_are_named() -> None:
    some = (
        Right("create", "daemonsets.apps", allowed=False),
        Right("create", "pods/exec", allowed=False),
        Right("get", "pods", allowed=True),
        Right("bind", "clusterroles.rbac.authorization.k8s.io/edit", allowed=True),
    )
    finding = one(kubernetes_rights, rights=some)
    assert finding.status is Status.FAIL
    assert finding.saw == "you may not: create daemonsets.apps, create pods/exec"
    assert finding.cure.startswith("an administrator of the cluster has to grant that")
    assert "--user=YOU" in finding.cure
    assert "a ServiceAccount, --serviceaccount=NAMESPACE:ACCOUNT" in finding.cure


def test_a_role_that_one_may_not_bind_is_a_warning() -> None:
    """The API server takes the binding all the same from who has every right that it gives."""
    bind = Right("bind", "clusterroles.rbac.authorization.k8s.io/edit", allowed=False)
    finding = one(kubernetes_rights, rights=(Right("get", "pods", allowed=True), bind))
    assert finding.status is Status.WARN


def test_a_kubelet_that_one_may_not_ask_for_its_health_is_a_warning() -> None:
    """kubelet-reach tries a pod then."""
    proxy = Right("get", "nodes/proxy", allowed=False)
    finding = one(kubernetes_rights, rights=(Right("get", "nodes", allowed=True), proxy))
    assert (finding.subject, finding.status) == ("get nodes/proxy", Status.WARN)
    assert "kubelet-reach" in finding.saw


ACCOUNT = "ServiceAccount glusterfs/heketi-service-account"


@pytest.mark.parametrize(
    ("binding", "status"),
    [
        (None, Status.PASS),
        (Binding("edit", (ACCOUNT,)), Status.PASS),
        (Binding("edit", ("ServiceAccount other/heketi-service-account",)), Status.FAIL),
        (Binding("edit", ()), Status.FAIL),
        (Binding("view", (ACCOUNT,)), Status.FAIL),
    ],
)
def test_c5_d15_a_binding_of_another_deployment_fails(
    binding: Binding | None, status: Status
) -> None:
    finding = found(kubernetes_binding, binding=binding)["heketi-sa-view"]
    assert finding.status is status
    if status is Status.FAIL:
        look, _, act = finding.cure.partition("  # look")
        assert " get clusterrolebinding " in look
        assert "delete clusterrolebinding heketi-sa-view" in act
