"""The command that changes the cluster: deploy."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from preflight.cli.options import (
    AcceptNew,
    AskBecomePass,
    Format,
    InventoryArgument,
    Output,
    Parallel,
    Strict,
)
from preflight.cli.output import render, since, version, write
from preflight.errors import UsageError

if TYPE_CHECKING:
    from preflight.deploy.flow import Outcome
    from preflight.diagnose.evidence import Diagnosis
    from preflight.reach import Reach

Forced = Annotated[
    list[str] | None,
    typer.Option(
        "--force-unready", metavar="ID", help="Go on although this check is not green (repeatable)."
    ),
]
Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[-- OPTIONS]",
        help="gk-deploy's own: -w SECONDS, --daemonset-label LABEL, --single-node, -v.",
    ),
]


def deploy(  # noqa: PLR0913 - one parameter an option
    inventory: InventoryArgument = None,
    words: Words = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Deploy without asking.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be done, even with --yes.")
    ] = False,
    smoke_test: Annotated[
        bool, typer.Option("--smoke-test", help="Then ask for a volume, and delete it again.")
    ] = False,
    force_unready: Forced = None,
    show_patches: Annotated[
        bool, typer.Option("--show-patches", help="Only print what is changed in gk-deploy's copy.")
    ] = False,
    abort: Annotated[
        bool, typer.Option("--abort", help="Take a deployment back, and tell what is left.")
    ] = False,
    abort_volumes: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="With --abort: so many volumes may lose their heketi."
        ),
    ] = None,
    strict: Strict = False,
    parallel: Parallel = 32,
    accept_new: AcceptNew = False,
    ask_become_pass: AskBecomePass = False,
    output: Output = Format.TEXT,
) -> None:
    """Run gk-deploy where all is green, and prove that it worked. Asks before it does.

    Heketi's keys are taken from GKPREP_HEKETI_ADMIN_KEY and GKPREP_HEKETI_USER_KEY, or made. Exit
    codes: 0 deployed and verified, or with --abort all taken back; 1 a check fails, nobody agreed,
    or it did not work; 2 a mistake in what was given, or volumes in the way of an abort; 3 could
    not find out; 128+n ended by signal n.
    """
    from preflight import reach, registry, select
    from preflight.deploy import abort as backwards
    from preflight.deploy import flow, why
    from preflight.deploy.agreement import Agreement
    from preflight.deploy.gk_deploy import GkDeploy

    if inventory and str(inventory).startswith("-"):  # there was none, but something behind --
        inventory, words = None, [str(inventory), *(words or [])]
    for forced in force_unready or []:
        select.require_known("check", forced, [check.id for check in registry.checks()])
    _require_fitting(
        abort=abort,
        forward=(smoke_test, force_unready, strict, words),
        backward=abort_volumes is not None,
        show=show_patches,
    )
    deployer = GkDeploy()
    terms = flow.Terms(
        options=deployer.options(words or []),
        forced=tuple(force_unready or ()),
        smoke=smoke_test,
        volumes=abort_volumes,
        strict=strict,
    )
    wanted = reach.Wanted(
        inventory=inventory,
        local=False,
        parallel=parallel,
        accept_new=accept_new,
        ask_become_pass=ask_become_pass,
    )

    agreed = Agreement(yes, dry_run, output is Format.TEXT, write)
    with reach.site(wanted) as (fleet, known):
        deployer.obtain(fleet.controller, fleet.connect, agreed.to_obtain)
        if show_patches:
            write(flow.patches(fleet, known, deployer))
            return
        go = backwards.abort if abort else flow.deploy
        outcome = go(fleet, known, deployer, terms, agreed.to)
        seen = why.why(fleet, deployer, outcome)
    report_deployment(fleet, outcome, seen, output, strict=strict)


def _require_fitting(*, abort: bool, forward: Sequence[object], backward: bool, show: bool) -> None:
    """Raise UsageError for options that mean nothing together."""
    if abort and (show or any(forward)):
        wrong = "--smoke-test, --force-unready, --strict, --show-patches and what is behind --"
        raise UsageError(f"--abort takes a deployment back: {wrong} have no part in that")
    if backward and not abort:
        raise UsageError("--abort-volumes goes with --abort")


def report_deployment(
    fleet: Reach, outcome: Outcome, seen: Diagnosis | None, output: Format, *, strict: bool
) -> NoReturn:
    """Tell how it went, and why where it failed; exits with 0 only where all is verified."""
    from preflight import judge, registry, report
    from preflight.deploy import abort as backwards
    from preflight.deploy import flow, smoke
    from preflight.diagnose import page as causes
    from preflight.model import Verdict
    from preflight.report import deploying as page
    from preflight.report.style import Style

    now = outcome.now or outcome.before
    own = [each for each in now.findings if each.check == backwards.CHECK]
    verdict = judge.verdict(own or now.findings, strict=strict)
    run = report.Run(
        command="deploy",
        version=version(),
        started=fleet.started,
        seconds=since(fleet.started),
        verdict=verdict,
        facts=now.facts,
        findings=now.findings,
        fixes=registry.fixes(),
        strict=strict,
        before=outcome.before.findings if outcome.now else (),
        prospect=outcome.prospect,
        deployment=outcome.deployment,
        unexplained=(flow.CHECK, smoke.CHECK, backwards.CHECK),
    )
    style = Style.of(sys.stdout)
    if output is Format.TEXT and outcome.deployment:
        write(page.outcome(outcome.deployment, style))
    if seen and output is Format.JSON:
        write(causes.render_json(run, seen))
    else:
        if seen and output is Format.TEXT:
            write(causes.render(run, seen, style) + "\n")
        if now.findings or output is not Format.TEXT:
            write(render(run, output))
    if outcome.now is None and (outcome.prospect or verdict is Verdict.READY):
        raise typer.Exit(1)  # it was agreed to by nobody
    raise typer.Exit(report.exit_code(verdict))
