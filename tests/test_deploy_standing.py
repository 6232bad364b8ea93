"""What a deployment that is there is judged by, whoever made it: rules on facts given as values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from preflight.deploy.verify import leads
from preflight.diagnose import nodes
from preflight.errors import Unknown
from preflight.facts.deployment import Service, StorageClass
from preflight.model import Finding, Status
from tests.verified import MADE, SERVICE, stands

GLUSTERFS = "kubernetes.io/glusterfs"
OTHER = StorageClass("other.io/x", ())
BY_HAND = StorageClass(
    GLUSTERFS, (("restuserkey", "verySECRET1"), ("resturl", "http://10.96.0.9:8080"))
)


def provisioning(
    *classes: tuple[str, StorageClass],
    service: Service | None = SERVICE,
    secrets: object = frozenset({"storage/heketi-admin-key"}),
) -> dict[str, Finding]:
    """By subject, what is found of these StorageClasses."""
    found = stands(service=service, storage_classes=classes, provisioner_secrets=secrets)
    return {each.subject: each for each in found if each.check == "volume-provisioning"}


def at(url: str, **more: str) -> StorageClass:
    return StorageClass(GLUSTERFS, (("resturl", url), *more.items()))


@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("http://10.96.0.9:8080", True),
        ("http://10.244.0.3:8080", True),
        ("http://10.96.0.9", None),
        ("http://10.96.0.8:8080", False),
        ("http://10.78.0.11:30080", None),
        ("http://heketi.storage.svc:8080", None),
        ("https://heketi.example.com", None),
        ("10.96.0.9:8080", False),
        ("http://[::1", False),
        ("http://10.96.0.9:port", False),
        ("", False),
    ],
)
def test_an_address_leads_to_heketi_or_not_or_nobody_can_tell(url: str, there: object) -> None:
    assert leads(url, SERVICE) is there


def test_an_address_of_ip_version_6_is_one() -> None:
    service = Service("fd00::9", ("fd00::3:8080",))
    assert leads("http://[fd00::9]:8080", service) is True
    assert leads("http://[fd00::3]:8080", service) is True
    assert leads("http://[fd00::8]:8080", service) is False


def test_any_storage_class_that_leads_there_is_good_whatever_it_is_called() -> None:
    for classes in ([("gold", BY_HAND)], [("glusterfs-storage", MADE), ("x", OTHER)]):
        assert {each.status for each in provisioning(*classes).values()} == {Status.PASS}
    strange = ("of-another", at("http://heketi.example.com"))
    assert list(provisioning(("gold", BY_HAND), strange)) == ["gold"]


@pytest.mark.parametrize(
    "classes",
    [
        (),
        (("x", OTHER),),
        (("of-another", at("http://10.96.0.8:8080", secretNamespace="other")),),
        (("x", replace(BY_HAND, provisioner="other.io/x")),),
    ],
)
def test_none_that_leads_there_is_a_failure_that_says_where_others_lead(
    classes: tuple[tuple[str, StorageClass], ...],
) -> None:
    (found,) = provisioning(*classes).values()
    assert (found.status, found.subject) == (Status.FAIL, "StorageClass")
    assert found.saw.startswith("no StorageClass leads to it")
    assert ("of-another to http://10.96.0.8:8080" in found.saw) == ("of-another" in dict(classes))
    assert "SECRET" not in repr(found)


def test_one_of_this_deployments_that_leads_elsewhere_fails_beside_a_good_one() -> None:
    """As where the service was made anew: it has another address then."""
    stale = at("http://10.96.0.8:8080", secretNamespace="storage", secretName="heketi-admin-key")
    found = provisioning(("stale", stale), ("gold", BY_HAND))
    assert (found["stale"].status, found["gold"].status) == (Status.FAIL, Status.PASS)
    assert found["stale"].saw == "resturl http://10.96.0.8:8080"


def test_where_nobody_can_tell_it_is_not_known() -> None:
    """C9: only the controller manager knows what it can look up."""
    (found,) = provisioning(("gold", at("http://heketi.storage.svc:8080"))).values()
    assert (found.status, found.subject) == (Status.ERROR, "gold")


@pytest.mark.parametrize("secrets", [frozenset(), frozenset({"other/heketi-admin-key"})])
def test_the_key_that_it_refers_to_is_to_be_there(secrets: frozenset[str]) -> None:
    (found,) = provisioning(("glusterfs-storage", MADE), secrets=secrets).values()
    assert found.status is Status.FAIL
    assert found.saw.startswith("secret storage/heketi-admin-key is not there")


def test_secrets_that_may_not_be_listed_matter_only_where_one_is_referred_to() -> None:
    forbidden = Unknown('secrets is forbidden: User "x" cannot list resource "secrets"')
    (found,) = provisioning(("gold", BY_HAND), secrets=forbidden).values()
    assert found.status is Status.PASS
    (found,) = provisioning(("glusterfs-storage", MADE), secrets=forbidden).values()
    assert found.status is Status.ERROR


def test_without_a_service_its_own_check_says_so() -> None:
    (found,) = provisioning(("glusterfs-storage", MADE), service=None).values()
    assert found.status is Status.SKIP


def test_what_is_not_met_is_trouble_and_what_is_not_known_is_unread() -> None:
    found = [
        Finding("heketi", Status.FAIL, "bad", says="an event", check="heketi-address", node="me"),
        Finding("node1", Status.ERROR, "why", check="heketi-topology", node="me", about="node1"),
        Finding("", Status.SKIP, "no key", check="heketi-topology", node="me"),
        Finding("gold", Status.PASS, "good", check="volume-provisioning", node="me"),
    ]
    reading = nodes.unmet(found, "me")
    assert [(t.object, t.node, t.saw) for t in reading.troubles] == [
        ("heketi-address heketi", None, "bad")
    ]
    assert [(u.origin, u.why, u.needed) for u in reading.unread] == [
        ("heketi-topology node1", "why", True),
        ("heketi-topology", "no key", False),
    ]
    assert [piece.text for piece in reading.evidence] == [
        "an event",
        "heketi-address fail heketi: saw bad",
    ]
