"""What the laboratory says when something does not work; every message is meant for a person."""

from __future__ import annotations

import subprocess


class LabError(Exception):
    """The laboratory cannot do what was asked, and why."""


class CommandError(subprocess.CalledProcessError):
    """A command ended with another exit status than 0; unlike its parent it shows what was said.

    `stdout` and `stderr` are text. pytest prints `str()` of an exception and nothing else, so the
    output has to be part of it.
    """

    def __str__(self) -> str:
        said = "\n".join(text.rstrip() for text in (self.stdout, self.stderr) if text)
        return f"{super().__str__()}\n{said}" if said else super().__str__()
