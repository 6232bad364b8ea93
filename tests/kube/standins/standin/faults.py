"""What goes wrong: `faults.json` beside the configuration, read again for every request.

    {"device": {"node2:/dev/sda": "  Cannot use /dev/sda: device is partitioned"},
     "node":   {"node2": "New Node doesn't have glusterd running"},
     "volume": "Unable to execute command on glusterfs-abc: ...",
     "hang":   ["device", "node", "volume"]}

device: what LVM says, by node (its name in Kubernetes) and device; heketi's own words come first.
node, volume: the whole of what heketi answers. hang: what is accepted and never gets done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Faults:
    """Without a file nothing goes wrong."""

    device: Mapping[str, str] = field(default_factory=dict)
    node: Mapping[str, str] = field(default_factory=dict)
    volume: str = ""
    hang: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Faults:
        """The faults of now; an unknown key is a TypeError, since a fault misspelt is none."""
        return cls(**json.loads(path.read_text())) if path.exists() else cls()
