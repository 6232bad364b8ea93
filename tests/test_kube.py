"""The control plane itself: what the tests of `deploy` and `diagnose` rely on."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.kube import NODES, Hold, KubeError, Node, Plane, binaries
from tests.kube.holds import STATUS_PROBE
from tests.kube.manifests import gluster, heketi, workload
from tests.kube.place import Place

pytestmark = pytest.mark.kube

SOON = 30.0
"""Seconds within which the controllers do what they do; one or two when nothing else runs."""

# A heketi that greets, writes down what it is asked, and can do nothing.
GREETER = """\
#!{python}
import http.server, json, sys
config = json.load(open(sys.argv[1].split("=")[1]))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open("{asked}", "a") as asked:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            about = [self.command, self.path, self.headers.get("Authorization", ""), body]
            asked.write(json.dumps([*about, config]) + "\\n")
        self.send_response(200 if self.path == "/hello" else 500)
        self.end_headers()
        self.wfile.write(b"Hello from Heketi")
    do_POST = do_GET
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("", int(config["port"])), Handler).serve_forever()
"""


def eventually(look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it is something."""
    deadline = time.monotonic() + SOON
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {SOON:.0f} s"
        time.sleep(0.2)
    return found


def pods(kube: Plane, namespace: str) -> dict[str, dict[str, Any]]:
    """All of a namespace by name."""
    found = kube.get("pods", namespace=namespace)["items"]
    return {pod["metadata"]["name"]: pod for pod in found}


def readiness(kube: Plane, namespace: str) -> dict[str, bool]:
    """Of the pods that run: their node, and whether they are ready."""
    return {
        pod["spec"]["nodeName"]: all(c["ready"] for c in pod["status"]["containerStatuses"])
        for pod in pods(kube, namespace).values()
        if pod["status"]["phase"] == "Running"
    }


def events(kube: Plane, namespace: str, reason: str) -> list[dict[str, Any]]:
    found = kube.get("events", namespace=namespace)["items"]
    return [event for event in found if event["reason"] == reason]


def label(kube: Plane, *names: str) -> None:
    kube.kubectl("label", "node", *names, "storagenode=glusterfs")


def create(kube: Plane, namespace: str, *objects: dict[str, Any]) -> None:
    for each in objects:
        kube.apply(each, namespace)


@pytest.fixture
def pod(kube: Plane, namespace: str) -> str:
    """The name of a pod that is ready, on node2."""
    create(kube, namespace, workload("Deployment", "box", {"app": "box"}, nodeName="node2"))
    eventually(lambda: readiness(kube, namespace) == {"node2": True})
    (name,) = pods(kube, namespace)
    return name


@pytest.fixture
def asked(kube: Plane, tmp_path: Path) -> Iterator[Path]:
    """Where a heketi that only greets writes down what it was asked."""
    log, program = tmp_path / "asked", tmp_path / "heketi"
    program.write_text(GREETER.format(python=sys.executable, asked=log))
    program.chmod(0o755)
    kube.heketi(tmp_path)
    yield log
    kube.files.heketi.unlink()


def requests(asked: Path, path: str) -> list[tuple[str, str, str, str, dict[str, Any]]]:
    lines = asked.read_text().splitlines() if asked.exists() else []
    return [row for line in lines if (row := json.loads(line))[1] == path]


def test_it_is_the_version_that_upstream_needs(kube: Plane) -> None:
    versions = json.loads(kube.kubectl("version", "-o", "json").stdout)
    assert {each["gitVersion"] for each in versions.values()} == {"v1.20.2"}
    assert {(each["major"], each["minor"]) for each in versions.values()} == {("1", "20")}


@pytest.mark.usefixtures("namespace")
def test_the_nodes_are_the_laboratorys(kube: Plane) -> None:
    rows = kube.kubectl("get", "nodes", "-o", "wide", "--no-headers").stdout.splitlines()
    found = [(words[0], words[1], words[5]) for words in map(str.split, rows)]
    assert found == [(node.name, "Ready", node.address) for node in NODES]


def test_the_nodes_stay_alive(kube: Plane) -> None:
    def renewed() -> set[str]:
        leases = kube.get("leases", namespace="kube-node-lease")["items"]
        return {lease["spec"]["renewTime"] for lease in leases}

    before = eventually(renewed)
    eventually(lambda: not before & renewed())


def test_a_guest_may_do_nothing(kube: Plane) -> None:
    said = kube.kubectl("--kubeconfig", kube.guest, "get", "nodes", check=False)
    assert said.returncode == 1
    assert 'User "guest" cannot list resource "nodes"' in said.stderr


def test_a_daemonset_runs_where_its_label_is(kube: Plane, namespace: str) -> None:
    create(kube, namespace, gluster())
    label(kube, "node1", "node3")
    eventually(lambda: readiness(kube, namespace) == {"node1": True, "node3": True})
    status = kube.get("daemonset", "glusterfs", namespace)["status"]
    assert status["numberReady"] == status["desiredNumberScheduled"] == 2
    assert {p["status"]["podIP"] for p in pods(kube, namespace).values()} == {
        "10.78.0.11",
        "10.78.0.13",
    }


def test_a_held_pod_stays_unready_and_says_why(kube: Plane, namespace: str) -> None:
    label(kube, "node1", "node2", "node3")
    with kube.held(Hold.gluster("node2")):
        create(kube, namespace, gluster())
        held = {"node1": True, "node2": False, "node3": True}
        eventually(lambda: readiness(kube, namespace) == held)
        (event,) = eventually(lambda: events(kube, namespace, "Unhealthy"))
        assert event["message"] == STATUS_PROBE
        assert event["source"] == {"component": "kubelet", "host": "node2"}
        (row,) = [
            line.split()
            for line in kube.kubectl(
                "-n", namespace, "get", "pods", "--no-headers", "-o", "wide"
            ).stdout.splitlines()
            if "node2" in line
        ]
        assert row[1:3] == ["0/1", "Running"]
        described = kube.kubectl("-n", namespace, "describe", "pod", row[0]).stdout
        assert "failed check: systemctl -q is-active glusterd.service" in described
        time.sleep(1)  # four looks of the player's
        assert readiness(kube, namespace) == held
    eventually(lambda: all(readiness(kube, namespace).values()))


def test_a_hold_reaches_a_pod_that_was_ready(kube: Plane, namespace: str, pod: str) -> None:
    assert pods(kube, namespace)[pod]["status"]["podIP"].startswith("10.244.")
    with kube.held(Hold({"app": "box"})):
        eventually(lambda: readiness(kube, namespace) == {"node2": False})
    eventually(lambda: readiness(kube, namespace) == {"node2": True})


def test_a_job_completes_unless_it_is_held(kube: Plane, namespace: str) -> None:
    def complete(name: str) -> bool:
        return bool(kube.get("job", name, namespace)["status"].get("succeeded"))

    with kube.held(Hold.job("slow")):
        for name in ("slow", "quick"):
            create(kube, namespace, workload("Job", name, {"app": name}))
        eventually(lambda: complete("quick"))
        eventually(lambda: list(readiness(kube, namespace).values()) == [True])
        assert not complete("slow")
    eventually(lambda: complete("slow"))


def test_exec_gets_what_was_recorded(kube: Plane, namespace: str, pod: str) -> None:
    def run(command: str) -> subprocess.CompletedProcess[str]:
        words = shlex.split(command)
        return kube.kubectl("-n", namespace, "exec", "-i", pod, "--", *words, check=False)

    socket = "● rpcbind.socket\n   Active: failed (Result: resources)\n"
    kube.answers("node2", {"systemctl status rpcbind.socket": (3, socket)})
    kube.answers(pod, {"journalctl -u glusterd": (0, "of this pod")})
    failed = run("systemctl status rpcbind.socket --no-pager -l")
    assert (failed.returncode, failed.stdout) == (1, socket)
    both = run("sh -c 'systemctl status glusterd rpcbind.socket --no-pager'")
    assert (both.returncode, "Active: active (running)" in both.stdout) == (1, True)
    assert both.stdout.endswith(socket)
    assert run("journalctl -u glusterd -n 200").stdout == "of this pod\n"
    assert run("systemctl is-active glusterd").stdout == "active\n"
    kube.answers("node2", {})
    assert run("systemctl status rpcbind.socket").returncode == 0


def test_exec_sees_none_of_this_computers_own(kube: Plane, namespace: str, pod: str) -> None:
    missing = kube.kubectl("-n", namespace, "exec", pod, "--", "rpm", "-q", "x", check=False)
    assert missing.returncode != 0
    assert "rpm" in missing.stderr
    (kube.files.pod(namespace, pod) / "root" / "tmp" / "mine").write_text("of the pod")
    cat = kube.kubectl("-n", namespace, "exec", pod, "--", "cat", "/tmp/mine")
    assert cat.stdout == "of the pod"


def test_logs(kube: Plane, namespace: str, pod: str) -> None:
    assert not kube.kubectl("-n", namespace, "logs", pod).stdout
    kube.logs(namespace, pod, "[kubeexec] ERROR: one\ntwo\n")
    assert kube.kubectl("-n", namespace, "logs", pod).stdout == "[kubeexec] ERROR: one\ntwo\n"


def test_an_unready_node_and_a_tainted_one(kube: Plane, namespace: str) -> None:
    one, two, three = NODES
    broken = Node(two.name, two.address, ready=False)
    tainted = Node(three.name, three.address, taints=("dedicated=db:NoSchedule",))
    kube.nodes(one, broken, tainted)
    taints = {
        node["metadata"]["name"]: {taint["key"] for taint in node["spec"].get("taints", ())}
        for node in kube.get("nodes")["items"]
    }
    assert taints["node1"] == set()
    assert "node.kubernetes.io/not-ready" in taints["node2"]
    assert taints["node3"] == {"dedicated"}
    rows = kube.kubectl("get", "nodes", "--no-headers").stdout.splitlines()
    assert [row.split()[1] for row in rows] == ["Ready", "NotReady", "Ready"]
    label(kube, "node1", "node2", "node3")
    create(kube, namespace, gluster())
    eventually(lambda: readiness(kube, namespace) == {"node1": True})
    kube.nodes(*NODES)
    assert not any("taints" in node["spec"] for node in kube.get("nodes")["items"])


def test_a_namespace_goes_with_all_that_is_in_it(kube: Plane) -> None:
    with kube.namespace() as name:
        create(kube, name, workload("Deployment", "box", {"app": "box"}))
        eventually(lambda: readiness(kube, name))
    gone = f'namespaces "{name}" not found'
    assert not pods(kube, name)
    eventually(lambda: gone in kube.kubectl("get", "namespace", name, check=False).stderr)


def test_heketi_answers_while_its_pod_is_there(kube: Plane, namespace: str, asked: Path) -> None:
    create(kube, namespace, *heketi("deploy-heketi"))
    eventually(lambda: list(readiness(kube, namespace).values()) == [True])
    (name,) = pods(kube, namespace)
    described = kube.kubectl("-n", namespace, "describe", "svc/deploy-heketi").stdout
    (endpoint,) = [
        line.split()[1] for line in described.splitlines() if line.startswith("Endpoints:")
    ]
    assert endpoint == f"{pods(kube, namespace)[name]['status']['podIP']}:8080"
    for address in (endpoint, "localhost:8080"):
        curl = ["curl", "--silent", f"http://{address}/hello"]
        said = kube.kubectl("-n", namespace, "exec", "-i", name, "--", *curl)
        assert said.stdout == "Hello from Heketi"
    config = requests(asked, "/hello")[0][4]
    assert config["jwt"]["admin"]["key"] == "AdminKey1"
    assert config["glusterfs"]["executor"] == "mock"
    kube.kubectl("-n", namespace, "delete", "deployment", "deploy-heketi")
    eventually(lambda: kube.processes()["heketi"] is None)


def test_a_held_heketi_does_not_answer(kube: Plane, namespace: str, asked: Path) -> None:
    with kube.held(Hold.heketi()):
        create(kube, namespace, *heketi())
        eventually(lambda: list(readiness(kube, namespace).values()) == [False])
        assert kube.processes()["heketi"] is None
        (event,) = eventually(lambda: events(kube, namespace, "Unhealthy"))
        assert "connect: connection refused" in event["message"]
    eventually(lambda: list(readiness(kube, namespace).values()) == [True])
    assert requests(asked, "/hello")


def test_the_provisioner_asks_heketi(kube: Plane, namespace: str, asked: Path) -> None:
    create(kube, namespace, *heketi())
    eventually(lambda: list(readiness(kube, namespace).values()) == [True])
    address = kube.get("service", "heketi", namespace)["spec"]["clusterIP"]
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": namespace},
        "provisioner": "kubernetes.io/glusterfs",
        "parameters": {
            "resturl": f"http://{address}:8080",
            "restuser": "admin",
            "restuserkey": "AdminKey1",
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "claim"},
        "spec": {
            "storageClassName": namespace,
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    create(kube, namespace, storage_class, claim)
    try:
        method, _, key, body, _ = eventually(lambda: requests(asked, "/volumes"))[0]
        assert (method, json.loads(body)["size"]) == ("POST", 1)
        assert key.startswith("bearer ")
        assert eventually(lambda: events(kube, namespace, "ProvisioningFailed"))
    finally:
        kube.kubectl("delete", "storageclass", namespace)


@pytest.fixture
def second(kube: Plane, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plane]:
    """A plane beside the one of all other tests, not started."""
    monkeypatch.setenv("GKPREP_KUBE", f"{kube.place.name}-second".lstrip("-"))
    plane = Plane.default()
    assert plane.place.state != kube.place.state
    yield plane
    plane.down()


def test_down_leaves_nothing_and_up_begins_anew(second: Plane) -> None:
    for _ in range(2):
        second.up()
        pids = [pid for pid in second.processes().values() if pid]
        assert len(pids) == 7
        assert not second.kubectl("get", "namespace", "kept", "--ignore-not-found").stdout
        second.kubectl("create", "namespace", "kept")
        second.down()
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        assert not second.place.state.exists()
        assert not Path(f"/run/netns/{second.place.netns}").exists()


def test_up_puts_right_what_was_killed(second: Plane) -> None:
    second.up()
    pids = second.processes()
    second.up()
    assert second.processes() == pids
    os.kill(pids["kube-apiserver"] or 0, signal.SIGKILL)
    eventually(lambda: not second.runs())
    second.up()
    assert second.runs()


def test_a_name_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GKPREP_KUBE", "not/a/name")
    with pytest.raises(KubeError, match="GKPREP_KUBE"):
        Plane.default()


def test_a_build_that_fails_is_never_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object) -> None:
        (cast("Any", self).work / "bin").mkdir(parents=True)
        raise KubeError("no compiler")

    monkeypatch.setattr("tests.kube.recipe.Build.make", fail)
    place = Place("", tmp_path)
    for _ in range(2):
        with pytest.raises(KubeError, match="no compiler"):
            binaries.ensure(place)
        assert not binaries.Binaries.located(place).folder.exists()
