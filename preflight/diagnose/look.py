"""Look at a deployment, saved or running, and say what it comes to: for every command that asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from preflight import reach, registry
from preflight.diagnose import cluster, earlier, match, nodes, table
from preflight.diagnose import saved as folders
from preflight.diagnose.evidence import Diagnosis, Reading, together
from preflight.errors import UsageError
from preflight.facts.kubernetes.command import site, way
from preflight.facts.kubernetes.pods import Part
from preflight.model import Facts, Finding, Fix, Limits
from preflight.reach import Reach, Wanted
from preflight.survey import Survey


@dataclass(frozen=True)
class Look:
    """What was found, and what is known of the nodes; nothing, where they were not asked."""

    diagnosis: Diagnosis
    facts: Mapping[str, Facts] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    fixes: Mapping[str, Fix] = field(default_factory=dict)


def require_alone(inventory: Path | None, *chosen: Sequence[str] | None) -> None:
    """Raise UsageError where `--from` comes with what is about nodes: none of them is asked."""
    if inventory is not None or any(chosen):
        raise UsageError("--from reads a folder: no inventory, --only, --skip and --limit with it")


def saved(folder: Path) -> Look:
    """What the files below `folder` come to; raises UsageError where it cannot be read."""
    known = table.load()
    return Look(match.diagnose(together(folders.read(folder)), known))


Judged = Callable[[Reach], tuple[Finding, ...]]
"""What else a deployment that is there is judged by."""


def running(wanted: Wanted, limits: Limits, standing: Judged) -> Look:
    """What the cluster of the inventory comes to, after its nodes and the controller were checked.

    What the last deployment from here printed is read as well, as long as it tells of what is
    there, and `standing` tells how else the deployment does. A node that does not answer stops
    nothing. Raises UsageError as `reach.site` does.
    """
    with reach.site(wanted, "; --from DIR needs none") as (fleet, _):
        known = fleet.survey(limits)
        last = earlier.read(fleet.controller, fleet.connect, limits, fleet.started)
        return of_cluster(fleet, known, limits, also=last, standing=standing)


NOTHING = Reading()


def of_cluster(
    fleet: Reach,
    known: Survey,
    limits: Limits,
    *,
    also: Reading = NOTHING,
    standing: Judged | None = None,
) -> Look:
    """The same where the nodes are `known` already; `fleet` has the controller among them.

    `also` is what is known besides, of a deployment just made, and `standing` is asked once heketi
    is there: before, that all else is missing tells nothing.
    """
    with fleet.progress(["cluster"]) as progress:
        seen = together(cluster.read(fleet.controller, fleet.connect, limits, fleet.parallel))
        judged = standing(fleet) if standing and match.is_there(seen, Part.HEKETI) else ()
        progress.done("cluster")
    deployer = site(fleet.controller).deployer
    found = match.diagnose(
        together(
            [
                seen,
                nodes.unmet(judged, fleet.controller.name),
                nodes.findings(known.findings, fleet.controller.name),
                nodes.unreached(known.facts),
                also,
            ]
        ),
        table.load(),
        kubectl=(deployer.kubectl, *way(deployer)),
        namespace=deployer.namespace,
    )
    return Look(found, known.facts, (*known.findings, *judged), registry.fixes())
