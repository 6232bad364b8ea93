"""Changes that gkprep itself makes in the cluster, by kubectl on the controller."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from preflight.collect import collect
from preflight.deploy.objects import Manifest
from preflight.errors import DeployError, TransportError, Unknown
from preflight.facts.kubernetes.command import kubectl, site
from preflight.model import Facts, Limits, Node, Probe
from preflight.transport import LiveShell

T = TypeVar("T")

LIMITS = Limits(probe=30.0, node=60.0)

LOOK = "`gkprep check --only kubectl --only kubernetes-rights` tells what is in the way"
"""What to do where the cluster does not answer a question."""


@dataclass(frozen=True)
class Cluster:
    """The inventory's cluster, as the controller reaches it."""

    controller: Node
    connect: Callable[[Node], LiveShell]

    @property
    def namespace(self) -> str:
        """Where the deployment is."""
        return site(self.controller).deployer.namespace

    def ask(self, *probes: Probe[object]) -> Facts:
        """What the cluster says now."""
        return collect(self.controller, probes, self.connect(self.controller), LIMITS)

    def answer(self, asked: Probe[T], what: str) -> T:
        """What it says to one question; raises DeployError where it does not tell `what`."""
        try:
            return self.ask(asked)[asked]
        except Unknown as exc:
            raise untold(what, exc) from exc

    def apply(self, *manifests: Manifest) -> None:
        """Make objects, or have them as they are to be; raises DeployError where that fails.

        They go through standard input: some hold a key.
        """
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        self.run(f"apply -f - <<'EOF'\n{listed}\nEOF\n")

    def delete(self, kind: str, name: str, *, namespaced: bool = True, wait: bool = True) -> None:
        """Delete an object, and wait until it is gone; none is as good. Raises DeployError."""
        where = f"--namespace={shlex.quote(self.namespace)} " if namespaced else ""
        words = f"{where}delete {kind} {shlex.quote(name)} --ignore-not-found"
        self.run(f"{words} --wait={str(wait).lower()}\n")

    def run(self, words: str) -> str:
        """Run kubectl with `words`, which is shell text; what it prints, or DeployError."""
        shell = self.connect(self.controller)
        script = f"LC_ALL=C; export LC_ALL\n{kubectl(self.controller)} {words}"
        try:
            done = shell.run(script, LIMITS)
        except TransportError as exc:
            raise DeployError(f"kubectl: {exc}") from exc
        if done.rc != 0:
            said = done.err.decode("utf-8", "replace").strip() or done.lost or "no message"
            raise DeployError(
                f"kubectl {words.split(chr(10), maxsplit=1)[0].partition(' <<')[0]}: {said}"
            )
        return done.out.decode("utf-8", "replace")


def untold(what: str, why: Unknown) -> DeployError:
    """What ends a deployment, or an abort, where the cluster does not tell `what`."""
    return DeployError(f"{what} could not be found out: {why}. {LOOK}")
