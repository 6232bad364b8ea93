"""What `gk-deploy --abort -g` deletes: by label, whatever it is called and whoever has made it.

Source: gluster-kubernetes, deploy/gk-deploy at 7246eb4, function abort. Its words are asked with,
so that kubectl makes the same of them: `all` is what the cluster says that it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from preflight.facts.kubernetes.command import KUBECTL, get
from preflight.facts.kubernetes.names import ENDPOINTS
from preflight.model import Probe

_QUESTIONS = (
    "all,svc,jobs,deploy,secret --selector=deploy-heketi",
    # The namespace says nothing of bindings: those are the whole cluster's.
    "all,svc,deploy,secret,sa,clusterrolebinding --selector=heketi",
    f"svc --field-selector=metadata.name={ENDPOINTS}",
    "ds --selector=glusterfs",
)
_FIELDS = (
    ".kind",
    ".metadata.name",
    ".metadata.ownerReferences[0].kind",
    ".metadata.ownerReferences[0].name",
)


@dataclass(frozen=True)
class Selected:
    """One object, and the kind and name of what it goes with; None where it has no owner."""

    kind: str
    name: str
    owner: tuple[str, str] | None = None


def parse_selected(text: str) -> tuple[Selected, ...]:
    """Lines of kind, name, and the owner's, by tabs; what two labels select is there once."""
    found = dict.fromkeys(tuple(line.split("\t")) for line in text.splitlines())
    return tuple(
        Selected(kind, name, (of, owner) if owner else None) for kind, name, of, owner in found
    )


def selected(kubectl: str, namespace: str) -> Probe[tuple[Selected, ...]]:
    """What an abort in the namespace would delete, gluster's DaemonSet too.

    Kinds that the user may not list are passed over: kubectl lists before it deletes by a label,
    so that with the same rights gk-deploy deletes none of those.
    """
    line = '{"\\t"}'.join(f"{{{field}}}" for field in _FIELDS)
    printed = f"-o jsonpath='{{range .items[*]}}{line}{{\"\\n\"}}{{end}}'"
    asked = "\n".join(f"ask {each} || exit" for each in _QUESTIONS)
    return Probe(
        f"kubernetes.selected({kubectl} {namespace})",
        f"""\
{get(kubectl, "/version")} >/dev/null || exit
ask() {{
  said=$({kubectl} --namespace={namespace} get "$@" {printed} 2>&1 >&3) && return
  said=$(printf '%s\n' "$said" | grep -v -e '(Forbidden)' -e '^Warning: ') || return 0
  printf '%s\n' "$said" >&2
  return 1
}}
exec 3>&1
{asked}""",
        parse_selected,
        by=KUBECTL,
    )
