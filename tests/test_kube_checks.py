"""The controller's checks of a real API server: as it is in order, then broken by kubectl."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from preflight import topology as heketi
from preflight.model import (
    Deployer,
    Device,
    Inventory,
    Node,
    Policy,
    PortRange,
    Role,
    Status,
)
from tests import kube as played
from tests.kube import Plane
from tests.kube_checked import STORAGE, broken, look

pytestmark = pytest.mark.kube

POD = {
    "metadata": {"labels": {"glusterfs": "pod"}},
    "spec": {
        "nodeSelector": {"storagenode": "glusterfs"},
        "containers": [{"name": "glusterfs", "image": "gluster/gluster-centos:latest"}],
    },
}
DAEMONSET = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "glusterfs"},
    "spec": {"selector": {"matchLabels": {"glusterfs": "pod"}}, "template": POD},
}


@pytest.fixture
def inventory(kube: Plane, namespace: str) -> Inventory:
    return Inventory(
        STORAGE,
        deployer=Deployer(kubectl=kube.client, kubeconfig=kube.kubeconfig, namespace=namespace),
    )


def test_a_cluster_that_is_in_order_passes(inventory: Inventory, tmp_path: Path) -> None:
    script = tmp_path / "deploy/gk-deploy"
    (script.parent / "kube-templates").mkdir(parents=True)
    for file in (script, script.with_name("heketi.json.template")):
        file.write_text("#!/bin/bash\n")
    (script.parent / "kube-templates/heketi-deployment.yaml").touch()
    deployer = replace(inventory.deployer, gk_deploy=script)
    table = look(replace(inventory, deployer=deployer))
    assert broken(table) == {
        ("gk-deploy", "gk-deploy"): Status.WARN,  # none that is known
        ("gluster-image", "gluster/gluster-centos:latest"): Status.WARN,
    }
    assert table["kubectl", "API server"].saw == "v1.20.2"
    assert table["kubernetes-rights", "rights"].saw == "every right in the cluster"


def test_nodes_that_are_not_as_the_inventory_says(kube: Plane, inventory: Inventory) -> None:
    one, two, _ = played.NODES
    kube.nodes(
        replace(one, taints=("node-role.kubernetes.io/master:NoSchedule",)),
        replace(two, ready=False),
        played.Node(
            "arm4", "10.78.0.14", architecture="arm64", labels={"storagenode": "glusterfs"}
        ),
    )
    inventory = replace(
        inventory, nodes=(*STORAGE, Node("arm4", "arm4", "10.78.0.14", role=Role.CLIENT))
    )
    asked = ("kubernetes-nodes", "kubernetes-taints", "node-architecture", "earlier-deployment")
    assert broken(look(inventory, *asked)) == {
        ("kubernetes-nodes", "node2"): Status.FAIL,
        ("kubernetes-nodes", "node3"): Status.FAIL,
        ("kubernetes-taints", "node1"): Status.FAIL,
        ("kubernetes-taints", "node3"): Status.SKIP,
        ("node-architecture", "node3"): Status.SKIP,
        ("node-architecture", "arm4"): Status.WARN,
        ("earlier-deployment", "arm4"): Status.WARN,
    }
    tolerant = replace(inventory.deployer, tolerate=("node-role.kubernetes.io/master:NoSchedule",))
    table = look(replace(inventory, deployer=tolerant), "kubernetes-taints")
    assert table["kubernetes-taints", "node1"].status is Status.PASS


def test_a_node_that_is_not_listed(inventory: Inventory) -> None:
    fewer = replace(inventory, nodes=STORAGE[:2])
    assert broken(look(fewer, "kubernetes-nodes")) == {("kubernetes-nodes", "node3"): Status.WARN}


def test_a_namespace_that_is_not_there(inventory: Inventory) -> None:
    nowhere = replace(inventory, deployer=replace(inventory.deployer, namespace="no-such"))
    asked = ("kubernetes-namespace", "earlier-deployment", "gluster-image")
    assert broken(look(nowhere, *asked)) == {
        ("kubernetes-namespace", "no-such"): Status.FAIL,
        ("gluster-image", "gluster/gluster-centos:latest"): Status.WARN,
    }


def test_a_user_without_rights(kube: Plane, inventory: Inventory) -> None:
    guest = replace(inventory, deployer=replace(inventory.deployer, kubeconfig=kube.guest))
    table = look(guest)
    assert table["kubernetes-rights", "rights"].status is Status.FAIL
    assert "create daemonsets.apps" in table["kubernetes-rights", "rights"].saw
    reach = [f for (check, _), f in table.items() if check == "kubelet-reach"]
    assert {finding.status for finding in reach} == {Status.WARN}
    assert Status.ERROR in {f.status for f in table.values()}


def test_a_binding_of_another_namespace(kube: Plane, inventory: Inventory) -> None:
    words = ("clusterrolebinding", "heketi-sa-view")
    account = f"{inventory.deployer.namespace}:heketi-service-account"
    try:
        for given, status in (
            ("other:heketi-service-account", Status.FAIL),
            (account, Status.PASS),
        ):
            kube.kubectl("create", *words, "--clusterrole=edit", f"--serviceaccount={given}")
            [finding] = look(inventory, "kubernetes-binding").values()
            assert finding.status is status
            kube.kubectl("delete", *words)
    finally:
        kube.kubectl("delete", *words, "--ignore-not-found")


def test_what_an_earlier_deployment_left(kube: Plane, inventory: Inventory, tmp_path: Path) -> None:
    namespace = ("-n", inventory.deployer.namespace)
    stored = tmp_path / "topology.json"
    secret = ("secret", "generic", "heketi-config-secret", f"--from-file=topology.json={stored}")
    stored.write_text(heketi.render(inventory))
    kube.kubectl(*namespace, "create", *secret)
    assert broken(look(inventory, "earlier-deployment")) == {}
    edited = replace(STORAGE[0], devices=(Device("/dev/sdb"),))
    other = replace(inventory, nodes=(edited, *STORAGE[1:]))
    table = look(other, "earlier-deployment")
    assert "node1 has /dev/sda" in table["earlier-deployment", "heketi-config-secret"].saw
    kube.kubectl(
        *namespace, "create", "service", "clusterip", "heketi-storage-endpoints", "--tcp=1"
    )
    left = look(inventory, "earlier-deployment")["earlier-deployment", "heketi-storage"]
    assert (left.status, "already exists" in left.says) == (Status.FAIL, True)


@contextmanager
def gluster(kube: Plane, inventory: Inventory) -> Iterator[None]:
    """GlusterFS pods on every node."""
    kube.kubectl("label", "nodes", "--all", "storagenode=glusterfs", "--overwrite")
    kube.apply(DAEMONSET, inventory.deployer.namespace)
    words = ("-n", inventory.deployer.namespace, "rollout", "status", "daemonset/glusterfs")
    kube.kubectl(*words, "--timeout=60s")
    yield


OF_10 = {
    "gluster --version": (0, "glusterfs 10.3"),
    "systemctl is-enabled rpcbind.socket": (1, "masked"),
    "systemctl show --property=Requires glusterd.service": (
        0,
        "Requires=basic.target system.slice",
    ),
}


def test_an_image_that_runs_is_asked(kube: Plane, inventory: Inventory) -> None:
    for node in played.NODES:
        kube.answers(node.name, OF_10)
    with gluster(kube, inventory):
        assert broken(look(inventory, "gluster-image", "kubelet-reach")) == {
            ("gluster-image", "brick ports"): Status.FAIL,
            ("gluster-image", "rpcbind"): Status.FAIL,
        }
        wide = replace(inventory, policy=Policy(brick_ports=PortRange(49152, 60999)))
        table = look(wide, "gluster-image", "kubelet-reach")
        assert table["gluster-image", "brick ports"].status is Status.PASS
        assert "exec and logs in" in table["kubelet-reach", "node1"].saw
        for node in played.NODES:
            kube.answers(
                node.name, {"systemctl is-enabled gluster-blockd.service": (1, "disabled")}
            )
        rpcbind = look(wide, "gluster-image")["gluster-image", "rpcbind"]
        assert (rpcbind.status, rpcbind.want) == (Status.PASS, "whichever policy.rpcbind")


# --- the version gate --------------------------------------------------------------------------


@contextmanager
def server_of(version: str, folder: Path) -> Iterator[Path]:
    """A kubeconfig of a server that says no more than its version."""
    major, minor, _ = version.split(".")

    class Says(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            info = {"major": major, "minor": minor, "gitVersion": f"v{version}"}
            body = json.dumps(info).encode()
            self.send_response(200 if self.path.partition("?")[0] == "/version" else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Says) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            cluster = [{"name": "c", "cluster": {"server": address}}]
            contexts = [{"name": "x", "context": {"cluster": "c", "user": ""}}]
            file = folder / "kubeconfig"
            config = {"apiVersion": "v1", "kind": "Config", "clusters": cluster}
            file.write_text(json.dumps({**config, "contexts": contexts, "current-context": "x"}))
            yield file
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("1.14.10", Status.PASS),
        ("1.25.16", Status.WARN),
        ("1.26.0", Status.FAIL),
        ("1.31.2", Status.FAIL),
    ],
)
def test_the_version_gate(kube: Plane, tmp_path: Path, version: str, status: Status) -> None:
    with server_of(version, tmp_path) as kubeconfig:
        deployer = Deployer(kubectl=kube.client, kubeconfig=kubeconfig)
        table = look(Inventory(STORAGE, deployer=deployer), "kubernetes-version", "kubectl")
    assert table["kubernetes-version", "API server"].status is status
    assert table["kubectl", "API server"].saw == f"v{version}"
