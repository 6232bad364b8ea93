"""A deployment for a person: what would be done, and how it went."""

from __future__ import annotations

import shlex

from preflight.model import Deployment, Prospect
from preflight.report import stages
from preflight.report.layout import Page, Span
from preflight.report.printable import bounded, visible
from preflight.report.style import Style

INDENT = Span("    ")
WARNING = 240  # characters, before one is cut short


def prospect(planned: Prospect, style: Style) -> str:
    """The exact command but for the keys, the patches, and the objects."""
    page = Page(style)
    if planned.forced:
        body = Span(" ".join(planned.forced), "strong")
        page.wrapped(Span("not green, and passed over: ", "fail"), body=body)
    for each in planned.warnings:
        page.wrapped(Span("! ", "warn"), body=Span(bounded(_shown(page, each), WARNING)))
    page.gap()
    page.line(Span("to be run, in a private folder", "strong"))
    page.line(INDENT, Span(_shown(page, shlex.join(planned.command)), "command"))
    page.gap()
    page.line(Span("changed in a private copy of it", "strong"), Span(_diff(planned), "label"))
    for row, title in planned.changes.items():
        page.wrapped(INDENT, Span(row.ljust(5), "label"), body=Span(_shown(page, title)))
    page.gap()
    if planned.makes:
        page.line(Span("made by it", "strong"))
        page.wrapped(INDENT, body=Span(_shown(page, ", ".join(planned.makes))))
        page.gap()
    for title, listed in (("made by gkprep", planned.objects), ("deleted", planned.deleted)):
        if listed:
            page.line(Span(title, "strong"))
        for each in listed:
            page.line(INDENT, Span(_shown(page, each)))
        page.gap()
    return page.text()


def _diff(planned: Prospect) -> str:
    return "    gkprep deploy --show-patches" if planned.changes else "    nothing"


def outcome(deployment: Deployment, style: Style) -> str:
    """The stages, how long each took, what it came to, and where its whole output is."""
    page = Page(style)
    stages.write(page, deployment.stages)
    page.gap()
    if deployment.stopped:
        page.wrapped(
            Span(f"{deployment.name} failed: ", "fail"),
            body=Span(_shown(page, deployment.stopped)),
        )
    page.line(Span("log: ", "label"), Span(_shown(page, str(deployment.log))))
    if deployment.forced:
        page.wrapped(
            Span("not checked green, by --force-unready: ", "warn"),
            body=Span(" ".join(deployment.forced)),
        )
    page.gap()
    return page.text()


def _shown(page: Page, text: str) -> str:
    return visible(text, ascii_only=page.style.plain)
