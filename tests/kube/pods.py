"""Plays the kubelets: pods get addresses, run, are ready and complete, and nodes stay alive.

    python -m tests.kube.pods STATE

kwok's stages could do that by themselves, but a stage cannot wait for a heketi that answers, nor
choose pods by what a test says while it runs. So kwok lets deleted pods go and carries `exec` and
`logs`, and this process writes the statuses and renews the nodes' leases. It looks at all pods a
few times a second, and what it does depends on nothing but what it sees: it can be killed and
started again at any moment.
"""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import dataclass
from http.client import HTTPException
from ipaddress import ip_network
from pathlib import Path

from . import holds, statuses
from .api import Api, Object
from .files import Files
from .heketi import Heketi, is_heketi
from .holds import Hold
from .network import PODS

SECONDS = 0.25
"""Between two looks; a Job's pod runs so long, and a Gluster pod takes as long to be ready."""
RENEW_SECONDS = 10.0
"""Between two renewals of a node's lease, as of a kubelet; after 40 without one a node is lost."""
KWOK = "kwok.x-k8s.io/v1alpha1"


@dataclass(frozen=True)
class Player:
    """Looks at the cluster and does what is due."""

    files: Files
    api: Api

    @property
    def heketi(self) -> Heketi:
        """The server behind heketi's pods."""
        return Heketi(self.files)

    def look(self) -> None:
        """Look once. Raises OSError or HTTPException when the server does not answer."""
        nodes = {node["metadata"]["name"]: node for node in self._list("nodes")}
        pods = [pod for pod in self._list("pods") if pod["spec"].get("nodeName") in nodes]
        staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        self.heketi.leave({pod["metadata"]["uid"] for pod in staying})
        held = holds.read(self.files.holds)
        taken = {pod["status"]["podIP"] for pod in pods if "podIP" in pod["status"]}
        for pod in staying:
            node = nodes[pod["spec"]["nodeName"]]
            # The kubelet of a node that is not ready is not there, or has no runtime to ask.
            if statuses.is_ready(node) and pod["status"]["phase"] in ("Pending", "Running"):
                self._play(pod, _address(node), _hold(pod, held), taken)

    def renew(self) -> None:
        """Tell that every node is alive, also the ones that are not ready."""
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        for node in self._list("nodes"):
            name = node["metadata"]["name"]
            moment = f"{statuses.now()[:-1]}.000000Z"
            spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": moment}
            lease = {"metadata": {"name": name}, "spec": spec}
            if not self.api.merge(f"{path}/{name}", lease):
                self.api.create(path, lease)

    def _play(self, pod: Object, host: str, hold: Hold | None, taken: set[str]) -> None:
        began = pod["status"]["phase"] == "Running"
        job = any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences", ()))
        if job and began and not hold:
            self._report(pod, statuses.completed(pod))
            return
        if not began:
            self._admit(pod)
        ready = (job or not hold) and self._serves(pod, hold)
        if began and ready == statuses.is_ready(pod):
            return
        if not (ip := pod["status"].get("podIP")):
            ip = host if pod["spec"].get("hostNetwork") else _free(taken)
        self._report(pod, statuses.running(pod, ip, host, ready=ready))
        if hold and hold.message:
            namespace = pod["metadata"]["namespace"]
            event = statuses.unhealthy(pod, hold.message.format(ip=ip))
            self.api.create(f"/api/v1/namespaces/{namespace}/events", event)

    def _serves(self, pod: Object, hold: Hold | None) -> bool:
        """Whether a heketi's pod answers; other pods have nothing that would."""
        if not is_heketi(pod) or not self.files.heketi.exists():
            return True
        return not hold and self.heketi.serve(pod, self.api)

    def _admit(self, pod: Object) -> None:
        """Tell kwok what `exec` runs in this pod and what its log is, before it can be asked."""
        about = pod["metadata"]
        folder = self.files.pod(about["namespace"], about["name"])
        root, log = folder / "root", folder / "log"
        for place in ("tmp", "etc/heketi"):
            (root / place).mkdir(parents=True, exist_ok=True)
        log.touch()
        owner = {"apiVersion": "v1", "kind": "Pod", "name": about["name"], "uid": about["uid"]}
        named = {"name": about["name"], "ownerReferences": [owner]}
        who = {"GKPREP_POD": str(folder), "GKPREP_NODE": pod["spec"]["nodeName"]}
        environment = [{"name": name, "value": value} for name, value in who.items()]
        local = {"workDir": str(root), "envs": environment}
        specs = {
            "Exec": {"execs": [{"local": local}]},
            "Logs": {"logs": [{"logsFile": str(log), "previousLogsFile": str(log)}]},
        }
        for kind, spec in specs.items():
            plural = f"{kind.lower().rstrip('s')}s"
            path = f"/apis/{KWOK}/namespaces/{about['namespace']}/{plural}"
            body = {"apiVersion": KWOK, "kind": kind, "metadata": named, "spec": spec}
            self.api.create(path, body)

    def _report(self, pod: Object, status: Object) -> None:
        about = pod["metadata"]
        path = f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}/status"
        self.api.merge(path, {"metadata": {"uid": about["uid"]}, "status": status})

    def _list(self, kind: str) -> list[Object]:
        found = self.api.get(f"/api/v1/{kind}") or {}
        return list(found.get("items", ()))


def _hold(pod: Object, held: list[Hold]) -> Hold | None:
    return next((hold for hold in held if hold.takes(pod)), None)


def _address(node: Object) -> str:
    addresses = node["status"]["addresses"]
    return str(next(each["address"] for each in addresses if each["type"] == "InternalIP"))


def _free(taken: set[str]) -> str:
    """The first address of the pods' network that nobody has."""
    ip = next(str(each) for each in ip_network(PODS).hosts() if str(each) not in taken)
    taken.add(ip)
    return ip


def main() -> None:
    """Look until ended, through every failure of the server."""
    ended: list[int] = []
    # Not by an exception: that could come between the start of heketi and the note of its id.
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    files = Files(Path(sys.argv[1]))
    player = Player(files, files.api())
    renewed = -RENEW_SECONDS
    while not ended:
        try:
            if time.monotonic() - renewed > RENEW_SECONDS:
                player.renew()
                renewed = time.monotonic()
            player.look()
        except (OSError, HTTPException) as error:
            sys.stderr.write(f"{statuses.now()} {error}\n")
            sys.stderr.flush()
        time.sleep(SECONDS)
    player.heketi.process.end()


if __name__ == "__main__":
    main()
