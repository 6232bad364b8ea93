"""`heketi-cli setup-openshift-heketi-storage`: a volume for heketi's database, and the objects that
put the database there.

Source: heketi's client/cli/go/cmds/heketi_storage.go and what heketi-cli v10.4 wrote.
"""

from __future__ import annotations

import base64

from .client import Client, HeketiError
from .rest import DATABASE_VOLUME
from .state import Record

SIZE = 2  # GiB
NAME = "heketi-storage"
SUPPORT = {"deploy-heketi": "support"}
# Caches off: two heketis must never see two databases. Source: heketi's pkg/db/dbvolume.go.
OPTIONS = (
    "performance.stat-prefetch off",
    "performance.write-behind off",
    "performance.open-behind off",
    "performance.quick-read off",
    "performance.strict-o-direct on",
    "performance.read-ahead off",
    "performance.io-cache off",
    "performance.readdir-ahead off",
    "user.heketi.dbstoragelevel 1",
)


def objects(client: Client, durability: str) -> Record:
    """The volume is made, the objects are for somebody else to make; raises HeketiError."""
    volume = _volume(client, durability)
    hosts = volume["mount"]["glusterfs"]["hosts"]
    items = [
        _secret(client.read("/backup/db")),
        _endpoints(hosts),
        _service(),
        _job(volume["name"]),
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _volume(client: Client, durability: str) -> Record:
    for key in client.get("/volumes")["volumes"]:
        if client.get(f"/volumes/{key}")["name"] == DATABASE_VOLUME:
            raise HeketiError(f"Volume {DATABASE_VOLUME} already exists")
    asked = {
        "size": SIZE,
        "name": DATABASE_VOLUME,
        "durability": {"type": durability, "replicate": {"replica": 3}},
        "glustervolumeoptions": list(OPTIONS),
    }
    made: Record = client.post("/volumes", asked)
    return made


def _secret(database: bytes) -> Record:
    return {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {"name": f"{NAME}-secret", "labels": SUPPORT},
        "data": {"heketi.db": base64.b64encode(database).decode()},
    }


def _endpoints(hosts: list[str]) -> Record:
    return {
        "kind": "Endpoints",
        "apiVersion": "v1",
        "metadata": {"name": f"{NAME}-endpoints"},
        "subsets": [{"addresses": [{"ip": host}], "ports": [{"port": 1}]} for host in hosts],
    }


def _service() -> Record:
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": f"{NAME}-endpoints"},
        "spec": {"ports": [{"port": 1}]},
    }


def _job(volume: str) -> Record:
    volumes = [
        {"name": NAME, "glusterfs": {"endpoints": f"{NAME}-endpoints", "path": volume}},
        {"name": f"{NAME}-secret", "secret": {"secretName": f"{NAME}-secret"}},
    ]
    container = {
        "name": "heketi",
        "image": "heketi/heketi:dev",
        "command": ["cp", "/db/heketi.db", "/heketi"],
        "volumeMounts": [
            {"name": NAME, "mountPath": "/heketi"},
            {"name": f"{NAME}-secret", "mountPath": "/db"},
        ],
    }
    pod = {"volumes": volumes, "containers": [container], "restartPolicy": "Never"}
    name = f"{NAME}-copy-job"
    return {
        "kind": "Job",
        "apiVersion": "batch/v1",
        "metadata": {"name": name, "labels": SUPPORT},
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "template": {"metadata": {"name": name}, "spec": pod},
        },
    }
