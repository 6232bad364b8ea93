"""Fix of kubernetes-namespace: make it, or open it to the privileged Gluster pods."""

from __future__ import annotations

from collections.abc import Iterator

from checks.kubernetes_namespace import kubernetes_namespace
from fixes._cluster import ERASE, change, url, which
from preflight.facts import kubernetes
from preflight.facts.kubernetes import ENFORCE, PRIVILEGED
from preflight.plugin import Facts, Finding, Risk, Step, Unfixable, fix

# What it prints is for the undo: which namespace of that name it has made.
CREATE = """\
kubectl create namespace "$1" -o jsonpath='{.metadata.uid}'\
"""
# What every namespace has by itself does not count: kubernetes.io/docs, default service account
# (with its token, before 1.24) and kube-root-ca.crt; nor do events, which are about other objects.
# All else counts, of whatever kind, and a kind that cannot be listed may be there.
REMOVE = """\
kind=namespace name=$1 url=$2 made=$(cat)
there=$(kubectl get namespace "$name" --ignore-not-found \\
  -o jsonpath='{.metadata.uid} {.metadata.resourceVersion}') || exit
[ -n "$there" ] || exit 0
[ "${there% *}" = "$made" ] || { echo "there is another namespace $name by now" >&2; exit 1; }
kinds=$(kubectl api-resources --verbs=list --namespaced -o name) || exit
kinds=$(printf '%s\\n' "$kinds" | grep -v -x -e events -e events.events.k8s.io | paste -s -d , -)
tokens=$(kubectl get serviceaccount default --ignore-not-found \\
  -o jsonpath='{range .secrets[*]}secret/{.name} {end}') || exit
listed=$(kubectl get "$kinds" -o name) || exit
things=
for each in $listed; do
  case " configmap/kube-root-ca.crt serviceaccount/default $tokens " in
  *" $each "*) ;;
  *) things="$things $each" ;;
  esac
done
[ -z "$things" ] || { echo "the namespace $name stays, there is in it:$things" >&2; exit 1; }
erase "$made" "${there#* }"\
"""

# The dots of a key are escaped in a JSONPath (kubernetes.io/docs, JSONPath Support).
_KEY = ENFORCE.replace(".", r"\.")
# The namespace is the very one, and is still open or closed as it was seen.
LOOK = f"""\
name=$1 uid=$2 old=$3 new=$4
seen=$(kubectl get namespace "$name" --ignore-not-found -o jsonpath='{{.metadata.uid}} \
{{.metadata.resourceVersion}} {{.metadata.labels.{_KEY}}}') || exit
set -- $seen
[ "${{1-}}" = "$uid" ] || {{ echo "there is another namespace $name by now, or none" >&2; exit 1; }}
other() {{ echo "the namespace $name stays, it enforces ${{1:-no level}} by now" >&2; exit 1; }}
label() {{
  kubectl label --overwrite --resource-version="$1" namespace "$name" "{ENFORCE}=$new" >&2
}}
"""
# What it prints tells the undo that it was gkprep that has opened it.
LABEL = """\
[ "${3-}" = "$old" ] || other "${3-}"
printf %s "$uid"
label "$2"\
"""
UNLABEL = """\
[ -n "$(cat)" ] && [ "${3-}" != "$new" ] || exit 0
[ "${3-}" = "$old" ] || other "${3-}"
pods=$(kubectl get daemonset glusterfs --ignore-not-found -o name) || exit
[ -z "$pods" ] || { echo "the label stays, for the pods of $pods" >&2; exit 1; }
label "$2"\
"""


@fix(kubernetes_namespace, which, risk=Risk.DISRUPTIVE)
def open_namespace(finding: Finding, facts: Facts) -> Iterator[Step]:
    """Makes the namespace, or labels it so that privileged pods may run in it.

    Undone by deleting the namespace, if it is still the one that was made and nothing of any kind
    is in it but what every namespace has; and by the level that was enforced, if it still enforces
    `privileged` and the DaemonSet glusterfs is not there. A namespace that is about to go, was made
    anew or enforces another level by then is left to a person.
    """
    name, words = finding.subject, kubernetes.kubectl(facts.node)
    seen = facts[kubernetes.namespace(words, name)]
    if seen is None:
        shown = f"{words} delete namespace {name}  # if nothing is in it"
        remove = change(facts, ERASE + REMOVE, name, url(facts, "namespace", name))
        back = Step(remove, shown=shown, fed_output=True)
        yield Step(change(facts, CREATE, name), shown=f"{words} create namespace {name}", undo=back)
        return
    if seen.phase != "Active":
        raise Unfixable(f"it is {seen.phase}: its conditions say what it waits for")
    label = f"{words} label --overwrite namespace {name} {ENFORCE}"
    close = change(facts, LOOK + UNLABEL, name, seen.uid, PRIVILEGED, seen.enforce)
    back = Step(close, shown=f"{label}={seen.enforce}", fed_output=True)
    make_open = change(facts, LOOK + LABEL, name, seen.uid, seen.enforce, PRIVILEGED)
    yield Step(make_open, shown=f"{label}={PRIVILEGED}", undo=back)
