"""Whether the API server reaches a node's kubelet: what exec, logs and port-forward all need."""

from __future__ import annotations

from dataclasses import dataclass

from preflight.errors import Unknown
from preflight.facts.kubernetes.command import KUBECTL, get
from preflight.facts.kubernetes.tried import PATIENCE, Try, parse_try
from preflight.model import Probe

# The kubelet was reached where a program ran, or was looked for in vain: an image may lack `true`.
# `no such file or directory` is said of sockets on the way too, and `OCI runtime` of an exec that
# fails whatever it is to run.
_RAN = ("command terminated with exit code", "executable file not found")


@dataclass(frozen=True)
class Kubelet:
    """One node's: its health by the API server's proxy, and exec and logs of a pod of its own.

    `listed` is how it went to look for one. `pod` is which one, as `namespace/name`; empty where
    none was found there, and then nothing of it.
    """

    health: Try
    listed: Try
    pod: str = ""
    logs: Try | None = None
    exec: Try | None = None


def parse_kubelet(text: str) -> Kubelet:
    """`health RC LAST LINE`, `listed` alike; where a pod runs `pod NAME` and that of logs and exec.

    In any order: they are tried side by side, to fit into a probe's time.
    """
    told = dict(line.partition(" ")[::2] for line in text.splitlines())
    if not {"health", "listed"} <= {*told} or ("pod" in told and not {"logs", "exec"} <= {*told}):
        raise Unknown("the answer ends too early")
    health, listed = _try(told["health"]), parse_try(told["listed"])
    if "pod" not in told:
        return Kubelet(health, listed)
    return Kubelet(health, listed, told["pod"], _try(told["logs"]), _try(told["exec"]))


def _try(told: str) -> Try:
    tried = parse_try(told)
    return Try("") if any(words in tried.complaint for words in _RAN) else tried


def kubelet(kubectl: str, node: str) -> Probe[Kubelet]:
    """The kubelet of the cluster's node called `node`. `true` runs in a pod, no log line is read.

    Where its health cannot be had for want of the right, a pod still can tell.
    """
    pods = (
        "{range .items[*]}pod {.metadata.namespace} {.metadata.name} {.spec.containers[0].name}"
        '{"\\n"}{end}'
    )
    return Probe(
        f"kubernetes.kubelet({kubectl} {node})",
        f"""\
{get(kubectl, "/version")} >/dev/null || exit
ask() {{
  said=$(timeout -s KILL {PATIENCE} {kubectl} "$@" 2>&1)
  rc=$?
}}
tell() {{
  printf '%s %s %s\\n' "$1" $rc "$(printf '%s\\n' "$said" | tail -n 1)"
}}
try() {{
  word=$1
  shift
  ask "$@"
  tell "$word"
}}
try health get --raw /api/v1/nodes/{node}/proxy/healthz &
ask get pods --all-namespaces \\
  --field-selector=spec.nodeName={node},status.phase=Running -o jsonpath='{pods}'
set -- $(printf '%s\\n' "$said" | sed -n 's/^pod //p' | head -n 1)
[ $rc -ne 0 ] || said=
tell listed
if [ $rc -eq 0 ] && [ $# -eq 3 ]; then
  echo "pod $1/$2"
  try logs --namespace="$1" logs "$2" --container="$3" --tail=0 &
  try exec --namespace="$1" exec "$2" --container="$3" -- true &
fi
wait""",
        parse_kubelet,
        by=KUBECTL,
    )
