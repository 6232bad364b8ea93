"""Another deployer than gk-deploy, in one file: a manifest that kubectl applies.

It makes a secret with the topology, and is done when that is there. docs/adding-a-deployer.md goes
through it.
"""

# ruff: noqa: ARG002 - what a deployer is asked with is not wanted by each
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from preflight import topology
from preflight.deploy.cluster import Cluster
from preflight.deploy.deployer import Options, Reading, Work
from preflight.deploy.keys import Keys
from preflight.deploy.place import Place
from preflight.deploy.remains import Remains
from preflight.diagnose import evidence
from preflight.errors import DeployError, Unknown, UsageError
from preflight.facts import kubernetes
from preflight.facts.kubernetes import Listed, kubectl, site
from preflight.model import Check, Facts, Finding, Node, Probe, Stage
from preflight.plugin import controller_check, fail, ok
from preflight.transport import Connector

NAME = "other-topology"
SCRIPT = """\
set -e
echo 'topology: begun'
kubectl --namespace="$1" create secret generic other-topology --from-file=topology.json="$2"
echo 'topology: done'
"""
BACK = """\
kubectl --namespace="$1" delete secret other-topology
"""


def objects(node: Node) -> Probe[tuple[Listed, ...]]:
    """What is in the namespace."""
    return kubernetes.objects(kubectl(node), site(node).deployer.namespace)


@controller_check(lambda node: (objects(node),))
def other_topology(facts: Facts) -> Iterator[Finding]:
    """The secret with the topology is there.

    Why: its own word is not enough.
    """
    listed = facts[objects(facts.node)]
    there = ("Secret", NAME) in {(each.kind, each.name) for each in listed}
    yield ok(NAME, "there") if there else fail(NAME, "not there", "a secret with the topology")


class Lines:
    """One stage, which its last line ends."""

    def __init__(self) -> None:
        self._text, self._began = "", 0.0

    def feed(self, text: str, now: float) -> None:
        """Take in the next piece."""
        self._began = self._began or now
        self._text += text

    def stages(self, now: float) -> tuple[Stage, ...]:
        """The one stage."""
        done = True if "topology: done" in self._text else None
        took = now - self._began if self._began else None
        return (Stage("topology", took, done, "" if done else "the API server"),)

    def ended(self, rc: int | None, now: float) -> str:
        """Why it was no success."""
        del now
        return "" if rc == 0 else f"exit status {rc}"


class Manifest:
    """The deployer."""

    name = "other"

    def obtain(self, controller: Node, connect: Connector, agreed: Callable[[str], bool]) -> None:
        """It is text in this file, and always there."""

    def options(self, words: Sequence[str]) -> Options:
        """It takes none."""
        if words:
            raise UsageError(f"{words[0]}: nothing may stand behind --")
        return Options((), wait=30)

    def needs(self, controller: Node) -> Iterable[Probe[object]]:
        """Nothing of the controller but kubectl, which its checks are about."""
        return ()

    def changes(self, work: Work) -> Mapping[str, str]:
        """It is gkprep's own, and nothing in it has to be changed."""
        return {}

    def difference(self, work: Work) -> str:
        """So there is none."""
        return ""

    def makes(self, work: Work) -> Iterable[str]:
        """The one secret."""
        return (f"Secret {NAME}",)

    def prepare(self, work: Work, place: Place) -> None:
        """The two scripts, the topology, and a kubectl that leads to the cluster."""
        scripts = {"apply.sh": SCRIPT, "back.sh": BACK}
        place.fill(scripts, topology.render(work.inventory), work.inventory.deployer)

    def command(self, work: Work, place: Place, keys: Keys) -> Sequence[str]:
        """What applies it."""
        space = work.inventory.deployer.namespace
        return ["sh", str(place.copy / "apply.sh"), space, str(place.topology)]

    def abort(self, work: Work, place: Place, keys: Keys) -> Sequence[str]:
        """What deletes it."""
        return ["sh", str(place.copy / "back.sh"), work.inventory.deployer.namespace]

    def reading(self) -> Reading:
        """A reader of its two lines."""
        return Lines()

    def printed(self, text: str, origin: str) -> evidence.Reading:
        """What went wrong is its last line."""
        last = text.strip().rpartition("\n")[2]
        return evidence.Reading(troubles=(evidence.Trouble(self.name, None, last, origin),))

    def remains(self, cluster: Cluster) -> Remains:
        """The secret, as long as it is there."""
        asked = objects(cluster.controller)
        try:
            found = cluster.ask(asked)[asked]
        except Unknown as exc:
            raise DeployError(str(exc)) from exc
        mine = [each for each in found if (each.kind, each.name) == ("Secret", NAME)]
        return Remains(tuple(f"{each.kind} {each.name}" for each in mine), ())

    def verification(self, key: Path) -> tuple[Check, ...]:
        """What there is to be afterwards."""
        return (other_topology,)
