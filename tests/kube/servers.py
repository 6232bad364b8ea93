"""The command lines of the plane's processes, and the files that they read."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko
import yaml

from . import answer
from .binaries import Binaries
from .files import Files
from .network import PODS, SERVICES
from .nodes import KUBELET_PORT
from .pods import KWOK

ETCD = "http://127.0.0.1:2379"
GUEST = "guest"
"""A user without any right but those of everybody."""
USED = (
    *("awk", "bash", "curl", "cut", "date", "echo", "env", "false", "grep", "printf"),
    *("sed", "sh", "sleep", "sort", "test", "timeout", "tr", "true", "uname", "wc"),
)
"""Programs of this computer that commands in pods may use as they are."""
PLAYED = ("systemctl", "journalctl", "gluster", "heketi-cli", *answer.REAL)
"""Those that `answer` speaks for."""


@dataclass(frozen=True)
class Servers:
    """All of one plane: `port` is the API server's, on 127.0.0.1 inside and out."""

    files: Files
    binaries: Binaries
    port: int

    @property
    def kubeconfig(self) -> Path:
        """That of the administrator."""
        return self.files.state / "kubeconfig"

    def first(self) -> dict[str, list[str]]:
        """The command lines of what has to run before the API server is asked anything."""
        return {"etcd": self._etcd(), "kube-apiserver": self._apiserver()}

    def then(self) -> dict[str, list[str]]:
        """Those of its clients."""
        python = [sys.executable, "-m", "tests.kube.pods", str(self.files.state)]
        return {
            "kube-controller-manager": [
                *self._client("kube-controller-manager", 10257),
                f"--service-account-private-key-file={self._key}",
            ],
            "kube-scheduler": self._client("kube-scheduler", 10259),
            "kwok": self._kwok(),
            "pods": python,
        }

    def write(self) -> None:
        """Write what they read, before the first of them starts."""
        paramiko.RSAKey.generate(2048).write_private_key_file(str(self._key))
        tokens = {name: secrets.token_hex(16) for name in ("admin", GUEST)}
        groups = {"admin": ",system:masters", GUEST: ""}
        rows = [f"{token},{name},{name}{groups[name]}\n" for name, token in tokens.items()]
        (self.files.state / "tokens.csv").write_text("".join(rows))
        about = {"url": self._url, "token": tokens["admin"]}
        (self.files.state / "server.json").write_text(json.dumps(about))
        for name, token in tokens.items():
            config = self.kubeconfig.with_name(f"kubeconfig{'' if name == 'admin' else f'-{name}'}")
            config.write_text(yaml.safe_dump(self._config(name, token)))
        (self.files.state / "kwok.yaml").write_text(yaml.safe_dump_all(_kwok_config()))
        self._write_programs()

    @property
    def _url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def _key(self) -> Path:
        return self.files.state / "service-accounts.key"

    def _etcd(self) -> list[str]:
        peers = "http://127.0.0.1:2380"
        options = {
            "data-dir": self.files.state / "etcd",
            "listen-client-urls": ETCD,
            "advertise-client-urls": ETCD,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"default={peers}",
        }
        return [self.binaries["etcd"], "--unsafe-no-fsync", *_flags(options)]

    def _apiserver(self) -> list[str]:
        options = {
            "etcd-servers": ETCD,
            "secure-port": self.port,
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "cert-dir": self.files.certificate.parent,
            "service-cluster-ip-range": SERVICES,
            "token-auth-file": self.files.state / "tokens.csv",
            "authorization-mode": "RBAC",
            "allow-privileged": "true",
            "service-account-key-file": self._key,
            "service-account-signing-key-file": self._key,
            "service-account-issuer": "https://kubernetes.default.svc",
            "endpoint-reconciler-type": "none",
            # Or no pod would be let in until its namespace has a service account with a token.
            "disable-admission-plugins": "ServiceAccount",
            "kubelet-preferred-address-types": "ExternalDNS",
        }
        return [self.binaries["kube-apiserver"], *_flags(options)]

    def _client(self, name: str, port: int) -> list[str]:
        options = {
            "kubeconfig": self.kubeconfig,
            "leader-elect": "false",
            "port": 0,
            "secure-port": port,
            "bind-address": "127.0.0.1",
            "cert-dir": self.files.certificate.parent,
        }
        return [self.binaries[name], *_flags(options)]

    def _kwok(self) -> list[str]:
        options = {
            "kubeconfig": self.kubeconfig,
            "config": self.files.state / "kwok.yaml",
            "manage-all-nodes": "true",
            "enable-crds": "Exec,Logs",
            "cidr": PODS,
            "node-ip": "127.0.0.1",
            "node-port": KUBELET_PORT,
            "server-address": f"127.0.0.1:{KUBELET_PORT}",
        }
        # Its PATH is that of the commands in pods, so it is not to be found by a PATH of its own.
        return [self.binaries["kwok"], *_flags(options)]

    def _config(self, user: str, token: str) -> dict[str, Any]:
        cluster = {"server": self._url, "certificate-authority": str(self.files.certificate)}
        context = {"cluster": "gkprep-kube", "user": user}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "gkprep-kube", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "gkprep-kube", "context": context}],
            "current-context": "gkprep-kube",
        }

    def _write_programs(self) -> None:
        folder = self.files.programs
        folder.mkdir()
        for name in USED:
            if program := shutil.which(name, path=os.defpath):
                (folder / name).symlink_to(program)
        command = f'exec "{sys.executable}" -I "{answer.__file__}" "{self.files.state}"'
        scripts = {name: f'{command} {name} "$@"' for name in PLAYED}
        # The stand-ins of heketi are Python.
        scripts["python3"] = f'exec "{sys.executable}" "$@"'
        for name, line in scripts.items():
            script = folder / name
            script.write_text(f"#!/bin/sh\n{line}\n")
            script.chmod(0o755)


def definitions() -> list[dict[str, Any]]:
    """The kinds that kwok reads from the server: what `exec` and `logs` get in which pod."""
    group, _, version = KWOK.partition("/")
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    shape = {
        "name": version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": anything},
    }
    found = []
    for kind, plural in (("Exec", "execs"), ("Logs", "logs")):
        names = {
            "kind": kind,
            "listKind": f"{kind}List",
            "plural": plural,
            "singular": kind.lower(),
        }
        spec = {"group": group, "names": names, "scope": "Namespaced", "versions": [shape]}
        found.append(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.{group}"},
                "spec": spec,
            }
        )
    return found


def _kwok_config() -> list[dict[str, Any]]:
    """What is deleted goes; 8080 of a pod, heketi's, is forwarded; all else is in `pods`.

    Without a stage of a kind kwok would take its own, which make every node ready.
    """
    gone = {"key": ".metadata.deletionTimestamp", "operator": "Exists"}
    stages = {
        kind: {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": [gone]},
            "next": {"delete": True},
        }
        for kind in ("Pod", "Node")
    }
    forward = {"ports": [8080], "target": {"address": "127.0.0.1", "port": 8080}}
    return [
        *(_kwok_object("Stage", f"{kind.lower()}-gone", spec) for kind, spec in stages.items()),
        _kwok_object("ClusterPortForward", "heketi", {"forwards": [forward]}),
    ]


def _kwok_object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": KWOK, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _flags(options: dict[str, Any]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]
