"""Whether the API server reaches a node's kubelet: what exec, logs and port-forward all need."""

from __future__ import annotations

from dataclasses import dataclass

from preflight.errors import Unknown
from preflight.facts.kubernetes.command import get
from preflight.model import Probe

PATIENCE = 4
"""Seconds for one try: three and what is before them must fit into a probe's time."""

# timeout(1), and 128 + SIGKILL of the shell that reports it.
_TIMED_OUT = frozenset({124, 137})

# The kubelet was reached where a program ran, or was looked for in vain: an image may lack `true`.
# `no such file or directory` is said of sockets on the way too, and `OCI runtime` of an exec that
# fails whatever it is to run.
_RAN = ("command terminated with exit code", "executable file not found")


@dataclass(frozen=True)
class Try:
    """What one way to a kubelet came to: empty where it went well, else what was said last."""

    complaint: str

    @property
    def forbidden(self) -> bool:
        """Whether it is this user who may not, so that nobody has tried."""
        return "(Forbidden)" in self.complaint and "User " in self.complaint


@dataclass(frozen=True)
class Kubelet:
    """One node's: its health by the API server's proxy, and exec and logs of a pod of its own.

    `pod` is which one, as `namespace/name`; empty where none runs there, and then nothing of it.
    """

    health: Try
    pod: str = ""
    logs: Try | None = None
    exec: Try | None = None


def parse_kubelet(text: str) -> Kubelet:
    """`health RC LAST LINE`, then where a pod runs `pod NAME`, and the same of logs and exec."""
    told = dict(line.partition(" ")[::2] for line in text.splitlines())
    if "health" not in told or ("pod" in told and not {"logs", "exec"} <= {*told}):
        raise Unknown("the answer ends too early")
    if "pod" not in told:
        return Kubelet(_try(told["health"]))
    return Kubelet(_try(told["health"]), told["pod"], _try(told["logs"]), _try(told["exec"]))


def _try(told: str) -> Try:
    rc, _, said = told.partition(" ")
    if rc == "0" or any(words in said for words in _RAN):
        return Try("")
    if int(rc) in _TIMED_OUT:
        return Try(f"no answer within {PATIENCE} s")
    return Try(said or f"exit {rc}")


def kubelet(kubectl: str, node: str) -> Probe[Kubelet]:
    """The kubelet of the cluster's node called `node`. `true` runs in a pod, no log line is read.

    Where its health cannot be had for want of the right, a pod still can tell.
    """
    pods = (
        "{range .items[*]}{.metadata.namespace} {.metadata.name} {.spec.containers[0].name}"
        '{"\\n"}{end}'
    )
    return Probe(
        f"kubernetes.kubelet({kubectl} {node})",
        f"""\
{get(kubectl, "/version")} >/dev/null || exit
try() {{
  word=$1
  shift
  said=$(timeout -s KILL {PATIENCE} {kubectl} "$@" 2>&1)
  printf '%s %s %s\\n' "$word" $? "$(printf '%s\\n' "$said" | tail -n 1)"
}}
try health get --raw /api/v1/nodes/{node}/proxy/healthz
set -- $({kubectl} get pods --all-namespaces \\
  --field-selector=spec.nodeName={node},status.phase=Running -o jsonpath='{pods}' | head -n 1)
[ $# -eq 3 ] || exit 0
echo "pod $1/$2"
try logs --namespace="$1" logs "$2" --container="$3" --tail=0
try exec --namespace="$1" exec "$2" --container="$3" -- true""",
        parse_kubelet,
    )
