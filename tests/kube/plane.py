"""The control plane as tests and people use it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.lab.progress import say

from . import binaries, holds, host, network, servers, statuses
from .api import Api, Object
from .errors import CommandError, KubeError
from .files import Files
from .holds import Hold
from .nodes import NODES, Node
from .place import Place
from .process import Process
from .servers import GUEST, Servers

CLIENTS_FIRST = ("pods", "heketi", "kwok", "kube-scheduler", "kube-controller-manager")
PROCESSES = (*CLIENTS_FIRST, "relay", "kube-apiserver", "etcd")
"""All of them, in the order they are ended in."""
START_SECONDS = 90.0
"""How long the servers may take to be ready; 8 s are usual, and a busy machine is slower."""
SETTLE_SECONDS = 30.0
"""How long the controllers may take to see what was changed; a second is usual."""
SOURCE = Path(__file__).parents[2]


class Plane:
    """A Kubernetes 1.20.2 control plane with played nodes. Make one with `Plane.default()`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.files = Files(place.state)
        self._holds: list[Hold] = []

    @classmethod
    def default(cls, borrowed: str | None = None) -> Plane:
        """The plane of this user, or the one that GKPREP_KUBE names. Nothing is started.

        `borrowed` names a network namespace to live in, such as `Lab.netns`.
        """
        return cls(Place.default(borrowed))

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, for use inside the namespace and out here alike."""
        return self.place.kubeconfig

    @property
    def guest(self) -> Path:
        """The kubeconfig of a user without rights."""
        return self.kubeconfig.with_name(f"kubeconfig-{GUEST}")

    @property
    def client(self) -> str:
        """The kubectl of the server's version."""
        return binaries.Binaries.located(self.place)["kubectl"]

    def missing(self) -> str | None:
        """Why it cannot run here, for an honest skip; None when it can."""
        return host.missing(self.place)

    def up(self) -> None:
        """Have it run with three nodes that are ready; one that runs is left as it is.

        Builds the programs first where that was not done. Raises KubeError.
        """
        host.install(self.place)
        programs = binaries.ensure(self.place)
        with self.place.locked():
            if self.runs():
                return
            self._down()
            try:
                self._start(programs)
            except BaseException:
                self._down()
                raise
        say("the API server answers, and three nodes are ready")

    def down(self) -> None:
        """End all of it and remove what it left; the programs stay."""
        with self.place.locked():
            self._down()

    def runs(self) -> bool:
        """Whether all processes do, and the server answers."""
        running = all(pid for name, pid in self.processes().items() if name != "heketi")
        return running and self._api().ready()

    def processes(self) -> dict[str, int | None]:
        """The id of each process; None for those that do not run. heketi's comes with its pod."""
        return {name: self._process(name).pid for name in PROCESSES}

    def nodes(self, *wanted: Node) -> None:
        """Have these nodes and no others, as new; the three of the laboratory without arguments.

        Returns once the controllers have seen them. Raises KubeError.
        """
        api = self._api()
        chosen = {node.name: node for node in wanted or NODES}
        there = {node["metadata"]["name"] for node in self._items("/api/v1/nodes")}
        for name in there - set(chosen):
            api.delete(f"/api/v1/nodes/{name}")
        for name, node in chosen.items():
            if name not in there:
                api.create("/api/v1/nodes", node.manifest())
            else:
                api.replace(f"/api/v1/nodes/{name}", node.manifest())
                api.replace(f"/api/v1/nodes/{name}/status", node.manifest())
        unseen = f"not all of {' '.join(chosen)} were taken up"
        _wait(lambda: all(map(self._seen, chosen.values())), unseen, SETTLE_SECONDS)

    @contextmanager
    def namespace(self) -> Iterator[str]:
        """The name of a new namespace. Afterwards nothing runs in it, and it goes by itself.

        Its controller leaves it there for five seconds at least, and nobody needs to wait for that.
        """
        name = f"test-{secrets.token_hex(4)}"
        self.kubectl("create", "namespace", name)
        try:
            yield name
        finally:
            owners = ["daemonset,deployment,job", "--all", "--cascade=foreground"]
            self.kubectl("-n", name, "delete", *owners)
            self.kubectl("-n", name, "delete", "pod", "--all")
            self.kubectl("delete", "namespace", name, "--wait=false")

    @contextmanager
    def held(self, *more: Hold) -> Iterator[None]:
        """Meanwhile the pods that these holds take do not get on; those that had become unready."""
        self._hold([*self._holds, *more])
        try:
            yield
        finally:
            self._hold([hold for hold in self._holds if hold not in more])

    def answers(self, who: str, commands: Mapping[str, tuple[int, str]]) -> None:
        """What commands in a pod print and exit with; `who` is a pod or a node with all its pods.

        A record is for every command line that begins with its words; the longest counts. kubectl
        exits with 1 for every status but 0. An empty mapping forgets the records.
        """
        file = self.files.answers
        known = json.loads(file.read_text()) if file.exists() else {}
        known[who] = {**known.get(who, {}), **commands} if commands else {}
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps(known))
        draft.rename(file)

    def forget(self) -> None:
        """Take back all holds, answers and faults, also those of a run that broke off."""
        self._hold([])
        self.files.answers.unlink(missing_ok=True)
        self.faults({})

    def logs(self, namespace: str, pod: str, text: str) -> None:
        """What `kubectl logs` prints of a pod that runs; each line begins with a moment (CRI)."""
        moment = statuses.now()
        lines = [f"{moment} stdout F {line}\n" for line in text.splitlines()]
        (self.files.pod(namespace, pod) / "log").write_text("".join(lines))

    def heketi(self, folder: Path) -> None:
        """Have heketi's pods run the programs `heketi` and `heketi-cli` of this folder."""
        self.files.heketi.unlink(missing_ok=True)
        self.files.heketi.symlink_to(folder.absolute())

    def faults(self, faults: Mapping[str, Any]) -> None:
        """What goes wrong in the stand-in of heketi (its `faults.json`); nothing where empty."""
        self.files.server.mkdir(exist_ok=True)
        (self.files.server / "faults.json").write_text(json.dumps(faults))

    def kubectl(
        self, *words: str | Path, stdin: str = "", check: bool = True, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator. Raises CommandError when `check`."""
        # What the server can do is remembered there, and another plane may have had its port.
        cache = f"--cache-dir={self.place.state / 'kubectl'}"
        command = [self.client, f"--kubeconfig={self.kubeconfig}", cache, *map(str, words)]
        done = subprocess.run(
            command,
            check=False,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self.environment(),
        )
        if check and done.returncode:
            raise CommandError(done.returncode, command, done.stdout, done.stderr)
        return done

    def get(self, kind: str, name: str = "", namespace: str = "default") -> Any:
        """An object, or without a name the list of them, as JSON has it."""
        words = [kind, *([name] if name else [])]
        return json.loads(self.kubectl("-n", namespace, "get", *words, "-o", "json").stdout)

    def apply(self, objects: str | Mapping[str, Any], namespace: str = "default") -> None:
        """Apply YAML text, or one object."""
        text = objects if isinstance(objects, str) else yaml.safe_dump(dict(objects))
        self.kubectl("-n", namespace, "apply", "-f", "-", stdin=text)

    def command(self, argv: Sequence[str | Path]) -> list[str]:
        """The command line that runs `argv` inside; its environment is `environment()`."""
        return [*self.place.inside(), *(str(word) for word in argv)]

    def environment(self) -> dict[str, str]:
        """Environment of commands that are to find this kubectl and this cluster."""
        path = [str(Path(self.client).parent), os.environ.get("PATH", os.defpath)]
        if sys.prefix != sys.base_prefix:
            path.insert(0, str(Path(sys.prefix) / "bin"))
        mine = {"KUBECONFIG": str(self.kubeconfig), "PATH": os.pathsep.join(path)}
        return {**os.environ, **mine}

    def _start(self, programs: binaries.Binaries) -> None:
        say("starting the control plane")
        self.place.state.mkdir(mode=0o700)
        (self.place.state / "netns").write_text(self.place.netns)
        if not self.place.borrowed:
            network.create(self.place.netns)
        elif not network.exists(self.place.netns):
            raise KubeError(f"there is no network namespace {self.place.netns}: start its owner")
        network.adopt(self.place.netns)
        with socket.create_server(("127.0.0.1", 0)) as outside:
            port = outside.getsockname()[1]
            plane = Servers(self.files, programs, port)
            plane.write()
            fd = outside.fileno()
            relay = [sys.executable, "-m", "tests.kube.relay", str(fd), str(port)]
            self._run("relay", relay, descriptors=[fd])
        for name, command in plane.first().items():
            self._run(name, command)
        self._await_server()
        api = self._api()
        for definition in servers.definitions():
            api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        for name, command in plane.then().items():
            self._run(name, command)
        self.nodes()
        for name in (*plane.first(), *plane.then()):
            if self._process(name).pid is None:
                raise KubeError(f"{name} ended; {self._process(name).log} says why")

    def _run(self, name: str, command: Sequence[str], descriptors: Sequence[int] = ()) -> None:
        environment = {"PYTHONPATH": str(SOURCE)}
        if name == "kwok":
            environment = {"PATH": str(self.files.programs)}
        inside = [shutil.which("nsenter") or "nsenter", *self.place.inside()[1:]]
        self._process(name).start([*inside, *command], environment, descriptors)

    def _down(self) -> None:
        processes = [self._process(name) for name in PROCESSES]
        if self.place.state.exists():
            for process in processes:
                process.ask()
                process.end()
            shutil.rmtree(self.place.state)
        if not self.place.borrowed:
            network.delete(self.place.netns)
        elif network.exists(self.place.netns):
            network.release(self.place.netns)

    def _await_server(self) -> None:
        server = self._process("kube-apiserver")

        def ready() -> bool:
            if server.pid is None:
                said = server.log.read_text(errors="replace").splitlines()[-5:]
                raise KubeError("\n".join(["the API server ended:", *said]))
            return self.files.certificate.exists() and self._api().ready()

        _wait(ready, f"the API server is not ready; see {server.log}", START_SECONDS)

    def _seen(self, node: Node) -> bool:
        """Whether the taint by which the node controller marks a node fits its state."""
        found = self._api().get(f"/api/v1/nodes/{node.name}") or {}
        taints = {each["key"] for each in found.get("spec", {}).get("taints", ())}
        return ("node.kubernetes.io/not-ready" not in taints) == node.ready

    def _hold(self, wanted: list[Hold]) -> None:
        self._holds = wanted
        holds.write(self.files.holds, wanted)

    def _items(self, path: str) -> list[Object]:
        return list((self._api().get(path) or {}).get("items", ()))

    def _process(self, name: str) -> Process:
        return Process(name, self.place.state)

    def _api(self) -> Api:
        return self.files.api()


def _wait(done: Callable[[], bool], otherwise: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise KubeError(f"{otherwise} (after {seconds:.0f} s)")
        time.sleep(0.1)
