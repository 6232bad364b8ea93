"""One family of exceptions.

    GkprepError
    ├── UsageError            the command line asks for something that cannot be   (exit 2)
    │   └── InventoryError    the inventory is wrong: every problem, each with its place
    ├── PluginError           a check or fix cannot be loaded, or two claim one id  (exit 2)
    ├── TableError            the table of known causes has mistakes in it         (exit 2)
    ├── JournalError          a step could not be put on record; it was not taken  (exit 2)
    ├── DeployError           a deployment that cannot be begun, or not gone on with  (exit 1)
    ├── TransportError        a node cannot be reached; the message says why
    ├── Unfixable             what was found is left to a person; the message says why
    └── Unknown               a fact could not be found out; the message says why

`transport` turns what paramiko and the operating system raise into `TransportError`, `collect`
turns that and what parsers raise into `Unknown`, and `judge` turns `Unknown` into ERROR findings.
"""

from __future__ import annotations

from dataclasses import dataclass


class GkprepError(Exception):
    """Whatever gkprep raises on purpose; its text is fit for a user to read."""


class UsageError(GkprepError):
    """The command line, or a file that it names, asks for something that cannot be."""


@dataclass(frozen=True)
class Problem:
    """One mistake in a file: `line` and `column` count from 1."""

    line: int
    column: int
    message: str


class InventoryError(UsageError):
    """An inventory that must not be used; `problems` holds every mistake found, in file order."""

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        """Keep the problems; the text is one `file:line:column: message` line each."""
        self.source = source
        self.problems = problems
        super().__init__("\n".join(f"{source}:{p.line}:{p.column}: {p.message}" for p in problems))


class PluginError(GkprepError):
    """A check or a fix that cannot be loaded, or an id that two of them claim."""


class TableError(GkprepError):
    """The table of known causes has mistakes in it; one `file:line:column: message` line each."""


class JournalError(GkprepError):
    """What is to be done could not be put on record, so it was not done."""


class DeployError(GkprepError):
    """A deployment that cannot be begun, or not gone on with: what is in the way."""


class TransportError(GkprepError):
    """A node that cannot be reached, or not be trusted, or that refuses us.

    `cure` is the one command that ends it, if there is one: whole, and fit to be copied.
    """

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(message)
        self.cure = cure


class Unfixable(GkprepError):  # noqa: N818 - a decision of a fix's; no mishap
    """What was found must not, or cannot, be put right by gkprep."""


class Unknown(GkprepError):  # noqa: N818 - a state of knowledge, as Facts hold it; no mishap
    """A fact that could not be found out."""
