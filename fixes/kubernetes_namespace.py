"""Fix of kubernetes-namespace: make it, or open it to the privileged Gluster pods."""

from __future__ import annotations

from collections.abc import Iterator

from checks.kubernetes_namespace import kubernetes_namespace
from fixes._cluster import change, which
from preflight.facts import kubernetes
from preflight.plugin import Facts, Finding, Risk, Step, Unfixable, fix

ENFORCE = "pod-security.kubernetes.io/enforce"

# What it prints is for the undo: which namespace of that name it has made.
CREATE = """\
kubectl create namespace "$1" -o jsonpath='{.metadata.uid}'\
"""
# What every namespace has by itself does not count (kubernetes.io/docs, default service account,
# kube-root-ca.crt).
REMOVE = """\
name=$1 made=$(cat)
there=$(kubectl get namespace "$name" --ignore-not-found -o jsonpath='{.metadata.uid}') || exit
[ -n "$there" ] || exit 0
[ "$there" = "$made" ] || { echo "there is another namespace $name by now" >&2; exit 1; }
within() { kubectl get "$@" --ignore-not-found -o name; }
things=$(
  within all,persistentvolumeclaims && within endpoints &&
    within secrets --field-selector=type!=kubernetes.io/service-account-token &&
    within configmaps --field-selector=metadata.name!=kube-root-ca.crt &&
    within serviceaccounts --field-selector=metadata.name!=default
) || exit
[ -z "$things" ] || { echo "the namespace $name stays, there is in it:" $things >&2; exit 1; }
kubectl delete namespace "$name" >&2\
"""
LABEL = """\
kubectl label --overwrite namespace "$1" "$2" >&2\
"""
UNLABEL = """\
pods=$(kubectl get daemonset glusterfs --ignore-not-found -o name) || exit
[ -z "$pods" ] || { echo "the label stays, for the pods of $pods" >&2; exit 1; }
kubectl label --overwrite namespace "$1" "$2" >&2\
"""


@fix(kubernetes_namespace, which, risk=Risk.SAFE)
def open_namespace(finding: Finding, facts: Facts) -> Iterator[Step]:
    """Makes the namespace, or labels it so that privileged pods may run in it.

    Undone by deleting the namespace, if it is still the one that was made and nothing is in it but
    what every namespace has; and by the level that was enforced, where the DaemonSet glusterfs is
    not there. A namespace that is about to go is left to a person.
    """
    name, words = finding.subject, kubernetes.kubectl(facts.node)
    seen = facts[kubernetes.namespace(words, name)]
    if seen is None:
        shown = f"{words} delete namespace {name}  # if nothing is in it"
        back = Step(change(facts, REMOVE, name), shown=shown, fed_output=True)
        yield Step(change(facts, CREATE, name), shown=f"{words} create namespace {name}", undo=back)
        return
    if seen.phase != "Active":
        raise Unfixable(f"it is {seen.phase}: its conditions say what it waits for")
    label = f"{words} label --overwrite namespace {name}"
    old, new = f"{ENFORCE}={seen.enforce}", f"{ENFORCE}=privileged"
    back = Step(change(facts, UNLABEL, name, old), shown=f"{label} {old}")
    yield Step(change(facts, LABEL, name, new), shown=f"{label} {new}", undo=back)
