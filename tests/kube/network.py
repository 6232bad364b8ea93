"""The namespace that the plane lives in, where every address of a pod or a service is its own.

A route of the type `local` to a whole network makes the kernel take all of it for this host's: a
program that listens on all addresses is reached at each of them, so heketi answers at its pod's
and at its service's address without anything that would have to follow those.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.lab.errors import CommandError

PODS = "10.244.0.0/16"
SERVICES = "10.96.0.0/16"


def exists(netns: str) -> bool:
    """Whether a namespace of this name exists and can be entered."""
    if not (Path("/run/netns") / netns).exists():
        return False
    enter = ["nsenter", f"--net=/run/netns/{netns}", "true"]
    return subprocess.run(enter, check=False, capture_output=True).returncode == 0


def create(netns: str) -> None:
    """Create the namespace, replacing what is left of another."""
    delete(netns)
    _ip(f"netns add {netns}")
    _ip(f"-netns {netns} link set lo up")


def delete(netns: str) -> None:
    """Remove the namespace if it is there. Processes inside keep theirs until they end."""
    if (Path("/run/netns") / netns).exists():
        _ip(f"netns delete {netns}")


def adopt(netns: str) -> None:
    """Have the addresses of pods and services answer in there."""
    for network in (PODS, SERVICES):
        _ip(f"-netns {netns} route replace local {network} dev lo")


def release(netns: str) -> None:
    """Undo `adopt` in a namespace that stays."""
    for network in (PODS, SERVICES):
        _ip(f"-netns {netns} route flush table local {network}")


def _ip(words: str) -> None:
    command = ["ip", *words.split()]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise CommandError(done.returncode, command, done.stdout, done.stderr)
