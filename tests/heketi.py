"""heketi as processes: a server that a test starts, and heketi-cli against it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kube.standins import HEKETI
from tests.kube.standins.standin.client import Client

KEYS = {"admin": "AdminKey", "user": "UserKey"}
PATIENCE = 20.0  # seconds that a server may take to answer on a busy machine
ENVIRONMENT = {
    # The python that runs the tests: another one may be a slow script that looks for one.
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "GKPREP_STANDIN_ADDRESS": "127.0.0.1",
}
BROKEN = "/dev/broken"
WORDS = "  Cannot use /dev/broken: device is partitioned"
"""What LVM 2.03.16 says of a device with an empty GPT, as heketi got it."""


@dataclass(frozen=True)
class Heketi:
    """A server of the folder `server` and the heketi-cli of the folder `cli`; files are in `home`.

    `mended` is a file that stands for BROKEN's fault: without it the device is like any other.
    """

    server: Path
    cli: Path
    home: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, user: str = "admin", key: str | None = None) -> Client:
        return Client(self.url, user, KEYS.get(user, "") if key is None else key)

    def run(
        self, *words: str, user: str = "admin", key: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        secret = KEYS[user] if key is None else key
        given = [str(self.cli / "heketi-cli"), "-s", self.url, "--user", user, "--secret", secret]
        return subprocess.run(
            [*given, *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env=ENVIRONMENT,
        )

    def load(self, topology: Mapping[str, object]) -> subprocess.CompletedProcess[str]:
        file = self.home / "topology.json"
        file.write_text(json.dumps(topology))
        return self.run("topology", "load", f"--json={file}")

    def faults(self, **wanted: object) -> None:
        """Only of the stand-in."""
        assert self.server == HEKETI
        (self.home / "faults.json").write_text(json.dumps(wanted))

    @contextmanager
    def running(self) -> Iterator[Heketi]:
        """Start it, wait until it answers, end it."""
        words = [str(self.server / "heketi"), f"--config={self.home / 'heketi.json'}"]
        with (self.home / "log").open("ab") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log, env=ENVIRONMENT)
        try:
            self._await(process)
            yield self
        finally:
            process.terminate()
            process.wait()

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/hello", timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError((self.home / "log").read_text())

    def mend(self) -> None:
        """From now on heketi can use BROKEN."""
        for fault in ("faults.json", "broken"):
            (self.home / fault).unlink(missing_ok=True)


def make(server: Path, cli: Path, home: Path, *, broken: bool = False) -> Heketi:
    """Write a configuration; with `broken`, LVM refuses the device BROKEN with WORDS on node2."""
    heketi = Heketi(server, cli, home, _free_port())
    app: dict[str, object] = {"executor": "mock", "db": str(home / "heketi.db")}
    if broken and server == HEKETI:
        heketi.faults(device={f"node2:{BROKEN}": WORDS})
    elif broken:
        app |= _injected(home)
    jwt = {user: {"key": key} for user, key in KEYS.items()}
    config = {"port": str(heketi.port), "jwt": jwt, "glusterfs": app}
    (home / "heketi.json").write_text(json.dumps(config))
    return heketi


def _injected(home: Path) -> dict[str, object]:
    """The real heketi's own way to make believe: the answers to the commands that it would run.

    Source: heketi's executors/injectexec. The one with ssh is the one that runs commands; it wants
    a key, though it never gets to use it.
    """
    key, present = home / "key", home / "broken"
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-m", "PEM", "-f", key], check=True)
    present.touch()
    disk = 100 << 8  # extents of 4 MiB
    volumes = f"vg:r/w:772:-1:0:0:0:-1:0:4:4:{disk << 12}:4096:{disk}:0:{disk}:uuid"
    pvs = {"report": [{"pv": [{"pv_name": "x", "pv_uuid": "uuid", "vg_name": "vg"}]}]}
    refused = {"Err": WORDS, "ExitStatus": 5}
    hooks = [
        {"Cmd": f"pvcreate.*{BROKEN}", "CondFile": str(present), "Reaction": refused},
        {"Cmd": f"pvs.*{BROKEN}", "CondFile": str(present), "Reaction": refused},
        {"Cmd": "vgdisplay", "Reaction": {"Result": volumes}},
        {"Cmd": "pvs", "Reaction": {"Result": json.dumps(pvs)}},
        {"Cmd": "udevadm", "Reaction": {"Result": "disk/by-id/x\n"}},
        {"Cmd": "", "Reaction": {}},
    ]
    return {
        "executor": "inject/ssh",
        "sshexec": {"keyfile": str(key), "user": "root", "port": "22"},
        "injectexec": {"command_injection": {"commands": hooks}},
    }


def topology(*, devices: Mapping[str, list[str]]) -> dict[str, object]:
    """heketi's topology of these nodes, with storage addresses 10.78.0.11 and on."""
    nodes = [
        {
            "node": {"hostnames": {"manage": [name], "storage": [f"10.78.0.{11 + n}"]}, "zone": 1},
            "devices": list(disks),
        }
        for n, (name, disks) in enumerate(devices.items())
    ]
    return {"clusters": [{"nodes": nodes}]}


def without_ids(text: str) -> str:
    """heketi's output with `ID` in the place of every id."""
    return re.sub(r"[0-9a-f]{32}", "ID", text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
