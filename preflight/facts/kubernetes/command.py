"""How kubectl is called: the words that lead to the inventory's cluster."""

from __future__ import annotations

import shlex

from preflight.model import Deployer, Node, Site

KUBECTL = "kubectl"
"""What probes are answered `by` that fail, with kubectl's own words, where it has no answer."""

TIMEOUT = 10
"""Seconds for one request, so that a server that does not answer leaves time to say so."""


def site(node: Node) -> Site:
    """What the controller knows; raises ValueError for any other node."""
    if node.site is None:
        raise ValueError(f"{node.name} is not the controller")
    return node.site


def kubectl(node: Node) -> str:
    """Shell words that call kubectl as the inventory's `deployer` says."""
    deployer = site(node).deployer
    return shlex.join([deployer.kubectl, f"--request-timeout={TIMEOUT}s", *way(deployer)])


def way(deployer: Deployer) -> tuple[str, ...]:
    """The options that lead any kubectl to the inventory's cluster."""
    told = (("kubeconfig", deployer.kubeconfig), ("context", deployer.context))
    return tuple(f"--{name}={value}" for name, value in told if value)


def get(kubectl: str, url: str) -> str:
    """A command that prints what the API server answers at `url`."""
    return f"{kubectl} get --raw {shlex.quote(url)}"
