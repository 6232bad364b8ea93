"""Objects of the shapes that gk-deploy makes, as small as the tests of the plane need them."""

from __future__ import annotations

from typing import Any

IMAGE = "example.invalid/nothing-pulls-this"


def workload(kind: str, name: str, labels: dict[str, str], **spec: Any) -> dict[str, Any]:
    """A DaemonSet, Deployment or Job whose pods have these labels; `spec` is that of its pods."""
    container = {"name": name, "image": IMAGE, **spec.pop("container", {})}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container], **spec}}
    if kind == "Job":
        pod["spec"] = {"restartPolicy": "Never", **pod["spec"]}
    selector = {} if kind == "Job" else {"selector": {"matchLabels": labels}}
    return {
        "apiVersion": "batch/v1" if kind == "Job" else "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {**selector, "template": pod},
    }


def gluster() -> dict[str, Any]:
    """The DaemonSet on the nodes with gk-deploy's label."""
    chosen = {"nodeSelector": {"storagenode": "glusterfs"}, "hostNetwork": True}
    return workload("DaemonSet", "glusterfs", {"glusterfs": "pod"}, **chosen)


def heketi(name: str = "heketi", key: str = "AdminKey1") -> list[dict[str, Any]]:
    """Secret, Deployment and Service of heketi, or of deploy-heketi."""
    labels = {"glusterfs": "heketi-pod", name: "pod"}
    environment = [{"name": "HEKETI_ADMIN_KEY", "value": key}]
    container = {"env": environment, "ports": [{"containerPort": 8080}]}
    volumes = [{"name": "config", "secret": {"secretName": "heketi-config-secret"}}]
    config = '{"port": "8080", "use_auth": true, "glusterfs": {"executor": "kubernetes"}}'
    port = {"port": 8080, "targetPort": 8080}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "heketi-config-secret"},
            "stringData": {"heketi.json": config, "topology.json": '{"clusters": []}'},
        },
        workload("Deployment", name, labels, container=container, volumes=volumes),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": labels, "ports": [port]},
        },
    ]
