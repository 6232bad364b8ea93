"""What is shown on standard error while nodes are asked: how many are done, and who is late.

On a terminal one line that is redrawn in place and leaves no trace. Elsewhere (and for TERM=dumb)
nothing for the first seconds, then a plain line now and then, so that a log shows life.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from typing import TextIO, final

from preflight.report.printable import bounded, visible
from preflight.report.showing import Showing

LATE = 3.0  # seconds before the nodes that are waited for are named
PATIENCE = 0.4  # seconds before a terminal shows anything: a quick run needs no bar
TICK = 0.1
FIRST_LINE, NEXT_LINES = 5.0, 10.0  # seconds: when a log gets its first line, and each other
NAMED = 3
BAR = 24


@final
class Progress(Showing):
    """A context manager around the asking of `nodes`; `done()` as each has answered.

    The names must be in the order in which the nodes are asked: the first of those that are not
    done are the ones that keep us waiting.
    """

    def __init__(
        self,
        nodes: Iterable[str],
        stream: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(stream, environ)
        self._waiting = dict.fromkeys(nodes)
        self._total = len(self._waiting)
        self._lock = threading.Lock()
        self._started = time.monotonic()

    def __enter__(self) -> Progress:
        self._started = time.monotonic()
        self._thread.start()
        return self

    def done(self, node: str) -> None:
        """Take note that a node has answered, or will not any more."""
        with self._lock:
            self._waiting.pop(node, None)

    def sentence(self, elapsed: float) -> str:
        """`187 of 200 nodes, waiting for node-182, node-183 (12 s)`; `elapsed` in seconds."""
        with self._lock:
            waiting = list(self._waiting)
        text = f"{self._total - len(waiting)} of {self._total} nodes"
        if not waiting or elapsed < LATE:
            return text
        names = ", ".join(bounded(visible(name, ascii_only=True), 63) for name in waiting[:NAMED])
        more = f" and {len(waiting) - NAMED} more" if len(waiting) > NAMED else ""
        return f"{text}, waiting for {names}{more} ({elapsed:.0f} s)"

    def _write_lines(self) -> None:
        pause = FIRST_LINE
        while not self._over.wait(pause):
            elapsed = time.monotonic() - self._started
            self._stream.write(f"gkprep: {self.sentence(elapsed)}\n")
            self._stream.flush()
            pause = NEXT_LINES

    def _draw(self) -> None:
        if self._over.wait(PATIENCE):
            return
        from rich.console import Console  # noqa: PLC0415 - slow, and a quick run never needs it
        from rich.live import Live  # noqa: PLC0415 - likewise
        from rich.text import Text  # noqa: PLC0415 - likewise

        plain = self._style.plain
        console = Console(
            file=self._stream, highlight=False, color_system=None if plain else "auto"
        )
        full, rest = "=-" if plain else "━─"
        with Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as live:
            while True:
                elapsed = time.monotonic() - self._started
                filled = BAR - BAR * len(self._waiting) // max(self._total, 1)
                # The ellipsis of rich is no ASCII.
                line = Text(no_wrap=True, overflow="crop" if plain else "ellipsis", end="")
                line.append(full * filled, "green")
                line.append(rest * (BAR - filled), "dim")
                line.append(f" {self.sentence(elapsed)}")
                live.update(line, refresh=True)
                if self._over.wait(TICK):
                    return
