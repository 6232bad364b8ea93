"""Pods that are kept from getting on, as those of a broken node are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

STATUS_PROBE = """\
Readiness probe failed: /usr/local/bin/status-probe.sh
failed check: systemctl -q is-active glusterd.service
"""
"""The event of a Gluster pod whose glusterd does not run: `command -v` prints the path, then the
image's status-probe.sh says which of its checks failed."""

REFUSED = (
    'Readiness probe failed: Get "http://{ip}:8080/hello": '
    "dial tcp {ip}:8080: connect: connection refused"
)


@dataclass(frozen=True)
class Hold:
    """Keeps the pods with these labels, on `node` or on all, from getting ready or completing.

    `message` is that of the kubelet's event `Unhealthy`; `{ip}` in it is the pod's address.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    node: str | None = None
    owner: str | None = None
    message: str = ""

    @classmethod
    def gluster(cls, node: str, message: str = STATUS_PROBE) -> Hold:
        """The pod of the DaemonSet glusterfs on this node stays READY 0/1."""
        return cls({"glusterfs": "pod"}, node, "DaemonSet", message)

    @classmethod
    def heketi(cls) -> Hold:
        """The pods of heketi and of deploy-heketi stay READY 0/1, and nothing answers there."""
        return cls({"glusterfs": "heketi-pod"}, message=REFUSED)

    @classmethod
    def job(cls, name: str | None = None) -> Hold:
        """The pods of the Job `name`, or of any, run and never complete."""
        return cls({"job-name": name} if name else {}, owner="Job")

    def takes(self, pod: Mapping[str, Any]) -> bool:
        """Whether it is about this pod."""
        about = pod["metadata"]
        owners = {owner["kind"] for owner in about.get("ownerReferences", ())}
        return (
            self.labels.items() <= about.get("labels", {}).items()
            and self.node in (None, pod["spec"].get("nodeName"))
            and (self.owner is None or self.owner in owners)
        )


def write(file: Path, holds: list[Hold]) -> None:
    """Write them to where the process that plays the pods looks."""
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps([asdict(hold) for hold in holds]))
    draft.rename(file)


def read(file: Path) -> list[Hold]:
    """Those that are in force."""
    return [Hold(**row) for row in json.loads(file.read_text())] if file.exists() else []
