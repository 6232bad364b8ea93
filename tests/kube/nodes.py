"""Nodes as kubelets would register them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .api import Object
from .statuses import now

KUBELET_PORT = 10250
LOCAL = "localhost"
"""The ExternalDNS address of every node, by which the API server reaches kwok for exec and logs.

A node's InternalIP is the storage address that an inventory names, where no kubelet is."""


@dataclass(frozen=True)
class Node:
    """One node. `taints` are written as kubectl takes them: `key[=value]:effect`."""

    name: str
    address: str
    ready: bool = True
    schedulable: bool = True
    taints: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    architecture: str = "amd64"

    def manifest(self) -> Object:
        """The object, with its status."""
        labels = {
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": self.architecture,
        }
        spec: Object = {"taints": [_taint(taint) for taint in self.taints]}
        if not self.schedulable:
            spec["unschedulable"] = True
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": {**labels, **self.labels}},
            "spec": spec,
            "status": self._status(),
        }

    def _status(self) -> Object:
        room = {"cpu": "4", "memory": "8Gi", "ephemeral-storage": "100Gi", "pods": "110"}
        addresses = {"InternalIP": self.address, "Hostname": self.name, "ExternalDNS": LOCAL}
        return {
            "capacity": room,
            "allocatable": room,
            "conditions": self._conditions(),
            "addresses": [{"type": kind, "address": a} for kind, a in addresses.items()],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
            "nodeInfo": {
                "architecture": self.architecture,
                "operatingSystem": "linux",
                "kernelVersion": "5.10.0",
                "osImage": "Debian GNU/Linux 11 (bullseye)",
                "containerRuntimeVersion": "containerd://1.4.13",
                "kubeletVersion": "v1.20.2",
                "kubeProxyVersion": "v1.20.2",
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
            },
        }

    def _conditions(self) -> list[Object]:
        fine = {
            "MemoryPressure": ("KubeletHasSufficientMemory", "has sufficient memory available"),
            "DiskPressure": ("KubeletHasNoDiskPressure", "has no disk pressure"),
            "PIDPressure": ("KubeletHasSufficientPID", "has sufficient PID available"),
        }
        found = [_condition(kind, "False", r, f"kubelet {m}") for kind, (r, m) in fine.items()]
        if self.ready:
            return [*found, _condition("Ready", "True", "KubeletReady", "kubelet is ready")]
        return [*found, _condition("Ready", "False", "KubeletNotReady", "PLEG is not healthy")]


NODES = tuple(Node(f"node{number}", f"10.78.0.{10 + number}") for number in (1, 2, 3))
"""The virtual machines of the laboratory, by their storage addresses."""


def _taint(text: str) -> Object:
    left, _, effect = text.rpartition(":")
    key, _, value = left.partition("=")
    return {"key": key, "effect": effect} | ({"value": value} if value else {})


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    times = {"lastHeartbeatTime": now(), "lastTransitionTime": now()}
    return {"type": kind, "status": status, "reason": reason, "message": message, **times}
