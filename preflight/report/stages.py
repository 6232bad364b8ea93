"""How far a deployment is, on standard error while it runs, and in the report when it is over.

On a terminal all stages, redrawn in place; they leave no trace, for the report has them. Elsewhere
(and for TERM=dumb) a plain line as a stage ends, and now and then what is waited for: minutes
without a word are the rule here, and a log must show that they are not the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO, final

from preflight.model import Stage
from preflight.report.layout import Page, Span
from preflight.report.printable import bounded, visible
from preflight.report.showing import Showing

TICK = 0.2
PATIENCE = 30.0  # seconds: what a log hears of the same stage
WAITS = 200  # characters
INDENT = Span("    ")
GLYPHS = {True: ("+", "✓", "pass"), False: ("x", "✗", "fail"), None: (".", "·", "label")}


def write(page: Page, stages: Sequence[Stage]) -> None:
    """The stages on a page: a line each, how long it took, and below it what it waits for."""
    column = max(len(stage.title) for stage in stages) + 2
    for number, stage in enumerate(stages, 1):
        plain, fancy, look = GLYPHS[stage.ended]
        begun = stage.seconds is not None or stage.ended is not None
        glyph = (plain if page.style.plain else fancy) if begun else " "
        title = Span(stage.title.ljust(column), "" if begun else "label")
        took = Span(f"{stage.seconds:5.0f} s  " if stage.seconds is not None else "")
        head = (Span(f"{glyph} ", look), Span(f"{number} ", "label"), title, took)
        idle = _how(stage) if begun and stage.seconds is None else ""
        waits = visible(stage.waits, ascii_only=page.style.plain)
        page.line(*head, Span(idle, "label"))
        if waits:
            page.wrapped(INDENT, body=Span(bounded(waits, WAITS), "label"))


def _how(stage: Stage) -> str:
    """How one that is over ended; one that had nothing to do took no time."""
    if stage.seconds is None:
        return "there already"
    return f"{'done in' if stage.ended else 'broken off after'} {stage.seconds:.0f} s"


@final
class Stages(Showing):
    """A context manager around a deployment; `now` is asked for its stages again and again."""

    def __init__(
        self,
        now: Callable[[], Sequence[Stage]],
        stream: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._now = now
        super().__init__(stream, environ)

    def __enter__(self) -> Stages:
        self._thread.start()
        return self

    def _write_lines(self) -> None:
        told, quiet = 0, 0.0
        over = False
        while not over:
            over = self._over.wait(TICK)
            quiet += TICK
            stages = self._now()
            ended = [stage for stage in stages if stage.ended is not None]
            for number, stage in enumerate(ended[told:], told + 1):
                self._say(f"{number} of {len(stages)} {stage.title}: {_how(stage)}")
            current = [stage for stage in stages if stage.ended is None and stage.seconds]
            if len(ended) > told:
                told, quiet = len(ended), 0.0
            elif quiet >= PATIENCE and current and not over:
                quiet = 0.0
                stage = current[0]
                waits = bounded(visible(stage.waits, ascii_only=True), WAITS)
                waits = f", waiting for {waits}" if waits else ""
                self._say(
                    f"{told + 1} of {len(stages)} {stage.title}: {stage.seconds:.0f} s{waits}"
                )

    def _say(self, text: str) -> None:
        self._stream.write(f"gkprep: {text}\n")
        self._stream.flush()

    def _draw(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - slow, and only a terminal needs it
        from rich.live import Live  # noqa: PLC0415 - likewise
        from rich.text import Text  # noqa: PLC0415 - likewise

        console = Console(
            file=self._stream, highlight=False, color_system=None if self._style.plain else "auto"
        )
        with Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as live:
            over = False
            while not over:
                over = self._over.wait(TICK)
                page = Page(self._style)
                write(page, self._now())
                live.update(Text.from_ansi(page.text().rstrip("\n")), refresh=True)


def meanwhile(
    title: str,
    waits: str,
    stream: TextIO | None = None,
    environ: Mapping[str, str] | None = None,
) -> Stages:
    """The same for what has one stage, which begins now and ends with the context."""
    began = time.monotonic()
    return Stages(lambda: (Stage(title, time.monotonic() - began, waits=waits),), stream, environ)
