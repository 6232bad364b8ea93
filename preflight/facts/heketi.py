"""What heketi makes of a disk, and how to tell that it serves. Pure functions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from preflight.facts.block import Block
from preflight.facts.usage import Mount

# heketi names a volume group vg_ID and a brick's volume brick_ID, an id being 32 hex digits
# (executors/cmdexec/utils.go).
_GROUP = re.compile(r"vg_[0-9a-f]{32}")
_BRICK = re.compile(r"brick_[0-9a-f]{32}")


@dataclass(frozen=True)
class Service:
    """A volume group of heketi's with bricks mounted: data that Gluster serves now."""

    group: str
    bricks: int

    def __str__(self) -> str:
        """What a check saw."""
        return f"in service: {self.group} with {self.bricks} brick{'s' * (self.bricks > 1)} mounted"


def group_of(block: Block) -> str | None:
    """The heketi volume group that a logical volume belongs to; None for all else."""
    group, _ = block.volume
    return group if _GROUP.fullmatch(group) else None


def service(layers: Iterable[Block], mounts: Iterable[Mount]) -> Service | None:
    """The group among `layers`, all that lies on a disk, of which a brick is mounted.

    In any mount namespace: in a cluster it is the Gluster pod's. A group of which no brick is
    mounted is a leftover, even while its volumes are active.
    """
    mounted = {mount.number for mount in mounts}
    bricks = Counter(
        group
        for block in layers
        if (group := group_of(block)) and _BRICK.fullmatch(block.volume[1])
        if block.number in mounted
    )
    return next((Service(group, count) for group, count in sorted(bricks.items())), None)
