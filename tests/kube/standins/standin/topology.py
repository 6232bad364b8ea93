"""`heketi-cli topology`: load a file, show what heketi knows.

Source: heketi's client/cli/go/cmds/topology.go and what heketi-cli v10.4 printed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from .client import Client, HeketiError
from .state import Record

Write = Callable[[str], object]


def load(client: Client, path: Path, write: Write) -> None:
    """Add what the file has and heketi lacks; what cannot be added is told and passed over."""
    try:
        wanted = json.loads(path.read_text())["clusters"]
    except OSError:
        raise HeketiError("Unable to open config file") from None
    except (ValueError, KeyError, TypeError):
        raise HeketiError("Unable to parse config file") from None
    try:
        known = info(client)
    except HeketiError as why:
        raise HeketiError(f"Unable to get topology information: {why}") from None
    nodes = {
        node["hostnames"]["manage"][0]: node for one in known["clusters"] for node in one["nodes"]
    }
    for cluster in wanted:
        _load_cluster(client, cluster, nodes, write)


def _load_cluster(client: Client, wanted: Record, nodes: dict[str, Record], write: Write) -> None:
    cluster = made = ""
    for asked in wanted["nodes"]:
        name = asked["node"]["hostnames"]["manage"][0]
        if node := nodes.get(name):
            cluster = node["cluster"]
            write(f"\tFound node {name} on cluster {cluster}\n")
        else:
            if not cluster:
                cluster = made = _make_cluster(client, wanted, write)
            node = _make_node(client, name, {**asked["node"], "cluster": cluster}, write)
        if node:
            _load_devices(client, node, asked["devices"], write)
    if made and not client.get(f"/clusters/{made}")["nodes"]:
        client.delete(f"/clusters/{made}")


def _make_cluster(client: Client, wanted: Record, write: Write) -> str:
    write("Creating cluster ... ")
    flags = {flag: wanted.get(flag, True) for flag in ("file", "block")}
    made = client.post("/clusters", flags)
    write(f"ID: {made['id']}\n")
    for flag, allowed in flags.items():
        if allowed:
            write(f"\tAllowing {flag} volumes on cluster.\n")
    return str(made["id"])


def _make_node(client: Client, name: str, asked: Record, write: Write) -> Record | None:
    write(f"\tCreating node {name} ... ")
    try:
        node: Record = client.post("/nodes", asked)
    except HeketiError as why:
        write(f"Unable to create node: {why}\n")
        return None
    write(f"ID: {node['id']}\n")
    return node


def _load_devices(client: Client, node: Record, wanted: list[str | Record], write: Write) -> None:
    known = {device["name"] for device in node["devices"]}
    for one in wanted:
        asked = {"name": one} if isinstance(one, str) else one
        if asked["name"] in known:
            write(f"\t\tFound device {asked['name']}\n")
            continue
        write(f"\t\tAdding device {asked['name']} ... ")
        try:
            client.post("/devices", {**asked, "node": node["id"]})
        except HeketiError as why:
            write(f"Unable to add device: {why}\n")
        else:
            write("OK\n")


def info(client: Client) -> Record:
    """All clusters with their nodes and volumes; heketi has no request for it, so it takes many."""
    clusters = []
    for key in client.get("/clusters")["clusters"]:
        cluster = client.get(f"/clusters/{key}")
        clusters.append(
            {
                "volumes": [client.get(f"/volumes/{volume}") for volume in cluster["volumes"]],
                "nodes": [client.get(f"/nodes/{node}") for node in cluster["nodes"]],
                "id": cluster["id"],
                "block": cluster["block"],
                "file": cluster["file"],
            }
        )
    return {"clusters": clusters}


def text(known: Record) -> str:
    """The same for people."""
    return "".join(_cluster_text(cluster) for cluster in known["clusters"]) or "\n"


def _cluster_text(cluster: Record) -> str:
    flags = {flag: str(cluster[flag]).lower() for flag in ("file", "block")}
    head = f"\nCluster Id: {cluster['id']}\n\n"
    head += f"    File:  {flags['file']}\n    Block: {flags['block']}\n\n    Volumes:\n\n"
    volumes = "".join(_volume_text(volume) for volume in cluster["volumes"])
    nodes = "".join(_node_text(node) for node in cluster["nodes"])
    return f"{head}{volumes}\n    Nodes:\n\n{nodes}"


def _volume_text(volume: Record) -> str:
    mount = volume["mount"]["glusterfs"]
    durability = volume["durability"]
    lines = [
        f"Name: {volume['name']}",
        f"Size: {volume['size']}",
        f"Id: {volume['id']}",
        f"Cluster Id: {volume['cluster']}",
        f"Mount: {mount['device']}",
        f"Mount Options: backup-volfile-servers={mount['options']['backup-volfile-servers']}",
        f"Durability Type: {durability['type']}",
    ]
    if durability["type"] == "replicate":
        lines.append(f"Replica: {durability['replicate']['replica']}")
    lines += ["Snapshot: Disabled", "", "\tBricks:"]
    return (
        "".join(f"\t{line}\n" if line else "\n" for line in lines)
        + "".join(
            f"\t\t\tId: {brick['id']}\n\t\t\tPath: {brick['path']}\n"
            f"\t\t\tSize (GiB): {brick['size'] >> 20}\n"
            f"\t\t\tNode: {brick['node']}\n\t\t\tDevice: {brick['device']}\n\n"
            for brick in volume["bricks"]
        )
        + "\n"
    )


def _node_text(node: Record) -> str:
    lines = [
        f"Node Id: {node['id']}",
        f"State: {node['state']}",
        f"Cluster Id: {node['cluster']}",
        f"Zone: {node['zone']}",
        f"Management Hostnames: {', '.join(node['hostnames']['manage'])}",
        f"Storage Hostnames: {', '.join(node['hostnames']['storage'])}",
        "Devices:",
    ]
    devices = "".join(_device_text(device) for device in node["devices"])
    return "".join(f"\t{line}\n" for line in lines) + devices + "\n"


def _device_text(device: Record) -> str:
    sizes = {key: str(size >> 20) for key, size in device["storage"].items()}
    line = f"\t\tId:{device['id']:<35}State:{device['state']:<10}Size (GiB):{sizes['total']:<8}"
    line += f"Used (GiB):{sizes['used']:<8}Free (GiB):{sizes['free']:<8}\n"
    line += f"\t\t\tKnown Paths: {device['name']}\n\n\t\t\tBricks:\n"
    return line + "".join(
        f"\t\t\t\tId:{brick['id']:<35}Size (GiB):{brick['size'] >> 20!s:<8}Path: {brick['path']}\n"
        for brick in device["bricks"]
    )
