"""What the commands say, and where it goes: reports to standard output, all else beside it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import typer

from preflight.cli.options import Format

if TYPE_CHECKING:
    from preflight.report import Run


def tell_safely(*lines: str) -> None:
    """Print lines that quote what a user wrote: fit for a terminal, whatever that is."""
    from preflight.report.printable import visible

    tell("\n".join(map(visible, lines)))


def tell(text: str) -> None:
    """Print `text` on standard error; where that cannot be, the exit code still tells."""
    with suppress(OSError):
        typer.echo(text, err=True)


def since(moment: datetime) -> float:
    """Seconds from then to now."""
    return (datetime.now(timezone.utc) - moment).total_seconds()


def render(run: Run, output: Format) -> str:
    """Write `run` down as `output` says; only what is needed for that is imported."""
    if output is Format.JSON:
        from preflight.report import machine

        return machine.render(run)
    if output is Format.JUNIT:
        from preflight.report import junit

        return junit.render(run)
    from preflight.report import text
    from preflight.report.style import Style

    return text.render(run, Style.of(sys.stdout))


def write(text: str) -> None:
    """Print `text`; a reader that went away (`| head`) changes no exit code.

    Exits with 2 where it could not be written: who reads a report must have it whole.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()
    except OSError as exc:
        drop_output()
        tell(f"gkprep: the output could not be written: {exc.strerror}")
        raise typer.Exit(2) from exc


def drop_output() -> None:
    """Let Python flush what is left into nothing at its end, instead of complaining again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def version() -> str:
    """The version of the installed distribution."""
    from importlib.metadata import version as installed

    return installed("gkprep")
