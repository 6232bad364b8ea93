"""What is shown on standard error while something takes its time, by a thread of its own."""

from __future__ import annotations

import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TextIO

from preflight.report.style import Style, started_with


class Showing(ABC):
    """A context manager around what takes time; its `__enter__` starts the thread.

    Drawn on a terminal, plain lines elsewhere and for TERM=dumb. Nothing here can fail the run: a
    stream that breaks ends the showing.
    """

    def __init__(self, stream: TextIO | None, environ: Mapping[str, str] | None) -> None:
        self._stream = sys.stderr if stream is None else stream
        environ = started_with() if environ is None else environ
        self._style = Style.of(self._stream, environ)
        dumb = environ.get("TERM", "dumb") == "dumb"
        show = self._write_lines if dumb or not self._stream.isatty() else self._draw
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._quietly, args=(show,), daemon=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End, and leave a clean screen, whatever the run ended in."""
        self._over.set()
        self._thread.join()

    def _quietly(self, show: Callable[[], None]) -> None:
        try:
            show()
        except (OSError, ValueError):  # a broken pipe, a stream that was closed
            self._over.wait()

    @abstractmethod
    def _write_lines(self) -> None:
        """Show it in a log, until it is over."""

    @abstractmethod
    def _draw(self) -> None:
        """Show it on a terminal, until it is over."""
