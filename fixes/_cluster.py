"""What the fixes of the cluster share: one change by kubectl, as its user, and nothing but that.

Every script sees first that kubectl still leads to the cluster that was looked at: a kubeconfig may
have been changed since, most of all before an undo.
"""

from __future__ import annotations

import shlex

from preflight.facts import deployment, kubernetes
from preflight.plugin import Facts, Node, Probe, Step

SAME = """\
cluster=$1
shift
here=$(kubectl get namespace kube-system -o jsonpath='{.metadata.uid}') || exit
[ "$here" = "$cluster" ] || { echo "kubectl leads to another cluster by now" >&2; exit 1; }
"""

# What is printed is for the undo, so the object goes only when it was read whole.
DELETE = """\
needed=$1 kind=$2 name=$3
said=$(sh -c "$needed") || exit
[ -z "$said" ] || { echo "$kind $name stays, it is needed by now: $said" >&2; exit 1; }
seen=$(kubectl get "$kind" "$name" --ignore-not-found -o yaml) || exit
printf '%s\\n' "$seen"
kubectl delete "$kind" "$name" --ignore-not-found >&2\
"""
# It may have been gone already, or never have gone. What the server has set it sets anew: it takes
# no object with a resourceVersion, and a service's address may be another's by now.
RESTORE = """\
kind=$1 name=$2
object=$(cat)
metadata() { printf '%s\\n' "$object" | sed -n "/^metadata:/,/^[^ ]/s/^  $1: //p"; }
[ -n "$object" ] || exit 0
there=$(kubectl get "$kind" "$name" --ignore-not-found -o jsonpath='{.metadata.uid}') || exit
[ "$there" != "$(metadata uid)" ] || exit 0
[ -z "$there" ] || { echo "there is another $kind $name by now" >&2; exit 1; }
printf '%s\\n' "$object" | sed -e '/^metadata:/,/^[^ ]/{
/^  resourceVersion: /d
/^  uid: /d
/^  selfLink: /d
/^  creationTimestamp: /d
}' -e '/^spec:/,/^[^ ]/{
/^  clusterIP: [0-9a-f]/d
/^  clusterIPs:/d
/^  - \\(None\\|[0-9a-f.:]*\\)$/d
}' | kubectl create -f - >&2\
"""


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
    """Delete one object, if the command `needed` prints nothing then.

    It is printed before, and that is what the undo makes it of again.
    """
    words = kubernetes.kubectl(facts.node)
    if kind != "clusterrolebinding":
        words += f" --namespace={kubernetes.site(facts.node).deployer.namespace}"
    back = Step(
        change(facts, RESTORE, kind, name),
        shown=f"{words} create -f -  # the {kind} {name} as it was",
        fed_output=True,
    )
    return Step(
        change(facts, DELETE, needed, kind, name),
        shown=f"{words} delete {kind} {name}",
        undo=back if undone else None,
    )
