"""What gkprep itself makes in the cluster: a StorageClass, and the secret that it refers to."""

from __future__ import annotations

import base64
from typing import Any

from preflight.deploy.keys import Keys
from preflight.facts import deployment as facts
from preflight.facts.deployment import OWN, SECRET, STORAGE_CLASS
from preflight.facts.kubernetes.claims import GLUSTERFS

LABELS = dict([OWN])

Manifest = dict[str, Any]


def storage_class(namespace: str, ip: str, *, copies: int = 3) -> Manifest:
    """The StorageClass, of the version that is still there on 1.22 and later (C10)."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS, "labels": LABELS},
        "provisioner": GLUSTERFS,
        "parameters": facts.storage_parameters(namespace, ip, copies=copies),
    }


def secret(namespace: str, keys: Keys) -> Manifest:
    """Both keys; the provisioner reads `key`, and wants the secret to be of its own type."""
    data = {"key": keys.admin, "user-key": keys.user}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": namespace, "labels": LABELS},
        "type": GLUSTERFS,
        "data": {name: base64.b64encode(key.encode()).decode() for name, key in data.items()},
    }


def claim(namespace: str, name: str) -> Manifest:
    """The smallest volume that heketi makes, which shows that all of it works."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace, "labels": LABELS},
        "spec": {
            "storageClassName": STORAGE_CLASS,
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
