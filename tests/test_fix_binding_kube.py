"""`gkprep fix --only kubernetes-binding` of a real cluster: whose binding goes and comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kube.plane import Plane
from tests.kube_site import Site, site, statuses
from tests.mending_kube import (
    DEPLOYMENT,
    fix,
    gkprep,
    interrupted,
    left,
    named,
    other,
    subjects,
    undo,
)

__all__ = ["other", "site"]

pytestmark = pytest.mark.kube

BINDING = ("clusterrolebinding", "heketi-sa-view")


def bind(plane: Plane, *given: str) -> None:
    plane.kubectl("create", *BINDING, "--clusterrole=edit", *given)


def bound(plane: Plane) -> Any:
    listed = plane.get("clusterrolebinding")["items"]
    return [
        {key: each[key] for key in ("roleRef", "subjects")}
        for each in listed
        if each["metadata"]["name"] == BINDING[1]
    ]


def test_the_gate_names_the_fix_and_does_not_take_it(site: Site) -> None:
    bind(site.plane, "--serviceaccount=gone:heketi-service-account")
    done = site.run("--yes")
    assert done.returncode == 1
    assert "fix: gkprep fix --only kubernetes-binding" in done.stdout
    assert bound(site.plane)


def test_c5_a_binding_that_nobody_needs_goes_and_comes_back(site: Site, other: str) -> None:
    bind(
        site.plane,
        f"--serviceaccount={other}:heketi-service-account",
        "--serviceaccount=gone:heketi-service-account",
    )
    before = bound(site.plane)
    code, report = fix(site, "kubernetes-binding")
    assert (code, report["run"], subjects(report)) == (1, None, [BINDING[1]])
    assert bound(site.plane) == before, "nobody has consented"
    code, report = fix(site, "kubernetes-binding", "--yes")
    assert (code, report["nodes"][0]["name"], bound(site.plane)) == (0, "controller", [])
    assert len(report["nodes"]) == 1
    [action] = report["plan"]["actions"]
    assert action["risk"] == "disruptive"
    code, again = undo(site, report)
    assert (code, bound(site.plane)) == (0, before)
    assert statuses(again) == {"kubernetes-binding": {"fail"}}, "all that the run was about"


def test_an_undo_elsewhere_finds_the_cluster_of_a_relative_kubeconfig(site: Site) -> None:
    site.write(kubeconfig=None)
    folder = site.plane.kubeconfig.parent
    site.environment["KUBECONFIG"] = f"no-such-file:{site.plane.kubeconfig.name}"
    bind(site.plane, "--serviceaccount=gone:heketi-service-account")
    before = bound(site.plane)
    words = ("--only", "kubernetes-binding", "--yes", "-o", "json")
    done = gkprep(site, "fix", str(site.inventory), *words, folder=folder)
    assert (done.returncode, bound(site.plane)) == (0, []), done.stderr
    del site.environment["KUBECONFIG"]
    code, again = undo(site, json.loads(done.stdout))
    assert (code, bound(site.plane)) == (0, before)
    assert statuses(again) == {"kubernetes-binding": {"fail"}}


def test_c5_undo_leaves_the_binding_of_a_later_deployment(site: Site) -> None:
    bind(site.plane, "--serviceaccount=gone:heketi-service-account")
    _, report = fix(site, "kubernetes-binding", "--yes")
    bind(site.plane, f"--serviceaccount={site.namespace}:heketi-service-account")
    [[later]] = [each["subjects"] for each in bound(site.plane)]
    code, again = undo(site, report)
    assert code == 1
    assert "there is another clusterrolebinding heketi-sa-view by now" in json.dumps(again)
    assert [each["subjects"] for each in bound(site.plane)] == [[later]]


def test_c5_a_binding_that_a_deployment_lives_from_is_left_alone(site: Site, other: str) -> None:
    bind(site.plane, f"--serviceaccount={other}:heketi-service-account")
    for name in ("heketi", "deploy-heketi"):
        site.plane.apply(named(DEPLOYMENT, name), other)
        code, report = fix(site, "kubernetes-binding", "--yes")
        why = f"needed by deployment/{name} of namespace {other}"
        assert (code, subjects(report), left(report)) == (1, [], [why])
        [finding] = report["findings"]
        assert why in finding["saw"]
        assert "delete" not in finding["cure"]
        site.plane.kubectl("-n", other, "delete", "deployment", name)
    assert bound(site.plane)


def test_c5_a_binding_is_left_alone_that_a_pod_lives_from_now_or_later(
    site: Site, other: str
) -> None:
    bind(site.plane, f"--serviceaccount={other}:heketi-service-account")
    container = {"name": "a", "image": "a"}
    spec = {"serviceAccountName": "heketi-service-account", "containers": [container]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": spec}
    once = {"template": {"spec": {**spec, "restartPolicy": "Never"}}}
    many = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    for kind, group, body in (
        ("Pod", "v1", spec),
        ("StatefulSet", "apps/v1", {**many, "serviceName": "a"}),
        ("CronJob", "batch/v1beta1", {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": once}}),
    ):
        site.plane.apply({"apiVersion": group, "kind": kind, "spec": body, **named({}, "a")}, other)
    _, report = fix(site, "kubernetes-binding", "--yes")
    users = (f"{kind}/a of namespace {other}" for kind in ("pod", "statefulset", "cronjob"))
    assert left(report) == [f"needed by {', '.join(users)}"]


@pytest.mark.parametrize(
    ("given", "who"),
    [
        ("--user=alice", "User alice"),
        ("--serviceaccount=shop:operator", "ServiceAccount shop/operator"),
    ],
)
def test_another_products_binding_is_left_alone(site: Site, given: str, who: str) -> None:
    bind(site.plane, "--serviceaccount=gone:heketi-service-account", given)
    code, report = fix(site, "kubernetes-binding", "--yes")
    assert (code, subjects(report), left(report)) == (1, [], [f"needed by {who}"])
    assert bound(site.plane)


def test_a_binding_that_is_needed_by_now_stays(
    site: Site, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(site.state))
    bind(site.plane, f"--serviceaccount={other}:heketi-service-account")
    done = interrupted(
        site,
        "kubernetes-binding",
        lambda: site.plane.apply(named(DEPLOYMENT, "heketi"), other),
    )
    assert "it is needed by now: deployment/heketi" in done.stopped["controller"]
    assert bound(site.plane)
