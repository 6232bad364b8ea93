"""A Kubernetes 1.20.2 control plane whose nodes are played.

    python -m tests.kube up | shell | status | down | build

etcd, API server, controller manager and scheduler are the real ones, so gk-deploy, kubectl and
the in-tree GlusterFS provisioner meet what they meet anywhere. Instead of kubelets there are kwok
and `tests.kube.pods`: pods get an address and are ready in no time, unless a test holds them, and
what a command in a pod prints is recorded. Only heketi's pods have a server behind them.

All of it lives in a network namespace, its own or the virtual machines'; the API server is reached
from outside too, by the same address.
"""

from __future__ import annotations

from .errors import CommandError, KubeError
from .holds import Hold
from .nodes import NODES, Node
from .plane import Plane

__all__ = ["NODES", "CommandError", "Hold", "KubeError", "Node", "Plane"]
