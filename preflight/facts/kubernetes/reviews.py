"""What the user of the kubeconfig may do, asked of the API server itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from preflight.errors import Unknown
from preflight.facts.kubernetes.command import KUBECTL, get
from preflight.model import Probe

AT_ONCE = 8
"""Questions that are asked side by side: all in turn would take longer than a probe may."""

_URL = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_RBAC = "rbac.authorization.k8s.io"

# Of gk-deploy's calls of kubectl, an abort's among them, and gkprep's own: its checks, the
# StorageClass, its secret, a claim to try it. To ask for an object by a selector is to list; so is
# to delete by one, before it deletes. `kubectl apply` takes get and create, and patch from the
# second time on; `kubectl label` get and patch.
# To bind a role takes all rights that it gives, or the verb `bind` (Kubernetes documentation, RBAC,
# "Restrictions on role binding creation or update").
_IN_CLUSTER = (
    ("get list patch", "", "nodes"),
    ("get", "", "nodes/proxy"),
    ("get list", "", "namespaces"),
    ("list", "", "persistentvolumes"),
    ("create get list patch delete", _RBAC, "clusterrolebindings"),
    ("bind", _RBAC, "clusterroles/edit"),
    ("create get list patch delete", "storage.k8s.io", "storageclasses"),
)
_IN_NAMESPACE = (
    ("create list delete", "", "serviceaccounts"),
    ("create get list patch delete", "", "secrets"),
    ("create get list patch delete", "", "services"),
    ("create get list delete", "", "endpoints"),
    ("create get list delete", "apps", "daemonsets"),
    ("create get list delete", "apps", "deployments"),
    ("list delete", "apps", "replicasets"),
    ("create get list delete", "batch", "jobs"),
    ("get list delete", "", "pods"),
    ("create", "", "pods/exec"),
    ("get", "", "pods/log"),
    ("list", "", "events"),
    ("create get list delete", "", "persistentvolumeclaims"),
)


@dataclass(frozen=True)
class Right:
    """One verb on one kind, as `kubectl auth can-i` spells it: `create daemonsets.apps`."""

    verb: str
    resource: str
    allowed: bool

    def __str__(self) -> str:
        """As words of a command."""
        return f"{self.verb} {self.resource}"


def parse_rights(text: str) -> tuple[Right, ...]:
    """SelfSubjectAccessReviews (authorization/v1) with their status, one a line, in any order.

    A line that begins with `!` is why one could not be had. Last comes how many were asked for.
    """
    *lines, last = text.splitlines()
    if complaint := next((line for line in lines if line.startswith("!")), ""):
        raise Unknown(complaint.removeprefix("! "))
    found = tuple(sorted(map(_right, filter(None, lines)), key=str))
    if last != f"asked {len(found)}":
        raise Unknown(f"{len(found)} answers, but {last}")
    return found


def _right(line: str) -> Right:
    told = json.loads(line)
    asked, group = told["spec"]["resourceAttributes"], ""
    resource = asked["resource"]
    if asked.get("group"):
        group = f".{asked['group']}"
    rest = asked.get("subresource") or asked.get("name") or ""
    return Right(
        asked["verb"],
        f"{resource}{group}{'/' if rest else ''}{rest}",
        bool(told["status"]["allowed"]),
    )


def _reviews(namespace: str) -> Iterator[str]:
    for table, place in ((_IN_CLUSTER, ""), (_IN_NAMESPACE, namespace)):
        for verbs, group, resource in table:
            kind, _, part = resource.partition("/")
            about = {"resource": kind, "group": group, "namespace": place}
            if part:
                about["name" if kind == "clusterroles" else "subresource"] = part
            for verb in verbs.split():
                yield _review({"verb": verb, **about})


def _review(attributes: dict[str, str]) -> str:
    spec = {"resourceAttributes": {key: value for key, value in attributes.items() if value}}
    return json.dumps(
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": spec,
        }
    )


def rights(kubectl: str, namespace: str) -> Probe[tuple[Right, ...]]:
    """Each right that a deployment needs; the one right to do everything where that is given.

    A review is a question to the API server, whatever authorizes there; it stores nothing.
    """
    reviews = "\n".join(_reviews(namespace))
    everything = _review({"verb": "*", "resource": "*", "group": "*"})
    return Probe(
        f"kubernetes.rights({kubectl} {namespace})",
        f"""\
{get(kubectl, "/version")} >/dev/null || exit
ask() {{
  said=$(printf '%s\\n' "$1" | {kubectl} create --raw {_URL} -f - 2>&1) ||
    said="! $(printf '%s\\n' "$said" | tail -n 1)"
  printf '%s\\n' "$said"
}}
all=$(ask '{everything}')
case $all in *'"allowed":true'* | '!'*) printf '%s\\n' "$all" 'asked 1'; exit ;; esac
asked=0
while read -r review; do
  ask "$review" &
  asked=$((asked + 1))
  [ $((asked % {AT_ONCE})) -ne 0 ] || wait
done <<'END'
{reviews}
END
wait
echo "asked $asked" """,
        parse_rights,
        by=KUBECTL,
    )
