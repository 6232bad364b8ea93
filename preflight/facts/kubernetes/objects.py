"""Objects that a deployment meets: its namespace, and what an earlier one has left."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from preflight.errors import Unknown
from preflight.facts.kubernetes.command import get
from preflight.model import Probe

BINDING = "heketi-sa-view"
ROLE, ACCOUNT = "edit", "heketi-service-account"
CONFIG = "heketi-config-secret"
ENDPOINTS = "heketi-storage-endpoints"
"""Names that gk-deploy and heketi-cli give, and do not let anybody choose."""

_ENFORCE = "pod-security.kubernetes.io/enforce"
_KINDS = "daemonsets,deployments,jobs,services,endpoints,secrets"
# Of each kind, how many are ready, and how many are to be.
_LINE = (
    "{.kind} {.metadata.name}"
    " {.status.readyReplicas}{.status.numberReady}{.status.succeeded}"
    "/{.spec.replicas}{.status.desiredNumberScheduled}{.spec.completions}"
)


@dataclass(frozen=True)
class Namespace:
    """A namespace: `Active` or `Terminating`, and the Pod Security level that it enforces."""

    phase: str
    enforce: str


@dataclass(frozen=True)
class Binding:
    """Who has which cluster role: subjects as `Kind namespace/name`."""

    role: str
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Object:
    """One object: `ready` of `wanted` pods or completions, 0 of 0 where that means nothing."""

    kind: str
    name: str
    ready: int = 0
    wanted: int = 0


@dataclass(frozen=True)
class Planned:
    """A node as a heketi topology has it: Gluster's address, the zone, the disks in order."""

    name: str
    storage: str
    zone: int
    devices: tuple[str, ...]


def parse_namespace(text: str) -> Namespace | None:
    """A NamespaceList of one, or of none."""
    for item in json.loads(text)["items"]:
        labels = item["metadata"].get("labels", {})
        return Namespace(item["status"]["phase"], labels.get(_ENFORCE, ""))
    return None


def parse_binding(text: str) -> Binding | None:
    """A ClusterRoleBindingList (rbac/v1) of one, or of none."""
    for item in json.loads(text)["items"]:
        subjects = tuple(map(_subject, item.get("subjects") or []))
        return Binding(item["roleRef"]["name"], subjects)
    return None


def _subject(subject: dict[str, Any]) -> str:
    name = "/".join(filter(None, [subject.get("namespace", ""), subject["name"]]))
    return f"{subject['kind']} {name}"


def parse_objects(text: str) -> tuple[Object, ...]:
    """Lines `Kind name ready/wanted`, either number left out where the kind has none."""
    found = []
    for line in text.splitlines():
        kind, name, numbers = line.split(" ")
        ready, _, wanted = numbers.partition("/")
        found.append(Object(kind, name, int(ready or 0), int(wanted or 0)))
    return tuple(found)


def parse_topology(text: str) -> tuple[Planned, ...] | None:
    """The secret's topology.json, Base64; None without such a secret."""
    if not text:
        return None
    try:
        told = json.loads(base64.b64decode(text, validate=True))
        return tuple(
            _planned(node) for cluster in told["clusters"] for node in cluster.get("nodes", [])
        )
    except (binascii.Error, ValueError, LookupError, TypeError, AttributeError) as exc:
        raise Unknown(f"what {CONFIG} holds is no topology: {exc}") from exc


def _planned(member: dict[str, Any]) -> Planned:
    hostnames = member["node"]["hostnames"]
    return Planned(
        hostnames["manage"][0],
        hostnames["storage"][0],
        member["node"].get("zone", 1),
        tuple(
            device if isinstance(device, str) else device["name"]
            for device in member.get("devices", [])
        ),
    )


def namespace(kubectl: str, name: str) -> Probe[Namespace | None]:
    """The namespace called `name`; None where there is none."""
    url = f"/api/v1/namespaces?fieldSelector=metadata.name%3D{name}"
    return Probe(f"kubernetes.namespace({kubectl} {name})", get(kubectl, url), parse_namespace)


def binding(kubectl: str) -> Probe[Binding | None]:
    """The cluster role binding that gk-deploy makes; None where there is none."""
    url = (
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
        f"?fieldSelector=metadata.name%3D{BINDING}"
    )
    return Probe(f"kubernetes.binding({kubectl})", get(kubectl, url), parse_binding)


def parse_needs(text: str) -> tuple[str, ...]:
    """A line for each that may live from the binding."""
    return tuple(text.splitlines())


def needs_binding(kubectl: str, namespace: str) -> Probe[tuple[str, ...]]:
    """Who may live from the binding that is there, a line each; nobody where it is a leftover.

    A subject that is no account of heketi's is another product's. An account of heketi's matters
    where there is one, and in its namespace a heketi, one under way, or a pod that has it. The
    binding that `namespace` itself is to have is no leftover either.
    """
    of_heketi = f'[?(@.spec.serviceAccountName=="{ACCOUNT}")]'
    using = f'{{range .items{of_heketi}}}pod/{{.metadata.name}}{{"\\n"}}{{end}}'
    subjects = '{range .subjects[*]}{.kind} {.namespace}/{.name}{"\\n"}{end}'
    there = f"{kubectl} get clusterrolebinding {BINDING} --ignore-not-found -o"
    return Probe(
        f"kubernetes.needs_binding({kubectl} {namespace})",
        f"""\
{get(kubectl, "/version")} >/dev/null || exit
role=$({there} jsonpath='{{.roleRef.name}}') || exit
subjects=$({there} jsonpath='{subjects}') || exit
while read -r kind name; do
  [ -n "$kind" ] || continue
  space=${{name%/{ACCOUNT}}}
  case $role/$kind/$name in
  {ROLE}/ServiceAccount/{namespace}/{ACCOUNT}) echo "$kind $name"; continue ;;
  */ServiceAccount/$space/{ACCOUNT}) ;;
  *) echo "$kind ${{name#/}}"; continue ;;
  esac
  account=$({kubectl} --namespace="$space" get serviceaccount {ACCOUNT} \
    --ignore-not-found -o name) || exit
  [ -n "$account" ] || continue
  heketis=$({kubectl} --namespace="$space" get deployments heketi deploy-heketi \
    --ignore-not-found -o name) || exit
  pods=$({kubectl} --namespace="$space" get pods -o jsonpath='{using}') || exit
  for each in $heketis $pods; do echo "$each of namespace $space"; done
done <<END
$subjects
END""",
        parse_needs,
    )


def objects(kubectl: str, namespace: str) -> Probe[tuple[Object, ...]]:
    """What is in the namespace, of the kinds that gk-deploy makes; names only, no contents."""
    listing = f'{{range .items[*]}}{_LINE}{{"\\n"}}{{end}}'
    return Probe(
        f"kubernetes.objects({kubectl} {namespace})",
        f"{get(kubectl, '/version')} >/dev/null || exit\n"
        f"{kubectl} --namespace={namespace} get {_KINDS} -o jsonpath='{listing}'",
        parse_objects,
    )


def topology(kubectl: str, namespace: str) -> Probe[tuple[Planned, ...] | None]:
    """The topology that an earlier deployment has stored; the secret's other keys are not read."""
    return Probe(
        f"kubernetes.topology({kubectl} {namespace})",
        f"{get(kubectl, '/version')} >/dev/null || exit\n"
        f"{kubectl} --namespace={namespace} get secret {CONFIG} --ignore-not-found"
        " -o jsonpath='{.data.topology\\.json}'",
        parse_topology,
    )
