"""gk-deploy's output -> how far the deployment is. It is fed as it comes; time is passed in.

gk-deploy is silent for minutes at a time, ends a line only when what it waits for is there, and
says OK whatever kubectl said (D5). So a display needs to know which step this is, what is waited
for and why that is normal; and no success is believed but one that is whole (`result`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from preflight.deploy.lines import gives_up, rows
from preflight.deploy.state import (
    PHASES,
    Placed,
    Progress,
    Reply,
    Result,
    Standing,
    State,
    Wait,
)

LONGEST = 8192  # characters: a line that is longer is taken for more than one
BY_SIGNAL = 128  # what a shell adds to a signal's number (POSIX, 2.8.2)


# Times are those of three emulated machines; an image that has to be pulled comes on top.
_PODS = ("GlusterFS pods", "up to 5 minutes: readiness is asked after 40 s, then every 25 s")
_FIRST = ("deploy-heketi pod", "about half a minute")
_ANSWER = ("deploy-heketi to answer", "a few seconds")
_TOPOLOGY = ("heketi to add nodes and devices", "up to 15 s each")
_VOLUME = ("volume heketidbstorage", "1 to 3 minutes; up to 8 where a node cannot make its brick")
_OBJECTS = ("endpoints and copy job to be created", "a few seconds")
_COPY = ("copy job", "less than a minute, once its pod has mounted the volume")
_REMOVAL = ("deploy-heketi to go", "up to a minute")
_LAST = ("heketi pod", "about half a minute, once it has mounted its volume")
_STORE = ("gluster-s3 pod", "up to a minute")
_POD_WAITS = {"GlusterFS": (2, _PODS), "deploy-heketi": (3, _FIRST), "heketi": (6, _LAST)}

# ECMA-48: CSI and OSC sequences, and those of two characters.
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
# What begins a line whose end is the answer, and comes later.
_OPENING = re.compile(
    r"(?P<resources>Creating initial resources) \.\.\. ?"
    r"|Waiting for (?P<pods>\S+) pods? to start \.\.\. ?"
    r"|\s*Creating node (?P<node>\S+) \.\.\. ?"
    r"|\s*Adding device (?P<device>\S+) \.\.\. ?"
)
_REAL = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")


class Reader:
    """Reads gk-deploy's output; `state` is what is known by now."""

    def __init__(self) -> None:
        self.state = State()
        self._line = ""
        self._opened = False  # the words that open this line have been taken note of
        self._asked: Placed | None = None
        self._now = 0.0
        # What kubectl made has its group in newer versions: deployment.apps/heketi.
        self._says: tuple[tuple[str, Callable[[re.Match[str]], None]], ...] = (
            (r"OK", self._ok),
            (r"ID: \S+", self._made),
            (r"Unable to (?:create node|add device): .*", self._refused),
            (r"Found node (?P<name>\S+) on cluster .*", self._found_node),
            (r"Found device (?P<name>\S+)", self._found_device),
            (r"Creating cluster \.\.\..*", partial(self._go_on, 3, _TOPOLOGY)),
            (r"node/\S+ (?:not )?labeled", partial(self._go_on, 2, None)),
            (r"daemonset\S*/glusterfs created", partial(self._go_on, 2, None)),
            (
                r"secret/heketi-config-secret (?:created|(?:not )?labeled)",
                partial(self._go_on, 3, None),
            ),
            (r"heketi topology loaded\.", self._loaded),
            (r"Saving \S+heketi-storage\.json", partial(self._go_on, 4, _OBJECTS)),
            (r"job\S*/heketi-storage-copy-job created", partial(self._go_on, 4, _COPY)),
            (
                r"service/heketi-storage-endpoints (?:not )?labeled",
                partial(self._go_on, 5, _REMOVAL),
            ),
            (r"(?:service|deployment\S*)/heketi created", partial(self._go_on, 6, _LAST)),
            (
                r"heketi is now running and accessible via http://(?P<address>\S*) \..*",
                self._address,
            ),
            (r"Deployment complete!", self._last_line),
        )

    def feed(self, text: str, now: float) -> None:
        """Take the next piece of the output, cut anywhere; `now` in seconds, of any clock."""
        self._now = now
        *lines, self._line = re.split(r"\r?\n|\r", self._line + text)
        for line in lines:
            self._read(line)
        if len(self._line) > LONGEST:
            self._read(self._line)
            self._line = ""
        self._open(_CONTROL.sub("", self._line))

    def finish(self, now: float) -> None:
        """The output has ended: whatever runs has failed."""
        self._now = now
        self._read(self._line)
        self._line = ""
        self._end(Standing.FAILED)
        self._know(wait=None)

    def _know(self, **changes: object) -> None:
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]

    def _read(self, line: str) -> None:
        """A whole line: what opens it, if that has not been read yet, and what it says."""
        line = _CONTROL.sub("", line)[:LONGEST]
        rest = line[self._open(line) :].strip()
        self._opened = False
        if rest:
            self._know(complete=False)
            self._answer(rest)

    def _open(self, line: str) -> int:
        """Take note of what a line begins to say; how many characters that is."""
        found = _OPENING.match(line)
        if found is None:
            return 0
        if not self._opened:
            self._opened = True
            self._opening(found)
        return found.end()

    def _opening(self, found: re.Match[str]) -> None:
        if found["resources"]:
            self._begin(1)
        elif found["pods"]:
            number, wait = _POD_WAITS.get(found["pods"], (6, _STORE))
            self._begin(number)
            self._wait(wait)
        elif found["node"]:
            self._place(Placed(found["node"], "", Reply.ASKED))
        else:
            self._place(Placed(self._node, found["device"], Reply.ASKED))

    def _answer(self, line: str) -> None:
        for pattern, act in self._says:
            found = re.fullmatch(pattern, line)
            if found:
                act(found)
                return
        if gives_up(line):
            self._given_up(line)

    @property
    def _node(self) -> str:
        """The node whose devices come next."""
        return self.state.placed[-1].node if self.state.placed else ""

    def _place(self, placed: Placed) -> None:
        """A node or a device, or what became of one."""
        self._begin(3)
        self._wait(_TOPOLOGY)
        self._asked = placed if placed.reply is Reply.ASKED else None
        others = tuple(
            each
            for each in self.state.placed
            if (each.node, each.device) != (placed.node, placed.device)
        )
        self._know(placed=(*others, placed))

    def _begin(self, number: int) -> None:
        """Go on to this phase, unless it or a later one has begun; those between are skipped."""
        current = self.state.current
        if current is not None and current.phase.number >= number:
            return
        self._end(Standing.DONE)
        progress = Progress(PHASES[number - 1], Standing.RUNNING, self._now)
        self._set(
            *(
                replace(each, standing=Standing.SKIPPED)
                for each in self.state.phases[: number - 1]
                if each.standing is Standing.PENDING
            ),
            progress,
        )

    def _end(self, standing: Standing) -> None:
        current = self.state.current
        if (
            current is not None
            and current.since is not None
            and current.standing is Standing.RUNNING
        ):
            self._set(replace(current, standing=standing, seconds=self._now - current.since))

    def _set(self, *progress: Progress) -> None:
        new = {each.phase: each for each in progress}
        self._know(phases=tuple(new.get(each.phase, each) for each in self.state.phases))

    def _wait(self, wait: tuple[str, str]) -> None:
        if self.state.wait is None or self.state.wait.what != wait[0]:
            self._know(wait=Wait(*wait))

    def _given_up(self, line: str) -> None:
        self._end(Standing.FAILED)
        self._know(wait=None, given_up=self.state.given_up or line)

    def _ok(self, _found: re.Match[str]) -> None:
        if self._asked:
            self._place(replace(self._asked, reply=Reply.ADDED))
            return
        waited, current = self.state.wait, self.state.current
        self._know(wait=None)
        if current and current.phase.number == 1:
            self._end(Standing.DONE)
        elif waited and waited.what == _FIRST[0]:
            self._wait(_ANSWER)

    def _made(self, _found: re.Match[str]) -> None:
        """A cluster, or the node that was asked for, has its id."""
        if self._asked:
            self._place(replace(self._asked, reply=Reply.ADDED))

    def _refused(self, _found: re.Match[str]) -> None:
        if self._asked:
            self._place(replace(self._asked, reply=Reply.REFUSED))

    def _found_node(self, found: re.Match[str]) -> None:
        self._place(Placed(found["name"], "", Reply.FOUND))

    def _found_device(self, found: re.Match[str]) -> None:
        self._place(Placed(self._node, found["name"], Reply.FOUND))

    def _go_on(self, number: int, wait: tuple[str, str] | None, _found: re.Match[str]) -> None:
        self._begin(number)
        if wait:
            self._wait(wait)

    def _loaded(self, _found: re.Match[str]) -> None:
        self._begin(4)
        self._wait(_VOLUME)

    def _address(self, found: re.Match[str]) -> None:
        self._begin(6)
        self._know(address=found["address"], wait=None)

    def _last_line(self, _found: re.Match[str]) -> None:
        self._end(Standing.DONE)
        self._know(complete=True, wait=None)


def real(address: str | None) -> bool:
    """Whether an address has a host and a port; gk-deploy also prints none, and <none> (D14)."""
    return address is not None and _REAL.fullmatch(address) is not None


def result(rc: int, reader: Reader) -> Result:
    """Judge a run that has ended with exit status `rc` as a shell has it (above 128: by a signal).

    Only exit status 0 *and* the last line *and* an address make a success: gk-deploy also ends with
    0 where it was not to go on (D2), and prints its last line without an address (D14).
    """
    state = reader.state
    last = state.given_up
    if rc != 0:
        how = f"ended with exit status {rc}"
        if rc > BY_SIGNAL:
            how = f"was ended by signal {rc - BY_SIGNAL}"
        said = f": {last}" if last else ""
        return Result(success=False, why=f"gk-deploy {how}{said}", ids=rows(last))
    if not state.complete:
        return Result(
            success=False,
            why='gk-deploy ended with exit status 0, but not with "Deployment complete!"',
            ids=("D2", *rows(last)),
        )
    if not real(state.address):
        return Result(
            success=False,
            why=f"gk-deploy named no address of heketi's, but {state.address or ''!r}",
            ids=("D14",),
        )
    return Result(success=True)
