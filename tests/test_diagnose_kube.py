"""`gkprep diagnose` on a real control plane: a deployment from which no volume can be made."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.kube_site import STORAGE, Site, site, wait_for

__all__ = ["site"]

pytestmark = pytest.mark.kube

CLASS = "glusterfs-storage"
SECRET = "heketi-admin-key"


def diagnosed(site: Site) -> tuple[int, dict[str, Any]]:
    """The verdict, from the cluster alone: nothing listens where the nodes are."""
    program, *_ = site.command()
    alone = ("--limit", "controller", "--only", "kubernetes-namespace")
    done = subprocess.run(
        [program, "diagnose", str(site.inventory), *alone, "-o", "json"],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=site.environment,
        timeout=120,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def causes(site: Site) -> list[tuple[str, str | None]]:
    """Those of a deployment that has to be told to be ill."""
    code, report = diagnosed(site)
    assert (code, report["verdict"]) == (1, "blocked"), report["unexplained"]
    assert report["unexplained"] == []
    return sorted((each["id"], each["node"]) for each in report["causes"])


def delete(site: Site, kind: str, name: str) -> Callable[[], None]:
    """Delete it; what is returned makes it again as it was."""
    there = site.plane.get(kind, name, site.namespace)
    site.plane.kubectl("-n", site.namespace, "delete", kind, name)
    for own in ("uid", "resourceVersion", "creationTimestamp"):
        there["metadata"].pop(own)
    return lambda: site.plane.apply(there, site.namespace)


@pytest.fixture
def gold(site: Site) -> Iterator[None]:
    """The StorageClass of that name is gone afterwards."""
    yield
    site.plane.kubectl("delete", "sc", "gold", "--ignore-not-found")


@pytest.mark.usefixtures("gold")
def test_healthy_is_a_deployment_from_which_volumes_can_be_made(site: Site) -> None:
    code, report = site.deploy()
    assert code == 0, report["findings"]
    code, report = diagnosed(site)
    assert (code, report["verdict"]) == (0, "ready"), report
    assert report["unread"] == []
    address = site.plane.get("svc", "heketi", site.namespace)["spec"]["clusterIP"]

    # No StorageClass leads there, and heketi has other disks than the inventory.
    again = delete(site, "sc", CLASS)
    inventory = site.inventory.read_text()
    site.inventory.write_text(inventory.replace("/dev/sda", "/dev/sdb"))
    assert causes(site) == [("C17", None), *(("D10", node) for node in STORAGE)]
    site.inventory.write_text(inventory)

    # Whether a name for heketi leads there, only the controller manager knows (C9).
    site.plane.apply(by_hand(f"http://heketi.{site.namespace}.svc:8080"))
    code, report = diagnosed(site)
    site.plane.kubectl("delete", "sc", "gold")
    assert (code, report["causes"], report["unexplained"]) == (3, [], [])
    assert "volume-provisioning gold" in {each["origin"] for each in report["unread"]}
    again()

    # Its key is gone, and heketi's service selects no pod.
    again = delete(site, "secret", SECRET)
    select(site, "other-pod")
    assert causes(site) == [("C16", None), ("D14", None)]
    again()
    select(site, "heketi-pod")

    # The service is gone; what the diagnosis says brings it back with its address.
    delete(site, "svc", "heketi")
    assert causes(site) == [("D14", None)]
    words = ("expose", "deployment", "heketi", "--port=8080", f"--cluster-ip={address}")
    site.plane.kubectl("-n", site.namespace, *words)

    # A StorageClass made by hand, of whatever name, is as good. Without heketi's key nobody asks
    # what heketi knows, and that is said.
    delete(site, "sc", CLASS)
    site.plane.apply(by_hand(f"http://{address}:8080"))
    for kept in site.state.glob("gkprep/keys/*/admin"):
        kept.unlink()
    code, report = diagnosed(site)
    assert (code, report["verdict"]) == (0, "ready"), report["unread"]
    assert "heketi-topology" in {each["origin"] for each in report["unread"]}


def by_hand(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "gold"},
        "provisioner": "kubernetes.io/glusterfs",
        "parameters": {"resturl": url, "restuser": "admin", "restuserkey": "adminADMIN1"},
    }


def select(site: Site, pods: str) -> None:
    """Have heketi's service select these, and wait until its endpoints say so."""
    patch = json.dumps({"spec": {"selector": {"glusterfs": pods}}})
    site.plane.kubectl("-n", site.namespace, "patch", "svc", "heketi", "-p", patch)

    def so() -> bool:
        subsets = site.plane.get("endpoints", "heketi", site.namespace).get("subsets")
        return bool(subsets) == (pods == "heketi-pod")

    wait_for(so)
