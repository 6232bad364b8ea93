"""gk-deploy of gluster-kubernetes, as a Deployer. Source of all rules: catalogue section 3."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from preflight import topology
from preflight.deploy import options, patches, source, tree, verify
from preflight.deploy.cluster import Cluster
from preflight.deploy.deployer import Options, Work
from preflight.deploy.keys import Keys
from preflight.deploy.place import Place
from preflight.deploy.remains import KNOWN, Remains, remains
from preflight.deploy.source import where
from preflight.deploy.state import Reply, Standing, State
from preflight.deploy.steps import Reader, result
from preflight.deploy.templates import toleration
from preflight.diagnose import deployment as output
from preflight.diagnose import evidence
from preflight.errors import DeployError, Unknown
from preflight.facts import deployer as facts
from preflight.facts import deployment
from preflight.facts.kubernetes import LABEL, site
from preflight.model import Check, Node, Probe, Stage
from preflight.report.printable import visible
from preflight.transport import Connector


@dataclass(frozen=True)
class GkDeploy:
    """gk-deploy, wherever the controller's facts say that it is."""

    name: str = tree.SCRIPT

    def obtain(self, controller: Node, connect: Connector, agreed: Callable[[str], bool]) -> None:
        """By a clone of gluster-kubernetes, at the commit that is known."""
        source.obtain(controller, connect, agreed)

    def options(self, words: Sequence[str]) -> Options:
        """Those that have no part in what gkprep decides."""
        return options.options(words)

    def needs(self, controller: Node) -> Iterable[Probe[object]]:
        """Where it is, and the Python for its snippets."""
        return (where(controller), facts.python)

    def changes(self, work: Work) -> Mapping[str, str]:
        """The patches that have something to do, by their catalogue ids."""
        return {patch.id: patch.title for patch in self._patched(work).done}

    def difference(self, work: Work) -> str:
        """What they change."""
        return tree.difference(self._tree(work), self._patched(work).tree)

    def makes(self, work: Work) -> Iterable[str]:
        """All that it and heketi-cli make; deploy-heketi's, and the copy of its data, go again."""
        yield from (f"{kind} {name}" for kind, name in sorted(KNOWN))
        for node in site(work.controller.node).storage:
            yield f"label {LABEL} of node {node.name}"

    def prepare(self, work: Work, place: Place) -> None:
        """Its patched copy, a kubectl that leads to the cluster, and the topology."""
        text = topology.render(work.inventory)
        place.fill(self._patched(work).tree, text, work.inventory.deployer)

    def command(self, work: Work, place: Place, keys: Keys) -> Sequence[str]:
        """In the order that works (D4); the namespace is said although a context may have one."""
        return [
            *self._start(place),
            "-gy",
            *self._common(work, keys),
            *("-w", str(work.options.wait)),
            *(("--single-node",) if self._single(work) else ()),
            *work.options.words,
            str(place.topology),
        ]

    def abort(self, work: Work, place: Place, keys: Keys) -> Sequence[str]:
        """Keys and topology are wanted here as well (D1)."""
        return [
            *self._start(place),
            "-gy",
            "--abort",
            *self._common(work, keys),
            str(place.topology),
        ]

    def reading(self) -> Told:
        """A reader of its lines."""
        return Told()

    def printed(self, text: str, origin: str) -> evidence.Reading:
        """All that it said in its last run, node by node."""
        return output.deployment(text, origin)

    def remains(self, cluster: Cluster) -> Remains:
        """All that it makes, by its labels and by name."""
        return remains(cluster)

    def verification(self, key: Path) -> tuple[Check, ...]:
        """Its own word is not enough (D2, D6, D7, D9, D14)."""
        return verify.verification(key)

    @staticmethod
    def _start(place: Place) -> list[str]:
        return ["bash", str(place.copy / tree.SCRIPT)]

    @staticmethod
    def _common(work: Work, keys: Keys) -> list[str]:
        namespace = work.inventory.deployer.namespace
        secret = ["--admin-key", keys.admin, "--user-key", keys.user]
        return ["-c", "kubectl", "-n", namespace, "--no-object", *secret]

    @staticmethod
    def _single(work: Work) -> bool:
        alone = deployment.copies(work.controller.node) == 1
        return alone and "--single-node" not in work.options.words

    def _tree(self, work: Work) -> tree.Tree:
        """The files of its folder deploy/, as they are. Raises DeployError."""
        try:
            found = work.controller[where(work.controller.node)]
        except Unknown as exc:
            raise DeployError(f"whether gk-deploy is there could not be found out: {exc}") from exc
        if found is None:
            raise DeployError("gk-deploy was not found")
        return _read(found)

    def _patched(self, work: Work) -> patches.Patched:
        try:
            python = work.controller[facts.python]
        except Unknown as exc:
            raise DeployError(f"which Python is there could not be found out: {exc}") from exc
        if python is None:
            raise DeployError("there is no Python for gk-deploy's own snippets")
        asked = work.inventory.deployer
        return patches.apply(
            self._tree(work),
            patches.patches(
                patches.Asked(
                    python=python.name,
                    tolerations=tuple(map(toleration, asked.tolerate)),
                    images=dict(asked.images),
                )
            ),
        )


def _read(script: facts.Script) -> tree.Tree:
    """The files that were checked, and no others. Raises DeployError where one has changed."""
    found: dict[str, str] = {}
    for name, checked in script.files:
        data = _content(Path(script.path), name)
        if tree.digest(data) != checked:
            raise DeployError(
                f"{script.path}: {visible(name)} has changed since it was checked: start again"
            )
        found[name] = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    return found


def _content(script: Path, name: str) -> bytes:
    file = script if name == facts.SCRIPT else script.parent / name
    try:
        return file.read_bytes()
    except OSError as exc:
        raise DeployError(f"gk-deploy: {exc.filename} cannot be read: {exc.strerror}") from exc


_ENDED = {Standing.DONE: True, Standing.SKIPPED: True, Standing.FAILED: False}


class Told:
    """What gk-deploy has told so far."""

    def __init__(self) -> None:
        self._reader = Reader()

    def feed(self, text: str, now: float) -> None:
        """Take in the next piece."""
        self._reader.feed(text, now)

    def stages(self, now: float) -> tuple[Stage, ...]:
        """The six, each with what it waits for while it runs."""
        state = self._reader.state
        return tuple(
            Stage(
                title=each.phase.title,
                seconds=now - each.since
                if each.since is not None and each.seconds is None
                else each.seconds,
                ended=_ENDED.get(each.standing),
                waits=_waits(state) if each.standing is Standing.RUNNING else "",
            )
            for each in state.phases
        )

    def ended(self, rc: int | None, now: float) -> str:
        """Why it is no success, with the rows of the catalogue that tell more."""
        judged = result(rc, self._reader) if rc is not None else None
        if judged and judged.success:
            return ""
        self._reader.finish(now)
        if judged is None:
            return "gk-deploy did not tell how it ended"
        rows = f" ({', '.join(judged.ids)})" if judged.ids else ""
        return f"{judged.why}{rows}"


def _waits(state: State) -> str:
    """What is waited for, the node or disk that heketi is at, and why that may take its time."""
    if state.wait is None:
        return ""
    asked = [each for each in state.placed if each.reply is Reply.ASKED]
    at = f" (now {' '.join(filter(None, (asked[-1].node, asked[-1].device)))})" if asked else ""
    return f"{state.wait.what}{at}: {state.wait.normal}"
