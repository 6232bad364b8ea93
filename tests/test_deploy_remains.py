"""What of a deployment is in the cluster, and what of it an abort must not touch."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preflight.controller import controller
from preflight.deploy.abort import refuse_strangers
from preflight.deploy.cluster import Cluster
from preflight.deploy.credentials import keys_to_abort, known_keys, refuse_secret
from preflight.deploy.keys import Keys
from preflight.deploy.remains import Remains, remains
from preflight.errors import DeployError, Unknown, UsageError
from preflight.facts.deployment import Heketi, StorageClass, Stored, parse_keys
from preflight.facts.kubernetes import Binding, Listed
from preflight.facts.kubernetes.pods import DAEMONSET, Part, Pod
from preflight.facts.kubernetes.selectors import Selected, parse_selected
from preflight.model import Facts, Probe
from tests.judged import INVENTORY, member

OURS = "ServiceAccount glusterfs/heketi-service-account"
THEIRS = "ServiceAccount web/heketi-service-account"
BOUND = Selected("ClusterRoleBinding", "heketi-sa-view")
HEKETI = (
    Selected("Pod", "heketi-5-x", ("ReplicaSet", "heketi-5")),
    Selected("ReplicaSet", "heketi-5", ("Deployment", "heketi")),
    Selected("Deployment", "heketi"),
    Selected("Service", "heketi"),
)
GLUSTER_POD = Pod("glusterfs-a", Part.GLUSTER, "node1", "Running", 1, 1, owner=DAEMONSET)
JOB_POD = replace(
    GLUSTER_POD,
    name="heketi-storage-copy-job-x",
    part=Part.COPY_JOB,
    owner=("Job", "heketi-storage-copy-job"),
)
HEKETI_POD = replace(
    GLUSTER_POD, name="heketi-5-x", part=Part.HEKETI, owner=("ReplicaSet", "heketi-5")
)
NOTHING: dict[str, Any] = {
    "objects": (),
    "selected": (),
    "binding": None,
    "needs_binding": (),
    "nodes": (),
    "pods": (),
    "storage_class": None,
    "keys": None,
    "heketis": (),
}


class Told(Cluster):
    """A cluster that tells just this, by the names of probes."""

    told: dict[str, Any]

    def ask(self, *probes: Probe[object]) -> Facts:
        names = {each.name: each.name.partition("(")[0].rpartition(".")[2] for each in probes}
        return Facts(self.controller, {name: self.told[part] for name, part in names.items()})


def cluster(**told: Any) -> Cluster:
    def connect(_: object) -> Any:
        raise AssertionError("nothing is to be asked")

    made = Told(controller(INVENTORY), connect)
    object.__setattr__(made, "told", NOTHING | told)
    return made


def found(**told: Any) -> Remains:
    return remains(cluster(**told))


def test_nothing_is_there() -> None:
    assert found() == Remains((), ())


def test_all_that_a_label_selects_is_told_with_what_it_is_part_of() -> None:
    node = member("node1", label="glusterfs")
    there = found(selected=HEKETI, nodes=(node,), pods=(GLUSTER_POD, JOB_POD, HEKETI_POD))
    assert there.objects == (
        "Pod heketi-5-x",
        "ReplicaSet heketi-5",
        "Deployment heketi",
        "Service heketi",
        "Pod glusterfs-a",
        "Pod heketi-storage-copy-job-x",
        "label storagenode of node node1",
    )
    assert (there.own, there.stays, there.against) == ((), (), ())


@pytest.mark.parametrize(
    "stranger",
    [
        Selected("Deployment", "dashboard"),
        Selected("Secret", "somebodys"),
        Selected("StatefulSet", "heketi"),
        Selected("ClusterRoleBinding", "heketi-exporter"),
        Selected("Pod", "a", ("ReplicaSet", "b")),
        Selected("ReplicaSet", "heketi-6", ("Deployment", "dashboard")),
        Selected("DaemonSet", "glusterfs-exporter"),
    ],
)
def test_what_a_label_selects_of_others_is_in_the_way(stranger: Selected) -> None:
    there = found(selected=(*HEKETI, stranger))
    assert f"{stranger.kind} {stranger.name}" not in there.objects
    with pytest.raises(UsageError, match=f"would delete {stranger.kind} {stranger.name} too"):
        refuse_strangers(there)


def test_owners_in_a_circle_are_nobodys() -> None:
    circle = (Selected("Pod", "a", ("Pod", "b")), Selected("Pod", "b", ("Pod", "a")))
    assert "Pod a, Pod b" in found(selected=circle).against[0]


def test_data_without_the_label_is_deleted_and_a_program_stays() -> None:
    """gk-deploy labels the secret with the topology in a step of its own, which may not come."""
    objects = (
        Listed("Secret", "heketi-config-secret"),
        Listed("Job", "heketi-storage-copy-job"),
        Listed("Deployment", "heketi"),
        Listed("DaemonSet", "glusterfs"),
        Listed("Secret", "heketi"),
        Listed("Service", "mine"),
    )
    there = found(objects=objects, pods=(GLUSTER_POD, JOB_POD))
    assert there.own == (
        ("Secret", "heketi-config-secret", True),
        ("Job", "heketi-storage-copy-job", True),
    )
    assert there.stays == ("Deployment heketi", "DaemonSet glusterfs")
    # Gluster's are there as long as its DaemonSet is.
    assert there.objects == ("Pod heketi-storage-copy-job-x",)


@pytest.mark.parametrize(
    "owner", [None, ("DaemonSet", "glusterfs-exporter"), ("ReplicaSet", "mine-5")]
)
def test_a_pod_that_only_has_the_label_is_nobodys_to_wait_for(
    owner: tuple[str, str] | None,
) -> None:
    """gk-deploy selects none of Gluster's pods: what deletes them is the end of their DaemonSet."""
    mine = replace(GLUSTER_POD, name="mine", owner=owner)
    there = found(selected=(*HEKETI, Selected("DaemonSet", "glusterfs")), pods=(GLUSTER_POD, mine))
    assert "Pod glusterfs-a" in there.objects
    assert "Pod mine" not in there.objects
    assert found(pods=(mine,)) == Remains((), ())


def test_endpoints_go_with_their_service() -> None:
    name = "heketi-storage-endpoints"
    alone = (Listed("Endpoints", name),)
    assert found(objects=alone).own == (("Endpoints", name, True),)
    there = found(objects=alone, selected=(Selected("Service", name),))
    assert (there.objects, there.own) == ((f"Service {name}", f"Endpoints {name}"), ())


def test_the_binding_of_this_deployment_goes() -> None:
    there = found(selected=(BOUND,), binding=Binding("edit", (OURS, THEIRS)), needs_binding=(OURS,))
    assert there == Remains(("ClusterRoleBinding heketi-sa-view",), ())


@pytest.mark.parametrize(
    "needs", ["deployment/heketi of namespace web", "User jane", "ServiceAccount web/x"]
)
@pytest.mark.parametrize("subjects", [(OURS, THEIRS), (THEIRS,)])
def test_a_binding_that_others_need_is_in_the_way(needs: str, subjects: tuple[str, ...]) -> None:
    """Also where it is this deployment's too."""
    own = tuple(each for each in subjects if each == OURS)
    there = found(
        selected=(BOUND, *HEKETI),
        binding=Binding("edit", subjects),
        needs_binding=(*own, "pod/heketi of namespace glusterfs", needs),
    )
    assert "ClusterRoleBinding heketi-sa-view" not in there.objects
    with pytest.raises(UsageError, match=f"which an abort deletes, is needed by {needs}$"):
        refuse_strangers(there)


def test_a_binding_that_nobody_needs_is_for_the_fix_to_delete() -> None:
    there = found(selected=(BOUND,), binding=Binding("edit", (THEIRS,)))
    with pytest.raises(UsageError, match=f"{THEIRS}, not for this.*--only kubernetes-binding"):
        refuse_strangers(there)


def test_a_binding_without_the_label_is_not_deleted_and_so_not_in_the_way() -> None:
    there = found(binding=Binding("edit", (THEIRS,)), needs_binding=("User jane",))
    assert there == Remains((), ())
    own = found(binding=Binding("edit", (OURS,)), needs_binding=(OURS,))
    assert own.stays == ("ClusterRoleBinding heketi-sa-view",)


def test_what_cannot_be_found_out_ends_it() -> None:
    with pytest.raises(DeployError, match="could not be found out: forbidden"):
        found(selected=Unknown("forbidden"))


def test_only_what_gkprep_has_made_is_its_own() -> None:
    made = StorageClass("glusterfs", (("secretNamespace", "glusterfs"),), own=True)
    there = found(storage_class=made, keys=Stored(own=True, keys=None))
    assert there.own == (
        ("StorageClass", "glusterfs-storage", False),
        ("Secret", "heketi-admin-key", True),
    )
    assert found(keys=Stored(own=False, keys=("a", "b"))).own == ()


def test_what_two_labels_select_is_one_object() -> None:
    text = "Pod\theketi-5-x\tReplicaSet\theketi-5\nService\theketi\t\t\nService\theketi\t\t\n"
    assert parse_selected(text) == (HEKETI[0], HEKETI[3])


# The secret with heketi's keys.


def listed(**more: Any) -> str:
    return json.dumps({"items": [{"metadata": {"name": "heketi-admin-key"}, **more}]})


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"data": None},
        {"data": {"key": encoded("admin")}},
        {"data": {"key": encoded("admin"), "user-key": ""}},
        {"data": {"key": encoded("admin"), "user-key": encoded("ü")}},
    ],
)
def test_a_secret_that_lacks_the_keys_is_read_all_the_same(data: dict[str, Any]) -> None:
    assert parse_keys(listed(**data)) == Stored(own=False, keys=None)


def test_the_label_tells_whose_the_secret_is() -> None:
    data = {"key": encoded("admin"), "user-key": encoded("user")}
    labels = {"app.kubernetes.io/managed-by": "gkprep"}
    own = parse_keys(listed(metadata={"labels": labels}, data=data))
    assert own == Stored(own=True, keys=("admin", "user"))
    assert "admin" not in repr(own)
    assert parse_keys('{"items": []}') is None


def test_anothers_secret_is_in_the_way_of_a_deployment() -> None:
    refuse_secret(cluster())
    refuse_secret(cluster(keys=Stored(own=True, keys=None)))
    with pytest.raises(DeployError, match="heketi-admin-key in namespace glusterfs is not gkprep"):
        refuse_secret(cluster(keys=Stored(own=False, keys=("a", "b"))))
    with pytest.raises(DeployError, match="could not be found out: forbidden"):
        refuse_secret(cluster(keys=Unknown("forbidden")))


def test_anothers_keys_are_not_heketis(tmp_path: Any) -> None:
    heketi = (Heketi("heketi", "", ""),)
    stored = ("adminADMIN1", "userUSER22")
    ours = cluster(heketis=heketi, keys=Stored(own=True, keys=stored))
    assert known_keys(ours, tmp_path / "own", {}) == Keys(*stored)
    theirs = cluster(heketis=heketi, keys=Stored(own=False, keys=stored))
    with pytest.raises(DeployError, match="with keys that gkprep cannot read"):
        known_keys(theirs, tmp_path / "other", {})


def test_an_abort_takes_the_keys_of_the_heketi_that_is_there(tmp_path: Path) -> None:
    """What would be lost is asked of it; whatever else an abort is given is as good (D1)."""
    stored = ("adminADMIN1", "userUSER22")
    running = cluster(heketis=(Heketi("heketi", *stored),))
    assert keys_to_abort(running, tmp_path / "own") == Keys(*stored)
    assert (tmp_path / "own" / "admin").read_text() == "adminADMIN1\n"
    assert keys_to_abort(cluster(), tmp_path / "own") == Keys(*stored)


def test_an_abort_where_no_heketi_is_keeps_no_keys(tmp_path: Path) -> None:
    made = keys_to_abort(cluster(), tmp_path / "none")
    assert made.admin != made.user
    unreadable = cluster(heketis=(Heketi("heketi", "", ""),))
    assert keys_to_abort(unreadable, tmp_path / "none") != made
    assert not (tmp_path / "none").exists()
