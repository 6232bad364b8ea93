"""What a test of `gkprep` with a real control plane has: an inventory, a home, a namespace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from preflight import registry
from preflight.model import Check, Role
from tests.kube.plane import Plane
from tests.kube.standins import GK_DEPLOY, HEKETI, real_gk_deploy, real_heketi

Json = dict[str, Any]
OF_NODES = [
    check.id
    for check in registry.checks()
    if isinstance(check, Check) and Role.CONTROLLER not in check.roles
]
FORCED = [word for check in OF_NODES for word in ("--force-unready", check)]
STORAGE = {f"node{n}": f"10.78.0.1{n}" for n in (1, 2, 3)}
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
KEYS = {"GKPREP_HEKETI_ADMIN_KEY": "adminADMIN1", "GKPREP_HEKETI_USER_KEY": "userUSER22"}


@dataclass
class Site:
    """An inventory for the plane, a home for gkprep, and a namespace."""

    plane: Plane
    namespace: str
    home: Path
    gk_deploy: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environment = {
            **os.environ,
            **KEYS,
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.state),
        }
        self.write()

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def inventory(self) -> Path:
        return self.home / "inventory.yaml"

    def write(self, **deployer: object) -> None:
        """The inventory, in which `deployer` goes first, and None leaves a key out.

        Nothing listens where its nodes are.
        """
        nodes = [
            {"name": name, "address": f"127.0.0.{name[-1]}", "storage": address}
            for name, address in STORAGE.items()
        ]
        words = {
            "gk_deploy": str(self.gk_deploy),
            "namespace": self.namespace,
            "kubectl": self.plane.client,
            "kubeconfig": str(self.plane.kubeconfig),
            **deployer,
        }
        described = {
            "defaults": {"ssh": {"user": "root", "port": 1}, "devices": ["/dev/sda"]},
            "nodes": nodes,
            "deployer": {key: word for key, word in words.items() if word is not None},
        }
        self.inventory.write_text(yaml.safe_dump(described))

    def meddling(self, script: str) -> str:
        """A kubectl that runs `script` first, in which $KUBECTL leads to the namespace."""
        program = self.home / "kubectl"
        own = [self.plane.client, f"--kubeconfig={self.plane.kubeconfig}", "-n", self.namespace]
        program.write_text(
            f'#!/bin/sh\nKUBECTL="{" ".join(own)}"\n{script}\nexec {self.plane.client} "$@"\n'
        )
        program.chmod(0o755)
        return str(program)

    def command(self, *words: str, name: str = "deploy") -> list[str]:
        program = Path(sys.executable).with_name("gkprep")
        return [str(program), name, str(self.inventory), *words]

    def run(
        self, *words: str, name: str = "deploy", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words, name=name),
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={**self.environment, **environment},
            timeout=300,
        )

    def report(self, *words: str, name: str = "deploy", **environment: str) -> tuple[int, Json]:
        done = self.run("-o", "json", *words, name=name, **environment)
        assert done.stdout, done.stderr
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(done.stdout)

    def deploy(self, *words: str, wait: int = 60, **environment: str) -> tuple[int, Json]:
        before, behind = words, ("--", "-w", str(wait))
        return self.report("--yes", *FORCED, *before, *behind, **environment)

    def diagnosed(self) -> tuple[int, Json]:
        """What `gkprep diagnose` tells, later and by itself."""
        return self.report(name="diagnose")

    def objects(self) -> list[str]:
        """All that is in the namespace, as `kind/name`, but for what every namespace has."""
        kinds = "ds,deploy,job,pod,svc,ep,secret,sa,pvc,cm"
        listed = self.plane.kubectl("-n", self.namespace, "get", kinds, "-o", "name").stdout
        own = ("default", "kube-root-ca")
        return [each for each in listed.splitlines() if not each.split("/")[1].startswith(own)]

    def labels(self) -> list[str]:
        nodes = self.plane.get("nodes")["items"]
        return [
            each["metadata"]["name"]
            for each in nodes
            if "storagenode" in each["metadata"]["labels"]
        ]

    def logs(self) -> list[Path]:
        return sorted(self.state.glob("gkprep/deployments/*/gk-deploy.log"))


@pytest.fixture
def site(kube: Plane, namespace: str, tmp_path: Path) -> Iterator[Site]:
    kube.heketi(real_heketi() or HEKETI)
    clear(kube, namespace)
    yield Site(kube, namespace, tmp_path, real_gk_deploy() or GK_DEPLOY)
    clear(kube, namespace)


def clear(kube: Plane, namespace: str) -> None:
    """What a deployment leaves outside its namespace; volumes, whose heketi is gone, by force.

    Only those that are claimed out of this namespace: there may be others, and not a test's.
    """
    for kind, name in (("clusterrolebinding", "heketi-sa-view"), ("sc", "glusterfs-storage")):
        kube.kubectl("delete", kind, name, "--ignore-not-found")
    claims = {
        each["metadata"]["name"]: each["spec"].get("claimRef", {}).get("namespace")
        for each in kube.get("pv")["items"]
    }
    if mine := [name for name, claimed in claims.items() if claimed == namespace]:
        kube.kubectl("delete", "pv", *mine, "--ignore-not-found", "--wait=false")


def earlier(namespace: str) -> dict[str, Any]:
    """A volume that an earlier deployment has left, of a claim in `namespace`."""
    annotations = {PROVISIONED_BY: "kubernetes.io/glusterfs"}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"earlier-{namespace}", "annotations": annotations},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "earlier",
            "claimRef": {"namespace": namespace, "name": "earlier"},
            "glusterfs": {"endpoints": "earlier", "path": "vol_earlier"},
        },
    }


def statuses(report: Json) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for finding in report["findings"]:
        found.setdefault(finding["check"], set()).add(finding["status"])
    return found


def faults(report: Json) -> list[Json]:
    """What is not as it must be, whole."""
    return [finding for finding in report["findings"] if finding["status"] != "pass"]


def wait_for(reached: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.5)
