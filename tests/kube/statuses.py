"""The status of a pod as a kubelet would report it, and the events that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from .api import Object


def now() -> str:
    """This moment as Kubernetes writes it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def running(pod: Object, ip: str, host: str, *, ready: bool) -> Object:
    """All containers run; `ready` tells what their readiness probes say."""
    began = pod["status"].get("startTime", now())
    containers = [
        {
            **_container(container),
            "ready": ready,
            "started": True,
            "state": {"running": {"startedAt": began}},
        }
        for container in pod["spec"]["containers"]
    ]
    unready = {} if ready else _unready(pod)
    conditions = [
        _condition("Initialized", "True"),
        _condition("Ready", str(ready), unready),
        _condition("ContainersReady", str(ready), unready),
    ]
    addresses = {"hostIP": host, "podIP": ip, "podIPs": [{"ip": ip}], "startTime": began}
    return {
        "phase": "Running",
        "conditions": conditions,
        "containerStatuses": containers,
        **addresses,
    }


def completed(pod: Object) -> Object:
    """All containers have ended well."""
    ended = {"exitCode": 0, "reason": "Completed", "finishedAt": now()}
    ended["startedAt"] = pod["status"]["startTime"]
    containers = [
        {
            **_container(container),
            "ready": False,
            "started": False,
            "state": {"terminated": ended},
        }
        for container in pod["spec"]["containers"]
    ]
    reason = {"reason": "PodCompleted"}
    conditions = [
        _condition("Ready", "False", reason),
        _condition("ContainersReady", "False", reason),
    ]
    return {"phase": "Succeeded", "conditions": conditions, "containerStatuses": containers}


def is_ready(pod: Object) -> bool:
    """Whether its status says so."""
    conditions = pod["status"].get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def unhealthy(pod: Object, message: str) -> Object:
    """The kubelet's event about a probe that failed."""
    about = pod["metadata"]
    first = f"spec.containers{{{pod['spec']['containers'][0]['name']}}}"
    involved = {"apiVersion": "v1", "kind": "Pod", "fieldPath": first}
    involved |= {key: about[key] for key in ("namespace", "name", "uid", "resourceVersion")}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{about['name']}.unhealthy", "namespace": about["namespace"]},
        "involvedObject": involved,
        "type": "Warning",
        "reason": "Unhealthy",
        "message": message,
        "source": {"component": "kubelet", "host": pod["spec"]["nodeName"]},
        "firstTimestamp": now(),
        "lastTimestamp": now(),
        "count": 1,
    }


def _container(container: Mapping[str, Any]) -> Object:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "restartCount": 0,
    }


def _condition(kind: str, status: str, more: Mapping[str, str] | None = None) -> Object:
    # A merge keeps what the patch does not name: a reason of before has to be named to go.
    rest = more or dict.fromkeys(("reason", "message"))
    return {"type": kind, "status": status, "lastTransitionTime": now(), **rest}


def _unready(pod: Object) -> dict[str, str]:
    names = " ".join(container["name"] for container in pod["spec"]["containers"])
    message = f"containers with unready status: [{names}]"
    return {"reason": "ContainersNotReady", "message": message}
