"""One object of a real cluster deleted and made again, as the fixes do it."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from fixes._cluster import deletion
from preflight.model import Step
from tests.kube_site import Site, site
from tests.mending_kube import (
    SECRET,
    SERVICE,
    known,
    named,
    taken,
)

__all__ = ["site"]

pytestmark = pytest.mark.kube


def going(site: Site, kind: str, needed: str = "true") -> tuple[Step, Step]:
    """The deletion of that kind's `mine`, which looks but once whether it is gone, and its undo."""
    step = deletion(known(site, "kubernetes-binding"), kind, "mine", needed)
    assert "looks=30" in step.argv[2]
    assert step.undo
    hurried = tuple(word.replace("looks=30", "looks=1") for word in step.argv)
    return replace(step, argv=hurried), step.undo


def test_what_changes_between_the_look_and_the_deletion_stays(site: Site) -> None:
    site.plane.apply(named(SECRET, "mine"), site.namespace)
    label = f"label secret mine by=another --namespace={site.namespace}"
    words = shlex.join([site.plane.client, f"--kubeconfig={site.plane.kubeconfig}"])
    step, back = going(site, "secret", f"{words} {label} >/dev/null")
    done = taken(step)
    assert (done.returncode, done.stderr) == (1, "secret mine stays, it was changed meanwhile\n")
    assert site.objects() == ["secret/mine"]
    assert taken(back, done.stdout).returncode == 0


def test_what_a_finalizer_holds_is_neither_waited_for_nor_taken_for_restored(site: Site) -> None:
    held = {"metadata": {"name": "mine", "finalizers": ["example.com/held"]}}
    site.plane.apply({**SECRET, **held}, site.namespace)
    step, back = going(site, "secret")
    done = taken(step)
    why = "secret mine is about to go, and waits for its finalizers: example.com/held\n"
    assert (done.returncode, done.stderr) == (1, why)
    refused = taken(back, done.stdout)
    why = "secret mine is about to go; undo again when it is gone\n"
    assert (refused.returncode, refused.stderr) == (1, why)
    free = ("patch", "secret", "mine", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    site.plane.kubectl("-n", site.namespace, *free)
    assert site.objects() == []
    assert taken(back, done.stdout).returncode == 0
    assert site.objects() == ["secret/mine"]


def test_a_service_comes_back_with_its_external_addresses_and_without_its_owner(site: Site) -> None:
    created = (
        "-n",
        site.namespace,
        "create",
        "configmap",
        "owner",
        "-o",
        "jsonpath={.metadata.uid}",
    )
    uid = site.plane.kubectl(*created).stdout
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    spec = {"externalIPs": ["10.9.9.9"], "ports": [{"port": 1}]}
    owned = {"metadata": {"name": "mine", "ownerReferences": [owner]}, "spec": spec}
    site.plane.apply({**SERVICE, **owned}, site.namespace)
    step, back = going(site, "service")
    done = taken(step)
    assert "ownerReferences:" in done.stdout
    site.plane.kubectl("-n", site.namespace, "delete", "configmap", "owner")
    made = taken(back, done.stdout)
    assert made.returncode == 0, made.stderr
    service = site.plane.get("service", "mine", site.namespace)
    assert service["spec"]["externalIPs"] == ["10.9.9.9"]
    assert "ownerReferences" not in service["metadata"]
