"""What a deployment has made of a cluster: its pods, heketi's address, what heketi knows.

As with all that is about the cluster, each probe is made from the words that call kubectl.
"""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from preflight.errors import Unknown
from preflight.facts.kubernetes.claims import GLUSTERFS
from preflight.facts.kubernetes.command import KUBECTL, get, site
from preflight.facts.kubernetes.pods import Pod, read
from preflight.model import Node, Probe

PORT = 8080
"""Where heketi listens, in its pod and behind its service (gluster-kubernetes' templates)."""

STORAGE_CLASS = "glusterfs-storage"
"""What gk-deploy calls it in the example that it prints."""

SECRET = "heketi-admin-key"  # noqa: S105 - its name
"""The secret with heketi's keys: `key` is the admin's, as the provisioner reads it."""

COPIES = 3
"""Of each volume, where there are nodes enough."""

FORBIDDEN = "parameters: Forbidden: updates to parameters are forbidden."
"""What the API server says where a StorageClass is to become another."""

OWN = ("app.kubernetes.io/managed-by", "gkprep")
"""The label of what gkprep itself makes (kubernetes.io/docs, Recommended Labels)."""

HEKETI, DEPLOY_HEKETI = "heketi", "deploy-heketi"
"""What gk-deploy calls its Deployments, and the labels of their pods."""


@dataclass(frozen=True)
class Disk:
    """A device as heketi has it; `state` is `online`, `offline` or `failed`."""

    path: str
    state: str
    group: str = ""
    """The volume group on it, which heketi names by the device's id."""


@dataclass(frozen=True)
class Peer:
    """A node as heketi has it: the name that it is managed by, and Gluster's address."""

    name: str
    storage: str
    zone: int
    state: str
    devices: tuple[Disk, ...]


@dataclass(frozen=True)
class Service:
    """heketi's: its cluster IP, and the addresses of the pods behind it."""

    ip: str
    endpoints: tuple[str, ...]


@dataclass(frozen=True)
class StorageClass:
    """What volumes are provisioned by; `own` where gkprep has made it."""

    provisioner: str
    parameters: tuple[tuple[str, str], ...]
    own: bool = False

    def otherwise(self, wanted: Mapping[str, str]) -> tuple[str, str] | None:
        """What is there and what is wanted, where those differ; a key in clear is not shown.

        Further parameters are no difference, but for a key.
        """
        told = dict(self.parameters)
        wrong = [key for key, value in wanted.items() if told.get(key) != value]
        wrong += ["restuserkey"] if "restuserkey" in told else []
        if self.provisioner == GLUSTERFS and not wrong:
            return None
        told = {**told, "restuserkey": "(a key in clear)"}
        return (
            ", ".join([self.provisioner, *(f"{key} {told.get(key, 'missing')}" for key in wrong)]),
            ", ".join([GLUSTERFS, *(f"{key} {wanted.get(key, 'absent')}" for key in wrong)]),
        )


def storage_parameters(namespace: str, ip: str, *, copies: int = COPIES) -> dict[str, str]:
    """The StorageClass's parameters (kubernetes.io/docs, Storage Classes, Glusterfs).

    `ip` is of heketi's service: the controller-manager does not resolve the cluster's names (C9).
    The secret instead of `restuserkey` keeps the key out of what everybody may read. It is the
    admin's, for heketi's `user` may ask for nothing but volumes, and the provisioner asks for the
    nodes of a volume's cluster too.
    """
    host = f"[{ip}]" if ":" in ip else ip
    return {
        "resturl": f"http://{host}:{PORT}",
        "restuser": "admin",
        "secretNamespace": namespace,
        "secretName": SECRET,
        "volumetype": f"replicate:{copies}" if copies > 1 else "none",
    }


def wanted_parameters(controller: Node, service: Service | None) -> dict[str, str]:
    """Those of the inventory's deployment, whose heketi is behind `service`."""
    ip = service.ip if service else ""
    namespace = site(controller).deployer.namespace
    return storage_parameters(namespace, ip or "HEKETI'S-ADDRESS-TO-BE", copies=copies(controller))


def copies(controller: Node) -> int:
    """How many copies heketi keeps of a volume: three, which takes as many nodes (N21)."""
    return COPIES if len(site(controller).storage) >= COPIES else 1


def users_of_class(kubectl: str) -> str:
    """A command that shows the volumes and the claims of the StorageClass, in all namespaces."""
    kinds = "persistentvolumes,persistentvolumeclaims"
    return f"{kubectl} get {kinds} --all-namespaces | grep -w {STORAGE_CLASS}"


def without_class(kubectl: str) -> str:
    """A command that deletes the StorageClass."""
    return f"{kubectl} delete storageclass {STORAGE_CLASS}"


@dataclass(frozen=True)
class Heketi:
    """A Deployment of heketi's, and the keys that it starts its pod with; empty where not told."""

    name: str
    admin: str
    user: str


def parse_pods(text: str) -> tuple[Pod, ...]:
    """Those of a PodList (core/v1) that gk-deploy waits for, in its order."""
    return tuple(pod for pod in map(read, json.loads(text)["items"]) if pod.part)


def parse_heketis(text: str) -> tuple[Heketi, ...]:
    """Those of a DeploymentList (apps/v1) that gk-deploy makes, heketi before deploy-heketi."""
    named = {item["metadata"]["name"]: item for item in json.loads(text)["items"]}
    return tuple(_heketi(name, named[name]) for name in (HEKETI, DEPLOY_HEKETI) if name in named)


def _heketi(name: str, item: dict[str, Any]) -> Heketi:
    containers = item["spec"]["template"]["spec"]["containers"]
    told = {
        each["name"]: each.get("value", "")
        for container in containers
        for each in container.get("env") or []
    }
    return Heketi(name, told.get("HEKETI_ADMIN_KEY", ""), told.get("HEKETI_USER_KEY", ""))


def parse_service(text: str) -> Service | None:
    """A ServiceList and an EndpointsList, each of one or of none, one a line."""
    services, endpoints = (json.loads(line)["items"] for line in text.splitlines())
    if not services:
        return None
    addresses = [
        f"{address['ip']}:{port['port']}"
        for item in endpoints
        for subset in item.get("subsets") or []
        for address in subset.get("addresses") or []
        for port in subset.get("ports") or []
    ]
    return Service(services[0]["spec"].get("clusterIP", ""), tuple(addresses))


def parse_storage_class(text: str) -> StorageClass | None:
    """A StorageClassList (storage.k8s.io/v1) of one, or of none."""
    return next((found for _, found in parse_storage_classes(text)), None)


def parse_storage_classes(text: str) -> tuple[tuple[str, StorageClass], ...]:
    """A StorageClassList (storage.k8s.io/v1), each with its name."""
    return tuple(
        (item["metadata"]["name"], _storage_class(item)) for item in json.loads(text)["items"]
    )


def _storage_class(item: dict[str, Any]) -> StorageClass:
    parameters = tuple(sorted((item.get("parameters") or {}).items()))
    labels = item["metadata"].get("labels") or {}
    return StorageClass(item["provisioner"], parameters, OWN in labels.items())


def parse_provisioner_secrets(text: str) -> frozenset[str]:
    """`NAMESPACE/NAME`, one a line."""
    return frozenset(text.split())


@dataclass(frozen=True)
class Known:
    """What heketi knows: nodes with their devices, and the names of all volumes, its own too."""

    peers: tuple[Peer, ...]
    volumes: tuple[str, ...]


def parse_known(text: str) -> Known:
    """`heketi-cli topology info --json` (heketi's pkg/glusterfs/api, TopologyInfoResponse)."""
    try:
        told = json.loads(text)
        return Known(
            tuple(_peer(node) for cluster in told["clusters"] for node in cluster["nodes"]),
            tuple(each["name"] for cluster in told["clusters"] for each in cluster["volumes"]),
        )
    except (ValueError, LookupError, TypeError) as exc:
        raise Unknown(f"heketi's topology cannot be read: {exc}") from exc


def _peer(node: dict[str, Any]) -> Peer:
    names = node["hostnames"]
    devices = tuple(
        Disk(each["name"], each.get("state", ""), f"vg_{each['id']}") for each in node["devices"]
    )
    return Peer(names["manage"][0], names["storage"][0], node["zone"], node["state"], devices)


@dataclass(frozen=True)
class Stored:
    """The secret called as gkprep calls its own: `own` where it is, and the keys it is read for.

    `keys` are admin's and user's, None where they are not in it.
    """

    own: bool
    keys: tuple[str, str] | None = field(repr=False)


def parse_keys(text: str) -> Stored | None:
    """A SecretList (core/v1) of one, or of none. Whoever has made it, what it lacks is no fault."""
    for item in json.loads(text)["items"]:
        labels = item["metadata"].get("labels") or {}
        return Stored(OWN in labels.items(), _decoded(item.get("data") or {}))
    return None


def _decoded(data: dict[str, str]) -> tuple[str, str] | None:
    try:
        admin, user = (
            base64.b64decode(data[name], validate=True).decode("ascii")
            for name in ("key", "user-key")
        )
    except (LookupError, ValueError):
        return None
    return (admin, user) if admin and user else None


def keys(kubectl: str, namespace: str) -> Probe[Stored | None]:
    """The secret with heketi's keys, gkprep's own or another of that name; None without one."""
    url = f"/api/v1/namespaces/{namespace}/secrets?fieldSelector=metadata.name%3D{SECRET}"
    return Probe(
        f"deployment.keys({kubectl} {namespace})", get(kubectl, url), parse_keys, by=KUBECTL
    )


def parse_cluster(text: str) -> str:
    """The UID of a Namespace (core/v1)."""
    return str(json.loads(text)["metadata"]["uid"])


def cluster(kubectl: str) -> Probe[str]:
    """What tells this cluster from others: the UID of its namespace kube-system."""
    url = "/api/v1/namespaces/kube-system"
    return Probe(f"deployment.cluster({kubectl})", get(kubectl, url), parse_cluster, by=KUBECTL)


def heketis(kubectl: str, namespace: str) -> Probe[tuple[Heketi, ...]]:
    """heketi, and the one that only sets up its database, as far as they are there."""
    url = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    return Probe(
        f"deployment.heketis({kubectl} {namespace})", get(kubectl, url), parse_heketis, by=KUBECTL
    )


def pods(kubectl: str, namespace: str) -> Probe[tuple[Pod, ...]]:
    """The deployment's pods."""
    url = f"/api/v1/namespaces/{namespace}/pods"
    return Probe(
        f"deployment.pods({kubectl} {namespace})", get(kubectl, url), parse_pods, by=KUBECTL
    )


def service(kubectl: str, namespace: str) -> Probe[Service | None]:
    """Heketi's service, and what is behind it; None where there is no service."""
    place, name = f"/api/v1/namespaces/{namespace}", "?fieldSelector=metadata.name%3Dheketi"
    asked = [get(kubectl, f"{place}/{kind}{name}") for kind in ("services", "endpoints")]
    command = " && echo && ".join(asked)
    return Probe(f"deployment.service({kubectl} {namespace})", command, _service_of, by=KUBECTL)


def _service_of(text: str) -> Service | None:
    return parse_service("\n".join(line for line in text.splitlines() if line))


def storage_class(kubectl: str) -> Probe[StorageClass | None]:
    """The StorageClass that volumes are provisioned by; None where there is none."""
    url = f"/apis/storage.k8s.io/v1/storageclasses?fieldSelector=metadata.name%3D{STORAGE_CLASS}"
    return Probe(
        f"deployment.storage_class({kubectl})", get(kubectl, url), parse_storage_class, by=KUBECTL
    )


def storage_classes(kubectl: str) -> Probe[tuple[tuple[str, StorageClass], ...]]:
    """All StorageClasses, whoever made them and for what."""
    url = "/apis/storage.k8s.io/v1/storageclasses"
    command = get(kubectl, url)
    return Probe(
        f"deployment.storage_classes({kubectl})", command, parse_storage_classes, by=KUBECTL
    )


def provisioner_secrets(kubectl: str) -> Probe[frozenset[str]]:
    """The secrets that the provisioner takes keys from: it wants them to be of its own type.

    Their names alone; what is in them is not asked for.
    """
    names = '{range .items[*]}{.metadata.namespace}/{.metadata.name}{"\\n"}{end}'
    which = f"--all-namespaces --field-selector=type={GLUSTERFS}"
    return Probe(
        f"deployment.provisioner_secrets({kubectl})",
        f"{kubectl} get secrets {which} -o jsonpath={shlex.quote(names)}",
        parse_provisioner_secrets,
        by=KUBECTL,
    )


def known(kubectl: str, namespace: str, key: Path, which: str = HEKETI) -> Probe[Known]:
    """What heketi knows of nodes and devices; `key` is the file with the admin's.

    `which` is heketi, or the deploy-heketi of a deployment that is under way. The key goes through
    standard input, so that no list of processes shows it.
    """
    inside = (
        "read -r HEKETI_CLI_KEY || exit; export HEKETI_CLI_KEY;"
        f" exec heketi-cli -s http://localhost:{PORT} --user admin topology info --json"
    )
    running = f"--selector={which}=pod --field-selector=status.phase=Running"
    names, file = "{.items[*].metadata.name}", shlex.quote(str(key))
    return Probe(
        f"deployment.known({kubectl} {namespace} {key} {which})",
        f"""\
{get(kubectl, "/version")} >/dev/null || exit
pod=$({kubectl} --namespace={namespace} get pods {running} -o jsonpath='{names}')
set -- $pod
[ $# -gt 0 ] || {{ echo "no {which} pod is running" >&2; exit 1; }}
{kubectl} --namespace={namespace} exec -i "$1" -- sh -c {shlex.quote(inside)} <{file}""",
        parse_known,
        by=KUBECTL,
    )
