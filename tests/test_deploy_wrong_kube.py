"""gk-deploy completes in all honesty, and the cluster is wrong: what is there is what counts.

Each fault is a real one in a real cluster, and gk-deploy says of all of them that it is complete.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from preflight.controller import controller
from preflight.deploy import objects, smoke
from preflight.deploy.cluster import Cluster
from preflight.deploy.gk_deploy import GkDeploy
from preflight.model import Deployer, Inventory, Status
from preflight.transport import Local
from tests.kube_checked import STORAGE as NODES
from tests.kube_site import FORCED, STORAGE, Json, Site, faults, site, statuses

__all__ = ["site"]

pytestmark = pytest.mark.kube

OTHER_DISK = "/dev/sdc"
SPOILS = """\
case $* in
*/services\\?fieldSelector=metadata.name%3Dheketi)
  if $KUBECTL get deployment heketi >/dev/null 2>&1 && mkdir "$0.once" 2>/dev/null; then
    $KUBECTL patch service heketi -p '{"spec":{"selector":{"heketi":"nobody"}}}'
    $KUBECTL label node node2 storagenode-
    $KUBECTL wait pod --for=delete --timeout=60s \\
      --field-selector=spec.nodeName=node2 --selector=glusterfs=pod
    until [ -z "$($KUBECTL get endpoints heketi -o jsonpath='{.subsets}')" ]; do sleep 0.2; done
  fi >&2 ;;
esac"""
"""Once heketi is there and its service is asked for, gk-deploy has ended: now others meddle."""

TOLD = {
    ("gluster-pods", "node2"): ("no GlusterFS pod", "D6"),
    ("heketi-topology", "node3"): (f"10.78.0.13, zone 1, {OTHER_DISK}", "D9"),
    ("heketi-address", "heketi"): ("0 pods behind it", "D14"),
}
"""What is found by which check, and the row of the catalogue that its page names."""


def earlier(site: Site) -> Json:
    """The secret that an earlier deployment has left: in its topology node3 has another disk."""
    config = (site.gk_deploy.parent / "heketi.json.template").read_text()
    given = {"EXECUTOR": "kubernetes", "PORT": "22", "USER": "root", "SUDO": "false"}
    for key, value in given.items():
        config = config.replace(f"${{HEKETI_{key}}}", value).replace(f"${{SSH_{key}}}", value)
    nodes = [
        {
            "node": {"hostnames": {"manage": [name], "storage": [address]}, "zone": 1},
            "devices": [OTHER_DISK if name == "node3" else "/dev/sda"],
        }
        for name, address in STORAGE.items()
    ]
    topology = json.dumps({"clusters": [{"nodes": nodes}]})
    files = {"heketi.json": config, "topology.json": topology, "private_key": ""}
    about = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "heketi-config-secret"}}
    return {**about, "stringData": files}


def test_what_gk_deploy_calls_complete_is_judged_by_what_is_there(site: Site) -> None:
    site.plane.apply(earlier(site), site.namespace)
    site.write(kubectl=site.meddling(SPOILS))
    forced = ("--force-unready", "earlier-deployment")
    code, report = site.report("--yes", "--smoke-test", *FORCED, *forced, "--", "-w", "60")
    [log] = site.logs()
    assert "Deployment complete!" in log.read_text()
    assert (report["deployment"]["rc"], report["deployment"]["stopped"]) == (0, None)
    assert (code, report["verdict"]) == (1, "blocked")
    found = {(each["check"], each["subject"]): each for each in faults(report)}
    pages = {check.id: check.doc for check in GkDeploy().verification(Path("key"))}
    assert set(found) == set(TOLD)
    for (check, subject), (saw, row) in TOLD.items():
        assert found[check, subject]["status"] == "fail"
        assert saw in found[check, subject]["saw"]
        assert f"({row})" in pages[check]
    # Where that much is wrong, no volume is asked for.
    assert "smoke-test" not in statuses(report)


def test_a_claim_that_waits_is_no_volume(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No heketi is where the StorageClass leads to."""
    monkeypatch.setattr(smoke, "PATIENCE", 4.0)
    site.plane.apply(objects.storage_class(site.namespace, "127.0.0.1"))
    deployer = Deployer(
        kubectl=site.plane.client, kubeconfig=site.plane.kubeconfig, namespace=site.namespace
    )
    node = controller(Inventory(NODES, deployer=deployer))
    found = smoke.smoke_test(Cluster(node, lambda _: Local(become=False)))
    assert (found.status, found.saw) == (Status.FAIL, "Pending after 4 s")
    assert site.plane.get("pvc", namespace=site.namespace)["items"] == []
