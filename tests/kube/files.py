"""The files by which the plane, the process that plays its pods, and commands in pods understand
each other. All are below one plane's state folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from .api import Api


@dataclass(frozen=True)
class Files:
    """Where each is in the folder `state`."""

    state: Path

    @property
    def holds(self) -> Path:
        """The holds in force (see `holds`)."""
        return self.state / "holds.json"

    @property
    def answers(self) -> Path:
        """What commands in pods print: {pod or node: {command line: [exit status, text]}}."""
        return self.state / "answers.json"

    @property
    def heketi(self) -> Path:
        """A link to the folder with the programs heketi and heketi-cli, if there is one."""
        return self.state / "heketi-programs"

    @property
    def server(self) -> Path:
        """Folder of the heketi server: its configuration, its database, its faults."""
        return self.state / "heketi"

    @property
    def programs(self) -> Path:
        """PATH of commands in pods: this computer's services are none of theirs."""
        return self.state / "pod-bin"

    @property
    def certificate(self) -> Path:
        """That of the API server, which it makes at its first start."""
        return self.state / "certs" / "apiserver.crt"

    def pod(self, namespace: str, name: str) -> Path:
        """Folder of a pod: `root` holds what it has for itself of / , `log` its output."""
        return self.state / "pods" / f"{namespace}_{name}"

    def api(self) -> Api:
        """The server, with the administrator's token."""
        about = self._read(self.state / "server.json")
        return Api(about["url"], self.certificate, about["token"])

    @staticmethod
    def _read(file: Path) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(file.read_text()))
