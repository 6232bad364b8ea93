"""The command line: wiring only. Every decision is taken in the modules that it calls."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from preflight import signals
from preflight.errors import GkprepError, InventoryError

if TYPE_CHECKING:
    from preflight.model import Plan
    from preflight.reach import Reach
    from preflight.repair import Repair
    from preflight.report import Run

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Format(str, Enum):
    """What a report is written as."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


class ListFormat(str, Enum):
    """What a listing is written as."""

    TEXT = "text"
    JSON = "json"


InventoryArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="INVENTORY",
        help="Inventory (YAML) or heketi topology.json."
        "  [default: $GKPREP_INVENTORY, then ./inventory.yaml]",
        show_default=False,
    ),
]
Local = Annotated[bool, typer.Option("--local", help="This machine; needs no inventory.")]
Devices = Annotated[
    list[str] | None,
    typer.Option("--device", metavar="PATH", help="With --local: a disk for heketi (repeatable)."),
]
Storage = Annotated[
    str | None,
    typer.Option(
        metavar="IP", help="With --local: Gluster's address.  [default: of the default route]"
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Count warnings as failures.")]
Only = Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this check (repeatable).")]
Skip = Annotated[
    list[str] | None, typer.Option(metavar="ID", help="Leave this check out (repeatable).")
]
Limit = Annotated[
    list[str] | None, typer.Option(metavar="NODE", help="Only this node (repeatable).")
]
Parallel = Annotated[
    int, typer.Option(metavar="N", min=1, max=1000, help="Nodes asked side by side.")
]
Timeout = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=1, max=86400, help="The most that one node may take."),
]
AcceptNew = Annotated[
    bool,
    typer.Option("--accept-new", help="Record unknown host keys; a changed one is always refused."),
]
AskBecomePass = Annotated[
    bool, typer.Option("--ask-become-pass", help="Ask for sudo's password, or read it from stdin.")
]
Output = Annotated[Format, typer.Option("-o", "--output", help="How to report.")]


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


def tell_safely(*lines: str) -> None:
    """Print lines that quote what a user wrote: fit for a terminal, whatever that is."""
    from preflight.report.printable import visible

    tell("\n".join(map(visible, lines)))


def tell(text: str) -> None:
    """Print `text` on standard error; where that cannot be, the exit code still tells."""
    with suppress(OSError):
        typer.echo(text, err=True)


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


@app.command()
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


@app.command()
def fix(  # noqa: PLR0913 - one parameter an option
    inventory: InventoryArgument = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Apply the plan without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the plan.")] = False,
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
    from preflight import reach, registry, repair

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

    def consent(plan: Plan) -> bool:
        return asked(plan, len(fleet.nodes), output, yes=yes, dry_run=dry_run)

    with reach.reach(wanted) as fleet:
        mended = repair.repair(
            fleet, registry.fixes(), version=version(), timeout=timeout, consent=consent
        )
    report_repair("fix", fleet, mended, output, strict=strict)


@app.command()
def undo(  # noqa: PLR0913 - one parameter an option
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Which run.  [default: list them]")
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Undo without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the plan.")] = False,
    parallel: Parallel = 32,
    timeout: Timeout = 1800.0,
    accept_new: AcceptNew = False,
    ask_become_pass: AskBecomePass = False,
    output: Output = Format.TEXT,
) -> None:
    """Take back what a run of gkprep fix has changed; without RUN, list the runs."""
    from preflight import journal, reach, registry, repair, select
    from preflight.report import planned as page

    folder = journal.runs_folder()
    if run is None:
        write(page.listing(folder))
        return
    select.require_known("run", run, journal.runs(folder))
    record = journal.read(folder / run)
    wanted = reach.Wanted(
        local=record.local,
        parallel=parallel,
        accept_new=accept_new,
        ask_become_pass=ask_become_pass,
    )
    checks = select.judgeable(registry.checks(), whole=False)

    def consent(plan: Plan) -> bool:
        return asked(plan, len(fleet.nodes), output, yes=yes, dry_run=dry_run)

    with reach.again(wanted, record.nodes, checks) as fleet:
        undone = repair.take_back(
            record, fleet, version=version(), timeout=timeout, consent=consent
        )
    report_repair("undo", fleet, undone, output, strict=False)


def asked(plan: Plan, nodes: int, output: Format, *, yes: bool, dry_run: bool) -> bool:
    """Show the plan, and whether it may be applied; there must be something to do."""
    from preflight import prompt
    from preflight.report import planned as page
    from preflight.report.style import Style

    if output is Format.TEXT:
        write(page.render(plan, nodes, Style.of(sys.stdout)))
    if not plan.actions or dry_run:
        return False
    shown = output is Format.TEXT and sys.stdout.isatty()
    return yes or prompt.consent("" if shown else page.render(plan, nodes, Style.of(sys.stderr)))


def report_repair(
    command: str, fleet: Reach, repair: Repair, output: Format, *, strict: bool
) -> NoReturn:
    """Tell what was done, and what the nodes are like now; exits with the verdict on that.

    A plan that was not applied, or not to its end, is no good verdict.
    """
    from preflight import judge, registry, report
    from preflight.model import Verdict
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
    )
    if output is Format.TEXT and repair.run:
        write(page.outcome(repair.done, repair.stopped, repair.run, Style.of(sys.stdout)))
    write(render(run, output))
    unfinished = bool(repair.stopped) or (bool(repair.plan.actions) and repair.run is None)
    if command == "undo":
        raise typer.Exit(1 if unfinished or repair.plan.left else 0)
    good = verdict is Verdict.READY
    raise typer.Exit(1 if good and unfinished else report.exit_code(verdict))


@app.command()
def topology(inventory: InventoryArgument = None) -> None:
    """Print the inventory as heketi's topology.json."""
    from preflight import targets
    from preflight import topology as heketi

    write(heketi.render(targets.inventory_of(inventory)))


@app.command()
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


@app.command("list")
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


@app.command()
def explain(
    wanted: Annotated[
        str, typer.Argument(metavar="ID", help="A check, or a row of the catalogue such as N16.")
    ],
) -> None:
    """Tell what a check looks at and why, or what a known failure is."""
    from preflight import registry
    from preflight.report import explain as pages
    from preflight.report.style import Style

    write(pages.explain(wanted, registry.checks(), registry.fixes(), Style.of(sys.stdout)))


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
