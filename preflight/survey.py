"""Ask nodes and judge the answers: collect and judge, for every command that needs both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from preflight.collect import collect, side_by_side
from preflight.judge import judge, needs
from preflight.model import Check, Facts, Finding, Fix, FleetCheck, Limits, Node, Probe, Role
from preflight.transport import Shell


@dataclass(frozen=True)
class Survey:
    """What is known of the nodes, by name, and what was found wrong or right with them."""

    facts: Mapping[str, Facts]
    findings: tuple[Finding, ...]


def survey(  # noqa: PLR0913 - the things a survey depends on, each named by its caller
    nodes: Sequence[Node],
    checks: Sequence[Check | FleetCheck],
    *,
    connect: Callable[[Node], Shell],
    limits: Limits,
    parallel: int,
    on_done: Callable[[Facts], None],
    fixes: Mapping[str, Fix] | None = None,
    also: Sequence[Probe[object]] = (),
) -> Survey:
    """Ask every node, in one round trip each and side by side, all that `checks` need; judge it.

    And what their `fixes` need, where something may have to be put right. `also` is asked besides,
    of all but the controller: it is about the nodes. Never raises for what a node does: that is an
    ERROR finding.
    """
    asks = {}
    for node in nodes:
        besides = () if node.role is Role.CONTROLLER else also
        probes = [*needs(checks, node, fixes), *besides]
        asks[node.name] = partial(_ask, node, probes, connect, limits)
    facts = side_by_side(asks, parallel=parallel, on_done=on_done)
    return Survey(facts, judge(checks, facts))


def _ask(
    node: Node, probes: Sequence[Probe[object]], connect: Callable[[Node], Shell], limits: Limits
) -> Facts:
    return collect(node, probes, connect(node), limits)
