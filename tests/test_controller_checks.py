"""The controller's checks on facts given as values: every branch, by the catalogue's rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from checks.earlier_deployment import earlier_deployment
from checks.gk_deploy import gk_deploy
from checks.gluster_image import gluster_image
from checks.kubectl import kubectl
from checks.kubelet_reach import kubelet_reach
from checks.kubernetes_binding import kubernetes_binding
from checks.kubernetes_namespace import kubernetes_namespace
from checks.kubernetes_nodes import kubernetes_nodes
from checks.kubernetes_rights import kubernetes_rights
from checks.kubernetes_taints import kubernetes_taints
from checks.kubernetes_version import kubernetes_version
from checks.node_architecture import node_architecture
from preflight import registry, select
from preflight.controller import controller
from preflight.errors import Unknown, UsageError
from preflight.facts import deployer, kubernetes
from preflight.facts.deployer import Python, Script
from preflight.facts.kubernetes import (
    Binding,
    Image,
    Kubelet,
    Member,
    Namespace,
    Object,
    Planned,
    Right,
    Taint,
    Told,
    Try,
    Version,
)
from preflight.judge import judge, needs
from preflight.model import (
    Check,
    Deployer,
    Device,
    Facts,
    Finding,
    Inventory,
    Node,
    Policy,
    PortRange,
    Role,
    Rpcbind,
    Status,
)

NODES = tuple(
    Node(f"node{n}", f"10.77.0.1{n}", f"10.78.0.1{n}", devices=(Device("/dev/sda"),))
    for n in (1, 2, 3)
)
INVENTORY = Inventory(NODES)
SCRIPT = Script("/g/deploy/gk-deploy", next(iter(deployer.KNOWN)), templates=True, commit="7246eb4")
FINE = Kubelet(Try(""), "kube-system/proxy", Try(""), Try(""))
TOPOLOGY = tuple(Planned(n.name, n.storage or "", 1, ("/dev/sda",)) for n in NODES)
CONFIG = Object("Secret", kubernetes.CONFIG)
HEKETI = Object("Deployment", "heketi", 1, 1)


def version(text: str) -> Told:
    major, minor = text.split(".")[:2]
    return Told(Version(int(major), int(minor), f"v{text}"))


def member(name: str, address: str = "", **more: Any) -> Member:
    own = {"unready": "", "schedulable": True, "taints": (), "label": None} | more
    given = {"architecture": "amd64", "kubelet": "v1.20.2"} | own
    return Member(name=name, addresses=(address,) if address else (), **cast("Any", given))


MEMBERS = tuple(member(node.name, node.storage or "") for node in NODES)
VALUES: dict[str, object] = {
    "client": version("1.20.2"),
    "server": version("1.20.2"),
    "nodes": MEMBERS,
    "namespace": Namespace("Active", ""),
    "binding": None,
    "objects": (),
    "topology": None,
    "rights": (Right("*", "*.*", allowed=True),),
    "kubelet": FINE,
    "image": Image("glusterfs-1", "4.1.5", "enabled"),
    "gk_deploy": SCRIPT,
    "python": Python("python3", "3.11.2"),
}


def found(check: Check, inventory: Inventory = INVENTORY, **given: object) -> dict[str, Finding]:
    """What is found, by subject, where all is in order but for what is `given`, by probe."""
    node = controller(inventory)
    asked = [probe.name for probe in needs([check], node)]
    values = VALUES | given
    told = {name: values[name.partition("(")[0].rpartition(".")[2]] for name in asked}
    findings = judge([check], {node.name: Facts(node, told)})
    return {finding.subject: finding for finding in findings}


def one(check: Check, inventory: Inventory = INVENTORY, **given: object) -> Finding:
    """The only finding that is no pass."""
    [finding] = [
        each for each in found(check, inventory, **given).values() if each.status != Status.PASS
    ]
    return finding


def with_deployer(**more: Any) -> Inventory:
    return replace(INVENTORY, deployer=Deployer(**more))


CHECKS = [
    check for check in registry.checks() if isinstance(check, Check) and select.of_controller(check)
]


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
        "kubernetes-taints",
        "kubernetes-version",
        "node-architecture",
    ]


def test_a_fleet_without_a_controller_is_not_judged_by_them() -> None:
    fleet = {node.name: Facts(node, {}) for node in NODES}
    assert judge(CHECKS, fleet) == ()
    left = select.of_nodes(registry.checks())
    assert {check.id for check in left}.isdisjoint(check.id for check in CHECKS)
    assert len(left) == len(registry.checks()) - len(CHECKS)


def test_asking_nodes_what_only_the_controller_knows_is_refused() -> None:
    with pytest.raises(UsageError, match="kubectl is judged by gkprep deploy"):
        select.of_nodes(registry.checks(), ["kubectl"])
    with pytest.raises(UsageError, match="leave no check of the nodes"):
        select.of_nodes(CHECKS)


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
    assert (finding.status, finding.saw) == (Status.ERROR, "refused")


# --- nodes -------------------------------------------------------------------------------------


def members(*changed: Member, without: str = "") -> tuple[Member, ...]:
    new = {each.name: each for each in (*MEMBERS, *changed)}
    return tuple(each for name, each in new.items() if name != without)


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
    assert finding.cure.startswith("kubectl --request-timeout=10s auth can-i --list")


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


# --- kubelets, image, gk-deploy ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("error dialing backend: dial tcp: lookup node1: no such host", "preferred-address-types"),
        ("error dialing backend: dial tcp 10.0.0.1:10250: i/o timeout", "10250/tcp"),
        ("x509: certificate signed by unknown authority", "certificate"),
        ("Forbidden (user=kube-apiserver, verb=create)", "kubelet-api-admin"),
    ],
)
def test_c14_a_kubelet_out_of_reach_fails_with_what_helps(said: str, cure: str) -> None:
    broken = replace(FINE, exec=Try(said))
    finding = found(kubelet_reach, kubelet=broken)["node1"]
    assert (finding.status, finding.saw) == (Status.FAIL, f"exec: {said}")
    assert cure in finding.cure


def test_c14_one_kubelet_that_could_not_be_asked_hides_no_other() -> None:
    findings = found(kubelet_reach, kubelet=Unknown("no answer within 20 s"))
    assert [f.status for f in findings.values()] == [Status.ERROR] * 3
    assert [*findings] == ["node1", "node2", "node3"]


def test_c14_without_a_pod_the_kubelets_health_decides() -> None:
    assert found(kubelet_reach, kubelet=Kubelet(Try("")))["node1"].status is Status.PASS
    down = found(kubelet_reach, kubelet=Kubelet(Try("connection refused")))["node1"]
    assert down.status is Status.FAIL


FORBIDDEN = Try('(Forbidden): nodes "node1" is forbidden: User "me" cannot get "nodes/proxy"')


def test_c14_who_may_not_ask_for_health_can_still_try_a_pod() -> None:
    assert found(kubelet_reach, kubelet=replace(FINE, health=FORBIDDEN))["node1"].status is (
        Status.PASS
    )
    finding = found(kubelet_reach, kubelet=Kubelet(FORBIDDEN))["node1"]
    assert finding.status is Status.WARN
    assert "nobody could try" in finding.saw


WIDE = replace(INVENTORY, policy=Policy(brick_ports=PortRange(49152, 60999)))


@pytest.mark.parametrize(
    ("inventory", "image", "status"),
    [
        (INVENTORY, Image("p", "4.1.5", "enabled"), Status.PASS),
        (INVENTORY, Image("p", "9.6", "enabled"), Status.PASS),
        (INVENTORY, Image("p", "10.3", "enabled"), Status.FAIL),
        (WIDE, Image("p", "10.3", "enabled"), Status.PASS),
        (INVENTORY, Image("p", "10.3", "enabled", PortRange(49152, 49251)), Status.PASS),
    ],
)
def test_n40_brick_ports_are_those_of_the_images_gluster(
    inventory: Inventory, image: Image, status: Status
) -> None:
    finding = found(gluster_image, inventory, image=image)["brick ports"]
    assert finding.status is status
    assert (finding.cure == "policy: {brick_ports: 49152-60999}") is (status is Status.FAIL)


@pytest.mark.parametrize(
    ("rpcbind", "socket", "status"),
    [
        (Rpcbind.POD, "enabled", Status.PASS),
        (Rpcbind.POD, "masked", Status.FAIL),  # N12
        (Rpcbind.POD, "", Status.FAIL),
        (Rpcbind.HOST, "masked", Status.PASS),
        (Rpcbind.HOST, "enabled", Status.FAIL),  # N11
    ],
)
def test_n11_n12_rpcbind_is_the_images_or_the_hosts(
    rpcbind: Rpcbind, socket: str, status: Status
) -> None:
    inventory = replace(INVENTORY, policy=Policy(rpcbind=rpcbind))
    finding = found(gluster_image, inventory, image=Image("p", "4.1.5", socket))["rpcbind"]
    assert finding.status is status
    if status is Status.FAIL:
        other = Rpcbind.HOST if rpcbind is Rpcbind.POD else Rpcbind.POD
        assert f"rpcbind: {other.value}" in finding.cure


def test_c13_an_image_that_cannot_be_asked_is_a_warning_and_is_named() -> None:
    finding = one(gluster_image, image=Image(""))
    assert (finding.subject, finding.status) == ("gluster/gluster-centos:latest", Status.WARN)
    pinned = with_deployer(images=(("gluster/gluster-centos", "mine/gluster:1"),))
    broken = one(gluster_image, pinned, image=Image("p", complaint="refused"))
    assert (broken.subject, broken.status) == ("mine/gluster:1", Status.WARN)
    assert "refused" in broken.saw


def test_gk_deploy_is_found_and_known() -> None:
    assert found(gk_deploy)["gk-deploy"].saw == "/g/deploy/gk-deploy, commit 7246eb4"
    nowhere = one(gk_deploy, gk_deploy=None)
    assert (nowhere.status, nowhere.saw) == (Status.FAIL, "found nowhere")
    assert "checkout 7246eb4" in nowhere.cure
    named = one(gk_deploy, with_deployer(gk_deploy="/x/gk-deploy"), gk_deploy=None)
    assert named.saw == "/x/gk-deploy is not there"
    alone = one(gk_deploy, gk_deploy=replace(SCRIPT, templates=False))
    assert (alone.status, "kube-templates" in alone.saw) == (Status.FAIL, True)


def test_a_gk_deploy_that_is_not_known_is_a_warning_with_its_checksum() -> None:
    finding = one(gk_deploy, gk_deploy=replace(SCRIPT, sha256="ab" * 32, commit="1234567"))
    assert finding.status is Status.WARN
    assert "commit 1234567, SHA-256 abababababab" in finding.saw


def test_c4_without_any_python_it_fails() -> None:
    finding = one(gk_deploy, python=None)
    assert (finding.status, finding.says) == (Status.FAIL, "python: command not found")


# --- what an earlier deployment has left -------------------------------------------------------


def test_d10_a_heketi_that_runs_is_a_warning_whatever_else_is_there() -> None:
    finding = one(earlier_deployment, objects=(HEKETI, CONFIG), topology=TOPOLOGY[:2])
    assert (finding.subject, finding.status) == ("heketi", Status.WARN)
    assert finding.cure == "heketi-cli node add, heketi-cli device add"


def test_a_heketi_that_is_not_ready_fails() -> None:
    finding = one(earlier_deployment, objects=(replace(HEKETI, ready=0),))
    assert (finding.subject, finding.status) == ("heketi", Status.FAIL)


GOOD = (
    replace(HEKETI, ready=0),
    Object("Service", "heketi"),
    Object("DaemonSet", "glusterfs", 3, 3),
    Object("Endpoints", "heketi-storage-endpoints"),
    Object("Service", "heketi-storage-endpoints"),
    CONFIG,
    Object("Secret", "heketi-admin-key"),
)
"""What a good deployment has made, while its heketi restarts."""


def test_nothing_of_a_deployment_whose_heketi_restarts_is_a_leftover() -> None:
    """Its pod mounts the secret, and its volume through the endpoints: to delete them ends it."""
    others = TOPOLOGY[:2]  # a node was added since, by heketi-cli
    findings = [*found(earlier_deployment, objects=GOOD, topology=others).values()]
    assert [(each.subject, each.status) for each in findings] == [("heketi", Status.FAIL)]
    assert findings[0].cure.endswith(" describe pods --selector=heketi=pod")


def test_a_heketi_service_without_a_deployment_fails_beside_what_else_is_left() -> None:
    findings = found(earlier_deployment, objects=(Object("Service", "heketi"), *ENDPOINTS))
    assert {subject: each.status for subject, each in findings.items()} == {
        "heketi": Status.FAIL,
        "heketi-storage": Status.FAIL,
    }


def test_what_gkprep_itself_has_made_is_no_leftover() -> None:
    keys = (Object("Secret", "heketi-admin-key"),)
    [finding] = found(earlier_deployment, objects=keys).values()
    assert finding.status is Status.PASS


def test_d9_the_stored_topology_is_compared_with_the_inventory() -> None:
    same = found(earlier_deployment, objects=(CONFIG,), topology=TOPOLOGY)
    assert same[CONFIG.name].status is Status.PASS
    other = (
        replace(TOPOLOGY[0], storage="10.0.0.1", zone=2, devices=("/dev/sdb",)),
        TOPOLOGY[1],
        replace(TOPOLOGY[2], name="node4"),
    )
    finding = one(earlier_deployment, objects=(CONFIG,), topology=other)
    assert finding.status is Status.FAIL
    assert finding.saw == (
        "another topology, which gk-deploy would load:"
        " node1 has storage 10.0.0.1, not 10.78.0.11; node1 has zone 2, not 1;"
        " node1 has /dev/sdb; node3 is not in it; node4 is in it, and not in the inventory"
    )
    assert finding.cure.endswith("delete secret/heketi-config-secret")


def test_d9_a_secret_without_a_topology_is_another_one() -> None:
    assert one(earlier_deployment, objects=(CONFIG,), topology=None).status is Status.FAIL


ENDPOINTS = (
    Object("Endpoints", "heketi-storage-endpoints"),
    Object("Service", "heketi-storage-endpoints"),
)
JOB = Object("Job", "heketi-storage-copy-job", 0, 1)
BEGUN = (Object("Deployment", "deploy-heketi", 1, 1), Object("Service", "deploy-heketi"))


@pytest.mark.parametrize("also", [(JOB,), BEGUN, (*BEGUN, JOB)])
def test_d8_a_volume_that_was_made_already_fails(also: tuple[Object, ...]) -> None:
    finding = one(earlier_deployment, objects=(*ENDPOINTS, *also))
    assert (finding.status, finding.says) == (
        Status.FAIL,
        "Volume heketidbstorage already exists",
    )
    assert finding.cure == "gkprep deploy --abort"


def test_c11_endpoints_that_are_left_alone_fail() -> None:
    finding = one(earlier_deployment, objects=ENDPOINTS)
    assert finding.says == 'endpoints "heketi-storage-endpoints" already exists'
    assert finding.cure.endswith(
        "delete service/heketi-storage-endpoints endpoints/heketi-storage-endpoints"
    )


def test_a_deployment_that_can_be_carried_on_is_a_warning() -> None:
    finding = one(earlier_deployment, objects=(*BEGUN, CONFIG), topology=TOPOLOGY)
    assert (finding.subject, finding.status) == ("deploy-heketi", Status.WARN)


def test_d5_a_daemonset_that_is_there_stays_as_it_is() -> None:
    finding = one(earlier_deployment, objects=(Object("DaemonSet", "glusterfs", 2, 3),))
    assert finding.status is Status.WARN
    assert "2 of 3 pods ready; it stays as it is" in finding.saw


def test_d11_a_label_on_a_node_that_is_not_listed_is_a_warning() -> None:
    labelled = members(
        member("extra", label="glusterfs"),
        member("node1", label="glusterfs"),
        member("other", label="second-daemonset"),
    )
    finding = one(earlier_deployment, nodes=labelled)
    assert (finding.subject, finding.status) == ("extra", Status.WARN)
    assert finding.cure.endswith("label node extra storagenode-")


BREAKS: list[tuple[Check, dict[str, Any]]] = [
    (kubectl, {"client": Told(None, "x")}),
    (kubernetes_nodes, {"nodes": ()}),
    (kubernetes_namespace, {"namespace": None}),
    (kubernetes_rights, {"rights": (Right("get", "pods", allowed=False),)}),
    (kubelet_reach, {"kubelet": Kubelet(Try("refused"))}),
    (earlier_deployment, {"objects": GOOD}),
    (earlier_deployment, {"objects": (*ENDPOINTS, Object("Service", "heketi"))}),
    (earlier_deployment, {"objects": (HEKETI,)}),
    (gk_deploy, {"gk_deploy": None, "python": None}),
]


@pytest.mark.parametrize(("check", "given"), BREAKS)
def test_what_fails_says_how_it_is_cured(check: Check, given: dict[str, Any]) -> None:
    statuses = {Status.FAIL, Status.WARN}
    broken = [each for each in found(check, **given).values() if each.status in statuses]
    assert broken
    assert all(each.cure for each in broken)


Parser = Callable[[str], object]


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (kubernetes.client("kubectl").parse, "0\nnothing\n"),
        (kubernetes.server("kubectl").parse, '0\n{"major":"","minor":"","gitVersion":"v0.0.0"}\n'),
        (kubernetes.kubelet("kubectl", "n").parse, "health 0 ok\npod a/b\nlogs 0 \n"),
        (kubernetes.topology("kubectl", "n").parse, "no base64!"),
        (deployer.gk_deploy("").parse, "/g\n\nyes\n\n"),
    ],
)
def test_what_is_no_answer_is_unknown(parse: Parser, text: str) -> None:
    with pytest.raises(Unknown):
        parse(text)


def test_a_login_plugin_may_talk_before_the_version() -> None:
    text = '0\nlogged in as me\n{"major":"1","minor":"14+","gitVersion":"v1.14.8-gke"}\n'
    assert kubernetes.server("kubectl").parse(text) == Told(Version(1, 14, "v1.14.8-gke"))


@pytest.mark.parametrize(
    "no_true",
    [
        'exec failed: exec: "true": executable file not found in $PATH',
        "command terminated with exit code 127",
    ],
)
def test_an_exec_that_found_no_program_has_reached_the_kubelet(no_true: str) -> None:
    told = kubernetes.kubelet("kubectl", "n").parse(
        f"health 137 \npod a/b\nlogs 0 \nexec 1 {no_true}\n"
    )
    assert (told.exec, told.health) == (Try(""), Try("no answer within 8 s", late=True))


@pytest.mark.parametrize(
    "said",
    [
        # Of the API server, where its tunnel to the nodes is a socket that is not there.
        "error dialing backend: dial unix /run/k.sock: connect: no such file or directory",
        # Of a kubelet whose container runtime has died.
        "rpc error: dial unix /run/containerd/containerd.sock: connect: no such file or directory",
        # Of runc, whatever the program: the pod's processes cannot be joined.
        "OCI runtime exec failed: exec failed: cannot exec in a stopped container: unknown",
    ],
)
def test_an_exec_that_works_nowhere_is_no_success(said: str) -> None:
    told = kubernetes.kubelet("kubectl", "n").parse(
        f"health 0 ok\npod a/b\nlogs 0 \nexec 1 {said}\n"
    )
    assert told.exec == Try(said)


OLD_GLUSTER = """\
glusterfs 4.1.5
rpcbind.socket masked
base-port 50000
max-port 50100
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pod\nsh: gluster: not found\n", Image("pod", complaint="sh: gluster: not found")),
        ("pod\n", Image("pod", complaint="it says nothing")),
        (
            f"pod\nDefaulting container name to glusterfs.\n{OLD_GLUSTER}",
            Image("pod", "4.1.5", "masked", PortRange(50000, 50100)),
        ),
    ],
)
def test_an_image_tells_what_it_can(text: str, told: Image) -> None:
    assert kubernetes.image("kubectl", "n").parse(text) == told


def test_a_right_that_could_not_be_asked_for_is_unknown() -> None:
    parse = kubernetes.rights("kubectl", "n").parse
    for text, why in (("! refused\nasked 1\n", "refused"), ("asked 2\n", "0 answers, but asked 2")):
        with pytest.raises(Unknown, match=why):
            parse(text)
