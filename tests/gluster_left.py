"""What an earlier cluster has left on a node, as facts given as values."""

from __future__ import annotations

from preflight.facts import block, gluster, ports, usage
from preflight.facts.gluster import State
from preflight.model import Facts, Node

NODE = Node("node1", "192.0.2.1", "192.0.2.1")
ID = "0123456789abcdef" * 2
GROUP = f"vg_{ID}"
FSTAB = f"/dev/mapper/{GROUP}-brick_{ID} /var/lib/heketi/mounts/{GROUP}/brick_{ID} xfs rw 1 2"
LEFT = State(
    folders=(("/var/lib/glusterd", "a" * 64), ("/var/lib/heketi", "b" * 64)),
    peers=("1b2c",),
    volumes=(("heketidbstorage", (GROUP,)), ("vol_1", ())),
    bricks=(FSTAB,),
)


def facts(state: State, **more: object) -> Facts:
    values: dict[str, object] = {
        gluster.state.name: state,
        ports.listening.name: (),
        block.devices.name: (),
        usage.mounts.name: frozenset(),
    }
    return Facts(NODE, values | more)
