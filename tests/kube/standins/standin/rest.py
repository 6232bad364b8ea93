"""heketi's REST interface: one request in, one answer out; no sockets here.

Source: heketi's docs/api/api.md, apps/glusterfs/app*.go, server/rest/asynchttp.go, and what a
heketi v10.4 with the mock executor answered. Left out: block volumes, expansion, deleting nodes and
devices.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from . import bricks
from .bricks import GIB
from .faults import Faults
from .state import Record, State, new_id

DATABASE_VOLUME = "heketidbstorage"
# Restricted by heketi itself: its pkg/glusterfs/api/types.go.
DEVICE_NAME = re.compile(r"/[a-zA-Z0-9_.:/-]+")
VOLUME_NAME = re.compile(r"[a-zA-Z0-9_-]*")


@dataclass(frozen=True)
class Answer:
    """Status, body and headers beside Content-Length."""

    status: HTTPStatus
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Job:
    """What a /queue entry is about to answer; without an end it hangs."""

    end: Answer | None
    asked: bool = False


class Heketi:
    """All that is behind the token check."""

    def __init__(self, state: State, faults: Path) -> None:
        self.state = state
        self.faults = faults
        self.jobs: dict[str, Job] = {}
        self.routes: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
            ("GET", "/queue/ID", self._job),
            ("GET", "/backup/db", self._backup),
            ("GET", "/clusters", self._list("clusters")),
            ("POST", "/clusters", self._add_cluster),
            ("GET", "/clusters/ID", self._cluster),
            ("DELETE", "/clusters/ID", self._delete_cluster),
            ("POST", "/nodes", self._add_node),
            ("GET", "/nodes/ID", self._node),
            ("POST", "/devices", self._add_device),
            ("GET", "/devices/ID", self._device),
            ("GET", "/volumes", self._list("volumes")),
            ("POST", "/volumes", self._add_volume),
            ("GET", "/volumes/ID", self._volume),
            ("DELETE", "/volumes/ID", self._delete_volume),
        )

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """What heketi says to the request; `path` is without a query."""
        for verb, pattern, act in self.routes:
            found = re.fullmatch(pattern.replace("ID", "([0-9a-fA-F]+)"), path)
            if verb != method or not found:
                continue
            if method != "POST":
                return act(*found.groups())
            try:
                asked = json.loads(body)
            except ValueError:
                return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "request unable to be parsed")
            return act(asked)
        return refusal(HTTPStatus.NOT_FOUND, "Invalid path or request")

    # What takes a while: accepted at once, done behind a /queue entry.

    def _later(self, kind: str, act: Callable[[], Answer]) -> Answer:
        # It is done also if nobody ever asks how it went.
        hangs = kind in Faults.read(self.faults).hang
        job = new_id()
        self.jobs[job] = Job(None if hangs else act())
        return Answer(HTTPStatus.ACCEPTED, headers={"Location": f"/queue/{job}"})

    def _job(self, job: str) -> Answer:
        if not (found := self.jobs.get(job)):
            return refusal(HTTPStatus.NOT_FOUND, "Id not found")
        # The first answer is always `pending`: with real disks it never is another.
        if not found.end or not found.asked:
            found.asked = True
            return Answer(HTTPStatus.OK, headers={"X-Pending": "true"})
        del self.jobs[job]
        return found.end

    # Clusters

    def _add_cluster(self, asked: Record) -> Answer:
        flags = {flag: bool(asked.get(flag)) for flag in ("block", "file")}
        cluster = {"id": new_id(), "nodes": [], "volumes": [], **flags, "blockvolumes": []}
        self._keep("clusters", cluster)
        return document(cluster, HTTPStatus.CREATED)

    def _cluster(self, key: str) -> Answer:
        if not (cluster := self.state["clusters"].get(key)):
            return refusal(HTTPStatus.NOT_FOUND, "Id not found")
        return document(cluster)

    def _delete_cluster(self, key: str) -> Answer:
        if not (cluster := self.state["clusters"].get(key)):
            return refusal(HTTPStatus.NOT_FOUND, "Id not found")
        if cluster["nodes"] or cluster["volumes"]:
            why = f"Unable to delete cluster [{key}] because it contains volumes and/or nodes"
            return refusal(HTTPStatus.CONFLICT, why)
        del self.state["clusters"][key]
        self.state.save()
        return Answer(HTTPStatus.OK)

    # Nodes

    def _add_node(self, asked: Record) -> Answer:
        if not asked.get("zone"):
            return _invalid("zone: cannot be blank.")
        cluster = self.state["clusters"].get(asked["cluster"])
        if not cluster:
            return refusal(HTTPStatus.NOT_FOUND, "Cluster id does not exist")
        if taken := self._taken(asked["hostnames"]):
            return refusal(HTTPStatus.CONFLICT, taken)
        if wrong := Faults.read(self.faults).node.get(asked["hostnames"]["manage"][0]):
            return refusal(HTTPStatus.BAD_REQUEST, wrong)
        wanted = {key: asked[key] for key in ("zone", "hostnames", "cluster")}
        node = {**wanted, "id": new_id(), "state": "online"}

        def add() -> Answer:
            cluster["nodes"].append(node["id"])
            self._keep("nodes", node)
            return _see(f"/nodes/{node['id']}")

        return self._later("node", add)

    def _taken(self, hostnames: Mapping[str, list[str]]) -> str:
        for role, names in hostnames.items():
            for node in self.state["nodes"].values():
                for name in set(names) & set(node["hostnames"][role]):
                    return f"Hostname {name} already used by node with id {node['id']}\n"
        return ""

    def _node(self, key: str) -> Answer:
        if not (node := self.state["nodes"].get(key)):
            return refusal(HTTPStatus.NOT_FOUND, "Id not found")
        devices = [self._shown(one) for one in self.state["devices"].values() if one["node"] == key]
        return document({**node, "devices": devices})

    # Devices

    def _add_device(self, asked: Record) -> Answer:
        name = asked.get("name", "")
        if not DEVICE_NAME.fullmatch(name):
            return _invalid("name: must be in a valid format.")
        if not (node := self.state["nodes"].get(asked["node"])):
            return refusal(HTTPStatus.NOT_FOUND, "Node id does not exist")
        return self._later("device", lambda: self._set_up(node, name))

    def _set_up(self, node: Record, name: str) -> Answer:
        where = f"{node['hostnames']['manage'][0]}:{name}"
        if wrong := Faults.read(self.faults).device.get(where):
            head = f"Initializing device {name} failed (already initialized or contains data?)"
            return _failure(f"{head}: {wrong}")
        # The variable is heketi's mock executor's.
        total = int(os.environ.get("HEKETI_MOCK_DEVICE_SIZE_GB", "500")) * GIB
        storage = {"total": total, "free": total, "used": 0}
        device = {"name": name, "storage": storage, "id": new_id(), "state": "online"}
        self._keep("devices", {**device, "node": node["id"]})
        return Answer(HTTPStatus.NO_CONTENT)

    def _device(self, key: str) -> Answer:
        if not (device := self.state["devices"].get(key)):
            return refusal(HTTPStatus.NOT_FOUND, "Id not found")
        return document(self._shown(device))

    def _shown(self, device: Record) -> Record:
        on_it = [
            brick
            for volume in self.state["volumes"].values()
            for brick in volume["bricks"]
            if brick["device"] == device["id"]
        ]
        return {**{key: value for key, value in device.items() if key != "node"}, "bricks": on_it}

    # Volumes

    def _impossible(self, asked: Record) -> str:
        """Why there cannot be such a volume, whatever space there is."""
        if not asked.get("size"):
            return "validation failed: size: cannot be blank."
        if not VOLUME_NAME.fullmatch(asked.get("name") or ""):
            return "validation failed: name: must be in a valid format."
        if not self.state["clusters"]:
            return "No clusters configured"
        unknown = set(asked.get("clusters") or ()) - set(self.state["clusters"])
        return f"Cluster id {min(unknown)} not found" if unknown else ""

    def _add_volume(self, asked: Record) -> Answer:
        if why := self._impossible(asked):
            return refusal(HTTPStatus.BAD_REQUEST, why)
        if wrong := Faults.read(self.faults).volume:
            return self._later("volume", lambda: _failure(wrong))
        key = new_id()
        name = asked.get("name") or f"vol_{key}"
        try:
            cluster, found = self._room(asked, key, name)
        except bricks.NoSpaceError as full:
            return _failure(f"Failed to allocate new volume: {full}")
        volume = _volume(asked, {"id": key, "name": name}, cluster["id"], found)
        return self._later("volume", lambda: self._create(cluster, volume))

    def _create(self, cluster: Record, volume: Record) -> Answer:
        for brick in volume["bricks"]:
            bricks.take(self.state, brick)
        cluster["volumes"].append(volume["id"])
        self._keep("volumes", volume)
        return _see(f"/volumes/{volume['id']}")

    def _room(self, asked: Record, key: str, name: str) -> tuple[Record, list[Record]]:
        if any(volume["name"] == name for volume in self.state["volumes"].values()):
            raise bricks.NoSpaceError(f"Volume name '{name}' already in use")
        durability = asked.get("durability", {})
        replicas = durability.get("replicate", {}).get("replica", 2)
        count = replicas if durability.get("type") == "replicate" else 1
        allowed = asked.get("clusters") or sorted(self.state["clusters"])
        why = bricks.NoSpaceError("No space")
        for cluster in map(self.state["clusters"].__getitem__, allowed):
            try:
                return cluster, bricks.place(self.state, cluster, key, asked["size"], count)
            except bricks.NoSpaceError as reason:
                why = reason
        raise why

    def _volume(self, key: str) -> Answer:
        if not (volume := self.state["volumes"].get(key)):
            return refusal(HTTPStatus.NOT_FOUND, "Id not found")
        nodes = self.state["clusters"][volume["cluster"]]["nodes"]
        hosts = [self.state["nodes"][node]["hostnames"]["storage"][0] for node in nodes]
        mount = {
            "hosts": hosts,
            "device": f"{hosts[0]}:{volume['name']}",
            "options": {"backup-volfile-servers": ",".join(hosts[1:])},
        }
        return document({**volume, "mount": {"glusterfs": mount}})

    def _delete_volume(self, key: str) -> Answer:
        if not (volume := self.state["volumes"].get(key)):
            return refusal(HTTPStatus.NOT_FOUND, "Id not found")
        if volume["name"] == DATABASE_VOLUME:
            why = "Cannot delete volume containing the Heketi database"
            return refusal(HTTPStatus.CONFLICT, why)
        return self._later("volume", lambda: self._remove(volume))

    def _remove(self, volume: Record) -> Answer:
        for brick in volume["bricks"]:
            bricks.give_back(self.state, brick)
        self.state["clusters"][volume["cluster"]]["volumes"].remove(volume["id"])
        del self.state["volumes"][volume["id"]]
        self.state.save()
        return Answer(HTTPStatus.NO_CONTENT)

    # The rest

    def _list(self, kind: str) -> Callable[[], Answer]:
        return lambda: document({kind: sorted(self.state[kind])})

    def _backup(self) -> Answer:
        kind = {"Content-Type": "application/octet-stream"}
        return Answer(HTTPStatus.OK, self.state.path.read_bytes(), kind)

    def _keep(self, kind: str, record: Record) -> None:
        self.state[kind][record["id"]] = record
        self.state.save()


def document(value: Record, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    """An answer in JSON."""
    kind = {"Content-Type": "application/json; charset=UTF-8"}
    return Answer(status, json.dumps(value).encode(), kind)


def refusal(status: HTTPStatus, why: str) -> Answer:
    """An answer in words, which a client shows as they are."""
    kind = {"Content-Type": "text/plain; charset=utf-8"}
    return Answer(status, f"{why}\n".encode(), kind)


def _invalid(why: str) -> Answer:
    return refusal(HTTPStatus.BAD_REQUEST, f"validation failed: {why}")


def _failure(why: str) -> Answer:
    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, why)


def _see(place: str) -> Answer:
    return Answer(HTTPStatus.SEE_OTHER, headers={"Location": place})


def _volume(asked: Record, named: Record, cluster: str, placed: list[Record]) -> Record:
    return {
        "size": asked["size"],
        **named,
        "durability": {"type": "none", **asked.get("durability", {})},
        "gid": asked.get("gid", 0),
        "glustervolumeoptions": ["", *(asked.get("glustervolumeoptions") or ()), ""],
        "snapshot": {"enable": False, "factor": 1},
        "cluster": cluster,
        "blockinfo": {},
        "bricks": placed,
    }
