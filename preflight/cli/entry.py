"""The way in: what goes wrong becomes one clear message and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from preflight import signals
from preflight.cli import about, deploy, diagnose, nodes
from preflight.cli.output import tell, tell_safely, version, write
from preflight.errors import DeployError, GkprepError, InventoryError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; exit 2, no report, with one clear message for whatever went wrong.

    A mistake of gkprep's own is 2 as well: Python's 1 would say that a node is blocked.
    """
    open_streams()
    signals.raise_exit()
    try:
        app(prog_name="gkprep")
    except InventoryError as exc:
        # file:line:column goes first on each line, so that editors find the place.
        tell_safely(*str(exc).splitlines())
        sys.exit(2)
    except DeployError as exc:
        tell_safely(f"gkprep: {exc}")
        sys.exit(1)
    except GkprepError as exc:
        tell_safely(f"gkprep: {exc}")
        sys.exit(2)
    except Exception as exc:  # noqa: BLE001 - whatever it is, Python would exit with 1
        tell_mistake(exc)
        sys.exit(2)


def tell_mistake(exc: Exception) -> None:
    """Say in one line what gkprep tripped over; where, only to those who ask."""
    from preflight.report.printable import visible

    if os.environ.get("GKPREP_DEBUG"):
        import traceback

        traceback.print_exception(exc)
    told = f"{type(exc).__name__}: {visible(str(exc))}"
    tell(f"gkprep: internal error: {told} (GKPREP_DEBUG=1 shows where)")


def open_streams() -> None:
    """Give what was closed by `>&-` and its like a place to go: Python has None for it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123, SIM115 - it stays
            setattr(sys, name, stream)


def show_version(wanted: bool) -> None:
    """Print the version, which ends the command."""
    if wanted:
        write(f"gkprep {version()}\n")
        raise typer.Exit


@app.callback()
def gkprep(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Check and prepare nodes for GlusterFS on Kubernetes (gluster-kubernetes, heketi).

    Exit codes: 0 ready, 1 blocked, 2 no report (mostly a mistake in the command line or the
    inventory), 3 could not find out, 128+n ended by signal n (130 by Ctrl-C, 143 by SIGTERM).
    """


for command in (
    nodes.check,
    nodes.fix,
    nodes.undo,
    deploy.deploy,
    diagnose.diagnose,
    about.topology,
    about.init,
):
    app.command()(command)
app.command("list")(about.list_checks)
app.command()(about.explain)
