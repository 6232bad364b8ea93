"""What an earlier deployment has left in the cluster."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from checks.earlier_deployment import earlier_deployment
from preflight.facts import kubernetes
from preflight.facts.kubernetes import Listed, Planned
from preflight.model import Status
from tests.judged import (
    BEGUN,
    CONFIG,
    ENDPOINTS,
    GOOD,
    HEKETI,
    JOB,
    TOPOLOGY,
    found,
    member,
    members,
    one,
)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def topology(**more: object) -> str:
    node: dict[str, object] = {"hostnames": {"manage": ["a"], "storage": ["b"]}}
    devices = more.pop("devices", [])
    return json.dumps({"clusters": [{"nodes": [{"node": {**node, **more}, "devices": devices}]}]})


WRONG: list[dict[str, object]] = [
    {"devices": [{"name": ["secret"]}]},
    {"devices": [["secret"]]},
    {"zone": "secret"},
    {"hostnames": {"manage": [7], "storage": ["b"]}},
    {"hostnames": {"manage": ["\ud800"], "storage": ["b"]}},
]


def test_d10_a_heketi_that_runs_is_a_warning_whatever_else_is_there() -> None:
    finding = one(earlier_deployment, objects=(HEKETI, CONFIG), topology=TOPOLOGY[:2])
    assert (finding.subject, finding.status) == ("heketi", Status.WARN)
    assert finding.cure == "heketi-cli node add, heketi-cli device add"


def test_a_heketi_that_is_not_ready_fails() -> None:
    finding = one(earlier_deployment, objects=(replace(HEKETI, ready=0),))
    assert (finding.subject, finding.status) == ("heketi", Status.FAIL)


def test_nothing_of_a_deployment_whose_heketi_restarts_is_a_leftover() -> None:
    """Its pod mounts the secret, and its volume through the endpoints: to delete them ends it."""
    others = TOPOLOGY[:2]  # a node was added since, by heketi-cli
    findings = [*found(earlier_deployment, objects=GOOD, topology=others).values()]
    assert [(each.subject, each.status) for each in findings] == [("heketi", Status.FAIL)]
    assert findings[0].cure.endswith(" describe pods --selector=heketi=pod")


def test_a_heketi_service_without_a_deployment_fails_beside_what_else_is_left() -> None:
    findings = found(earlier_deployment, objects=(Listed("Service", "heketi"), *ENDPOINTS))
    assert {subject: each.status for subject, each in findings.items()} == {
        "heketi": Status.FAIL,
        "heketi-storage": Status.FAIL,
    }


def test_what_gkprep_itself_has_made_is_no_leftover() -> None:
    keys = (Listed("Secret", "heketi-admin-key"),)
    [finding] = found(earlier_deployment, objects=keys).values()
    assert finding.status is Status.PASS


def test_d9_the_stored_topology_is_compared_with_the_inventory() -> None:
    same = found(earlier_deployment, objects=(CONFIG,), topology=TOPOLOGY)
    assert same[CONFIG.name].status is Status.PASS
    other = (
        replace(TOPOLOGY[0], storage="10.0.0.1", zone=2, devices=("/dev/sdb",)),
        TOPOLOGY[1],
        replace(TOPOLOGY[2], name="node4"),
    )
    finding = one(earlier_deployment, objects=(CONFIG,), topology=other)
    assert finding.status is Status.FAIL
    assert finding.saw == (
        "another topology, which gk-deploy would load:"
        " node1 has storage 10.0.0.1, not 10.78.0.11; node1 has zone 2, not 1;"
        " node1 has /dev/sdb; node3 is not in it; node4 is in it, and not in the inventory"
    )
    assert finding.cure.endswith("delete secret/heketi-config-secret")


@pytest.mark.parametrize(
    "text",
    [
        "no base64!",
        encoded("not json"),
        encoded("[" * 100_000),
        encoded('{"clusters": [{"nodes": [7]}]}'),
        *(encoded(topology(**wrong)) for wrong in WRONG),
    ],
)
def test_d9_a_topology_that_cannot_be_read_is_another_one(text: str) -> None:
    stored = kubernetes.topology("kubectl", "n").parse(text)
    findings = found(earlier_deployment, objects=(CONFIG, *ENDPOINTS), topology=stored)
    assert {each.subject: each.status for each in findings.values()} == {
        CONFIG.name: Status.FAIL,
        "heketi-storage": Status.FAIL,
    }
    assert "what it holds cannot be read: " in findings[CONFIG.name].saw
    assert "secret" not in findings[CONFIG.name].saw.partition("cannot be read: ")[2]


def test_d9_a_topology_may_leave_out_what_heketi_has_a_default_for() -> None:
    stored = kubernetes.topology("kubectl", "n").parse(encoded(topology(devices=None)))
    assert stored == (Planned("a", "b", 1, ()),)


def test_d9_a_secret_without_a_topology_is_another_one() -> None:
    assert one(earlier_deployment, objects=(CONFIG,), topology=None).status is Status.FAIL


@pytest.mark.parametrize("also", [(JOB,), BEGUN, (*BEGUN, JOB)])
def test_d8_a_volume_that_was_made_already_fails(also: tuple[Listed, ...]) -> None:
    finding = one(earlier_deployment, objects=(*ENDPOINTS, *also))
    assert (finding.status, finding.says) == (
        Status.FAIL,
        "Volume heketidbstorage already exists",
    )
    assert finding.cure == "gkprep deploy --abort"


def test_c11_endpoints_that_are_left_alone_fail() -> None:
    finding = one(earlier_deployment, objects=ENDPOINTS)
    assert finding.says == 'endpoints "heketi-storage-endpoints" already exists'
    assert finding.cure.endswith(
        "delete service/heketi-storage-endpoints endpoints/heketi-storage-endpoints"
    )


def test_a_deployment_that_can_be_carried_on_is_a_warning() -> None:
    finding = one(earlier_deployment, objects=(*BEGUN, CONFIG), topology=TOPOLOGY)
    assert (finding.subject, finding.status) == ("deploy-heketi", Status.WARN)


def test_d5_a_daemonset_that_is_there_stays_as_it_is() -> None:
    finding = one(earlier_deployment, objects=(Listed("DaemonSet", "glusterfs", 2, 3),))
    assert finding.status is Status.WARN
    assert "2 of 3 pods ready; it stays as it is" in finding.saw


def test_d11_a_label_on_a_node_that_is_not_listed_is_a_warning() -> None:
    labelled = members(
        member("extra", label="glusterfs"),
        member("node1", label="glusterfs"),
        member("other", label="second-daemonset"),
    )
    finding = one(earlier_deployment, nodes=labelled)
    assert (finding.subject, finding.status) == ("extra", Status.WARN)
    assert finding.cure.endswith("label node extra storagenode-")
