"""What heketi knows, in a JSON file: a server that is started again knows it still.

The records are the documents of heketi's REST interface (its pkg/glusterfs/api/types.go), only that
a record names what belongs to it by id. Sizes are in KiB, those of volumes in GiB.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

Record = dict[str, Any]
KINDS = ("clusters", "nodes", "devices", "volumes")


class State:
    """Records by kind and id; `save` after a change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        kept: dict[str, dict[str, Record]] = {}
        # An empty file is what `touch` left for a first start.
        if path.exists() and (text := path.read_text()):
            kept = json.loads(text)
        self.kinds = {kind: kept.get(kind, {}) for kind in KINDS}
        self.save()

    def __getitem__(self, kind: str) -> dict[str, Record]:
        return self.kinds[kind]

    def save(self) -> None:
        """The file as it was or as it is now: a server that is killed leaves no half."""
        beside = self.path.with_name(f"{self.path.name}.new")
        beside.write_text(json.dumps(self.kinds, indent=1))
        beside.replace(self.path)


def new_id() -> str:
    """32 hexadecimal digits, as all of heketi's ids."""
    return secrets.token_hex(16)
