"""kubernetes-binding: no earlier deployment's binding keeps heketi from its pods."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.facts import kubernetes
from preflight.facts.kubernetes import ACCOUNT, BINDING, ROLE
from preflight.plugin import Facts, Finding, Unknown, controller_check, fail, look_first, ok


@controller_check(
    lambda node: [
        kubernetes.binding(kubernetes.kubectl(node)),
        kubernetes.needs_binding(
            kubernetes.kubectl(node), kubernetes.site(node).deployer.namespace
        ),
    ]
)
def kubernetes_binding(facts: Facts) -> Iterator[Finding]:
    """The cluster role binding heketi-sa-view is heketi's of this namespace, or not there yet.

    Checks: the binding of that fixed name, if there is one, gives the role `edit` to the service
    account heketi-service-account of the inventory's `deployer.namespace`.

    Why: gk-deploy makes it with `create`, and ignores `already exists`. A binding that another
    deployment has left names another namespace: heketi gets no rights, and adding the first node
    ends in `Failed to get list of pods`.

    By hand: where nothing uses the other deployment any more, `kubectl delete clusterrolebinding
    heketi-sa-view`; gk-deploy makes it again. Where something does, it stays: deploy in that
    namespace, or to another cluster.

    Source: catalogue C5, D15; gluster-kubernetes#142, #374.
    """
    words = kubernetes.kubectl(facts.node)
    namespace = kubernetes.site(facts.node).deployer.namespace
    binding = facts[kubernetes.binding(words)]
    wanted = f"ServiceAccount {namespace}/{ACCOUNT}"
    want = f"{ROLE} for {wanted}, or none yet"
    if binding is None:
        yield ok(BINDING, "not there yet", want)
    elif binding.role == ROLE and wanted in binding.subjects:
        yield ok(BINDING, f"{ROLE} for {wanted}", want)
    else:
        saw = f"{binding.role} for {', '.join(binding.subjects) or 'nobody'}"
        look = f"{words} get clusterrolebinding {BINDING} -o wide"
        why = needed(facts)
        yield fail(
            BINDING,
            f"{saw}; {why}" if why else saw,
            want,
            says="Failed to get list of pods",
            cure=look if why else look_first(look, f"{words} delete clusterrolebinding {BINDING}"),
        )


def needed(facts: Facts) -> str:
    """Why the binding has to stay, empty where nobody lives from it."""
    words = kubernetes.kubectl(facts.node)
    namespace = kubernetes.site(facts.node).deployer.namespace
    try:
        needs = facts[kubernetes.needs_binding(words, namespace)]
    except Unknown as exc:
        return f"whether somebody needs it could not be found out: {exc}"
    return f"needed by {', '.join(needs)}" if needs else ""
