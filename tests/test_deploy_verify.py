"""What a deployment is judged by, before it and after: each rule on facts given as values."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from preflight.deploy import gate
from preflight.deploy.abort import judged, refuse_loss
from preflight.deploy.objects import storage_class
from preflight.deploy.remains import Stock
from preflight.deploy.why import in_hand
from preflight.diagnose import match, table
from preflight.diagnose.evidence import Reading, together
from preflight.errors import Unknown, UsageError
from preflight.facts import deployment as facts
from preflight.facts import disk
from preflight.facts.deployment import (
    Disk,
    Known,
    Peer,
    Service,
    StorageClass,
    storage_parameters,
)
from preflight.facts.disk import Content
from preflight.facts.disk.lvm import PhysicalVolume, VolumeGroup
from preflight.facts.kubernetes import Volume
from preflight.facts.kubernetes.pods import Part, Pod
from preflight.judge import verdict
from preflight.model import (
    Deployment,
    Facts,
    Finding,
    Status,
    Verdict,
)
from preflight.plugin import look_first
from tests.verified import (
    CLIENT,
    CONTROLLER,
    MADE,
    NODES,
    PEERS,
    PODS,
    WORDS,
    look,
)


def test_all_is_well() -> None:
    found = look()
    assert {f.status for each in found.values() for f in each.values()} == {Status.PASS}
    assert list(found) == ["gluster-pods", "heketi-address", "heketi-topology", "storage-class"]
    about = {subject: each.about for subject, each in found["gluster-pods"].items()}
    assert about == {name: name for name in ("node1", "node2", "node3")}


@pytest.mark.parametrize("name", ["pods", "service", "known", "storage_class"])
def test_what_could_not_be_found_out_is_no_pass(name: str) -> None:
    found = look(**{name: Unknown("the API server does not answer")})
    findings = [finding for each in found.values() for finding in each.values()]
    assert verdict(findings, strict=False) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("pods", "saw"),
    [
        (PODS[:2], "no GlusterFS pod"),
        ((*PODS[:2], replace(PODS[2], ready=0)), "glusterfs-3 0/1 ready"),
        ((*PODS[:2], replace(PODS[2], node="node9")), "no GlusterFS pod"),
        ((*PODS[:2], replace(PODS[2], part=Part.HEKETI)), "no GlusterFS pod"),
        ((*PODS[:2], replace(PODS[2], owner=None)), "no GlusterFS pod"),
        ((*PODS[:2], replace(PODS[2], owner=("DaemonSet", "exporter"))), "no GlusterFS pod"),
    ],
)
def test_each_storage_node_needs_a_ready_pod(pods: tuple[Pod, ...], saw: str) -> None:
    """D6: gk-deploy counts none."""
    found = look(pods=pods)["gluster-pods"]
    assert [found[node].status for node in ("node1", "node2")] == [Status.PASS] * 2
    assert (found["node3"].status, found["node3"].saw) == (Status.FAIL, saw)


def test_an_evicted_pod_beside_a_ready_one_is_history() -> None:
    evicted = replace(PODS[2], name="glusterfs-9", phase="Failed", ready=0)
    found = look(pods=(*PODS, evicted))["gluster-pods"]
    assert {each.status for each in found.values()} == {Status.PASS}


@pytest.mark.parametrize(
    ("service", "saw"),
    [
        (None, "no service heketi"),
        (Service("", ("10.244.0.3:8080",)), "no cluster IP, 1 pods behind it"),
        (Service("None", ("10.244.0.3:8080",)), "None, 1 pods behind it"),
        (Service("10.96.0.9", ()), "10.96.0.9, 0 pods behind it"),
    ],
)
def test_heketi_needs_an_address_with_a_pod_behind_it(service: Service | None, saw: str) -> None:
    """D14."""
    found = look(service=service)["heketi-address"]["heketi"]
    assert (found.status, found.saw) == (Status.FAIL, saw)


@pytest.mark.parametrize(
    ("peer", "saw"),
    [
        (None, "heketi does not have it"),
        (replace(PEERS[2], storage="10.78.0.99"), "10.78.0.99, zone 1, /dev/sdb"),
        (replace(PEERS[2], zone=2), "10.78.0.13, zone 2, /dev/sdb"),
        (replace(PEERS[2], devices=()), "10.78.0.13, zone 1, "),
        (replace(PEERS[2], devices=(Disk("/dev/sdc", "online"),)), "10.78.0.13, zone 1, /dev/sdc"),
        (replace(PEERS[2], state="offline"), "the node is offline"),
        (replace(PEERS[2], devices=(Disk("/dev/sdb", "failed"),)), "/dev/sdb is not online"),
    ],
)
def test_heketi_has_just_what_the_inventory_has(peer: Peer | None, saw: str) -> None:
    """D7, D9, D10: what was loaded, if anything, is not what gk-deploy was given."""
    known = Known((*PEERS[:2], *([peer] if peer else [])), ())
    found = look(known=known)["heketi-topology"]["node3"]
    assert (found.status, found.saw) == (Status.FAIL, saw)


def test_heketi_has_nothing_that_the_inventory_does_not_list() -> None:
    stranger = replace(PEERS[0], name="node4")
    found = look(known=Known((*PEERS, stranger), ()))["heketi-topology"]
    assert {name for name, each in found.items() if each.status is Status.FAIL} == {"node4"}


@pytest.mark.parametrize(
    "other",
    [
        None,
        replace(MADE, provisioner="kubernetes.io/no-provisioner"),
        replace(MADE, parameters=(("resturl", "http://10.96.0.8:8080"),)),
        replace(MADE, parameters=(*MADE.parameters, ("restuserkey", "verySECRET1"))),
    ],
)
def test_the_storage_class_leads_there_and_has_no_key(other: StorageClass | None) -> None:
    """C10, and D1: the one that gk-deploy prints has the key in clear."""
    found = look(storage_class=other)["storage-class"]["glusterfs-storage"]
    assert found.status is Status.FAIL
    assert "SECRET" not in found.saw + found.want


def test_the_storage_class_that_is_made_passes() -> None:
    made = storage_class("storage", "10.96.0.9")
    assert made["apiVersion"] == "storage.k8s.io/v1"
    known = StorageClass(made["provisioner"], tuple(sorted(made["parameters"].items())))
    assert look(storage_class=known)["storage-class"]["glusterfs-storage"].status is Status.PASS


def test_the_address_of_ip_version_6_is_written_as_urls_have_it() -> None:
    assert storage_parameters("s", "fd00::9")["resturl"] == "http://[fd00::9]:8080"


# The gate.


def finding(check: str, status: Status, **other: str) -> Finding:
    return Finding(
        other.get("subject", "x"), status, other.get("saw", ""), check=check, node="node1"
    )


def test_the_gate_opens_on_green_alone_or_past_what_was_named() -> None:
    findings = [finding("one", Status.PASS), finding("two", Status.ERROR)]
    assert gate.verdict(findings, (), strict=False) is Verdict.UNKNOWN
    assert gate.verdict(findings, ("one",), strict=False) is Verdict.UNKNOWN
    assert gate.verdict(findings, ("two",), strict=False) is Verdict.READY
    findings.append(finding("three", Status.FAIL))
    assert gate.verdict(findings, ("two",), strict=False) is Verdict.BLOCKED
    assert gate.verdict(findings, ("two", "three"), strict=False) is Verdict.READY
    assert gate.verdict([], (), strict=False) is Verdict.UNKNOWN


def test_the_gate_says_what_was_passed_over_and_nothing_else() -> None:
    findings = [finding("one", Status.PASS), finding("two", Status.WARN), finding("x", Status.FAIL)]
    forced = ("x", "one", "two", "x")
    assert gate.overridden(findings, forced, strict=False) == ("x",)
    assert gate.overridden(findings, forced, strict=True) == ("x", "two")


@pytest.mark.parametrize(
    ("check", "subject", "group", "node", "goes_on"),
    [
        ("device-clean", "/dev/sdb", "vg_1", "node1", True),
        ("device-clean", "/dev/sdb", "vg_2", "node1", False),
        ("device-clean", "/dev/sdb", "vg_11", "node1", False),
        ("device-clean", "/dev/sdb", "", "node1", False),
        ("device-clean", "/dev/sdc", "vg_1", "node1", False),
        ("device-clean", "/dev/sdb", "vg_1", "node9", False),
        ("gluster-state", "Gluster's state", "", "node1", True),
        ("gluster-state", "Gluster's state", "", "node9", False),
        ("device-idle", "/dev/sdb", "vg_1", "node1", False),
    ],
)
def test_what_a_deployment_under_way_has_made_is_no_leftover(
    check: str, subject: str, group: str, node: str, goes_on: bool
) -> None:
    """By what the disk says, whatever the finding's words are."""
    [where] = [each for each in (*NODES, CLIENT) if each.name == node]
    volume = PhysicalVolume(512, "u", VolumeGroup(group, "u", 0, ()) if group else None)
    probe = disk.content(subject)
    facts = {
        node: Facts(where, {probe.name: Content(1, "", blank=False, leftover=True, volume=volume)})
    }
    found = Finding(subject, Status.FAIL, "vg_1", check=check, node=node)
    [after] = gate.continued([found], facts, PEERS)
    assert (after.status is Status.PASS) is goes_on


def test_a_disk_that_could_not_be_read_is_nobodys() -> None:
    found = Finding("/dev/sdb", Status.FAIL, "vg_1", check="device-clean", node="node1")
    [after] = gate.continued([found], {"node1": Facts(NODES[0], {})}, PEERS)
    assert after.status is Status.FAIL


# The way back.


LOST = Stock(
    ("vol_a",),
    (Volume("pvc-1", "Bound", "web/data", "vol_a"), Volume("pvc-2", "Bound", "web/log", "vol_b")),
)


def test_volumes_that_only_one_side_knows_are_counted_each() -> None:
    """One that was made anew knows nothing of what an earlier heketi has made."""
    assert LOST.number == 2
    assert replace(LOST, volumes=("vol_c", "vol_d")).number == 4


def test_of_each_volume_it_is_said_whether_heketi_knows_it() -> None:
    """Nobody could tell otherwise whose they are, and why there are so many."""
    one, other = "pvc-1, Bound, of claim web/data", "pvc-2, Bound, of claim web/log"
    stock = replace(LOST, volumes=("vol_a", "vol_c"))
    assert stock.lines() == (
        "volume vol_c, which heketi knows: of no claim",
        f"volume vol_a, which heketi knows: {one}",
        f"volume vol_b, which this heketi does not know: {other}",
    )
    assert len(stock.lines()) == stock.number
    without = replace(LOST, volumes=(), heketi=False)
    assert without.lines()[1] == f"volume vol_b, which no heketi here knows: {other}"
    silent = replace(LOST, volumes=(), unknown="no answer")
    assert silent.lines()[0] == f"volume vol_a, which heketi may know: {one}"


def test_one_volume_is_one() -> None:
    one = replace(LOST, claims=LOST.claims[:1])
    with pytest.raises(UsageError, match="would leave 1 volume without a heketi"):
        refuse_loss(one, None)
    with pytest.raises(UsageError, match="there is 1 volume, not 2: --abort-volumes 1"):
        refuse_loss(one, 2)


@pytest.mark.parametrize("allowed", [None, 0, 1, 3])
def test_an_abort_that_loses_volumes_is_refused(
    allowed: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="--abort-volumes 2"):
        refuse_loss(LOST, allowed)
    told = capsys.readouterr().err
    assert "vol_a" in told
    assert all(each.claim in told for each in LOST.claims)


@pytest.mark.parametrize("allowed", [None, 0, 2])
def test_an_abort_is_refused_where_heketi_could_not_tell(allowed: int | None) -> None:
    """Whatever number is given: nobody knows whether it is the right one."""
    with pytest.raises(UsageError, match="could not be found out: no answer"):
        refuse_loss(replace(LOST, unknown="no answer"), allowed)


@pytest.mark.parametrize(("found", "allowed"), [(LOST, 2), (Stock(), None), (Stock(), 0)])
def test_an_abort_that_loses_nothing_unasked_goes_on(found: Stock, allowed: int | None) -> None:
    refuse_loss(found, allowed)


def test_what_an_abort_leaves_is_told_with_what_removes_it() -> None:
    """D2, D11: its own exit status tells neither."""
    [gone] = judged((), CONTROLLER)
    assert gone.status is Status.PASS
    label, secret = judged(("label storagenode of node node1", "Secret heketi"), CONTROLLER)
    assert (label.status, label.cure) == (
        Status.FAIL,
        look_first(
            f"{WORDS} get node node1 --show-labels", f"{WORDS} label node node1 storagenode-"
        ),
    )
    within = f"{WORDS} --namespace=storage"
    assert (secret.status, secret.cure) == (
        Status.FAIL,
        look_first(f"{within} describe secret heketi", f"{within} delete secret heketi"),
    )


# Why.

MADE_BY = Deployment("gk-deploy", (), 0, "", Path("gk-deploy.log"))


def test_what_was_not_met_is_in_the_diagnosis_hand() -> None:
    missed = Finding(
        "volume", Status.FAIL, "Pending", says="no volume plugin matched", check="smoke-test"
    )
    broke_off = Finding("gk-deploy", Status.FAIL, "exit status 1", check="deployment")
    known = in_hand(
        [missed, broke_off], replace(MADE_BY, rc=1, stopped="exit status 1"), CONTROLLER.name
    )
    assert [(each.object, each.saw) for each in known.troubles] == [
        ("smoke-test volume", "Pending")
    ]
    event, _ = known.evidence
    assert event.text == "no volume plugin matched"
    found = match.diagnose(together([known]), table.load())
    assert found.verdict is Verdict.BLOCKED
    assert "C3" in {cause.id for cause in found.causes}


def test_what_a_deployer_that_ended_with_0_has_done_is_in_hand_too() -> None:
    """Its output says that all is well, or nothing (D2, D3)."""
    for row, stopped in (
        ("D2", 'gk-deploy ended with exit status 0, but not with "Deployment complete!" (D2)'),
        ("D3", "gk-deploy wrote to what it was given: deploy/left-behind (D3)"),
    ):
        known = in_hand([], replace(MADE_BY, stopped=stopped), CONTROLLER.name)
        output = Reading(works=("gk-deploy",))
        found = match.diagnose(together([output, known]), table.load())
        assert [cause.id for cause in found.causes] == [row]
        assert found.causes[0].evidence[0].lines == (stopped,)
        assert (found.works, found.unexplained) == ((), ())


@pytest.mark.parametrize(
    ("ready", "meta", "well"),
    [("True", {}, True), ("False", {}, False), ("True", {"deletionTimestamp": "2026"}, False)],
)
def test_a_pod_whose_containers_are_ready_may_be_lost_or_leaving(
    ready: str, meta: dict[str, str], *, well: bool
) -> None:
    pod = {
        "metadata": {"name": "glusterfs-1", "labels": {"glusterfs": "pod"}, **meta},
        "spec": {"nodeName": "node1", "containers": [{}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [{"ready": True}],
        },
    }
    (parsed,) = facts.parse_pods(json.dumps({"items": [pod]}))
    assert (parsed.is_ready, bool(parsed.waits)) == (well, not well)
