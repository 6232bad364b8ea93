"""The rights that kubernetes-rights asks for are enough: a user who has those, and no others.

A real API server authorizes, by roles made of the rights that the probe itself says are missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preflight.collect import collect
from preflight.controller import controller
from preflight.deploy import verify
from preflight.deploy.cluster import Cluster
from preflight.deploy.flow import verified
from preflight.facts import kubernetes
from preflight.facts.kubernetes import Right
from preflight.model import Deployer, Inventory, Limits, Status
from preflight.transport import Local
from tests.kube.plane import Plane
from tests.kube.servers import GUEST
from tests.kube.standins import GK_DEPLOY, HEKETI, real_gk_deploy, real_heketi
from tests.kube_checked import STORAGE, broken, look
from tests.kube_site import Site, clear, faults, statuses, wait_for

pytestmark = pytest.mark.kube

UNUSED = {
    "cronjobs.batch",
    "horizontalpodautoscalers.autoscaling",
    "replicationcontrollers",
    "statefulsets.apps",
}
"""What gk-deploy's `kubectl delete all` looks for too, and no deployment makes."""

ROLE = "gkprep-test-rights"
CLASS, TO_MAKE_A_CLASS = (["storageclasses"], ["create"]), "create storageclasses.storage.k8s.io"
BINDINGS = (("clusterrolebinding", f"{ROLE}-cluster"), ("rolebinding", f"{ROLE}-namespace"))


def asked(inventory: Inventory) -> tuple[Right, ...]:
    """Each right that a deployment needs, and whether the user of this kubeconfig has it."""
    node = controller(inventory)
    probe = kubernetes.rights(kubernetes.kubectl(node), inventory.deployer.namespace)
    return collect(node, [probe], Local(become=False), Limits(probe=60, node=60))[probe]


def rule(right: Right) -> dict[str, Any]:
    """One right as a role has it; only a cluster role to be bound is meant by its name."""
    kind, _, rest = right.resource.partition("/")
    plural, _, group = kind.partition(".")
    if plural == "clusterroles":
        named = {"resources": [plural], "resourceNames": [rest]}
    else:
        named = {"resources": [f"{plural}/{rest}" if rest else plural]}
    return {"apiGroups": [group], "verbs": [right.verb], **named}


def grant(kube: Plane, namespace: str, rights: Iterable[Right]) -> None:
    """Give the guest these rights: in the whole cluster only those on what has no namespace."""
    kinds = kube.kubectl("api-resources", "--namespaced=false", "-o", "name").stdout.split()
    everywhere = [right for right in rights if right.resource.partition("/")[0] in kinds]
    within = [right for right in rights if right not in everywhere]
    assert everywhere
    assert within
    for (kind, name), given in zip(BINDINGS, (everywhere, within), strict=True):
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
        kube.apply({**role, "metadata": {"name": name}, "rules": [*map(rule, given)]})
        words = ("create", kind, name, f"--clusterrole={name}", f"--user={GUEST}")
        kube.kubectl("-n", namespace, *words)


@pytest.fixture
def guest(kube: Plane, namespace: str) -> Iterator[Inventory]:
    """An inventory whose kubeconfig is of a user with what kubernetes-rights asks for."""
    deployer = Deployer(kubectl=kube.client, kubeconfig=kube.guest, namespace=namespace)
    inventory = Inventory(STORAGE, deployer=deployer)
    try:
        grant(kube, namespace, [right for right in asked(inventory) if not right.allowed])
        wait_for(lambda: all(right.allowed for right in asked(inventory)))
        yield inventory
    finally:
        for kind, name in BINDINGS:
            kube.kubectl("-n", namespace, "delete", kind, name, "--ignore-not-found")
            kube.kubectl("delete", "clusterrole", name, "--ignore-not-found")


def test_they_are_enough_for_the_controllers_checks(guest: Inventory) -> None:
    script = replace(guest.deployer, gk_deploy=real_gk_deploy() or GK_DEPLOY)
    table = look(replace(guest, deployer=script))
    found = table["kubernetes-rights", "rights"]
    assert (found.status, found.saw) == (Status.PASS, f"all {len(asked(guest))} of them")
    amiss = {key: status for key, status in broken(table).items() if status is not Status.WARN}
    assert amiss == {}, [table[key].saw for key in amiss]
    # Its pods are those of its own namespace: what runs on a node it cannot say.
    untried = table["kubelet-reach", "node1"]
    assert (untried.status, 'cannot list resource "pods"' in untried.saw) == (Status.WARN, True)


def test_they_are_enough_to_deploy_and_to_abort(
    kube: Plane, guest: Inventory, tmp_path: Path
) -> None:
    kube.heketi(real_heketi() or HEKETI)
    clear(kube, guest.deployer.namespace)
    site = Site(kube, guest.deployer.namespace, tmp_path, real_gk_deploy() or GK_DEPLOY)
    site.write(kubeconfig=str(kube.guest))
    try:
        code, report = site.deploy("--smoke-test")
        assert (code, report["verdict"]) == (0, "ready"), faults(report)
        # Once more: whatever gkprep applies is there already now.
        code, report = site.deploy()
        assert code == 0, faults(report)
        code, report = site.report("--abort", "--yes")
        assert statuses(report)["abort"] == {"pass"}, report["findings"]
    finally:
        clear(kube, guest.deployer.namespace)
    logs = "".join(log.read_text() for log in site.logs())
    assert {*re.findall(r"Forbidden\): (\S+) is forbidden", logs)} == UNUSED


def test_a_storage_class_that_one_may_not_make_is_told_once(kube: Plane, guest: Inventory) -> None:
    """By the check that misses it, with what the API server said."""
    namespace, role = guest.deployer.namespace, BINDINGS[0][1]
    clear(kube, namespace)
    kube.kubectl("-n", namespace, "create", "service", "clusterip", "heketi", "--tcp=8080")
    allowed = kube.get("clusterrole", role)
    kept = [rule for rule in allowed["rules"] if (rule["resources"], rule["verbs"]) != CLASS]
    assert len(kept) == len(allowed["rules"]) - 1
    kube.apply({**allowed, "rules": kept})
    cluster = Cluster(controller(guest), lambda _: Local(become=False))
    wait_for(lambda: [str(each) for each in asked(guest) if not each.allowed] == [TO_MAKE_A_CLASS])
    [told] = verified(cluster, [verify.storage_class], smoke_too=False).findings
    assert (told.subject, told.status) == ("glusterfs-storage", Status.FAIL)
    assert told.saw.startswith("not there: it could not be made: ")
    assert 'cannot create resource "storageclasses"' in told.saw
