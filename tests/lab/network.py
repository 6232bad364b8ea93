"""A network namespace with two bridges, and nothing that leads out of it.

Management and storage are networks of their own, as on a real site. The bridges live inside the
namespace, so their names cannot meet anybody else's; the controller is .1 on both.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from .errors import CommandError
from .node import MANAGEMENT, NODES, STORAGE

BRIDGES = {"gkprep-mgmt": MANAGEMENT, "gkprep-stor": STORAGE}
"""Name of each bridge (at most 15 bytes) and its network, in the order of a machine's cards."""


def mac(card: int, host: int) -> str:
    """Hardware address of a machine's card, or of the controller (host 1) on that network.

    Always the same: a saved machine remembers whom it talked to, and would look for a bridge
    that got another address for 25 s.
    """
    return f"52:54:00:77:{card:02x}:{host:02x}"


def tap(bridge: str, number: int) -> str:
    """The end of node `number`'s cable at this bridge."""
    return f"{bridge}-{number}"


def exists(netns: str) -> bool:
    """Whether a namespace of this name exists and can be entered.

    A killed `ip netns add`, or a reboot with /run on disk, leaves a file that is no namespace.
    """
    if not (Path("/run/netns") / netns).exists():
        return False
    enter = ["nsenter", f"--net=/run/netns/{netns}", "true"]
    return subprocess.run(enter, check=False, capture_output=True).returncode == 0


def create(netns: str) -> None:
    """Create the namespace with all its bridges and taps, replacing what is left of another."""
    delete(netns)
    _ip(f"netns add {netns}")
    commands = ["link set lo up"]
    for card, (bridge, network) in enumerate(BRIDGES.items()):
        commands += [
            f"link add {bridge} address {mac(card, 1)} type bridge",
            f"addr add {network}.1/24 dev {bridge}",
            f"link set {bridge} up",
        ]
        for node in NODES:
            commands += [
                f"tuntap add dev {tap(bridge, node.number)} mode tap",
                f"link set {tap(bridge, node.number)} master {bridge} up",
            ]
    _ip(f"-netns {netns} -batch -", "\n".join(commands))


def delete(netns: str) -> None:
    """Remove the namespace if it is there. Processes inside keep theirs until they end."""
    if (Path("/run/netns") / netns).exists():
        _ip(f"netns delete {netns}")


def _ip(words: str, script: str = "") -> None:
    command = ["ip", *words.split()]
    done = subprocess.run(command, check=False, input=script, capture_output=True, text=True)
    if done.returncode:
        raise CommandError(done.returncode, command, done.stdout, done.stderr)
