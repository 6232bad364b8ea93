"""kubernetes-storage-class: the StorageClass that gkprep makes is not there as another's."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.facts import deployment, kubernetes
from preflight.plugin import Facts, Finding, controller_check, fail, look_first, ok

WANT = "none, or the one that gkprep deploy makes"


@controller_check(
    lambda node: [deployment.storage_class(kubernetes.kubectl(node))],
    lambda node: [
        deployment.service(kubernetes.kubectl(node), kubernetes.site(node).deployer.namespace)
    ],
)
def kubernetes_storage_class(facts: Facts) -> Iterator[Finding]:
    """No StorageClass glusterfs-storage leads to another heketi than this deployment's.

    Checks: the StorageClass of that name, which the whole cluster has once: its provisioner, and
    its parameters against what gkprep deploy would give it. Where heketi has no service yet, one
    that is there leads to another, or to none any more.

    Why: what is in a StorageClass cannot be changed: the API server says `updates to parameters
    are forbidden`, after all six steps of a deployment. Until then claims would be for the heketi
    of another namespace, or of an earlier deployment.

    By hand: look which volumes and claims are of that class. While any is, its heketi is needed:
    deleting such a volume takes the StorageClass as it is. Where none is, delete it, and gkprep
    deploy makes it anew.

    Source: catalogue C15; Kubernetes documentation, "Storage Classes".
    """
    words = kubernetes.kubectl(facts.node)
    namespace = kubernetes.site(facts.node).deployer.namespace
    found = facts[deployment.storage_class(words)]
    behind = facts[deployment.service(words, namespace)]
    name = deployment.STORAGE_CLASS
    if found is None:
        yield ok(name, "none", WANT)
        return
    differs = found.otherwise(deployment.wanted_parameters(facts.node, behind))
    if differs is None:
        yield ok(name, "there, and leads to this deployment's heketi", WANT)
        return
    saw, want = differs
    whose = "gkprep's, of another deployment" if found.own else "not gkprep's"
    look, act = deployment.users_of_class(words), deployment.without_class(words)
    cure = look_first(look, act)
    yield fail(name, f"{whose}: {saw}", want, says=deployment.FORBIDDEN, cure=cure)
