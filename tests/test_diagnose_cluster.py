"""`gkprep diagnose` on a cluster: what is asked of it, in which order, and what comes of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from preflight.model import Limits, Verdict
from tests.cluster_answers import (
    GLUSTER,
    HEKETI,
    POD,
    PROBE,
    READINESS,
    Cluster,
    break_node2,
    claim,
    daemonset,
    event,
    node,
    pod,
    well,
)
from tests.diagnosed import SAMPLES
from tests.heketi_log import PVCREATE, ran, target


@pytest.fixture
def plane(tmp_path: Path) -> Cluster:
    return well(tmp_path / "cluster")


def inside(calls: Sequence[Sequence[str]]) -> set[str]:
    return {words[words.index("exec") + 1] for words in calls if "exec" in words}


def test_a_cluster_that_is_well_is_healthy_and_no_pod_is_entered(plane: Cluster) -> None:
    found = plane.diagnosed()
    assert (found.verdict, found.causes, found.unexplained) == (Verdict.READY, (), ())
    assert inside(plane.asked()) == set()


def test_ready_0_of_1_is_told_with_the_node_and_the_whole_cure(plane: Cluster) -> None:
    break_node2(plane)
    found = plane.diagnosed()
    (cause,) = found.causes
    assert (cause.id, cause.node, cause.object) == ("N11", "node2", f"pod {POD}")
    assert "ort 111 of node2 is held by the host's rpcbind.socket" in cause.cause
    kubectl = shlex.join([str(plane.kubectl), "--kubeconfig=/root/it's mine", "--context=a;b"])
    assert cause.cure == (
        "gkprep fix --only rpcbind-port --limit node2 --yes",
        f"{kubectl} -n 'gluster fs' delete pod {POD}",
    )
    quoted = [line for quote in cause.evidence for line in quote.lines]
    assert "Active: failed (Result: resources)" in quoted
    assert f"Warning Unhealthy Readiness probe failed: {PROBE}" in quoted
    assert found.unexplained == ()
    # Only the pod that is not ready was entered.
    assert inside(plane.asked()) == {POD}


@pytest.mark.parametrize(
    ("sample", "general"), [("N41", False), ("N41.given-up", False), ("N41-2", True)]
)
def test_a_glusterd_that_is_slow_is_no_port_that_is_held(
    plane: Cluster, sample: str, *, general: bool
) -> None:
    break_node2(plane)
    told = (SAMPLES / sample / POD / "systemctl.txt").read_text()
    plane.says(f"exec/{POD}/systemctl status", told)
    found = plane.diagnosed()
    assert [(c.id, c.node, c.general) for c in found.causes] == [("N41", "node2", general)]
    assert not any("rpcbind" in command for cause in found.causes for command in cause.cure)


def test_every_call_has_the_deployers_words_and_a_limit(plane: Cluster) -> None:
    break_node2(plane)
    plane.diagnosed()
    calls = plane.asked()
    start = ["--request-timeout=10s", "--kubeconfig=/root/it's mine", "--context=a;b"]
    assert {tuple(words[:5]) for words in calls} == {(*start, "-n", "gluster fs")}
    assert {words[5] for words in calls} == {"get", "logs", "exec"}
    # The first round asks what there is; what is in a pod comes after it, and changes nothing.
    assert [words[5] for words in calls][:4] == ["get"] * 4
    assert [words for words in calls if words[-3:] == READINESS]


def test_without_pods_daemonsets_or_claims_nobody_knows_whether_all_is_well(plane: Cluster) -> None:
    for kind in ("daemonsets", "persistentvolumeclaims", "nodes", "pods Pending"):
        (plane.folder / f"{kind}.json").rename(plane.folder / "kept")
        found = plane.diagnosed()
        assert (found.verdict, found.causes, found.unexplained) == (Verdict.UNKNOWN, (), ()), kind
        (plane.folder / "kept").rename(plane.folder / f"{kind}.json")
    assert plane.diagnosed().verdict is Verdict.READY


def test_without_events_it_is_well_all_the_same(plane: Cluster) -> None:
    (plane.folder / "events.json").unlink()
    found = plane.diagnosed()
    assert found.verdict is Verdict.READY
    assert [unread.origin for unread in found.unread] == ["kubectl -n gluster fs get events"]


def test_a_storage_node_without_a_gluster_pod_is_not_well(plane: Cluster) -> None:
    """As where a node has lost its label: the DaemonSet wants no more than it has."""
    plane.has("pods", *GLUSTER, HEKETI)
    plane.has("daemonsets", daemonset(2, wanted=2))
    plane.says(f"logs/{HEKETI['metadata']['name']}", "")
    found = plane.diagnosed()
    assert found.verdict is Verdict.UNKNOWN
    assert [(each.object, each.saw) for each in found.unexplained] == [
        ("node node2", "no GlusterFS pod on it")
    ]


def test_a_node_that_does_not_answer_is_not_well(plane: Cluster) -> None:
    """Its pods are shown as ready for a while yet; node4, which is not well either, is not ours."""
    plane.has("nodes", node("node1", "Unknown"), node("node2"), node("node4", "Unknown"))
    plane.says(f"logs/{HEKETI['metadata']['name']}", "")
    found = plane.diagnosed()
    assert found.verdict is Verdict.UNKNOWN
    (trouble,) = found.unexplained
    assert trouble.object == "node node1"
    assert trouble.saw.startswith("not Ready: NodeStatusUnknown: Kubelet stopped posting")


def test_a_pod_of_a_node_that_is_lost_is_not_ready_whatever_its_containers_were(
    plane: Cluster,
) -> None:
    plane.says(f"logs/{HEKETI['metadata']['name']}", "")
    lost = [{"type": "Ready", "status": "False", "reason": "NodeLost", "message": "gone"}]
    plane.has(
        "pods", *GLUSTER, pod(POD, "node2", ready=True), {**HEKETI, "status": {
            **HEKETI["status"], "conditions": lost}})  # fmt: skip
    found = plane.diagnosed()
    assert found.verdict is Verdict.UNKNOWN
    assert [each.object for each in found.unexplained] == [f"pod {HEKETI['metadata']['name']}"]


def test_an_exporter_called_heketi_is_not_heketi(plane: Cluster) -> None:
    other = pod("heketi-exporter", "node1", ready=True)
    other["metadata"]["labels"] = {"app": "exporter"}
    plane.has("pods", *GLUSTER, pod(POD, "node2", ready=True), other)
    assert plane.diagnosed().verdict is Verdict.UNKNOWN


def test_a_failed_pod_of_heketis_beside_a_ready_one_is_history(plane: Cluster) -> None:
    failed = pod("heketi-7f8b5d6c9d-zzzzz", "node3", ready=False, phase="Failed")
    plane.has("pods", *GLUSTER, pod(POD, "node2", ready=True), HEKETI, failed)
    assert plane.diagnosed().verdict is Verdict.READY
    assert not any("heketi-7f8b5d6c9d-zzzzz" in words for words in plane.asked())


def test_claims_without_a_class_or_of_another_provisioner_are_somebody_elses(
    plane: Cluster,
) -> None:
    manual = {**claim("manual", "Pending"), "spec": {"storageClassName": ""}}
    gold = {**claim("gold", "Pending"), "spec": {"storageClassName": "gold"}}
    for each in (manual, gold):
        each["metadata"] = {"name": each["metadata"]["name"], "namespace": "shop"}
    plane.has("persistentvolumeclaims", manual)
    assert plane.diagnosed().verdict is Verdict.READY
    plane.has("persistentvolumeclaims", manual, gold)
    assert plane.diagnosed().verdict is not Verdict.READY


def test_why_a_claim_waits_is_read_wherever_it_is(plane: Cluster) -> None:
    said = "failed to create volume: Post http://heketi: dial tcp: lookup heketi.x: no such host"
    about = {"kind": "PersistentVolumeClaim", "name": "data", "namespace": "default"}
    gone = {**event("", said), "involvedObject": {**about, "name": "gone"}}
    plane.has("persistentvolumeclaims", claim("data", "Pending"))
    plane.has("events PersistentVolumeClaim", {**event("", said), "involvedObject": about}, gone)
    found = plane.diagnosed()
    assert [(c.id, c.object) for c in found.causes if c.id == "C9"] == [("C9", "pvc data")]


@pytest.mark.parametrize(
    ("said", "row"),
    [
        ("Mounting arguments: mount -t glusterfs a:b\nmount: unknown filesystem type 'glusterfs'",
         "N13"),
        ("no volume plugin matched", "C3"),
    ],
)  # fmt: skip
def test_a_pod_of_anybodys_that_cannot_mount_a_gluster_volume_is_no_health(
    plane: Cluster, said: str, row: str
) -> None:
    web = pod("web-0", "node4", ready=False, phase="Pending")
    web["metadata"] = {"name": "web-0", "namespace": "shop", "labels": {"app": "web"}}
    mount = event("web-0", f"MountVolume.SetUp failed: {said}")
    mount["involvedObject"]["namespace"] = "shop"
    plane.has("events FailedMount", mount)
    assert plane.diagnosed().verdict is Verdict.READY  # that pod is gone, or runs by now
    plane.has("pods Pending", web)
    found = plane.diagnosed()
    assert [(c.id, c.node, c.object) for c in found.causes if c.id == row] == [
        (row, "node4", "pod web-0")
    ]
    assert not found.unexplained


def test_claims_that_wait_and_heketis_log_explain_one_another(plane: Cluster) -> None:
    plane.has("persistentvolumeclaims", claim("data", "Pending"))
    found = plane.diagnosed()
    assert [(cause.id, cause.node) for cause in found.causes] == [("N6", "node2")]


def test_what_heketi_complained_of_before_a_restart_and_has_done_since_is_history(
    plane: Cluster,
) -> None:
    complaint = (SAMPLES / "N6/heketi.log").read_text()
    plane.has("persistentvolumeclaims", claim("data", "Pending"))
    log = f"logs/{HEKETI['metadata']['name']}"
    plane.says(f"{log}.previous", complaint)
    plane.says(log, ran(PVCREATE, target("node1", "glusterfs-1")))
    assert [cause.id for cause in plane.diagnosed().causes] == ["N6"]
    plane.says(log, ran(PVCREATE, target()))
    assert "N6" not in {cause.id for cause in plane.diagnosed().causes}


def test_a_log_of_gk_deploys_is_read_with_the_rest(plane: Cluster, tmp_path: Path) -> None:
    plane.has("pods", *GLUSTER)
    log = tmp_path / "last run.log"
    log.write_text((SAMPLES / "C1/gk-deploy.log").read_text())
    found = plane.diagnosed(log)
    assert [cause.id for cause in found.causes] == ["C1"]


def test_events_of_a_pod_that_was_deleted_are_history(plane: Cluster) -> None:
    plane.has("pods", *GLUSTER, pod("glusterfs-newer", "node2", ready=False, phase="Pending"))
    found = plane.diagnosed()
    assert (found.verdict, found.causes) == (Verdict.UNKNOWN, ())


def test_pods_that_cannot_be_entered_are_the_evidence(plane: Cluster) -> None:
    """The stand-in's own refusal says no more than that; the API server's names the kubelet."""
    plane.has("pods", *GLUSTER, pod(POD, "node2", ready=False))
    found = plane.diagnosed()
    assert found.verdict is Verdict.BLOCKED  # the event: the general row
    assert [(cause.id, cause.general) for cause in found.causes] == [("N42", True)]
    assert {unread.origin for unread in found.unread} == {f"pod {POD}"}
    refusing = plane.kubectl.read_text().replace(
        "Error from server (NotFound): {words[0]}: no answer",
        "Error from server: error dialing backend: dial tcp: lookup node2: no such host",
    )
    plane.kubectl.write_text(refusing)
    (cause,) = plane.diagnosed().causes
    assert (cause.id, cause.node) == ("C14", "node2")
    assert "the kubelet at node2" in cause.cause


def test_what_a_container_waits_for_or_died_of_is_evidence(plane: Cluster) -> None:
    """As the kubelet reports a binary of another architecture."""
    died = {"exitCode": 1, "reason": "Error", "message": "exec user process: exec format error"}
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}
    states = {"state": {"waiting": waiting}, "lastState": {"terminated": died}}
    container = {"name": "main", "ready": False, "restartCount": 7, **states}
    plane.has("events")
    plane.has("pods", *GLUSTER, pod(POD, "node2", ready=False, containerStatuses=[container]))
    (cause,) = plane.diagnosed().causes
    assert (cause.id, cause.node) == ("N38", "node2")
    told = "container main terminated exit 1: Error: exec user process: exec format error"
    assert [quote.lines for quote in cause.evidence] == [(told,)]


def test_a_refused_daemonset_shows_in_its_events(plane: Cluster) -> None:
    message = 'Error creating: pods "glusterfs-x" is forbidden: violates PodSecurity "baseline"'
    refused = event("glusterfs", message)
    refused["involvedObject"]["kind"] = "DaemonSet"
    plane.has("pods")
    plane.has("events", refused)
    plane.has("daemonsets", daemonset(0))
    (cause,) = plane.diagnosed().causes
    assert (cause.id, cause.object) == ("C12", "daemonset glusterfs")


def test_what_may_not_be_read_is_named_and_the_rest_is(plane: Cluster, tmp_path: Path) -> None:
    break_node2(plane)
    (plane.folder / "events.json").unlink()
    found = plane.diagnosed(tmp_path / "no such log")
    assert [cause.id for cause in found.causes] == ["N11"]
    assert {unread.origin for unread in found.unread} == {
        "kubectl -n gluster fs get events",
        "gk-deploy's output",
    }


def test_what_is_not_ready_and_not_explained_could_not_be_told(plane: Cluster) -> None:
    plane.has("events")
    plane.has("pods", *GLUSTER, pod(POD, "node2", ready=False, phase="Pending"))
    found = plane.diagnosed()
    assert (found.verdict, found.causes) == (Verdict.UNKNOWN, ())
    assert [(each.object, each.node) for each in found.unexplained] == [(f"pod {POD}", "node2")]


def test_nothing_deployed_could_not_be_told(plane: Cluster) -> None:
    for kind in ("pods", "daemonsets", "events", "persistentvolumeclaims"):
        plane.has(kind)
    found = plane.diagnosed()
    assert found.verdict is Verdict.UNKNOWN
    assert [each.saw for each in found.unexplained] == ["no GlusterFS pods"]


@pytest.mark.parametrize("how", ["missing", "refusing", "talking nonsense", "hanging"])
def test_a_cluster_that_cannot_be_asked_could_not_be_told(plane: Cluster, how: str) -> None:
    if how == "missing":
        plane.kubectl.unlink()
    elif how == "refusing":
        plane.kubectl.write_text(
            "#!/bin/sh\necho 'Unable to connect to the server: EOF' >&2\nexit 1\n"
        )
    elif how == "hanging":
        plane.kubectl.write_text("#!/bin/sh\nexec sleep 60\n")
    else:
        plane.kubectl.write_text("#!/bin/sh\necho '{'\n")
    found = plane.diagnosed(limits=Limits(probe=1.0, node=20.0))
    assert (found.verdict, found.causes) == (Verdict.UNKNOWN, ())
    assert [each.object for each in found.unexplained] == ["cluster"]
