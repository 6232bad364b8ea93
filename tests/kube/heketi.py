"""The heketi server behind a heketi pod: a process that begins and ends with the pod.

It is configured as the pod would be: the file out of the secret that the pod mounts, the keys out
of its container's environment. Only what cannot hold outside of a pod is another: the executor is
heketi's own `mock`, and the database is a file of the plane's.
"""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import cast

from .api import Api, Object
from .files import Files
from .process import Process

CONFIG = "heketi.json"
PORT = 8080
"""That of the containers in gk-deploy's templates."""


@dataclass(frozen=True)
class Heketi:
    """The one server of a plane; on which pod's behalf it runs is in its folder."""

    files: Files

    @property
    def process(self) -> Process:
        """The server's process."""
        return Process("heketi", self.files.state)

    def serve(self, pod: Object, api: Api) -> bool:
        """Have it run on this pod's behalf; whether it answers already.

        A pod of deploy-heketi begins with an empty database, as its volume is an emptyDir; heketi
        goes on with the one that is there, as from the volume heketidbstorage.
        """
        uid = pod["metadata"]["uid"]
        if self._served() != uid:
            if (secret := self._secret(pod, api)) is None:
                return False
            self.process.end()
            self._configure(pod, secret)
            (self.files.server / "pod").write_text(uid)
        if self.process.pid is None:
            command = str(self.files.heketi / "heketi")
            environment = _environment(pod) | self._overrides()
            self.process.start([command, f"--config={self._config}"], environment)
        return _says_hello()

    def leave(self, alive: set[str]) -> None:
        """End it if its pod is not among these (their uids)."""
        if (uid := self._served()) and uid not in alive:
            self.process.end()
            (self.files.server / "pod").unlink()

    @property
    def _config(self) -> Path:
        return self.files.server / CONFIG

    def _served(self) -> str:
        file = self.files.server / "pod"
        return file.read_text() if file.exists() else ""

    def _overrides(self) -> dict[str, str]:
        database = str(self.files.server / "heketi.db")
        return {"HEKETI_EXECUTOR": "mock", "HEKETI_DB_PATH": database}

    def _begin_anew(self, pod: Object) -> None:
        """Empty the database for a new deploy-heketi.

        Not for one more pod of the same: its ReplicaSet makes one while gk-deploy deletes them all.
        """
        if "deploy-heketi" not in pod["metadata"]["labels"]:
            return
        owner = pod["metadata"]["ownerReferences"][0]["uid"]
        served = self.files.server / "owner"
        if not served.exists() or served.read_text() != owner:
            (self.files.server / "heketi.db").unlink(missing_ok=True)
            served.write_text(owner)

    def _configure(self, pod: Object, secret: Mapping[str, bytes]) -> None:
        self.files.server.mkdir(exist_ok=True)
        self._begin_anew(pod)
        about = pod["metadata"]
        mounted = self.files.pod(about["namespace"], about["name"]) / "root" / "etc" / "heketi"
        mounted.mkdir(parents=True, exist_ok=True)
        for name, content in secret.items():
            (mounted / name).write_bytes(content)
        config = json.loads(secret.get(CONFIG, b"{}"))
        keys = _environment(pod)
        overrides = self._overrides()
        for user in ("admin", "user"):
            if key := keys.get(f"HEKETI_{user.upper()}_KEY"):
                config["use_auth"] = True
                config.setdefault("jwt", {})[user] = {"key": key}
        config["port"] = str(PORT)
        config.setdefault("glusterfs", {})["executor"] = overrides["HEKETI_EXECUTOR"]
        config["glusterfs"]["db"] = overrides["HEKETI_DB_PATH"]
        self._config.write_text(json.dumps(config, indent=2))

    @staticmethod
    def _secret(pod: Object, api: Api) -> dict[str, bytes] | None:
        """What the pod's secret holds; None while there is none, which a kubelet waits for."""
        volumes = pod["spec"].get("volumes", ())
        names = [volume["secret"]["secretName"] for volume in volumes if "secret" in volume]
        if not names:
            return {}
        namespace = pod["metadata"]["namespace"]
        if (found := api.get(f"/api/v1/namespaces/{namespace}/secrets/{names[0]}")) is None:
            return None
        return {name: base64.b64decode(data) for name, data in (found.get("data") or {}).items()}


def is_heketi(pod: Object) -> bool:
    """Whether it is one of gk-deploy's pods with a heketi in it."""
    return bool(pod["metadata"].get("labels", {}).get("glusterfs") == "heketi-pod")


def _environment(pod: Object) -> dict[str, str]:
    (container, *_) = pod["spec"]["containers"]
    found = {entry["name"]: entry.get("value", "") for entry in container.get("env", ())}
    return cast("dict[str, str]", found)


def _says_hello() -> bool:
    """What the pod's readiness probe asks."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/hello", timeout=1) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False
