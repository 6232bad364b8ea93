"""kubernetes-rights: the user of the kubeconfig may do what a deployment takes."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.facts import kubernetes
from preflight.plugin import Facts, Finding, controller_check, fail, ok, warn

WANT = "all that a deployment takes"
GRANT = (
    "an administrator of the cluster has to grant that, or all: kubectl create clusterrolebinding"
    " NAME --clusterrole=cluster-admin --user=YOU, or, where you are a ServiceAccount,"
    " --serviceaccount=NAMESPACE:ACCOUNT"
)

# What a deployment may get along without: what is not possible then, how that shows, what helps.
WITHOUT = {
    "bind clusterroles.rbac.authorization.k8s.io/edit": (
        "you may not, so the binding is refused unless you have every right that edit gives",
        "attempting to grant RBAC permissions not currently held",
        "deploy as a cluster administrator",
    ),
    "get nodes/proxy": (
        "you may not, so kubelet-reach can try a kubelet only where a pod runs on its node",
        "",
        "deploy as a user who may, or see that kubectl exec works in a pod of each node",
    ),
}


@controller_check(
    lambda node: [
        kubernetes.rights(kubernetes.kubectl(node), kubernetes.site(node).deployer.namespace)
    ]
)
def kubernetes_rights(facts: Facts) -> Iterator[Finding]:
    """Whoever runs gk-deploy has the rights that it needs.

    Checks: a SelfSubjectAccessReview, which `kubectl auth can-i` makes too, for each verb that
    gk-deploy and gkprep deploy use on each kind, to deploy and to abort, in the inventory's
    `deployer.namespace` and in the cluster.

    Why: gk-deploy ignores what the API server refuses it, says `Creating initial resources ... OK`
    and fails minutes later at something else, such as `Failed to get list of pods`.

    By hand: deploy as a cluster administrator, or have one give you what is missing.

    Source: catalogue C5, D5; gluster-kubernetes deploy/gk-deploy; Kubernetes documentation,
    "Authorization" and "Using RBAC Authorization".
    """
    words = kubernetes.kubectl(facts.node)
    namespace = kubernetes.site(facts.node).deployer.namespace
    rights = facts[kubernetes.rights(words, namespace)]
    refused = [str(right) for right in rights if not right.allowed]
    if missing := [right for right in refused if right not in WITHOUT]:
        yield fail(
            "rights",
            f"you may not: {', '.join(missing)}",
            WANT,
            says="Error from server (Forbidden)",
            cure=GRANT,
        )
    for right in refused:
        if right in WITHOUT:
            saw, says, cure = WITHOUT[right]
            yield warn(right, saw, WANT, says=says, cure=cure)
    if not refused:
        every = "every right in the cluster" if len(rights) == 1 else f"all {len(rights)} of them"
        yield ok("rights", every, WANT)
