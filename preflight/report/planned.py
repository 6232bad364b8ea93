"""A plan for a person: each command on each node, its risk, how it is taken back. And what is left.

What many nodes are to do is said once, as in the report of a check.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence

from preflight.model import Act, Action, Done, Left, Overwrite, Plan
from preflight.report import beside
from preflight.report.layout import Page, Span
from preflight.report.names import where
from preflight.report.printable import bounded, visible
from preflight.report.run import Run, many
from preflight.report.style import Style

MOST = 1000  # characters of a command or a reason
NOTE = b"gkprep: "
"""How the last line on standard error begins with which a step that succeeded tells a person."""

INDENT, DEEPER = Span("    "), Span("        ")

Steps = tuple[tuple[str, str, str, tuple[Act, ...]], ...]


def render(plan: Plan, nodes: int, style: Style, *, reboot: bool = False) -> str:
    """The plan on a page; `nodes` is how many the run is about."""
    page = Page(style)
    for names, actions in _alike(plan.actions):
        page.gap()
        page.wrapped(Span("plan for "), body=_where(page, names, nodes))
        for action in actions:
            _head(page, action)
            _steps(page, action)
    for names, left in _left(plan.left):
        page.gap()
        subject = " ".join(filter(None, (left.finding.check, left.finding.subject)))
        page.wrapped(Span("left to you on "), body=_where(page, names, nodes))
        what = Span(f"{_shown(page, subject)}: ")
        page.wrapped(INDENT, what, body=Span(_shown(page, left.why)))
    for action in plan.withheld:
        page.gap()
        _withheld(page, action)
    if plan.spent:
        page.gap()
        named = Span(_shown(page, " ".join(plan.spent)))
        page.wrapped(Span("names nothing that was found now, and is not used: "), body=named)
    if not (plan.actions or plan.left or plan.withheld):
        page.line(Span("nothing is to be done", "strong"))
    if reboot:
        page.gap()
        page.line(Span("then each node is restarted, one at a time", "strong"))
    page.gap()
    return page.text()


def command(step: Act) -> str:
    """What a person reads of a step: its command, or what a script comes to."""
    return step.shown or shlex.join(step.argv)


def undone(step: Act) -> str:
    """How it is taken back, empty where it is not."""
    if isinstance(step, Overwrite):
        return "write back what was saved"
    return command(step.undo) if step.undo else ""


def outcome(run: Run, style: Style) -> str:
    """How the run went: before and now, what was not done, and how all of it is taken back."""
    page, done = Page(style), run.done
    beside.write(page, run)
    for node, why in run.stopped.items():
        page.wrapped(
            Span(f"{_shown(page, node)}  ", "strong"),
            Span("stopped: ", "fail"),
            body=Span(_shown(page, why)),
        )
        last = next((each for each in reversed(done) if each.node == node), None)
        if last and last.rc != 0:
            page.line(INDENT, Span(_shown(page, command(last.step)), "command"))
    for node, note in _notes(done):
        page.wrapped(
            Span(f"{_shown(page, node)}  ", "strong"),
            Span("note: ", "label"),
            body=Span(_shown(page, note)),
        )
    good = sum(each.rc == 0 for each in done)
    taken = Span(f"{many(good, 'step')} taken")
    if not run.back:
        page.line(taken)
    else:
        back = Span(f"gkprep undo {run.run}", "command")
        page.line(taken, Span("    undo: ", "label"), back)
    page.gap()
    return page.text()


def _notes(done: Iterable[Done]) -> Iterator[tuple[str, str]]:
    """What a step that succeeded did not do, and why, with the node's name."""
    for each in done:
        last = each.err.strip().rpartition(b"\n")[2]
        if each.rc == 0 and last.startswith(NOTE):
            yield each.node, last.removeprefix(NOTE).decode("utf-8", "replace")


def _head(page: Page, action: Action) -> None:
    subject = " ".join(filter(None, (action.finding.check, action.finding.subject)))
    page.line(
        INDENT, Span(_shown(page, subject), "strong"), Span(f"  ({action.risk.value})", "label")
    )


def _steps(page: Page, action: Action) -> None:
    for step in action.steps:
        page.line(DEEPER, Span(_shown(page, command(step)), "command"))
        undo = undone(step) if action.undoes is None else ""
        if undo:
            page.line(DEEPER, Span("undo: ", "label"), Span(_shown(page, undo)))


def _withheld(page: Page, action: Action) -> None:
    """What only waits for a consent: what was seen, what would be done, and the token for it."""
    finding = action.finding
    page.wrapped(
        Span("needs your consent on "), body=Span(_shown(page, finding.node or ""), "strong")
    )
    _head(page, action)
    page.wrapped(DEEPER, Span("saw: ", "label"), body=Span(_shown(page, finding.saw)))
    _steps(page, action)
    page.line(DEEPER, Span("consent: ", "label"), Span(f"--wipe {finding.token}", "command"))


def _alike(actions: Iterable[Action]) -> list[tuple[tuple[str | None, ...], list[Action]]]:
    """Nodes with the very same steps together."""
    of_node: dict[str | None, list[Action]] = {}
    for action in actions:
        of_node.setdefault(action.finding.node, []).append(action)
    alike: dict[Steps, list[str | None]] = {}
    for node, own in of_node.items():
        same = tuple((a.finding.check, a.finding.subject, a.risk.value, a.steps) for a in own)
        alike.setdefault(same, []).append(node)
    return [(tuple(nodes), of_node[nodes[0]]) for nodes in alike.values()]


def _left(lefts: Iterable[Left]) -> list[tuple[tuple[str | None, ...], Left]]:
    alike: dict[tuple[str, str, str], list[Left]] = {}
    for left in lefts:
        alike.setdefault((left.finding.check, left.finding.subject, left.why), []).append(left)
    return [(tuple(left.finding.node for left in same), same[0]) for same in alike.values()]


def _where(page: Page, names: Sequence[str | None], nodes: int) -> Span:
    return Span(where(names, nodes, ascii_only=page.style.plain), "strong")


def _shown(page: Page, text: str) -> str:
    return bounded(visible(text, ascii_only=page.style.plain), MOST)
