"""Inventory -> the node that deploys: this machine, judged by the same engine as any other."""

from __future__ import annotations

import os

from preflight.model import Inventory, Node, Role, Site

NAME, HERE = "controller", "localhost"
OTHERWISE = "(controller)"
"""What the controller is called where a node has its name; no node can be called so."""


def controller(inventory: Inventory) -> Node:
    """The machine gkprep runs on, with all that its checks compare the cluster with.

    It is asked as the user that runs gkprep, whose kubeconfig and rights are what matters.
    """
    taken = any(node.name == NAME for node in inventory.nodes)
    return Node(
        name=OTHERWISE if taken else NAME,
        address=HERE,
        storage=None,
        role=Role.CONTROLLER,
        become=False,
        policy=inventory.policy,
        site=Site(inventory.nodes, inventory.deployer, kubeconfig()),
    )


def kubeconfig() -> str:
    """The user's $KUBECONFIG, which may be a list, for a kubectl that is started anywhere.

    An undo is in another folder by then, and gk-deploy has one of its own.
    """
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)
    return os.pathsep.join(os.path.abspath(each) for each in named if each)  # noqa: PTH100 - no links followed
