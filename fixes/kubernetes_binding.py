"""Fix of kubernetes-binding: delete the role binding that an earlier deployment has left."""

from __future__ import annotations

from collections.abc import Iterator

from checks.kubernetes_binding import kubernetes_binding, needed
from fixes._cluster import deletion, which
from preflight.facts import kubernetes
from preflight.plugin import Facts, Finding, Risk, Step, Unfixable, fix


@fix(kubernetes_binding, which, risk=Risk.DISRUPTIVE)
def unbind(finding: Finding, facts: Facts) -> Iterator[Step]:
    """Deletes the cluster role binding heketi-sa-view, which nobody needs any more.

    Only where each of its subjects is an account heketi-service-account that is gone, or in whose
    namespace neither heketi nor deploy-heketi is, nor anything that has or may make pods with that
    account. That is asked again right before. gk-deploy makes the binding anew. Undone by making it
    as it was, unless there is another by then.
    """
    if why := needed(facts):
        raise Unfixable(why)
    words = kubernetes.kubectl(facts.node)
    namespace = kubernetes.site(facts.node).deployer.namespace
    asked = kubernetes.needs_binding(words, namespace).command
    yield deletion(facts, "clusterrolebinding", finding.subject, asked)
