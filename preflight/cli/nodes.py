"""Commands that reach nodes: check, fix, undo."""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from preflight.cli.options import (
    AcceptNew,
    AskBecomePass,
    Devices,
    Format,
    InventoryArgument,
    Limit,
    Local,
    Only,
    Output,
    Parallel,
    Skip,
    Storage,
    Strict,
    Timeout,
)
from preflight.cli.output import render, since, version, write
from preflight.errors import UsageError

if TYPE_CHECKING:
    from preflight.reach import Reach
    from preflight.repair import Repair

Yes = Annotated[bool, typer.Option("--yes", help="Apply the plan without asking.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show the plan, even with --yes.")]
Wipe = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TOKEN",
        help="Consent to erase, or move aside, what this token of a report names (repeatable).",
    ),
]
PlanFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Apply just the plan in this file, as --dry-run -o json wrote it, or nothing;"
        " it brings its own tokens, and the checks that it names are those that are made.",
    ),
]
MaxWipe = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, help="Erase at most so many disks, or change nothing."),
]
OneByOne = Annotated[
    bool,
    typer.Option("--one-by-one", help="Node by node, to the first that is not ready after it."),
]
Reboot = Annotated[
    bool,
    typer.Option("--reboot", help="Then restart all nodes, one at a time, and check again."),
]


def check(  # noqa: PLR0913 - one parameter an option
    inventory: InventoryArgument = None,
    *,
    strict: Strict = False,
    local: Local = False,
    device: Devices = None,
    storage: Storage = None,
    only: Only = None,
    skip: Skip = None,
    limit: Limit = None,
    parallel: Parallel = 32,
    timeout: Timeout = 60.0,
    accept_new: AcceptNew = False,
    ask_become_pass: AskBecomePass = False,
    output: Output = Format.TEXT,
) -> None:
    """Tell whether the nodes are ready. Changes nothing."""
    from preflight import judge, reach, registry, report
    from preflight.model import Limits

    wanted = reach.Wanted(
        inventory=inventory,
        local=local,
        devices=device or [],
        storage=storage,
        limit=limit or [],
        only=only or [],
        skip=skip or [],
        parallel=parallel,
        accept_new=accept_new,
        ask_become_pass=ask_become_pass,
    )
    with reach.reach(wanted) as fleet:
        known = fleet.survey(Limits.within(timeout))
    run = report.Run(
        command="check",
        version=version(),
        started=fleet.started,
        seconds=since(fleet.started),
        verdict=judge.verdict(known.findings, strict=strict),
        facts=known.facts,
        findings=known.findings,
        fixes=registry.fixes(),
        strict=strict,
    )
    write(render(run, output))
    raise typer.Exit(report.exit_code(run.verdict))


def fix(  # noqa: PLR0913 - one parameter an option
    inventory: InventoryArgument = None,
    *,
    yes: Yes = False,
    dry_run: DryRun = False,
    wipe: Wipe = None,
    plan: PlanFile = None,
    max_wipe: MaxWipe = None,
    one_by_one: OneByOne = False,
    reboot: Reboot = False,
    strict: Strict = False,
    local: Local = False,
    device: Devices = None,
    storage: Storage = None,
    only: Only = None,
    skip: Skip = None,
    limit: Limit = None,
    parallel: Parallel = 32,
    timeout: Timeout = 1800.0,
    accept_new: AcceptNew = False,
    ask_become_pass: AskBecomePass = False,
    output: Output = Format.TEXT,
) -> None:
    """Put right what fails, and check again. Asks before anything is changed."""
    from preflight import reach, registry, repair, saved
    from preflight.change import Terms
    from preflight.model import Role

    if reboot and local:
        raise UsageError("--reboot would end gkprep itself with --local")
    if plan and wipe:
        raise UsageError("--plan FILE brings the tokens that it was made with: leave out --wipe")
    kept = saved.read(plan) if plan else None
    way = repair.Way(
        version=version(),
        timeout=timeout,
        tokens=tuple(_tokens(wipe or [])),
        saved=kept,
        one_by_one=one_by_one,
        reboot=reboot,
        strict=strict,
    )
    terms = Terms(yes, dry_run, output is Format.TEXT, write, max_wipe, reboot)
    wanted = reach.Wanted(
        inventory=inventory,
        local=local,
        devices=device or [],
        storage=storage,
        limit=limit or [],
        only=[*(only or []), *(kept.checks if kept else ())],
        skip=skip or [],
        parallel=parallel,
        accept_new=accept_new,
        ask_become_pass=ask_become_pass,
    )
    with reach.reach(wanted) as fleet:
        if reboot and any(node.role is Role.CONTROLLER for node in fleet.nodes):
            raise UsageError("--reboot would end gkprep itself with a check of this machine")
        mended = repair.repair(
            fleet, registry.fixes(), way, lambda plan: terms.agreed(plan, len(fleet.nodes))
        )
    report_repair("fix", fleet, mended, output, strict=strict)


def undo(  # noqa: PLR0913 - one parameter an option
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Which run.  [default: list them]")
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Undo without asking.")] = False,
    dry_run: DryRun = False,
    limit: Limit = None,
    parallel: Parallel = 32,
    timeout: Timeout = 1800.0,
    accept_new: AcceptNew = False,
    ask_become_pass: AskBecomePass = False,
    output: Output = Format.TEXT,
) -> None:
    """Take back what a run of gkprep fix has changed; without RUN, list the runs."""
    from preflight import journal, reach, registry, repair, select
    from preflight.change import Terms
    from preflight.report import runs as page

    folder = journal.runs_folder()
    if run is None:
        if yes or dry_run or limit or output is Format.JUNIT:
            raise UsageError("without RUN, the runs are only listed, as text or json")
        json = output is Format.JSON
        write(page.listing_json(folder, version()) if json else page.listing(folder))
        return
    select.require_known("run", run, journal.runs(folder))
    record = journal.read(folder / run)
    if record.undoes:
        raise UsageError(f"{run} is an undo itself: gkprep fix does again what it has undone")
    if record.local and record.host != socket.gethostname():
        raise UsageError(f"{run} was made on {record.host} itself, with --local: undo it there")
    record = record.on(select.select_nodes(record.nodes, limit or []))
    wanted = reach.Wanted(
        local=record.local,
        parallel=parallel,
        accept_new=accept_new,
        ask_become_pass=ask_become_pass,
    )
    way = repair.Way(version(), timeout)
    terms = Terms(yes, dry_run, output is Format.TEXT, write)
    named = {taken.done.check for taken in record.taken}
    checks = select.asked_for(select.judgeable(registry.checks(), whole=False), named)
    with reach.again(wanted, record.nodes, checks) as fleet:
        undone = repair.take_back(
            record, fleet, way, lambda plan: terms.agreed(plan, len(fleet.nodes))
        )
    report_repair("undo", fleet, undone, output)


def report_repair(
    command: str,
    fleet: Reach,
    repair: Repair,
    output: Format,
    *,
    strict: bool = False,
) -> NoReturn:
    """Tell what was done, and what the nodes are like now; exits with the verdict on that.

    A plan that was not applied, or not to its end, is no good verdict.
    """
    from preflight import judge, registry, report
    from preflight.model import Verdict
    from preflight.repair import to_take_back
    from preflight.report import planned as page
    from preflight.report.style import Style

    verdict = judge.verdict(repair.now.findings, strict=strict)
    run = report.Run(
        command=command,
        version=version(),
        started=fleet.started,
        seconds=since(fleet.started),
        verdict=verdict,
        facts=repair.now.facts,
        findings=repair.now.findings,
        fixes=registry.fixes(),
        strict=strict,
        plan=repair.plan,
        before=repair.before.findings,
        done=repair.done,
        run=repair.run,
        back=to_take_back(repair.run) if repair.run and command == "fix" else 0,
        stopped=repair.stopped,
    )
    if output is Format.TEXT and repair.run:
        write(page.outcome(run, Style.of(sys.stdout)))
    write(render(run, output))
    unfinished = bool(repair.stopped) or (repair.due and repair.run is None)
    if command == "undo":
        raise typer.Exit(1 if unfinished or repair.plan.left else 0)
    good = verdict is Verdict.READY
    raise typer.Exit(1 if good and unfinished else report.exit_code(verdict))


def _tokens(wipe: list[str]) -> list[str]:
    """What was given with --wipe; raises UsageError for what no report would print."""
    from preflight.inventory.rules import WIPE_TOKEN

    for token in wipe:
        if not re.fullmatch(WIPE_TOKEN, token):
            raise UsageError(
                f"--wipe {token!r}: no token; `gkprep check` prints them: a letter a-f and eleven"
                " hex digits"
            )
    return wipe
