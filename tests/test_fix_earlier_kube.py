"""`gkprep fix --only earlier-deployment` of a real cluster: what is a leftover, and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from preflight.deploy.place import claimed
from tests.kube_site import Site, site
from tests.mending_kube import (
    DEPLOYMENT,
    KEY,
    SECRET,
    SERVICE,
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

ENDPOINTS = "heketi-storage-endpoints"
ADDRESSES = {
    "apiVersion": "v1",
    "kind": "Endpoints",
    "subsets": [{"addresses": [{"ip": "10.78.0.11"}], "ports": [{"port": 1}]}],
}
JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "spec": {
        "template": {
            "spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "heketi", "image": "heketi/heketi:dev"}],
            }
        }
    },
}
STORED = {
    "job.batch/heketi-storage-copy-job": named(JOB, "heketi-storage-copy-job"),
    f"service/{ENDPOINTS}": named(SERVICE, ENDPOINTS),
    f"endpoints/{ENDPOINTS}": named(ADDRESSES, ENDPOINTS),
    "secret/heketi-storage-secret": named(SECRET, "heketi-storage-secret"),
}


def leave(site: Site, namespace: str, *but: str) -> None:
    for name, manifest in STORED.items():
        if name not in but:
            site.plane.apply(manifest, namespace)


def data(site: Site, name: str) -> Any:
    return site.plane.get("secret", name, site.namespace)["data"]


def test_c11_leftovers_go_by_name_and_come_back(site: Site, other: str) -> None:
    leave(site, site.namespace)
    leave(site, other)
    site.plane.apply(named(SECRET, "heketi-admin-key"), site.namespace)
    site.plane.apply(named(SERVICE, "mine"), site.namespace)
    before, stored = set(site.objects()), data(site, "heketi-storage-secret")
    code, report = fix(site, "earlier-deployment", "--yes")
    assert (code, subjects(report), report["stopped"]) == (0, ["heketi-storage"], [])
    now = set(site.objects())
    assert before - now >= STORED.keys()
    assert {"secret/heketi-admin-key", "service/mine"} <= now
    assert all(each.startswith("pod/heketi-storage-copy-job-") for each in before - now - {*STORED})
    for kind, _, name in (each.partition("/") for each in STORED):
        site.plane.kubectl("-n", other, "get", kind, name)
    folder = site.state / "gkprep/runs" / report["run"]
    kept = [each for each in folder.iterdir() if each.is_file()]
    assert {each.stat().st_mode & 0o777 for each in kept} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    code, _ = undo(site, report)
    assert code == 0
    assert set(site.objects()) & STORED.keys() == STORED.keys() - {
        "job.batch/heketi-storage-copy-job"
    }
    assert data(site, "heketi-storage-secret") == stored
    endpoints = site.plane.get("endpoints", ENDPOINTS, site.namespace)
    assert endpoints["subsets"][0]["addresses"] == [{"ip": "10.78.0.11"}]


ABORT = "take it back with `gkprep deploy --abort`"


@pytest.mark.parametrize("living", ["heketi", "deploy-heketi"])
def test_nothing_of_a_heketi_that_is_there_is_a_leftover(site: Site, living: str) -> None:
    leave(site, site.namespace)
    site.plane.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "heketi-config-secret"},
            "stringData": {"topology.json": '{"clusters": []}'},
        },
        site.namespace,
    )
    site.plane.apply(named(DEPLOYMENT, living), site.namespace)
    before = site.objects()
    code, report = fix(site, "earlier-deployment", "--yes")
    assert (code, subjects(report), report["run"]) == (1, [], None)
    assert site.objects() == before
    if living == "deploy-heketi":
        assert left(report) == [f"deployment/{living} is there: {ABORT}"] * 2
    else:
        [finding] = report["findings"]
        assert finding["cure"].endswith(" describe pods --selector=heketi=pod")
        assert left(report) == [
            f"deployment/heketi is there, and may just restart: `{finding['cure']}`"
        ]


def test_a_service_of_heketis_keeps_its_database(site: Site) -> None:
    leave(site, site.namespace)
    site.plane.apply(named(SERVICE, "heketi"), site.namespace)
    before = site.objects()
    _, report = fix(site, "earlier-deployment", "--yes")
    assert subjects(report) == []
    assert site.objects() == before


def test_d9_a_topology_that_cannot_even_be_read_goes_and_comes_back(site: Site) -> None:
    name = "heketi-config-secret"
    topology = {"topology.json": KEY, "heketi.json": KEY}
    site.plane.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "stringData": topology,
        },
        site.namespace,
    )
    stored = data(site, name)
    code, report = fix(site, "earlier-deployment", "--yes")
    assert (code, subjects(report), site.objects()) == (0, [name], [])
    code, _ = undo(site, report)
    assert (code, data(site, name)) == (0, stored)


def test_a_saved_plan_says_itself_that_it_is_about_the_cluster(site: Site) -> None:
    leave(site, site.namespace)
    code, report = fix(site, "earlier-deployment", "--dry-run")
    assert (code, subjects(report)) == (1, ["heketi-storage"])
    plan = site.home / "plan.json"
    plan.write_text(json.dumps(report))
    words = ("fix", str(site.inventory), "--plan", str(plan), "-o", "json")
    done = gkprep(site, *words, "--only", "kubernetes-namespace", "--dry-run")
    asked = json.loads(done.stdout)
    both = {"earlier-deployment", "kubernetes-namespace"}
    assert {each["check"] for each in asked["findings"]} == both
    done = gkprep(site, *words, "--yes")
    assert done.returncode == 0, done.stderr
    applied = json.loads(done.stdout)
    assert applied["plan"]["actions"] == report["plan"]["actions"]
    assert {each["check"] for each in applied["findings"]} == {"earlier-deployment"}
    assert not {*site.objects()} & STORED.keys()


def test_leftovers_stay_where_a_heketi_came_meanwhile(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(site.state))
    leave(site, site.namespace)
    before = set(site.objects())
    done = interrupted(
        site,
        "earlier-deployment",
        lambda: site.plane.apply(named(DEPLOYMENT, "heketi"), site.namespace),
    )
    assert "it is needed by now: deployment.apps/heketi" in done.stopped["controller"]
    assert before < set(site.objects())


def test_a_deployment_and_a_fix_keep_out_of_each_others_way(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(site.state))
    leave(site, site.namespace)
    before = site.objects()
    with claimed(site.state / "gkprep/keys/any"):
        code, report = fix(site, "earlier-deployment", "--yes")
    assert code == 1
    assert report["stopped"] == [
        {"node": "controller", "why": "another gkprep is at work here: gkprep deploy"}
    ]
    assert site.objects() == before
