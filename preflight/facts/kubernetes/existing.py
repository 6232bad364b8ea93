"""Objects that a deployment meets: its namespace, and what an earlier one has left."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from preflight.facts.kubernetes.command import KUBECTL, get
from preflight.facts.kubernetes.names import ACCOUNT, BINDING, CONFIG, ENFORCE, ROLE
from preflight.model import Probe

_KINDS = "daemonsets,deployments,jobs,services,endpoints,secrets"
# What runs pods, or makes what does, and where each has the account of its pods.
_RUNNING = (
    "pods,deployments,statefulsets,daemonsets,replicasets,replicationcontrollers,jobs,cronjobs"
)
_PODS = (".spec", ".spec.template.spec", ".spec.jobTemplate.spec.template.spec")
# Of each kind, how many are ready, and how many are to be.
_LINE = (
    "{.kind} {.metadata.name}"
    " {.status.readyReplicas}{.status.numberReady}{.status.succeeded}"
    "/{.spec.replicas}{.status.desiredNumberScheduled}{.spec.completions}"
)


@dataclass(frozen=True)
class Namespace:
    """A namespace: `Active` or `Terminating`, and the Pod Security level that it enforces.

    `uid` tells it from another of that name.
    """

    phase: str
    enforce: str
    uid: str = ""


@dataclass(frozen=True)
class Binding:
    """Who has which cluster role: subjects as `Kind namespace/name`."""

    role: str
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Listed:
    """An object in a listing: `ready` of `wanted` pods or completions, 0 of 0 where it has none."""

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


@dataclass(frozen=True)
class Unreadable:
    """A stored topology that is none, and why, without what is in it."""

    why: str


def parse_namespace(text: str) -> Namespace | None:
    """A NamespaceList of one, or of none."""
    for item in json.loads(text)["items"]:
        labels = item["metadata"].get("labels", {})
        uid = item["metadata"]["uid"]
        return Namespace(item["status"]["phase"], labels.get(ENFORCE, ""), uid)
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


def parse_objects(text: str) -> tuple[Listed, ...]:
    """Lines `Kind name ready/wanted`, either number left out where the kind has none."""
    found = []
    for line in text.splitlines():
        kind, name, numbers = line.split(" ")
        ready, _, wanted = numbers.partition("/")
        found.append(Listed(kind, name, int(ready or 0), int(wanted or 0)))
    return tuple(found)


def parse_topology(text: str) -> tuple[Planned, ...] | Unreadable | None:
    """The secret's topology.json, Base64; None without such a secret, or where it is empty."""
    if not text:
        return None
    try:
        told = json.loads(base64.b64decode(text, validate=True))
        return tuple(
            _planned(node) for cluster in told["clusters"] for node in cluster.get("nodes") or []
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
        return Unreadable(f"{type(exc).__name__}: {exc}")


def _planned(member: dict[str, Any]) -> Planned:
    hostnames, zone = member["node"]["hostnames"], member["node"].get("zone", 1)
    if not isinstance(zone, int):
        raise TypeError("a zone is no number")
    return Planned(
        _word(hostnames["manage"][0]),
        _word(hostnames["storage"][0]),
        zone,
        tuple(
            _word(device["name"] if isinstance(device, dict) else device)
            for device in member.get("devices") or []
        ),
    )


def _word(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError("a name, an address or a device is no text")
    return value


def namespace(kubectl: str, name: str) -> Probe[Namespace | None]:
    """The namespace called `name`; None where there is none."""
    url = f"/api/v1/namespaces?fieldSelector=metadata.name%3D{name}"
    return Probe(
        f"kubernetes.namespace({kubectl} {name})", get(kubectl, url), parse_namespace, by=KUBECTL
    )


def binding(kubectl: str) -> Probe[Binding | None]:
    """The cluster role binding that gk-deploy makes; None where there is none."""
    url = (
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
        f"?fieldSelector=metadata.name%3D{BINDING}"
    )
    return Probe(f"kubernetes.binding({kubectl})", get(kubectl, url), parse_binding, by=KUBECTL)


def parse_needs(text: str) -> tuple[str, ...]:
    """A line for each that may live from the binding."""
    return tuple(text.splitlines())


def needs_binding(kubectl: str, namespace: str) -> Probe[tuple[str, ...]]:
    """Who may live from the binding that is there, a line each; nobody where it is a leftover.

    A subject that is no account of heketi's is another product's. An account of heketi's matters
    where there is one, and in its namespace a heketi, one under way, or whatever has pods with that
    account or may make such: it need not run one now. The binding that `namespace` itself is to
    have is no leftover either.
    """
    accounts = "".join(f"{{{path}.serviceAccountName}}" for path in _PODS)
    using = f'{{range .items[*]}}{{.kind}}/{{.metadata.name}} {accounts}{{"\\n"}}{{end}}'
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
  users=$({kubectl} --namespace="$space" get {_RUNNING} -o jsonpath='{using}') || exit
  printf '%s\\n' "$users" | tr '[:upper:]' '[:lower:]' | sed -n \\
    -e "/^deployment.heketi /s/ .*/ of namespace $space/p" -e t \\
    -e "/^deployment.deploy-heketi /s/ .*/ of namespace $space/p" -e t \\
    -e "s/ {ACCOUNT}$/ of namespace $space/p"
done <<END
$subjects
END""",
        parse_needs,
        by=KUBECTL,
    )


def objects(kubectl: str, namespace: str) -> Probe[tuple[Listed, ...]]:
    """What is in the namespace, of the kinds that gk-deploy makes; names only, no contents."""
    listing = f'{{range .items[*]}}{_LINE}{{"\\n"}}{{end}}'
    return Probe(
        f"kubernetes.objects({kubectl} {namespace})",
        f"{get(kubectl, '/version')} >/dev/null || exit\n"
        f"{kubectl} --namespace={namespace} get {_KINDS} -o jsonpath='{listing}'",
        parse_objects,
        by=KUBECTL,
    )


def topology(kubectl: str, namespace: str) -> Probe[tuple[Planned, ...] | Unreadable | None]:
    """The topology that an earlier deployment has stored; the secret's other keys are not read."""
    return Probe(
        f"kubernetes.topology({kubectl} {namespace})",
        f"{get(kubectl, '/version')} >/dev/null || exit\n"
        f"{kubectl} --namespace={namespace} get secret {CONFIG} --ignore-not-found"
        " -o jsonpath='{.data.topology\\.json}'",
        parse_topology,
        by=KUBECTL,
    )
