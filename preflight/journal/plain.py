"""Steps and nodes as JSON, and back: all that undo needs of them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from preflight.model import (
    Act,
    Deployer,
    Device,
    Extent,
    Guard,
    Node,
    Overwrite,
    Policy,
    PortRange,
    Role,
    Rpcbind,
    Site,
    SshOptions,
    Step,
)

ON_NODE = "/var/lib/gkprep"
"""Where a node keeps what was erased from its disks, and what steps printed: a folder for a run."""

FILE = "journal.jsonl"
SCHEMA = 1
_PATHS = ("gk_deploy", "kubeconfig")
NOTHING_READ = Guard((), lambda _facts: "a step out of a journal is for undo alone")


def step_plain(step: Act | None) -> dict[str, object] | None:
    """All of a step that `act_of` needs; bytes in Base64."""
    if step is None:
        return None
    if isinstance(step, Overwrite):
        return {
            "disk": step.path,
            "identity": dict(step.identity),
            "extents": [[each.offset, each.size] for each in step.extents],
            # Zeros, which erase, are as many as the extents say.
            "data": base64.b64encode(step.data).decode() if any(step.data) else None,
        }
    return {
        "argv": list(step.argv),
        "stdin": base64.b64encode(step.stdin).decode(),
        "shown": step.shown,
        "undo": step_plain(step.undo),
        "fed_output": step.fed_output,
    }


def act_of(plain: Mapping[str, Any]) -> Act:
    """The step again, with a guard that lets nobody through: for undo, not for doing it again."""
    if "disk" in plain:
        extents = tuple(Extent(*each) for each in plain["extents"])
        data = base64.b64decode(plain["data"] or "") or bytes(sum(each.size for each in extents))
        return Overwrite(
            plain["disk"], tuple(plain["identity"].items()), extents, data, NOTHING_READ
        )
    return _step(plain)


def _step(plain: Mapping[str, Any]) -> Step:
    return Step(
        argv=tuple(plain["argv"]),
        stdin=base64.b64decode(plain["stdin"]),
        shown=plain["shown"],
        undo=_step(plain["undo"]) if plain["undo"] else None,
        fed_output=plain["fed_output"],
    )


def node_plain(node: Node) -> dict[str, object]:
    """Enough to reach the node again, and to judge it."""
    identity = node.ssh.identity_file
    return {
        **asdict(replace(node, site=None)),
        "role": node.role.value,
        "ssh": {**asdict(node.ssh), "identity_file": str(identity) if identity else None},
        "policy": {**asdict(node.policy), "rpcbind": node.policy.rpcbind.value},
        "site": _site_plain(node.site) if node.site else None,
    }


def _site_plain(site: Site) -> dict[str, object]:
    told = asdict(site.deployer)
    paths = {name: str(told[name]) if told[name] else None for name in _PATHS}
    return {
        "nodes": [node_plain(node) for node in site.nodes],
        "deployer": {**told, **paths},
        "kubeconfig": site.kubeconfig,
    }


def _site_of(plain: Mapping[str, Any]) -> Site:
    told = plain["deployer"]
    paths = {name: Path(told[name]) if told[name] else None for name in _PATHS}
    deployer = Deployer(
        **{**told, **paths, "tolerate": tuple(told["tolerate"]), "images": _pairs(told["images"])}
    )
    nodes = tuple(node_of(node) for node in plain["nodes"])
    return Site(nodes, deployer, plain.get("kubeconfig", ""))


def node_of(plain: Mapping[str, Any]) -> Node:
    """The node again; raises KeyError, TypeError or ValueError for what is none."""
    ssh, policy = plain["ssh"], plain["policy"]
    identity = ssh["identity_file"]
    return Node(
        **{
            **plain,
            "role": Role(plain["role"]),
            "ssh": SshOptions(**{**ssh, "identity_file": Path(identity) if identity else None}),
            "devices": tuple(
                Device(**{**device, "tags": _pairs(device["tags"])}) for device in plain["devices"]
            ),
            "policy": Policy(
                **{
                    **policy,
                    "rpcbind": Rpcbind(policy["rpcbind"]),
                    "brick_ports": PortRange(**policy["brick_ports"]),
                }
            ),
            "tags": _pairs(plain["tags"]),
            "peers": tuple(plain["peers"]),
            "site": _site_of(plain["site"]) if plain.get("site") else None,
        }
    )


def _pairs(plain: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in plain)


def text(data: bytes) -> str:
    """Whatever a command printed; `raw` gets it back, byte for byte."""
    return data.decode("utf-8", "surrogateescape")


def raw(told: str) -> bytes:
    """The same bytes again."""
    return told.encode("utf-8", "surrogateescape")
