"""The cluster's nodes, as the API server lists them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from preflight.facts.kubernetes.command import KUBECTL, get
from preflight.model import Probe

LABEL = "storagenode"
"""What gk-deploy puts on the nodes that its DaemonSet is for, with the value `glusterfs`."""


@dataclass(frozen=True)
class Taint:
    """What keeps pods away that do not tolerate it; `effect` says whether new ones or all."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        """As `kubectl taint` spells it."""
        return f"{self.key}={self.value}:{self.effect}" if self.value else self.toleration

    @property
    def toleration(self) -> str:
        """As the inventory's `deployer.tolerate` spells what tolerates it, whatever its value."""
        return f"{self.key}:{self.effect}"

    @property
    def keeps_off(self) -> bool:
        """Whether no pod comes there that does not tolerate it; a third effect only rates."""
        return self.effect in {"NoSchedule", "NoExecute"}


@dataclass(frozen=True)
class Member:
    """One node of the cluster.

    `unready` is why it is not Ready, empty where it is. `addresses` are its InternalIPs, `label`
    the value of LABEL, None without it; `architecture` is as Go names it, `amd64`.
    """

    name: str
    unready: str
    addresses: tuple[str, ...]
    schedulable: bool
    taints: tuple[Taint, ...]
    label: str | None
    architecture: str


def parse_nodes(text: str) -> tuple[Member, ...]:
    """A NodeList (Kubernetes API, core/v1), in its order."""
    return tuple(_member(item) for item in json.loads(text)["items"])


def _member(item: dict[str, Any]) -> Member:
    spec, status = item.get("spec", {}), item.get("status", {})
    info, labels = status.get("nodeInfo", {}), item["metadata"].get("labels", {})
    return Member(
        name=item["metadata"]["name"],
        unready=_unready(status.get("conditions", [])),
        addresses=tuple(
            each["address"] for each in status.get("addresses", []) if each["type"] == "InternalIP"
        ),
        schedulable=not spec.get("unschedulable", False),
        taints=tuple(
            Taint(each["key"], each.get("value", ""), each["effect"])
            for each in spec.get("taints", [])
        ),
        label=labels.get(LABEL),
        architecture=info.get("architecture") or labels.get("kubernetes.io/arch", ""),
    )


def _unready(conditions: list[dict[str, Any]]) -> str:
    ready = next((each for each in conditions if each["type"] == "Ready"), None)
    if ready is None:
        return "it has never said that it is Ready"
    if ready["status"] == "True":
        return ""
    words = [ready.get("reason", ""), ready.get("message", "")]
    return ": ".join(filter(None, words)) or f"Ready is {ready['status']}"


def nodes(kubectl: str) -> Probe[tuple[Member, ...]]:
    """Every node of the cluster."""
    return Probe(
        f"kubernetes.nodes({kubectl})", get(kubectl, "/api/v1/nodes"), parse_nodes, by=KUBECTL
    )
