"""Causes -> text for a person, JSON for a program: docs/report.md describes both.

Text that came from a cluster or a file is made visible() and bounded by `_Page.show`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from preflight.diagnose.evidence import Cause, Diagnosis, Quote, Trouble, Unread
from preflight.model import Verdict
from preflight.report import Run, machine
from preflight.report.layout import Page, Span
from preflight.report.printable import ELISION, bounded, decodable, visible
from preflight.report.style import Style

# Characters, before a text is cut short. A command is never cut: half of one is another command.
NAME, SAID, CURE = 100, 400, 1000

QUOTES = 6  # of one cause; -o json has all
SAME = 8  # causes that differ only in the node, and are shown one by one; -o json has all
COLUMN = 8

INDENT = Span("    ")
FURTHER = Span("        ")

WORDS = {
    Verdict.READY: ("HEALTHY", "ready"),
    Verdict.BLOCKED: ("FOUND", "blocked"),
    Verdict.UNKNOWN: ("UNKNOWN", "undecided"),
}


def render(run: Run, found: Diagnosis, style: Style) -> str:
    """The whole report; ends with a newline."""
    return _Page(run, found, style).render()


def render_json(run: Run, found: Diagnosis) -> str:
    """The same as one JSON object, with the keys of every other report and its own."""
    report = {
        **machine.report(run),
        "causes": [_cause(cause) for cause in found.causes],
        "unexplained": [_trouble(trouble) for trouble in found.unexplained],
        "works": [decodable(work) for work in found.works],
        "unread": [
            {"origin": decodable(unread.origin), "why": decodable(unread.why)}
            for unread in found.unread
        ],
        "notes": [decodable(note) for note in found.notes],
    }
    return machine.dumps(report)


def _cause(cause: Cause) -> Mapping[str, object]:
    return {
        "id": cause.id,
        "cause": decodable(cause.cause),
        "node": None if cause.node is None else decodable(cause.node),
        "object": decodable(cause.object),
        "general": cause.general,
        "evidence": _quotes(cause.evidence),
        "cure": [decodable(command) for command in cause.cure],
        "advice": decodable(cause.advice),
        "source": cause.source,
    }


def _trouble(trouble: Trouble) -> Mapping[str, object]:
    return {
        "object": decodable(trouble.object),
        "node": None if trouble.node is None else decodable(trouble.node),
        "saw": decodable(trouble.saw),
        "origin": decodable(trouble.origin),
        "evidence": _quotes(trouble.beside),
    }


def _quotes(quotes: Iterable[Quote]) -> Sequence[Mapping[str, object]]:
    return [
        {
            "origin": decodable(quote.origin),
            "object": decodable(quote.object),
            "lines": [decodable(line) for line in quote.lines],
        }
        for quote in quotes
    ]


class _Page:
    """One report while it is being written."""

    def __init__(self, run: Run, found: Diagnosis, style: Style) -> None:
        self.run = run
        self.found = found
        self.style = style
        self.page = Page(style)

    def render(self) -> str:
        self.works()
        for note in self.found.notes:
            self.page.wrapped(INDENT, Span("note: ", "label"), body=Span(self.show(note, SAID)))
        for unread in self.found.unread:
            self.unread(unread)
        for trouble in self.found.unexplained:
            self.page.gap()
            self.trouble(trouble)
        # What is most certain stands last, next to the verdict, as in every report.
        alike: dict[tuple[str, str, bool], list[Cause]] = {}
        for cause in self.found.causes:
            alike.setdefault((cause.id, cause.source, cause.general), []).append(cause)
        for causes in reversed(alike.values()):
            self.causes(causes)
        self.page.gap()
        self.verdict()
        return self.page.text()

    def works(self) -> None:
        """All that is as it must be, in a line: it says what was looked at."""
        if self.found.works:
            names = ", ".join(self.show(work, NAME) for work in self.found.works[:QUOTES])
            more = len(self.found.works) - QUOTES
            rest = f" and {more} more" if more > 0 else ""
            self.page.wrapped(
                self.mark("+", "✓", "pass"), body=Span(f"as it must be: {names}{rest}")
            )

    def unread(self, unread: Unread) -> None:
        text = f"{self.show(unread.origin, NAME)}: {self.show(unread.why, SAID)}"
        self.page.wrapped(self.mark("-", "–", "skip"), body=Span(text), hang=4)  # noqa: RUF001 - a dash, and meant as one

    def trouble(self, trouble: Trouble) -> None:
        """What is not well, and no row of the table explains."""
        where = [trouble.object, *([f"on {trouble.node}"] if trouble.node else [])]
        head = self.show(" ".join(where), NAME)
        self.page.wrapped(self.mark("?", "?", "unknown"), body=Span(head, "strong"))
        seen = f"{self.show(trouble.saw, SAID)}    ({self.show(trouble.origin, NAME)})"
        self.page.wrapped(INDENT, Span("saw ", "label"), body=Span(seen))
        for quote in trouble.beside[:QUOTES]:
            self.quote(quote)

    def causes(self, causes: Sequence[Cause]) -> None:
        """The same cause in several places, as far as there is room."""
        if len(causes) > SAME:
            self.page.gap()
            text = f"{ELISION} {causes[0].id} {len(causes) - SAME} more times (-o json lists them)"
            self.page.wrapped(INDENT, body=Span(text, "label"))
        for cause in reversed(causes[:SAME]):
            self.page.gap()
            self.cause(cause)

    def cause(self, cause: Cause) -> None:
        """Cause, evidence, cure, source."""
        where = "  ".join(filter(None, (cause.node, cause.object)))
        mark = self.mark("!", "!", "warn") if cause.general else self.mark("x", "✗", "fail")
        head = (mark, Span(cause.id.ljust(COLUMN), "strong"))
        self.page.wrapped(*head, body=Span(self.show(where, NAME), "strong"))
        self.page.wrapped(INDENT, body=Span(self.show(cause.cause, SAID)))
        for quote in cause.evidence[:QUOTES]:
            self.quote(quote)
        label = "cure: "
        for command in cause.cure:
            self.command(label, command)
            label = " " * len(label)
        if cause.advice:
            self.page.wrapped(
                INDENT, Span("note: ", "label"), body=Span(self.show(cause.advice, SAID))
            )
        source = (Span("source: ", "label"), Span(cause.source))
        why = (Span("    why: ", "label"), Span(f"gkprep explain {cause.id}", "command"))
        if self.page.fits(INDENT, *source, *why):
            self.page.line(INDENT, *source, *why)
        else:
            self.page.wrapped(INDENT, source[0], body=source[1])
            self.page.line(INDENT, Span("why: ", "label"), why[1])

    def quote(self, quote: Quote) -> None:
        origin = f"{self.show(quote.origin, NAME)} says"
        self.page.wrapped(INDENT, body=Span(origin, "label"))
        for line in quote.lines:
            self.page.wrapped(FURTHER, body=Span(self.show(line, SAID)))

    def command(self, label: str, command: str) -> None:
        """One line to copy, however long; not at all where it would not come out as it is."""
        whole = len(command) <= CURE and visible(command, ascii_only=self.style.plain) == command
        shown = command if whole else "-o json has it (it cannot be shown faithfully here)"
        self.page.line(INDENT, Span(label, "label"), Span(shown, "command"))

    def verdict(self) -> None:
        word, look = WORDS[self.found.verdict]
        parts = [
            _counted(self.found.causes, "cause"),
            _counted(self.found.unexplained, "unexplained", "unexplained"),
        ]
        text = ", ".join(filter(None, parts)) or self.nothing()
        self.page.wrapped(
            Span(word, look), Span("  "), body=Span(f"{text} in {self.run.seconds:.1f} s")
        )

    def nothing(self) -> str:
        if self.found.verdict is Verdict.READY:
            return "nothing is wrong"
        if any(unread.needed for unread in self.found.unread):
            return "nothing wrong was found, but not all that tells could be read"
        return "nothing that was read tells whether all is well"

    def mark(self, plain: str, fancy: str, look: str) -> Span:
        return Span(f"{plain if self.style.plain else fancy} ", look)

    def show(self, text: str, limit: int) -> str:
        return bounded(visible(text, ascii_only=self.style.plain), limit)


def _counted(things: Iterable[object], one: str, several: str = "") -> str:
    count = len(list(things))
    if not count:
        return ""
    return f"{count} {several or one}" if several or count == 1 else f"{count} {one}s"
