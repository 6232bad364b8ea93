"""The command that reaches the cluster: diagnose."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from preflight.cli.options import (
    AcceptNew,
    AskBecomePass,
    InventoryArgument,
    Limit,
    ListFormat,
    OnlyOfAll,
    Parallel,
    Skip,
    Timeout,
)
from preflight.cli.output import since, version, write

From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="DIR",
        help="Read saved output in this folder (kubectl describe, get and logs, gk-deploy's,"
        " heketi's log, journals) and ask nobody.",
    ),
]


def diagnose(  # noqa: PLR0913 - one parameter an option
    inventory: InventoryArgument = None,
    *,
    source: From = None,
    only: OnlyOfAll = None,
    skip: Skip = None,
    limit: Limit = None,
    parallel: Parallel = 32,
    timeout: Timeout = 60.0,
    accept_new: AcceptNew = False,
    ask_become_pass: AskBecomePass = False,
    output: Annotated[ListFormat, typer.Option("-o", "--output", help="How to report.")] = (
        ListFormat.TEXT
    ),
) -> None:
    """Tell why a deployment does not work, and what cures it. Changes nothing.

    Nodes and controller are checked too, as by gkprep deploy; --only, --skip and --limit choose
    among these checks, and what the cluster says is read in any case. So is what the last gkprep
    deploy from here printed, if it failed. Exit codes: 0 healthy, 1 a cause was found, 3 it could
    not be told.
    """
    from preflight import reach, report
    from preflight.deploy import why
    from preflight.diagnose import look, page
    from preflight.model import Limits
    from preflight.report.style import Style

    started = datetime.now(timezone.utc)
    if source is not None:
        look.require_alone(inventory, only, skip, limit)
        seen = look.saved(source)
    else:
        wanted = reach.Wanted(
            inventory=inventory,
            local=False,
            limit=limit or [],
            only=only or [],
            skip=skip or [],
            parallel=parallel,
            accept_new=accept_new,
            ask_become_pass=ask_become_pass,
        )
        seen = look.running(wanted, Limits.within(timeout), why.standing)
    run = report.Run(
        command="diagnose",
        version=version(),
        started=started,
        seconds=since(started),
        verdict=seen.diagnosis.verdict,
        facts=seen.facts,
        findings=seen.findings,
        fixes=seen.fixes,
    )
    if output is ListFormat.JSON:
        write(page.render_json(run, seen.diagnosis))
    else:
        write(page.render(run, seen.diagnosis, Style.of(sys.stdout)))
    raise typer.Exit(report.exit_code(run.verdict))
