"""The three nodes as numbers and names: everything that follows from a node's number."""

from __future__ import annotations

from dataclasses import dataclass

MANAGEMENT = "10.77.0"
"""First three numbers of the network that SSH uses. The controller is .1, nodes are .11-.13."""
STORAGE = "10.78.0"
"""First three numbers of the network that is Gluster's own, with the same last numbers."""


@dataclass(frozen=True)
class Node:
    """One node of the laboratory, not yet a machine."""

    number: int

    @property
    def name(self) -> str:
        """The host name, and the Kubernetes node name in the inventory."""
        return f"node{self.number}"

    @property
    def address(self) -> str:
        """The address that SSH connects to."""
        return f"{MANAGEMENT}.1{self.number}"

    @property
    def storage(self) -> str:
        """The address that Gluster would use."""
        return f"{STORAGE}.1{self.number}"

    @property
    def disk(self) -> str:
        """Path of the data disk on the node."""
        return "/dev/sda"

    @property
    def serial(self) -> str:
        """Serial number of the data disk."""
        return f"LABDATA{self.number}"


NODES = (Node(1), Node(2), Node(3))
