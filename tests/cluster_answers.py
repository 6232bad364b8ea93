"""A cluster as kubectl tells of it, for `gkprep diagnose`.

The answers are those of kubectl 1.20, and of a pod whose rpcbind.socket failed (the same words as
in tests/samples/diagnose/N11).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from preflight.controller import controller
from preflight.deploy.gk_deploy import GkDeploy
from preflight.deploy.why import told
from preflight.diagnose import cluster, match
from preflight.diagnose.evidence import Diagnosis, together
from preflight.facts.kubernetes.command import way
from preflight.model import Deployer, Inventory, Limits, Node
from preflight.transport.local import Here
from tests.diagnosed import SAMPLES, TABLE

PROBE = "failed check: systemctl -q is-active glusterd.service"
POD = "glusterfs-c7k4d"
READINESS = ["/bin/bash", "-c", "if command -v status-probe.sh; then status-probe.sh readiness; fi"]


def pod(name: str, node: str, *, ready: bool, **status: Any) -> dict[str, Any]:
    container = {"name": "main", "readinessProbe": {"exec": {"command": READINESS}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "gluster fs", "labels": labels_of(name)},
        "spec": {"nodeName": node, "containers": [container]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "main", "ready": ready, "restartCount": 0}],
            **status,
        },
    }


def labels_of(name: str) -> dict[str, str]:
    return {"heketi": "pod"} if name.startswith("heketi") else {"glusterfs": "pod"}


def node(name: str, status: str = "True") -> dict[str, Any]:
    ready = {
        "type": "Ready",
        "status": status,
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
    }
    return {"kind": "Node", "metadata": {"name": name}, "status": {"conditions": [ready]}}


def storage_class(name: str, provisioner: str) -> dict[str, Any]:
    return {"kind": "StorageClass", "metadata": {"name": name}, "provisioner": provisioner}


def event(name: str, message: str) -> dict[str, Any]:
    return {
        "kind": "Event",
        "involvedObject": {"kind": "Pod", "name": name, "namespace": "gluster fs"},
        "type": "Warning",
        "reason": "Unhealthy",
        "message": message,
    }


def claim(name: str, phase: str, provisioner: str = "kubernetes.io/glusterfs") -> dict[str, Any]:
    notes = {"volume.beta.kubernetes.io/storage-provisioner": provisioner}
    return {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default", "annotations": notes},
        "status": {"phase": phase},
    }


def daemonset(ready: int, wanted: int = 3) -> dict[str, Any]:
    status = {"desiredNumberScheduled": wanted, "numberReady": ready}
    return {"kind": "DaemonSet", "metadata": {"name": "glusterfs"}, "status": status}


HEKETI = pod("heketi-7f8b5d6c9d-x2v4q", "node1", ready=True)
GLUSTER = [pod(f"glusterfs-{n}", f"node{n}", ready=True) for n in (1, 3)]


class Cluster:
    """A folder with a kubectl in it, and its answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kubectl = folder / "kube ctl"
        shutil.copy(Path(__file__).parent / "kubectl.py", self.kubectl)
        self.kubectl.chmod(0o755)
        (folder / "kubectl.py").unlink(missing_ok=True)
        self.deployer = Deployer(
            kubectl=str(self.kubectl),
            kubeconfig=Path("/root/it's mine"),
            context="a;b",
            namespace="gluster fs",
        )

    def has(self, kind: str, *objects: dict[str, Any]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        (self.folder / f"{kind}.json").write_text(json.dumps(listed))

    def answers(self, url: str, answer: dict[str, Any]) -> None:
        """What the API server answers at `url`, whatever is asked behind its `?`."""
        self.says(f"raw{url}", json.dumps(answer))

    def says(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def asked(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "asked").read_text().splitlines()]

    def diagnosed(self, log: Path | None = None, limits: Limits | None = None) -> Diagnosis:
        nodes = tuple(Node(name, name, "10.78.0.1") for name in ("node1", "node2", "node3"))
        node = controller(Inventory(nodes, deployer=self.deployer))
        readings = cluster.read(node, Here(None), limits or Limits(), parallel=4)
        printed = [told(GkDeploy(), log)] if log else []
        return match.diagnose(
            together([*readings, *printed]),
            TABLE,
            kubectl=(self.deployer.kubectl, *way(self.deployer)),
            namespace=self.deployer.namespace,
        )


def well(folder: Path) -> Cluster:
    """Well: three Gluster pods, heketi, a bound claim; a claim of somebody else's waits."""
    folder.mkdir()
    plane = Cluster(folder)
    plane.has("pods", *GLUSTER, pod(POD, "node2", ready=True), HEKETI)
    plane.has("daemonsets", daemonset(3))
    plane.has("events", event(POD, f"Readiness probe failed: {PROBE}"))
    plane.has("persistentvolumeclaims", claim("data", "Bound"), claim("x", "Pending", "other.io/x"))
    plane.has("nodes", *(node(f"node{n}") for n in (1, 2, 3)), node("node4", "Unknown"))
    plane.has("storageclasses", storage_class("gold", "kubernetes.io/glusterfs"))
    for kind in ("pods Pending", "events FailedMount", "events PersistentVolumeClaim"):
        plane.has(kind)
    plane.says(f"logs/{HEKETI['metadata']['name']}", (SAMPLES / "N6/heketi.log").read_text())
    return plane


def break_node2(plane: Cluster) -> None:
    """READY 0/1, as the cluster shows it."""
    plane.has("pods", *GLUSTER, pod(POD, "node2", ready=False))
    plane.has("daemonsets", daemonset(2))
    plane.says(f"logs/{POD}", "")
    plane.says(
        f"exec/{POD}/systemctl status", (SAMPLES / "N11/glusterfs-c7k4d/systemctl.txt").read_text()
    )
    plane.says(f"exec/{POD}/journalctl", "-- No entries --\n")
    plane.says(f"exec/{POD}/status-probe.sh", f"{PROBE}\n")
