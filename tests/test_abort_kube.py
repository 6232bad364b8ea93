"""`gkprep deploy --abort` in a real cluster that has more in it than a deployment."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from preflight import reach
from preflight.deploy import flow
from preflight.deploy.abort import GONE, abort
from preflight.deploy.deployer import Work
from preflight.deploy.gk_deploy import GkDeploy
from preflight.deploy.objects import storage_class
from preflight.deploy.place import Place
from preflight.errors import UsageError
from tests.kube.plane import Plane
from tests.kube_site import FORCED, Site, earlier, site, statuses, wait_for
from tests.mending_kube import SECRET, SERVICE, named

__all__ = ["site"]

pytestmark = pytest.mark.kube

FOREIGN = "heketi-exporter"


@pytest.fixture
def stranger(kube: Plane) -> Iterator[str]:
    """A binding of the whole cluster's, with the label that gk-deploy deletes by."""
    yield FOREIGN
    kube.kubectl("delete", "clusterrolebinding", FOREIGN, "--ignore-not-found")


def labelled(manifest: dict[str, Any], name: str, **labels: str) -> dict[str, Any]:
    return {**manifest, "metadata": {"name": name, "labels": labels}}


def bind(plane: Plane, name: str, *accounts: str) -> None:
    plane.kubectl(
        *("create", "clusterrolebinding", name, "--clusterrole=edit"),
        *(f"--serviceaccount={account}:heketi-service-account" for account in accounts),
    )
    plane.kubectl("label", "clusterrolebinding", name, "heketi=sa-view")


def bindings(plane: Plane) -> str:
    return plane.kubectl("get", "clusterrolebinding", "-o", "name").stdout


def test_what_others_have_labelled_alike_is_named_and_nothing_goes(
    site: Site, stranger: str
) -> None:
    plane = site.plane
    plane.apply(labelled(SERVICE, "heketi", heketi="service"), site.namespace)
    plane.apply(labelled(SECRET, "somebodys", heketi="mine"), site.namespace)
    bind(plane, stranger, site.namespace)
    before = site.objects()
    refused = site.run("--abort", "--yes")
    assert refused.returncode == 2
    assert "Secret somebodys, ClusterRoleBinding heketi-exporter too" in refused.stderr
    assert site.objects() == before
    assert stranger in bindings(plane)


def test_what_came_while_the_question_stood_is_found(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(site.state))
    plane = site.plane
    plane.apply(labelled(SERVICE, "heketi", heketi="service"), site.namespace)

    def consent(_: object) -> bool:
        plane.apply(labelled(SECRET, "somebodys", heketi="mine"), site.namespace)
        return True

    wanted = reach.Wanted(
        inventory=site.inventory, local=False, parallel=4, accept_new=False, ask_become_pass=False
    )
    with (
        reach.site(wanted) as (fleet, known),
        pytest.raises(UsageError, match="would delete Secret somebodys too"),
    ):
        abort(fleet, known, GkDeploy(), flow.Terms(GkDeploy().options(()), environ={}), consent)
    assert {"service/heketi", "secret/somebodys"} <= set(site.objects())


def test_a_binding_is_kept_for_whoever_needs_it_and_for_the_fix(site: Site) -> None:
    """D15: one of another namespace, of two, and of one that is gone."""
    plane = site.plane
    with plane.namespace() as other:
        plane.kubectl("-n", other, "create", "serviceaccount", "heketi-service-account")
        plane.kubectl("-n", other, "create", "deployment", "heketi", "--image=heketi")
        bind(plane, "heketi-sa-view", site.namespace, other)
        refused = site.run("--abort", "--yes")
        assert refused.returncode == 2
        assert f"is needed by deployment/heketi of namespace {other}" in refused.stderr
        assert "heketi-sa-view" in bindings(plane)
        plane.kubectl("delete", "clusterrolebinding", "heketi-sa-view")
        plane.kubectl("-n", other, "delete", "deployment", "heketi")
    bind(plane, "heketi-sa-view", "no-such-namespace")
    refused = site.run("--abort", "--yes")
    assert refused.returncode == 2
    assert "nobody needs it: `gkprep fix --only kubernetes-binding`" in refused.stderr
    assert "heketi-sa-view" in bindings(plane)


def test_anothers_secret_stays_and_what_lacks_its_label_goes(site: Site) -> None:
    plane = site.plane
    for name in ("heketi-admin-key", "heketi-config-secret"):
        plane.apply(named(SECRET, name), site.namespace)
    told = site.run("--abort", "--dry-run")
    assert "Secret heketi-config-secret" in told.stdout
    assert "heketi-admin-key" not in told.stdout
    _, report = site.report("--abort", "--yes")
    assert statuses(report)["abort"] == {"pass"}, report["findings"]
    assert site.objects() == ["secret/heketi-admin-key"]
    # In the way of a deployment it is told before anything is shown or asked.
    refused = site.run("--dry-run", *FORCED)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "the secret heketi-admin-key in namespace" in refused.stderr


def test_a_namespace_that_is_nowhere_is_no_clean_one(site: Site) -> None:
    text = site.inventory.read_text().replace(site.namespace, "no-such-namespace")
    site.inventory.write_text(text)
    refused = site.run("--abort", "--yes")
    assert refused.returncode == 2
    assert "there is no namespace no-such-namespace in this cluster" in refused.stderr


def test_what_is_for_a_deployment_alone_is_no_part_of_an_abort(site: Site) -> None:
    refused = site.run("--abort", "--yes", "--", "-w", "60")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "what is behind -- have no part in that" in refused.stderr


def test_a_look_at_what_an_abort_would_do_leaves_nothing(site: Site) -> None:
    site.plane.apply(labelled(SERVICE, "heketi", heketi="service"), site.namespace)
    told = site.run("--abort", "--dry-run")
    assert "Service heketi" in told.stdout
    assert not [each for each in site.state.rglob("*") if each.is_file()]


POD = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a", "image": "a"}]}}
HANGS = 'case $* in *" delete "*) touch "$0.hangs"; exec sleep 60 ;; esac'
"""A kubectl that does not get on with deleting."""


def test_an_abort_that_is_interrupted_says_how_to_go_on(site: Site) -> None:
    site.plane.apply(labelled(SERVICE, "heketi", heketi="service"), site.namespace)
    site.plane.apply(labelled(POD, "mine", glusterfs="pod"), site.namespace)
    kubectl = site.meddling(HANGS)
    site.write(kubectl=kubectl)
    argv = ["env", "--default-signal=INT", *site.command("--abort", "--yes")]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=site.environment
    ) as process:
        try:
            wait_for(Path(f"{kubectl}.hangs").exists)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 130
    [log] = site.logs()
    assert (
        "gk-deploy was ended, at: deletion of objects. What it has not taken back is still there."
        f" gkprep deploy --abort goes on from there; its log: {log}\n"
    ) in err
    # The next one goes on, and neither promises nor awaits the end of what is nobody's here:
    # gk-deploy deletes none of Gluster's pods, which go with their DaemonSet.
    site.write()
    began = time.monotonic()
    _, report = site.report("--abort", "--yes")
    assert time.monotonic() - began < GONE
    assert statuses(report)["abort"] == {"pass"}, report["findings"]
    assert report["prospect"]["deleted"] == ["Service heketi"]
    assert site.objects() == ["pod/mine"]


def test_nobody_can_ask_for_a_volume_once_it_has_begun(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that came in between would be nobody's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(site.state))
    plane = site.plane
    plane.apply(labelled(SERVICE, "heketi", heketi="service"), site.namespace)
    plane.apply(storage_class(site.namespace, "10.0.0.9"))
    seen: list[str] = []

    class Looking(GkDeploy):
        def prepare(self, work: Work, place: Place) -> None:
            seen.append(plane.kubectl("get", "storageclass,service", "-A", "-o", "name").stdout)
            super().prepare(work, place)

    wanted = reach.Wanted(
        inventory=site.inventory, local=False, parallel=4, accept_new=False, ask_become_pass=False
    )
    deployer = Looking()
    with reach.site(wanted) as (fleet, known):
        terms = flow.Terms(deployer.options(()), environ={})
        outcome = abort(fleet, known, deployer, terms, lambda _: True)
    assert outcome.prospect
    assert "StorageClass glusterfs-storage" in outcome.prospect.deleted
    assert "service/heketi" in seen[0]
    assert "glusterfs-storage" not in seen[0]


def test_a_volume_that_came_at_the_last_moment_ends_it(site: Site) -> None:
    plane = site.plane
    plane.apply(labelled(SERVICE, "heketi", heketi="service"), site.namespace)
    plane.apply(storage_class(site.namespace, "10.0.0.9"))
    late = site.home / "late.json"
    late.write_text(json.dumps(earlier(site.namespace)))
    script = f'case "$*" in *"delete StorageClass"*) $KUBECTL create -f {late} >&2 ;; esac'
    site.write(kubectl=site.meddling(script))
    refused = site.run("--abort", "--yes")
    assert refused.returncode == 2
    assert "say --abort-volumes 1" in refused.stderr
    assert "The StorageClass is deleted already" in refused.stderr
    assert site.objects() == ["service/heketi"]
