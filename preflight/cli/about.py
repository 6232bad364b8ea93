"""Commands that reach no node: topology, init, list, explain."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from preflight.cli.options import InventoryArgument, ListFormat
from preflight.cli.output import version, write


def topology(inventory: InventoryArgument = None) -> None:
    """Print the inventory as heketi's topology.json."""
    from preflight import targets
    from preflight import topology as heketi

    write(heketi.render(targets.inventory_of(inventory)))


def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path(
        "inventory.yaml"
    ),
) -> None:
    """Write a commented inventory to start from. Never overwrites a file."""
    from preflight import template
    from preflight.report.printable import visible

    template.write(path)
    name = visible(str(path))
    typer.echo(f"{name} written: edit it, then run gkprep check {shlex.quote(name)}", err=True)


def list_checks(
    output: Annotated[
        ListFormat, typer.Option("-o", "--output", help="How to list.")
    ] = ListFormat.TEXT,
) -> None:
    """List what is checked, and what can be fixed."""
    from preflight import registry
    from preflight.report import explain as pages
    from preflight.report.style import Style

    known = registry.checks(), registry.fixes()
    if output is ListFormat.JSON:
        write(pages.listing_json(*known, version()))
    else:
        write(pages.listing(*known, Style.of(sys.stdout)))


def explain(
    wanted: Annotated[
        str, typer.Argument(metavar="ID", help="A check, or a row of the catalogue such as N16.")
    ],
) -> None:
    """Tell what a check looks at and why, or what a known failure is."""
    from preflight import registry
    from preflight.deploy import verify
    from preflight.report import explain as pages
    from preflight.report.style import Style

    checks = (*registry.checks(), *verify.verification(Path()), verify.volume_provisioning)
    write(pages.explain(wanted, checks, registry.fixes(), Style.of(sys.stdout)))
