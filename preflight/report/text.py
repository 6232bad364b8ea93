"""The report for a person: what passed in a line each, then what did not, then the verdict.

Text that came from a node is made visible() and bounded here, by `_Report.show`, and nowhere else.
docs/report.md describes the layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from preflight.model import Finding, Status, Verdict
from preflight.report import grouping
from preflight.report.grouping import Block, Entry, Section, Silence
from preflight.report.layout import Page, Span, length
from preflight.report.names import listed, where
from preflight.report.printable import ELISION, bounded, visible
from preflight.report.run import Run, many, tally, worst
from preflight.report.style import Style

# Characters, before a text is cut short. A command is never cut: half of one is another command.
SUBJECT, SAW, SAYS, CURE = 100, 240, 400, 1000

FEW = 4  # of what differs from node to node, up to here all is shown
SOME = 3  # ... and of more than that, so many
LIST = 12  # subjects, and commands, of one entry

COLUMN = 20  # columns for the name of a check, at least
INDENT = Span("    ")
GAP = Span("    ")

GLYPHS = {  # plain, fancy, look
    Status.PASS: ("+", "✓", "pass"),
    Status.SKIP: ("-", "–", "skip"),  # noqa: RUF001 - a dash, and meant as one
    Status.WARN: ("!", "!", "warn"),
    Status.FAIL: ("x", "✗", "fail"),
    Status.ERROR: ("?", "?", "unknown"),
}
LOOKS = {Verdict.READY: "ready", Verdict.BLOCKED: "blocked", Verdict.UNKNOWN: "undecided"}
COUNTED = (  # in the order of the verdict line: status, one, many
    (Status.FAIL, "failing", "failing"),
    (Status.ERROR, "unknown", "unknown"),
    (Status.WARN, "warning", "warnings"),
    (Status.PASS, "passed", "passed"),
    (Status.SKIP, "skipped", "skipped"),
)


def render(run: Run, style: Style) -> str:
    """The whole report; ends with a newline."""
    return _Report(run, style).render()


class _Report:
    """One report while it is being written."""

    def __init__(self, run: Run, style: Style) -> None:
        self.run = run
        self.style = style
        self.page = Page(style)
        self.column = max([COLUMN, *(len(finding.check) + 2 for finding in run.findings)])
        self.asked: dict[str, set[str | None]] = {}
        for finding in run.findings:
            self.asked.setdefault(finding.check, set()).add(finding.node)

    def render(self) -> str:
        self.passes()
        for section in self.sections(Status.SKIP):
            self.in_short(Status.SKIP, section)
        for status in (Status.WARN, Status.FAIL):
            for check, group in groupby(self.sections(status), lambda section: section.check):
                self.page.gap()
                for section in group:
                    self.section(status, section)
                self.way_out(check)
        self.page.gap()
        for section in self.sections(Status.ERROR):
            self.in_short(Status.ERROR, section)
        self.silences()
        self.page.gap()
        self.verdict()
        return self.page.text()

    # What is as it must be.

    def passes(self) -> None:
        """A line for each check: on how many nodes all of it passed, and what was seen there."""
        passed = [
            (check, findings, self.howmany(check, findings))
            for check, findings in _passed(self.run.findings).items()
        ]
        column = max((len(count) for _, _, count in passed), default=0) + 3
        for check, findings, count in passed:
            head = (*self.head(Status.PASS, check), Span(count.ljust(column), "label"))
            room = max(COLUMN, (self.style.width or SAW) - length(head))
            tries = [self.seen(findings, most) for most in (LIST, 1, 0)]
            seen = next((text for text in tries if len(text) <= room), tries[-1])
            self.page.line(*head, Span(bounded(seen, room)))

    def howmany(self, check: str, findings: Sequence[Finding]) -> str:
        nodes, of = {finding.node for finding in findings}, len(self.asked[check])
        if None in nodes:
            return "cluster"
        return many(of, "node") if len(nodes) == of else f"{len(nodes)} of {of} nodes"

    def seen(self, findings: Iterable[Finding], most: int) -> str:
        """What a check saw: the same said once, one value for all of its kind, `most` subjects."""
        subjects_of: dict[str, list[str]] = {}
        for subject, saw in dict.fromkeys((f.subject, f.saw) for f in findings):
            subjects_of.setdefault(saw, []).append(subject)
        alike: dict[str, list[str]] = {}
        for saw in subjects_of:
            alike.setdefault(grouping.shape(saw), []).append(saw)
        return "; ".join(
            self.named(subjects_of[saws[0]], self.show(saws[0], SAW), most)
            + (f" (+{len(saws) - 1} alike)" if len(saws) > 1 else "")
            for saws in alike.values()
        )

    # What is not.

    def sections(self, status: Status) -> list[Section]:
        """Findings of `status`, but for those that only say that a node was silent."""
        facts = self.run.facts
        return grouping.sections(
            finding
            for finding in self.run.findings
            if finding.status is status and not grouping.because_lost(finding, facts)
        )

    def section(self, status: Status, section: Section) -> None:
        head = self.head(status, section.check)
        self.page.wrapped(*head, body=Span(self.where(section), "strong"))
        for block in section.blocks:
            self.block(status, block)

    def block(self, status: Status, block: Block) -> None:
        """What was seen and wanted, the error it leads to, tokens, the commands to type."""
        shown = block.entries if len(block.entries) <= FEW else block.entries[:SOME]
        alone = len(block.entries) == 1
        same_cures = len({entry.cures for entry in block.entries}) == 1
        for entry in shown:
            self.observed(entry, "" if alone else self.listed(entry))
            if not same_cures:
                self.cures(entry)
        if more := len(block.entries) - len(shown):
            rest = f"{ELISION} {more} more, different only in such values (-o json lists them)"
            self.page.wrapped(INDENT, body=Span(rest, "label"))
        self.says(status, block)
        self.tokens(block)
        if same_cures:
            self.cures(block.entries[0])

    def observed(self, entry: Entry, names: str) -> None:
        """`/dev/sdb  saw THIS    want THAT`, on as few lines as it takes."""
        lead = "  ".join(part for part in (names, self.named(entry.subjects, "")) if part)
        saw = (Span("saw ", "label"), Span(self.show(entry.saw, SAW)))
        want = (Span("want ", "label"), Span(self.show(entry.want, SAW)))
        both = (*saw, GAP, *want) if entry.want else saw
        first = Span(f"{lead}  " if lead else "")
        if self.page.fits(INDENT, first, *both):
            self.page.line(INDENT, first, *both)
            return
        if lead:
            self.page.wrapped(INDENT, body=Span(lead))
        under = Span(" " * (length((INDENT,)) + 2))
        if self.page.fits(under, *both):
            self.page.line(under, *both)
            return
        self.page.wrapped(under, saw[0], body=saw[1])
        if entry.want:
            self.page.wrapped(under, want[0], body=want[1])

    def says(self, status: Status, block: Block) -> None:
        """The error, once: entries of a block differ only in values, so one speaks for all."""
        label = "would fail with" if status is Status.FAIL else "could fail with"
        errors = list(dict.fromkeys(says for entry in block.entries for says in entry.says))
        if errors:
            head = Span(f"{label}, for one: " if len(errors) > 1 else f"{label}: ", "label")
            self.page.wrapped(INDENT, head, body=Span(self.show(errors[0], SAYS)))

    def tokens(self, block: Block) -> None:
        """Each disk's token on a line of its own, whatever else its nodes have in common."""
        tokens = [token for entry in block.entries for token in entry.tokens]
        several = len({token.subject for token in tokens}) > 1
        shown = tokens if len(tokens) <= LIST else tokens[:SOME]
        for token in shown:
            owner = [token.node or "cluster", *([token.subject] if several else [])]
            label = "token " + " ".join(self.show(part, SUBJECT) for part in owner)
            self.page.line(
                INDENT, Span(f"{label} ", "label"), Span(self.show(token.text, SAW), "strong")
            )
        if more := len(tokens) - len(shown):
            self.page.line(
                INDENT, Span(f"{ELISION} {more} more tokens (-o json lists them)", "label")
            )

    def cures(self, entry: Entry) -> None:
        """The commands, whole and on one line each, so that they can be copied."""
        label = "by hand: "
        page = f"gkprep explain {entry.check}"
        for cure in entry.cures[:LIST]:
            self.command(label, cure, page)
            label = " " * len(label)
        if len(entry.cures) > LIST:
            more = f"{ELISION} {len(entry.cures) - LIST} more, each for its own subject: {page}"
            self.page.line(INDENT, Span(label), Span(more, "label"))

    def command(self, label: str, command: str, instead: str) -> None:
        """One line to copy, however long; `instead` where it would not come out as it is."""
        whole = len(command) <= CURE and visible(command, ascii_only=self.style.plain) == command
        shown = command if whole else f"{instead} (the command cannot be shown faithfully here)"
        self.page.line(INDENT, Span(label, "label"), Span(shown, "command"))

    def way_out(self, check: str) -> None:
        """The two commands that go on from here, on one line where there is room."""
        if check in self.run.unexplained:
            return
        why = (Span("why: ", "label"), Span(f"gkprep explain {check}", "command"))
        consent = " --wipe TOKEN" if self.run.withheld(check) else ""
        fix = (Span("fix: ", "label"), Span(f"gkprep fix --only {check}{consent}", "command"))
        if not self.run.fixable(check):
            self.page.line(INDENT, *why)
        elif self.page.fits(INDENT, *fix, GAP, GAP, *why):
            self.page.line(INDENT, *fix, GAP, GAP, *why)
        else:
            self.page.line(INDENT, *fix)
            self.page.line(INDENT, *why)

    # What could not be found out, or had not to be.

    def in_short(self, status: Status, section: Section) -> None:
        """`? check   node: why` for one finding on one node, else a line each under the nodes."""
        head = self.head(status, section.check)
        entries = [entry for block in section.blocks for entry in block.entries]
        if len(entries) == 1 and len(section.nodes) == 1:
            one = f"{self.where(section)}: {self.reason(entries[0])}"
            self.page.wrapped(*head, body=Span(one), hang=self.column + len(GAP.text))
            return
        self.page.wrapped(*head, body=Span(self.where(section), "strong"))
        for block in section.blocks:
            alone = len(block.entries) == 1
            shown = block.entries if len(block.entries) <= FEW else block.entries[:SOME]
            for entry in shown:
                text = (
                    self.reason(entry) if alone else f"{self.listed(entry)}: {self.reason(entry)}"
                )
                self.page.wrapped(INDENT, body=Span(text), hang=2 * len(INDENT.text))
            if more := len(block.entries) - len(shown):
                rest = f"{ELISION} {more} more, different only in such values (-o json lists them)"
                self.page.wrapped(INDENT, body=Span(rest, "label"))

    def reason(self, entry: Entry) -> str:
        return self.named(entry.subjects, self.show(entry.saw, SAW))

    def silences(self) -> None:
        """Nodes that gave no answer, once each; of many for like reasons only the first few."""
        silent = grouping.silences(self.run.findings, self.run.facts)
        silent = [silence for silence in silent if silence.whole or silence.checks]
        for alike in _alike(
            silent, lambda silence: (grouping.shape(silence.reason), silence.whole)
        ):
            shown = alike if len(alike) <= FEW else alike[:SOME]
            for silence in shown:
                self.silence(silence)
            if rest := alike[len(shown) :]:
                nodes = tuple(node for silence in rest for node in silence.nodes)
                checks = max(silence.checks for silence in rest)
                self.silence(Silence(nodes, "for like reasons", checks, rest[0].whole))

    def silence(self, silence: Silence) -> None:
        names = where(silence.nodes, len(self.run.facts), ascii_only=self.style.plain)
        what = "unreachable" if silence.whole else "answered in part"
        text = f"{what}: {self.show(silence.reason, SAW)}"
        if silence.checks:
            each = " on each" if len(silence.nodes) > 1 else ""
            text += f"    ({many(silence.checks, 'check')} unknown{each})"
        head = (self.glyph(Status.ERROR), Span(f"{names}  ", "strong"))
        if len(silence.nodes) == 1 or self.page.fits(*head, Span(text)):
            self.page.wrapped(*head, body=Span(text), hang=length((INDENT,)))
        else:
            self.page.wrapped(head[0], body=Span(names, "strong"))
            self.page.wrapped(INDENT, body=Span(text))
        if silence.cure:
            self.command("by hand: ", silence.cure, "-o json has the command")

    # The last line.

    def verdict(self) -> None:
        counts = tally(self.run.findings)
        parts = [
            f"{counts[status]} {one if counts[status] == 1 else many}"
            + (" (--strict)" if status is Status.WARN and self.run.strict else "")
            for status, one, many in COUNTED
            if counts[status]
        ]
        word = self.run.verdict.value.upper()
        text = (
            f"{', '.join(parts) or 'nothing was checked'} on {many(len(self.run.facts), 'node')}"
            f" in {self.run.seconds:.1f} s"
        )
        self.page.wrapped(Span(word, LOOKS[self.run.verdict]), Span("  "), body=Span(text))

    # Small parts of lines.

    def glyph(self, status: Status) -> Span:
        plain, fancy, look = GLYPHS[status]
        return Span(f"{plain if self.style.plain else fancy} ", look)

    def head(self, status: Status, check: str) -> tuple[Span, Span]:
        return self.glyph(status), Span(check.ljust(self.column), "strong")

    def where(self, section: Section) -> str:
        of = len(self.asked[section.check])
        return where(section.nodes, of, ascii_only=self.style.plain)

    def listed(self, entry: Entry) -> str:
        """Which nodes one of several variants is about, without a count."""
        return listed(entry.nodes, ascii_only=self.style.plain)

    def named(self, subjects: Sequence[str], text: str, most: int = LIST) -> str:
        """`text` with its subjects before it, `most` of them by name (0: without)."""
        few = [self.show(subject, SUBJECT) for subject in subjects[:most] if subject]
        if len(subjects) > most > 0:
            few.append(f"and {len(subjects) - most} more")
        return ": ".join(part for part in (" ".join(few), text) if part)

    def show(self, text: str, limit: int) -> str:
        return bounded(visible(text, ascii_only=self.style.plain), limit)


def _passed(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """By check, the PASS findings of the nodes on which all of the check passed."""
    units: dict[tuple[str, str | None], list[Finding]] = {}
    for finding in findings:
        units.setdefault((finding.check, finding.node), []).append(finding)
    passed: dict[str, list[Finding]] = {}
    for (check, _), unit in units.items():
        if worst(finding.status for finding in unit) is Status.PASS:
            passed.setdefault(check, []).extend(f for f in unit if f.status is Status.PASS)
    return passed


def _alike(
    silences: Iterable[Silence], key: Callable[[Silence], tuple[str, bool]]
) -> list[list[Silence]]:
    groups: dict[tuple[str, bool], list[Silence]] = {}
    for silence in silences:
        groups.setdefault(key(silence), []).append(silence)
    return list(groups.values())
