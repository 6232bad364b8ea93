"""Fix of earlier-deployment: delete what a deployment has left that broke off."""

from __future__ import annotations

from collections.abc import Iterator

from checks.earlier_deployment import (
    DATABASE,
    DEPLOY_HEKETI,
    HEKETI,
    JOB,
    SERVICE,
    STORAGE_ENDPOINTS,
    STORAGE_SERVICE,
    earlier_deployment,
)
from fixes._cluster import deletion, which
from preflight.facts import kubernetes
from preflight.facts.kubernetes import CONFIG
from preflight.plugin import Facts, Finding, Risk, Step, Unfixable, fix

LIVING = (HEKETI, SERVICE, DEPLOY_HEKETI)
"""Where one of those is, a heketi may come back to what looks like left over."""

# The controller deletes the endpoints of a service that goes, so they are read and deleted before.
ORDER = (JOB, STORAGE_ENDPOINTS, STORAGE_SERVICE, DATABASE)
LEFTOVERS = {"heketi-storage": ORDER, CONFIG: (("Secret", CONFIG),)}


@fix(earlier_deployment, which, risk=Risk.DISRUPTIVE)
def clear(finding: Finding, facts: Facts) -> Iterator[Step]:
    """Deletes the copy job, endpoints, service and secret of heketi's database, or a topology.

    Each by its kind and name, in the inventory's `deployer.namespace`, and only where neither
    heketi nor deploy-heketi is there, nor heketi's service; that is asked again right before. A
    heketi that is not ready may just restart, and is looked at. Of deploy-heketi, or a service with
    no heketi behind it, `gkprep deploy --abort` is the way: it asks for volumes first. The topology
    is the secret heketi-config-secret, where it is another than the inventory's. Undone by making
    each as it was, which the journal keeps with what is in it; but for a service's address, which
    may be another's by then, and the job, which would copy once more.
    """
    words = kubernetes.kubectl(facts.node)
    namespace = kubernetes.site(facts.node).deployer.namespace
    there = {(each.kind, each.name) for each in facts[kubernetes.objects(words, namespace)]}
    if HEKETI in there:
        raise Unfixable(f"deployment/heketi is there, and may just restart: `{finding.cure}`")
    if found := [f"{kind.lower()}/{name}" for kind, name in LIVING if (kind, name) in there]:
        raise Unfixable(f"{found[0]} is there: take it back with `gkprep deploy --abort`")
    living = " ".join(f"{kind.lower()}/{name}" for kind, name in LIVING)
    needed = f"{words} --namespace={namespace} get {living} --ignore-not-found -o name"
    for key in LEFTOVERS[finding.subject]:
        if key in there:
            kind, name = key
            yield deletion(facts, kind.lower(), name, needed, undone=key != JOB)
