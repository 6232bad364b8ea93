"""Lines of styled words, wrapped to a width with hanging indents, and how they are drawn."""

from __future__ import annotations

import io
import textwrap
from dataclasses import dataclass, field

from preflight.report.style import Style

# What a span is for, in words of rich. Without colour all of them look the same.
COLOURS = {
    "": "",
    "pass": "green",
    "warn": "yellow",
    "fail": "red",
    "unknown": "magenta",
    "skip": "dim",
    "label": "dim",
    "command": "cyan",
    "strong": "bold",
    "ready": "bold green",
    "blocked": "bold red",
    "undecided": "bold magenta",
}
NARROWEST = 24  # columns that a hanging indent always leaves

# A blank at which no line ends. visible() text holds none, so it is free to be that.
UNBROKEN = "\u00a0"


@dataclass(frozen=True)
class Span:
    """Words of one look: `look` is a key of COLOURS. The text must be visible() already."""

    text: str
    look: str = ""


@dataclass
class Page:
    """Lines, written from top to bottom."""

    style: Style
    lines: list[tuple[Span, ...]] = field(default_factory=list)

    def line(self, *spans: Span) -> None:
        """Write one line that is not wrapped, however long it is."""
        self.lines.append(spans)

    def wrapped(self, *head: Span, body: Span, hang: int | None = None) -> None:
        """Write `head`, then `body` wrapped; its further lines are indented by `hang` columns.

        No word is broken: one that is too long stands out on the right, fit to be copied.
        `hang` is the head's own length unless it is given.
        """
        indent = length(head) if hang is None else hang
        first, *rest = self._wrap(body.text, length(head), indent) or [""]
        self.line(*head, Span(first, body.look))
        for text in rest:
            self.line(Span(" " * indent), Span(text, body.look))

    def fits(self, *spans: Span) -> bool:
        """Whether `spans` have room on one line."""
        return self.style.width is None or length(spans) <= self.style.width

    def gap(self) -> None:
        """Write an empty line, but never two, and none at the top."""
        if self.lines and self.lines[-1]:
            self.lines.append(())

    def text(self) -> str:
        """All of it, coloured where the style has colour; ends with a newline."""
        if not self.style.plain:
            return self._coloured().replace(UNBROKEN, " ")
        rows = ("".join(span.text for span in spans).rstrip() for spans in self.lines)
        return "".join(f"{row}\n" for row in rows).replace(UNBROKEN, " ")

    def _wrap(self, text: str, start: int, indent: int) -> list[str]:
        if self.style.width is None:
            return [text]
        width = max(self.style.width, indent + NARROWEST)
        wrapper = textwrap.TextWrapper(
            width=width,
            initial_indent=" " * start,
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
        )
        lines = wrapper.wrap(text)
        return [line[start if at == 0 else indent :] for at, line in enumerate(lines)]

    def _coloured(self) -> str:
        """Sixteen colours, so that the terminal's own palette decides; text is never markup."""
        from rich.console import Console  # noqa: PLC0415 - slow, and only a terminal needs it
        from rich.text import Text  # noqa: PLC0415 - likewise

        out = io.StringIO()
        console = Console(
            file=out,
            force_terminal=True,
            color_system="standard",
            no_color=False,
            width=10**6,
            legacy_windows=False,
            highlight=False,
        )
        for spans in self.lines:
            text = Text.assemble(*((span.text, COLOURS[span.look]) for span in spans))
            text.rstrip()
            console.print(text, soft_wrap=True)
        return out.getvalue()


def length(spans: tuple[Span, ...]) -> int:
    """Columns that `spans` take."""
    return sum(len(span.text) for span in spans)
