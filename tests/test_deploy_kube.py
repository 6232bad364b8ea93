"""`gkprep deploy` against a real control plane: gk-deploy is ours or the real one, so is heketi.

The machines behind the nodes are not there: their checks could not find out anything, and are
passed over by name. tests/test_story_lab.py has both.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from preflight.deploy import objects
from tests.diagnosed import SAMPLES
from tests.kube.holds import Hold
from tests.kube.standins import real_gk_deploy
from tests.kube_site import (
    FORCED,
    KEYS,
    OF_NODES,
    PROVISIONED_BY,
    Site,
    earlier,
    faults,
    site,
    statuses,
    wait_for,
)

__all__ = ["site"]

pytestmark = pytest.mark.kube

VERIFIED = ["gluster-pods", "heketi-address", "heketi-topology", "storage-class"]
UNITS = "glusterd rpcbind.socket"
"""What of a pod's units is asked first; all of them are in one question."""

KEPT = {"gk-deploy.log", "deployment.json"}

ONLY_OURS = pytest.mark.skipif(
    real_gk_deploy() is not None, reason="a fault that only the stand-in has"
)


RECORDS = 'mkdir -p "$0.calls"; printf "%s\\n" "$PWD" "$@" >"$0.calls/$$-$(date +%s%N)"'
"""A kubectl that keeps where each call was made, and its words."""


def keys_are_gk_deploys_alone(site: Site) -> None:
    """gk-deploy's own interface has them in calls that it makes, where it works (D1)."""
    records = [file.read_text().partition("\n") for file in site.home.glob("kubectl.calls/*")]
    by_gk_deploy = {words for folder, _, words in records if folder.endswith("/work")}
    own = {words for _, _, words in records} - by_gk_deploy
    assert any(key in words for words in by_gk_deploy for key in KEYS.values())
    assert {"get", "apply", "exec"} <= {word for words in own for word in words.split("\n")}
    assert not [words for words in own if any(key in words for key in KEYS.values())]


def made_by_gk_deploy(site: Site) -> set[str]:
    """By kind and name, but for what controllers make of it, and gkprep's own."""
    others = ("pod/", "secret/heketi-service-account-token-", "secret/heketi-admin-key")
    made = [each for each in site.objects() if not each.startswith(others)]
    assert "daemonset.apps/glusterfs" in made
    return {
        "{} {}".format(each.partition(".")[0].partition("/")[0], each.rpartition("/")[2])
        for each in made
    }


def the_storage_class_leads_to_heketi(site: Site) -> None:
    """It is of today, has no key in clear, and leads to the service's own address."""
    made = site.plane.get("sc", "glusterfs-storage")
    address = site.plane.get("svc", "heketi", site.namespace)["spec"]["clusterIP"]
    assert made["provisioner"] == "kubernetes.io/glusterfs"
    assert made["parameters"]["resturl"] == f"http://{address}:8080"
    assert "restuserkey" not in made["parameters"]


def leave_volume(site: Site) -> int:
    """A volume of an earlier deployment, which no heketi knows; how many such there are now."""
    site.plane.apply(earlier(site.namespace))
    every = [each["metadata"] for each in site.plane.get("pv")["items"]]
    return sum(PROVISIONED_BY in (each.get("annotations") or {}) for each in every)


def an_abort_is_refused(site: Site, volumes: int) -> None:
    """For the one of the claim, and others that an earlier deployment has left."""
    refused = site.run("--abort", "--yes")
    assert refused.returncode == 2
    assert f"--abort-volumes {volumes}" in refused.stderr
    [mine] = [line for line in refused.stderr.splitlines() if f"{site.namespace}/mine" in line]
    assert "which heketi knows" in mine
    [left] = [line for line in refused.stderr.splitlines() if f"{site.namespace}/earlier" in line]
    assert "volume vol_earlier, which this heketi does not know" in left


def test_from_nothing_to_a_bound_volume_and_back(site: Site) -> None:
    others = leave_volume(site)
    site.write(kubectl=site.meddling(RECORDS))
    code, report = site.deploy("--smoke-test")
    assert (code, report["verdict"]) == (0, "ready"), faults(report)
    assert statuses(report) == {check: {"pass"} for check in (*VERIFIED, "smoke-test")}
    deployment = report["deployment"]
    assert [stage["done"] for stage in deployment["stages"]] == [True] * 6
    assert (deployment["rc"], deployment["stopped"]) == (0, None)
    assert set(deployment["forced"]) == set(OF_NODES)

    the_storage_class_leads_to_heketi(site)
    assert not [each for each in site.objects() if "persistentvolumeclaim" in each]

    # What there is by now was told before.
    assert made_by_gk_deploy(site) <= {each.lower() for each in report["prospect"]["makes"]}

    # No key is anywhere but where it has to be.
    [log] = site.logs()
    assert log.stat().st_mode & 0o777 == 0o600
    assert "Deployment complete!" in log.read_text()
    told = json.dumps(report) + log.read_text() + site.inventory.read_text()
    assert not [key for key in KEYS.values() if key in told]
    assert {file.name for file in log.parent.iterdir()} == KEPT
    keys_are_gk_deploys_alone(site)
    site.write()

    # A second run changes nothing, and says what is there (D10).
    before = site.objects()
    code, report = site.deploy()
    assert code == 0
    assert [f["status"] for f in report["before"] if f["check"] == "earlier-deployment"] == ["warn"]
    assert site.objects() == before

    # Another key than heketi's would lock everybody out; another namespace is not this one.
    secret = site.plane.get("secret", "heketi-admin-key", site.namespace)["data"]
    refused = site.run("--yes", *FORCED, GKPREP_HEKETI_ADMIN_KEY="another11KEY")
    assert refused.returncode == 2
    assert "heketi runs with another key" in refused.stderr
    assert site.plane.get("secret", "heketi-admin-key", site.namespace)["data"] == secret
    site.write(namespace="default")
    refused = site.run("--abort", "--yes")
    assert refused.returncode == 2
    assert "is needed by " in refused.stderr
    assert f"deployment/heketi of namespace {site.namespace}" in refused.stderr
    site.write()

    # An abort with a volume in use is refused, and one without takes all back.
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "mine"},
        "spec": {
            "storageClassName": "glusterfs-storage",
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    site.plane.apply(claim, site.namespace)
    wait_for(lambda: site.plane.get("pvc", "mine", site.namespace)["status"]["phase"] == "Bound")
    an_abort_is_refused(site, others + 1)
    assert set(before) <= set(site.objects())
    code, report = site.report("--abort", "--yes", "--abort-volumes", str(others + 1))
    assert statuses(report)["abort"] == {"pass"}, report["findings"]
    assert site.labels() == []
    left = [each for each in site.objects() if "heketi" in each or "gluster" in each]
    # The provisioner's own, which go with the claim.
    assert [each for each in left if "dynamic" not in each] == []
    assert site.plane.kubectl("get", "sc", "-o", "name").stdout == ""


@ONLY_OURS
@pytest.mark.parametrize(
    ("fault", "why", "row"),
    [
        ("no-last-line", "exit status 0, but not with", "D2"),
        ("empty-address", "no address of heketi's", "D14"),
        ("copy-job-hangs", "copy-job", "N13"),
        ("topology-fails", "Error loading the cluster topology", "D7"),
        ("topology-refused", "Error loading the cluster topology", "D7"),
    ],
)
def test_what_is_no_success_is_not_called_one(site: Site, fault: str, why: str, row: str) -> None:
    code, report = site.deploy(wait=10, GKPREP_STANDIN_FAULT=fault)
    assert (code, report["verdict"]) == (1, "blocked"), report["deployment"]
    assert why in report["deployment"]["stopped"]
    assert [cause["id"] for cause in report["causes"]] == [row]
    assert report["unexplained"] == []
    assert site.plane.kubectl("get", "sc", "-o", "name").stdout == ""
    # So it is for who asks later, out of the log that was kept; and no more once it is put right.
    code, report = site.diagnosed()
    assert (code, [cause["id"] for cause in report["causes"]]) == (1, [row])
    [note] = report["notes"]
    assert str(site.logs()[0]) in note
    if fault == "empty-address":
        assert site.deploy()[0] == 0
        code, report = site.diagnosed()
        assert (code, report["causes"], report["notes"]) == (0, [], [])


@ONLY_OURS
def test_what_gk_deploy_writes_to_its_private_copy_is_no_success_and_stays_there(
    site: Site,
) -> None:
    """D3: all is there then, but what made it is not what was checked and patched."""
    folder = site.gk_deploy.parent
    before = contents(folder)
    code, report = site.deploy(GKPREP_STANDIN_FAULT="writes-files")
    assert (code, report["verdict"]) == (1, "blocked"), report["deployment"]
    assert report["deployment"]["stopped"] == (
        "gk-deploy wrote to what it was given: deploy/kube-templates/heketi-service-account.yaml,"
        " deploy/left-behind (D3)"
    )
    assert [cause["id"] for cause in report["causes"]] == ["D3"]
    assert site.plane.kubectl("get", "sc", "-o", "name").stdout == ""
    assert contents(folder) == before
    [log] = site.logs()
    assert {file.name for file in log.parent.iterdir()} == KEPT


def contents(folder: Path) -> dict[Path, bytes]:
    """All files, byte for byte."""
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_pods_that_stay_unready_are_told_with_what_cures_them(site: Site) -> None:
    """The first failure of many: the host held port 111, which the pod wanted (N11)."""
    words = (SAMPLES / "N11" / "glusterfs-c7k4d" / "systemctl.txt").read_text().split("\n\n")
    site.plane.answers("node2", {f"systemctl status {UNITS}": (3, "\n\n".join(words))})
    with site.plane.held(Hold.gluster("node2")):
        code, report = site.deploy(wait=6)
    assert (code, report["verdict"]) == (1, "blocked")
    assert "pods not found" in report["deployment"]["stopped"]
    assert [stage["done"] for stage in report["deployment"]["stages"]][:2] == [True, False]
    first = report["causes"][0]
    assert (first["id"], first["node"]) == ("N11", "node2")
    assert "111" in first["cause"]
    free, delete = first["cure"]
    assert free.startswith("gkprep fix --only rpcbind-port --limit node2")
    assert f"-n {site.namespace} delete pod glusterfs-" in delete


def test_nothing_is_begun_unless_all_is_green(site: Site) -> None:
    code, report = site.report("--yes")
    assert code == 3
    assert "deployment" not in report
    assert (site.objects(), site.labels(), site.logs()) == ([], [], [])


def test_a_storage_class_of_another_heketi_is_told_before_anything_is_begun(site: Site) -> None:
    """C15: it could not be changed, which showed after all six steps."""
    made = objects.storage_class("elsewhere", "10.96.0.7")
    site.plane.apply(made)
    code, report = site.deploy()
    assert (code, report["verdict"]) == (1, "blocked")
    assert "deployment" not in report
    failing = [each for each in report["findings"] if each["status"] == "fail"]
    [told] = [each for each in failing if each["check"] not in OF_NODES]
    assert told["check"] == "kubernetes-storage-class"
    assert "secretNamespace elsewhere" in told["saw"]
    assert f"secretNamespace {site.namespace}" in told["want"]
    assert (site.objects(), site.labels(), site.logs()) == ([], [], [])
    # Past it, all is made but the class, and that is told once.
    code, report = site.deploy("--force-unready", "kubernetes-storage-class")
    assert (code, report["verdict"]) == (1, "blocked")
    [told] = faults(report)
    assert (told["check"], told["status"]) == ("storage-class", "fail")
    assert [cause["id"] for cause in report["causes"]] == ["C15"]
    assert site.plane.get("sc", "glusterfs-storage")["parameters"] == made["parameters"]


@pytest.mark.parametrize("words", [["--dry-run", "--yes"], []])
def test_nothing_is_begun_without_consent(site: Site, words: list[str]) -> None:
    done = site.run(*FORCED, *words)
    assert done.returncode == 1
    assert "-gy -c kubectl" in done.stdout
    assert "--admin-key '***' --user-key '***'" in done.stdout
    assert "! controller: gluster-image: saw no pod runs it" in done.stdout
    for row in ("C1", "C2", "C4", "C10", "StorageClass glusterfs-storage"):
        assert row in done.stdout
    assert (site.objects(), site.labels(), site.logs()) == ([], [], [])
    assert not list(site.state.glob("gkprep/keys/*"))


def test_the_patches_are_shown_and_the_checkout_stays_as_it_is(site: Site) -> None:
    folder = site.gk_deploy.parent
    before = contents(folder)
    done = site.run("--show-patches")
    assert done.returncode == 0
    assert "+apiVersion: apps/v1" in done.stdout
    assert "-pod" in done.stdout or "--show-all" in done.stdout
    assert contents(folder) == before


@contextmanager
def waiting(site: Site, argv: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A deployment that waits for Gluster's pods; it has ended afterwards."""
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=site.environment,
    )

    def waits() -> bool:
        assert process.poll() is None, process.communicate()
        return bool(site.logs()) and "Waiting for GlusterFS" in site.logs()[0].read_text()

    try:
        with site.plane.held(Hold.gluster("node2")):
            wait_for(waits)
            yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all_and_tells_what_comes_next(
    site: Site, number: signal.Signals
) -> None:
    with waiting(site, site.command("--yes", *FORCED)) as process:
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert "gk-deploy was ended, at: GlusterFS pods" in err
    assert str(site.logs()[0]) in err
    assert running(site.logs()[0].parent) == []
    # The next run goes on from there.
    code, report = site.deploy()
    assert (code, report["verdict"]) == (0, "ready"), report["deployment"]


LOST = """\
import sys
from preflight.cli import main
from preflight.deploy import watch
watch.PATIENCE = 8
main()"""


def test_a_lost_api_server_ends_it_and_the_next_run_goes_on(site: Site) -> None:
    own = yaml.safe_load(site.plane.kubeconfig.read_text())
    there = urlsplit(own["clusters"][0]["cluster"]["server"])
    with forward(there.hostname or "", there.port or 0) as way:
        own["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{way.port}"
        kubeconfig = site.home / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(own))
        site.write(kubeconfig=str(kubeconfig))
        words = site.command("-o", "json", "--yes", *FORCED)[1:]
        with waiting(site, [sys.executable, "-c", LOST, *words]) as process:
            way.close()
            out, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "the API server has not answered for" in json.loads(out)["deployment"]["stopped"]
    assert running(site.logs()[0].parent) == []
    site.write()
    code, report = site.deploy()
    assert (code, report["verdict"]) == (0, "ready"), report["deployment"]


class Way:
    """A forwarder that can be closed: then nobody answers, and what was open ends."""

    def __init__(self, host: str, port: int) -> None:
        self._there = (host, port)
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in (self._server, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(self._there)
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    @staticmethod
    def _copy(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


@contextmanager
def forward(host: str, port: int) -> Iterator[Way]:
    """A way to there that lasts no longer than this."""
    way = Way(host, port)
    try:
        yield way
    finally:
        way.close()


def running(folder: Path) -> Sequence[str]:
    """Command lines of processes that have to do with that folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found
