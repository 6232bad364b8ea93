"""What the fixes of the cluster share: one change by kubectl, as its user, and nothing but that.

Every script sees first that kubectl still leads to the cluster that was looked at: a kubeconfig may
have been changed since, most of all before an undo.
"""

from __future__ import annotations

import shlex

from preflight.facts import deployment, kubernetes
from preflight.plugin import Facts, Node, Probe, Step

SAME = """\
set -f
cluster=$1
shift
here=$(kubectl get namespace kube-system -o jsonpath='{.metadata.uid}') || exit
[ "$here" = "$cluster" ] || { echo "kubectl leads to another cluster by now" >&2; exit 1; }
"""

# Deletes $kind $name at $url, if it is still the object that uid $1 and resourceVersion $2 tell of.
# `--raw` is kubectl's from 1.16 on (kubernetes#79724), and nothing else of it takes preconditions.
# It is not waited for without end: the finalizers of another product may never be taken away.
ERASE = """\
erase() {
  said=$(printf '{"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background",
    "preconditions":{"uid":"%s","resourceVersion":"%s"}}' "$1" "$2" |
    kubectl delete --raw "$url" -f - 2>&1 >/dev/null) || {
    case $said in
    *'(NotFound)'*) return 0 ;;
    *'(Conflict)'*) echo "$kind $name stays, it was changed meanwhile" >&2; return 1 ;;
    esac
    printf '%s\\n' "$said" >&2
    return 1
  }
  looks=30
  while there=$(kubectl get "$kind" "$name" --ignore-not-found -o jsonpath='{.metadata.uid}'); do
    [ "$there" = "$1" ] || return 0
    [ $((looks -= 1)) -gt 0 ] || break
    sleep 1
  done
  waits=$(kubectl get "$kind" "$name" --ignore-not-found \\
    -o jsonpath='{.metadata.finalizers[*]} {.spec.finalizers[*]}')
  echo "$kind $name is about to go, and waits for its finalizers:" $waits >&2
  return 1
}
"""

# One key of the metadata of $object, which is YAML as kubectl prints it.
METADATA = """\
metadata() { printf '%s\\n' "$object" | sed -n "/^metadata:/,/^[^ ]/s/^  $1: //p" | tr -d '"'; }
"""

# What is printed is for the undo, so the object goes only as it was printed.
DELETE = """\
needed=$1 kind=$2 name=$3 url=$4
object=$(kubectl get "$kind" "$name" --ignore-not-found -o yaml) || exit
[ -n "$object" ] || exit 0
said=$(sh -c "$needed") || exit
[ -z "$said" ] || { echo "$kind $name stays, it is needed by now:" $said >&2; exit 1; }
printf '%s\\n' "$object"
erase "$(metadata uid)" "$(metadata resourceVersion)"\
"""
# It may have been gone already, or never have gone. What the server has set it sets anew: it takes
# no object with a resourceVersion, and a service's address may be another's by now. Whoever owned
# it may be gone, and it would go at once.
RESTORE = """\
needed=$1 kind=$2 name=$3
object=$(cat)
[ -n "$object" ] || exit 0
there=$(kubectl get "$kind" "$name" --ignore-not-found \\
  -o jsonpath='{.metadata.uid} {.metadata.deletionTimestamp}') || exit
case $there in
'') ;;
"$(metadata uid) ") exit 0 ;;
"$(metadata uid) "*) echo "$kind $name is about to go; undo again when it is gone" >&2; exit 1 ;;
*) echo "there is another $kind $name by now" >&2; exit 1 ;;
esac
said=$(sh -c "$needed") || exit
[ -z "$said" ] || { echo "$kind $name is not made again, there is by now:" $said >&2; exit 1; }
printf '%s\\n' "$object" | sed -e '/^metadata:/,/^[^ ]/{
/^  ownerReferences:/,/^  [^- ]/{
/^  ownerReferences:/d
/^  -/d
/^   /d
}
/^  resourceVersion: /d
/^  uid: /d
/^  selfLink: /d
/^  creationTimestamp: /d
}' -e '/^spec:/,/^[^ ]/{
/^  clusterIP: [0-9a-f]/d
/^  clusterIPs:/,/^  [^- ]/{
/^  clusterIPs:/d
/^  -/d
}
}' | kubectl create -f - >&2\
"""

CLUSTER_WIDE = {
    "clusterrolebinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "namespace": "/api/v1/namespaces",
}
GROUPS = {"endpoints": "api/v1", "job": "apis/batch/v1", "secret": "api/v1", "service": "api/v1"}
"""Where the API has the kinds that are deleted; whatever else there is, is not."""


def url(facts: Facts, kind: str, name: str) -> str:
    """Where the API server has the object (kubernetes.io/docs, Kubernetes API Concepts)."""
    if kind in CLUSTER_WIDE:
        return f"{CLUSTER_WIDE[kind]}/{name}"
    namespace = kubernetes.site(facts.node).deployer.namespace
    plural = kind if kind.endswith("s") else f"{kind}s"
    return f"/{GROUPS[kind]}/namespaces/{namespace}/{plural}/{name}"


def which(node: Node) -> list[Probe[object]]:
    """What every such fix needs: which cluster it is that kubectl leads to."""
    return [deployment.cluster(kubernetes.kubectl(node))]


def change(facts: Facts, script: str, *words: str) -> tuple[str, ...]:
    """The argv of `script`, in which `kubectl` is the inventory's and `words` are $1 and so on."""
    called = kubernetes.kubectl(facts.node)
    namespace = kubernetes.site(facts.node).deployer.namespace
    ours = f'kubectl() {{ command {called} --namespace={shlex.quote(namespace)} "$@"; }}\n'
    cluster = facts[deployment.cluster(called)]
    return ("sh", "-c", ours + SAME + script, "sh", cluster, *words)


def deletion(facts: Facts, kind: str, name: str, needed: str, *, undone: bool = True) -> Step:
    """Delete one object as it is then, if the command `needed` prints nothing.

    It is printed before; the undo makes it of that again, if `needed` still prints nothing.
    """
    words = kubernetes.kubectl(facts.node)
    if kind not in CLUSTER_WIDE:
        words += f" --namespace={kubernetes.site(facts.node).deployer.namespace}"
    back = Step(
        change(facts, METADATA + RESTORE, needed, kind, name),
        shown=f"{words} create -f -  # the {kind} {name} as it was",
        fed_output=True,
    )
    return Step(
        change(facts, ERASE + METADATA + DELETE, needed, kind, name, url(facts, kind, name)),
        shown=f"{words} delete {kind} {name}",
        undo=back if undone else None,
    )
