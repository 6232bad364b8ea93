"""Runs a deployer: its output is heard as it comes, and it ends with gkprep, however that ends.

The shell that starts it waits for the end of its own standard input, which is the end of gkprep or
its wish, and then ends the whole process group. Whatever runs holds a lock, which is free again
when nothing is left.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO

from preflight.deploy.deployer import Reading
from preflight.deploy.place import Place
from preflight.deploy.redact import Redactor
from preflight.model import Limits, Output
from preflight.transport import LiveShell

GRACE = 300
"""Seconds that gk-deploy may be silent beyond its own waiting: a volume takes minutes to make."""

SLOW = 2
"""How much longer its waiting takes than it counts: a call of kubectl comes on top of each 2 s."""

_SCRIPT = """\
main() {{
  exec 8>{lock} && flock --nonblock 8 && cd {work} || exit
  umask 077
  PATH={bin}:$PATH
  export PATH
  exec 3<&0
  setsid {command} </dev/null 2>&1 3<&- &
  child=$!
  (
    exec 8>&-
    cat <&3
    kill -TERM "-$child" && sleep 1 && kill -KILL "-$child"
  ) >/dev/null 2>&1 &
  wait "$child"
  exit
}}
main
"""


def script(place: Place, command: Sequence[str]) -> str:
    """What the shell is fed; the command's words, the keys among them, are in no list of its."""
    return _SCRIPT.format(
        lock=shlex.quote(str(place.lock)),
        work=shlex.quote(str(place.work)),
        bin=shlex.quote(str(place.bin)),
        command=shlex.join(command),
    )


@dataclass
class Conversation:
    """Hears gk-deploy: keeps its log without the keys, and knows how far it is.

    `enough` is asked again and again, and says why it has to end before it is done. `changed` is
    when it last said something, on the monotonic clock.
    """

    reader: Reading
    redactor: Redactor
    log: IO[bytes]
    silence: float
    enough: Callable[[], str | None]
    stopped: str | None = None
    changed: float = field(default_factory=time.monotonic)

    def hear(self, out: bytes, err: bytes) -> bytes:
        """Take in what it printed; there is nothing to answer."""
        now = time.monotonic()
        if said := out + err:
            self.changed = now
            self._take(self.redactor.feed(said.decode("utf-8", "replace")), now)
        elif now - self.changed > self.silence:
            self.stopped = f"it said nothing for {self.silence:.0f} s"
        self.stopped = self.stopped or self.enough()
        return b""

    def close(self) -> None:
        """Take in what is left when it has ended."""
        self._take(self.redactor.flush(), time.monotonic())

    def _take(self, text: str, now: float) -> None:
        self.reader.feed(text, now)
        try:
            self.log.write(text.encode("utf-8", "replace"))
        except OSError as exc:
            self.stopped = self.stopped or f"its log could not be kept: {exc.strerror}"

    @property
    def over(self) -> bool:
        """Whether it is to end now."""
        return self.stopped is not None


def run(shell: LiveShell, place: Place, command: Sequence[str], heard: Conversation) -> Output:
    """Run `command` in `place` until it ends, or until `heard` has enough.

    Its standard error is a part of its output. Raises TransportError where it was not started.
    """
    hours = Limits(node=24 * 3600.0)
    try:
        return shell.converse(script(place, command), hours, heard)
    finally:
        heard.close()
