"""`gkprep fix --only kubernetes-namespace` of a real cluster: made or opened, and taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from checks.kubernetes_namespace import kubernetes_namespace
from preflight import registry
from preflight.facts.kubernetes import Namespace, Told, Version
from preflight.judge import judge
from preflight.model import Facts, Step
from preflight.plan import plan
from tests.kube.manifests import gluster
from tests.kube.plane import Plane
from tests.kube.servers import GUEST
from tests.kube_site import Site, site
from tests.mending_kube import (
    SECRET,
    fix,
    gkprep,
    known,
    named,
    taken,
    undo,
)

__all__ = ["site"]

pytestmark = pytest.mark.kube

RBAC = "rbac.authorization.k8s.io"
OTHERS = {
    "secret/mine": SECRET,
    "logs.kwok.x-k8s.io/mine": {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Logs",
        "spec": {"logs": []},
    },
    f"rolebinding.{RBAC}/mine": {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "mine"},
    },
}
"""Objects as the server lists them; `kubectl get all` shows none of the three. One is a CR."""


@contextmanager
def nowhere(site: Site) -> Iterator[str]:
    name = f"{site.namespace}-new"
    site.write(namespace=name)
    try:
        yield name
    finally:
        site.plane.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")


def there(site: Site, name: str) -> bool:
    words = ("get", "namespace", name, "--ignore-not-found", "-o", "name")
    return bool(site.plane.kubectl(*words).stdout)


def test_c6_a_namespace_is_made_and_goes_again_while_it_is_empty(site: Site) -> None:
    with nowhere(site) as name:
        code, report = fix(site, "kubernetes-namespace", "--yes")
        assert (code, there(site, name)) == (0, True)
        assert report["plan"]["actions"][0]["risk"] == "disruptive"
        for manifest in OTHERS.values():
            site.plane.apply(named(manifest, "mine"), name)
        code, again = undo(site, report)
        assert (code, there(site, name)) == (1, True)
        assert f"there is in it: {' '.join(OTHERS)}" in json.dumps(again)
        site.plane.kubectl("-n", name, "delete", *OTHERS)
        code, again = undo(site, report)
        assert (code, there(site, name)) == (0, False), again


def test_undo_leaves_a_namespace_that_somebody_made_anew(site: Site) -> None:
    with nowhere(site) as name:
        _, report = fix(site, "kubernetes-namespace", "--yes")
        site.plane.kubectl("delete", "namespace", name)
        site.plane.kubectl("create", "namespace", name)
        code, again = undo(site, report)
        assert (code, there(site, name)) == (1, True)
        assert f"there is another namespace {name} by now" in json.dumps(again)


def test_an_undo_is_offered_where_there_is_something_to_take_back(site: Site, kube: Plane) -> None:
    """Who may look at namespaces, and make none, has changed nothing."""
    with nowhere(site) as name, looking(kube):
        words = ("fix", str(site.inventory), "--only", "kubernetes-namespace", "--yes")
        site.write(namespace=name, kubeconfig=str(kube.guest))
        refused = gkprep(site, *words)
        assert (refused.returncode, there(site, name)) == (1, False)
        assert "cannot create resource" in refused.stdout
        assert "\n0 steps taken\n" in refused.stdout
        site.write(namespace=name)
        made = gkprep(site, *words)
        assert (made.returncode, there(site, name)) == (0, True)
        assert "1 step taken    undo: gkprep undo " in made.stdout


@contextmanager
def looking(kube: Plane) -> Iterator[None]:
    """Meanwhile the guest may look at namespaces."""
    name = "gkprep-test-looking"
    kube.kubectl("create", "clusterrole", name, "--verb=get,list", "--resource=namespaces")
    bound = (f"--clusterrole={name}", f"--user={GUEST}")
    kube.kubectl("create", "clusterrolebinding", name, *bound)
    try:
        yield
    finally:
        kube.kubectl("delete", "clusterrole,clusterrolebinding", name)


def test_c12_a_namespace_is_opened_and_closed_again(site: Site, kube: Plane) -> None:
    """The server says that it is a newer one: 1.20 enforces no level, so that nothing fails."""
    label = "pod-security.kubernetes.io/enforce"
    kube.kubectl("label", "namespace", site.namespace, f"{label}=baseline")
    facts = known(site, "kubernetes-namespace")
    values = dict(facts.values)
    for name, value in values.items():
        if name.startswith("kubernetes.server("):
            values[name] = Told(Version(1, 25, "v1.25.0"), "")
        if isinstance(value, Namespace):
            assert value.enforce == "baseline"
            uid = value.uid
    newer = Facts(facts.node, values)
    controller = {facts.node.name: newer}
    found = judge([kubernetes_namespace], controller)
    [action] = plan(found, controller, registry.fixes()).actions
    [step] = action.steps
    assert isinstance(step, Step)
    assert step.undo

    def level() -> str:
        return str(kube.get("namespace", site.namespace)["metadata"]["labels"][label])

    def change(new: str) -> None:
        kube.kubectl("label", "--overwrite", "namespace", site.namespace, f"{label}={new}")

    change("restricted")
    refused = taken(step)
    assert "it enforces restricted by now" in refused.stderr
    assert (refused.returncode, refused.stdout, level()) == (1, "", "restricted")
    change("baseline")
    made_anew = tuple(word.replace(uid, "1") for word in step.argv)
    refused = taken(Step(made_anew))
    assert "there is another namespace" in refused.stderr
    assert (refused.returncode, refused.stdout, level()) == (1, "", "baseline")
    done = taken(step)
    assert (done.returncode, level()) == (0, "privileged")
    change("restricted")
    refused = taken(step.undo, done.stdout)
    assert (refused.returncode, level()) == (1, "restricted")
    change("privileged")
    kube.apply(gluster(), site.namespace)
    refused = taken(step.undo, done.stdout)
    assert (refused.returncode, level()) == (1, "privileged")
    kube.kubectl("-n", site.namespace, "delete", "daemonset", "glusterfs")
    assert (taken(step.undo).returncode, level()) == (0, "privileged"), "it was not gkprep's"
    assert (taken(step.undo, done.stdout).returncode, level()) == (0, "baseline")
