"""`gkprep fix` and `gkprep undo` of a real cluster: what goes, what stays, and what comes back.

The nodes are not there, so that a run that asked them anything would not be ready.
"""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checks.kubernetes_namespace import kubernetes_namespace
from fixes._cluster import deletion
from preflight import reach, registry, repair
from preflight.deploy.place import claimed
from preflight.facts.kubernetes import Namespace, Told, Version
from preflight.judge import judge
from preflight.model import Facts, Plan, Step
from preflight.plan import plan
from preflight.repair import Repair, Way
from tests.kube.plane import Plane
from tests.test_deploy_kube import Json, Site, site, statuses
from tests.test_kube_checks import DAEMONSET

__all__ = ["site"]

pytestmark = pytest.mark.kube

BINDING = ("clusterrolebinding", "heketi-sa-view")
ENDPOINTS = "heketi-storage-endpoints"
KEY = "a-key-that-nobody-sees"
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"heketi": "pod"}},
        "template": {
            "metadata": {"labels": {"heketi": "pod"}},
            "spec": {"containers": [{"name": "heketi", "image": "heketi/heketi:dev"}]},
        },
    },
}
SERVICE = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 1}]}}
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
SECRET = {"apiVersion": "v1", "kind": "Secret", "stringData": {"heketi.db": KEY}}


def named(manifest: Json, name: str) -> Json:
    return {**manifest, "metadata": {"name": name}}


STORED = {
    "job.batch/heketi-storage-copy-job": named(JOB, "heketi-storage-copy-job"),
    f"service/{ENDPOINTS}": named(SERVICE, ENDPOINTS),
    f"endpoints/{ENDPOINTS}": named(ADDRESSES, ENDPOINTS),
    "secret/heketi-storage-secret": named(SECRET, "heketi-storage-secret"),
}


def gkprep(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("gkprep")
    done = subprocess.run(
        [str(program), *words],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=site.environment,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    assert KEY not in done.stdout + done.stderr
    assert base64.b64encode(KEY.encode()).decode() not in done.stdout + done.stderr
    return done


def fix(site: Site, check: str, *words: str) -> tuple[int, Json]:
    done = gkprep(site, "fix", str(site.inventory), "--only", check, "-o", "json", *words)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def undo(site: Site, report: Json) -> tuple[int, Json]:
    shown = gkprep(site, "undo", report["run"], "--dry-run", "-o", "json")
    assert shown.stdout, shown.stderr
    done = gkprep(site, "undo", report["run"], "--yes", "-o", "json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def subjects(report: Json) -> list[str]:
    return [action["subject"] for action in report["plan"]["actions"]]


def left(report: Json) -> list[str]:
    return [each["why"] for each in report["plan"]["left"]]


def wanted(site: Site, check: str) -> reach.Wanted:
    return reach.Wanted(
        local=False,
        parallel=1,
        accept_new=False,
        ask_become_pass=False,
        inventory=site.inventory,
        only=(check,),
    )


def interrupted(site: Site, check: str, meanwhile: Callable[[], object]) -> Repair:
    """What comes of a fix where something happens while the question stands."""

    def consent(planned: Plan) -> tuple[str, ...]:
        assert planned.actions
        meanwhile()
        return ()

    with reach.reach(wanted(site, check)) as fleet:
        return repair.repair(fleet, registry.fixes(), Way("1", 60), consent)


def known(site: Site, check: str) -> Facts:
    """What the controller tells for one check."""
    with reach.reach(wanted(site, check)) as fleet:
        [facts] = fleet.survey(reach.UNHURRIED).facts.values()
        return facts


def taken(step: Step, fed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        step.argv, check=False, capture_output=True, text=True, input=fed, timeout=60
    )


def bind(plane: Plane, *given: str) -> None:
    plane.kubectl("create", *BINDING, "--clusterrole=edit", *given)


def bound(plane: Plane) -> Any:
    listed = plane.get("clusterrolebinding")["items"]
    return [
        {key: each[key] for key in ("roleRef", "subjects")}
        for each in listed
        if each["metadata"]["name"] == BINDING[1]
    ]


@pytest.fixture
def other(kube: Plane) -> Iterator[str]:
    """The namespace of another deployment, of which only heketi's account is left."""
    with kube.namespace() as name:
        kube.kubectl("-n", name, "create", "serviceaccount", "heketi-service-account")
        yield name


# --- kubernetes-binding ------------------------------------------------------------------------


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


# --- earlier-deployment ------------------------------------------------------------------------


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


# --- what is deleted and made again ---


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


# --- kubernetes-namespace ----------------------------------------------------------------------


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
    kube.apply(DAEMONSET, site.namespace)
    refused = taken(step.undo, done.stdout)
    assert (refused.returncode, level()) == (1, "privileged")
    kube.kubectl("-n", site.namespace, "delete", "daemonset", "glusterfs")
    assert (taken(step.undo).returncode, level()) == (0, "privileged"), "it was not gkprep's"
    assert (taken(step.undo, done.stdout).returncode, level()) == (0, "baseline")
