"""NFS on the node, as far as it needs the node's own rpcbind."""

from __future__ import annotations

import re

from preflight.errors import Unknown
from preflight.facts.usage import unescaped
from preflight.model import Probe


def parse_locking(text: str) -> frozenset[str]:
    """Lines of /proc/mounts of type nfs -> mount points of versions 2 and 3 without `nolock`."""
    found = set()
    for line in filter(None, text.split("\n")):
        _source, point, _type, options, *_ = line.split(" ")
        version = re.search(r"(?:^|,)(?:vers=|v)([234])", options)
        if version is None:
            raise Unknown(f"no version in {line!r}")
        if version[1] != "4" and "nolock" not in options.split(","):
            found.add(unescaped(point))
    return frozenset(found)


# lockd and statd, by which versions 2 and 3 lock files, register with rpcbind (nfs(5), nolock).
locking = Probe(
    "nfs.locking",
    "grep -E '^[^ ]+ [^ ]+ nfs ' /proc/self/mounts",
    parse_locking,
    rcs=frozenset({0, 1}),  # 1: there is none; what grep cannot read would be 2
)
