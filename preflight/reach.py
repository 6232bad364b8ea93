"""What a command reaches: which nodes, by what connection, and how they are asked."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from preflight import prompt, registry, select, survey, targets, transport
from preflight.collect import collect, side_by_side
from preflight.controller import controller
from preflight.model import Check, Facts, Fix, FleetCheck, Inventory, Limits, Node, Probe
from preflight.report.progress import Progress
from preflight.survey import Survey
from preflight.transport import Connector

UNHURRIED = Limits(node=300.0)
"""For a node that is to be changed: nobody has to wait for it, and a dozen disks take a while."""


@dataclass(frozen=True)
class Wanted:
    """What the command line says of nodes, checks and connections."""

    local: bool
    parallel: int
    accept_new: bool
    ask_become_pass: bool
    inventory: Path | None = None
    devices: Sequence[str] = ()
    storage: str | None = None
    limit: Sequence[str] = ()
    only: Sequence[str] = ()
    skip: Sequence[str] = ()


@dataclass(frozen=True)
class Reach:
    """Nodes that can be asked now."""

    nodes: tuple[Node, ...]
    checks: tuple[Check | FleetCheck, ...]
    connect: Connector
    parallel: int
    local: bool
    started: datetime

    @property
    def controller(self) -> Node:
        """The node that deploys, of a fleet that `site` has given."""
        return next(node for node in self.nodes if node.site)

    def alone(self, node: Node) -> Reach:
        """One node by itself: what is judged of the whole fleet is left out."""
        checks = tuple(check for check in self.checks if isinstance(check, Check))
        return replace(self, nodes=(node,), checks=checks)

    @contextmanager
    def progress(self, names: Iterable[str]) -> Iterator[Progress]:
        """Show how far the nodes called `names` are.

        Where that is broken off, what was started is ended before the bar is: a terminal that holds
        up the one must not leave the other behind.
        """
        with Progress(names, sys.stderr) as progress:
            try:
                yield progress
            except BaseException:
                self.connect.close()
                raise

    def survey(
        self,
        limits: Limits,
        also: Sequence[Probe[object]] = (),
        fixes: Mapping[str, Fix] | None = None,
    ) -> Survey:
        """Ask and judge them, with progress on standard error.

        Besides, `also` is asked of each, and what the checks' fixes need, those that there are or
        `fixes`: a report offers one only where it would have steps.
        """
        with self.progress([node.name for node in self.nodes]) as progress:
            return survey.survey(
                self.nodes,
                self.checks,
                connect=self.connect,
                limits=limits,
                parallel=self.parallel,
                on_done=lambda facts: progress.done(facts.node.name),
                fixes=registry.fixes() if fixes is None else fixes,
                also=also,
            )

    def ask(self, probes: Sequence[Probe[object]], limits: Limits) -> dict[str, Facts]:
        """Ask every node those probes alone, whatever its role."""
        asks = {
            node.name: partial(collect, node, probes, self.connect(node), limits)
            for node in self.nodes
        }
        with self.progress(list(asks)) as progress:
            return side_by_side(
                asks,
                parallel=self.parallel,
                on_done=lambda facts: progress.done(facts.node.name),
            )


@contextmanager
def reach(wanted: Wanted) -> Iterator[Reach]:
    """Find nodes and checks, ask a person for what only a person knows, and connect.

    The controller is one of the nodes where `only` names a check of it. Raises UsageError where
    what is wanted does not fit together. What a person took to type a password is before `started`.
    """
    checks = select.select_checks(registry.checks(), wanted.only, wanted.skip)
    checks = select.asked_for(checks, wanted.only)
    where = targets.find(
        wanted.inventory,
        local=wanted.local,
        devices=wanted.devices,
        storage=wanted.storage,
        limit=wanted.limit,
        deploys=any(map(select.of_controller, checks)),
    )
    nodes = select.judged(where.nodes, checks, where.controller)
    judgeable = select.judgeable(checks, whole=where.whole)
    with again(wanted, nodes, judgeable) as fleet:
        yield fleet


@contextmanager
def site(wanted: Wanted, otherwise: str = "") -> Iterator[tuple[Reach, Inventory]]:
    """The inventory's nodes and, whichever nodes are wanted, the controller; and connect.

    Raises UsageError or InventoryError; `otherwise` is what else to do without an inventory.
    """
    inventory = targets.inventory_of(wanted.inventory, otherwise)
    checks = select.select_checks(registry.checks(), wanted.only, wanted.skip)
    here = controller(inventory)
    every = (*targets.acquainted(inventory.nodes), here)
    nodes = tuple(dict.fromkeys((*select.select_nodes(every, wanted.limit), here)))
    with again(wanted, nodes, select.judgeable(checks, whole=not wanted.limit)) as fleet:
        yield fleet, inventory


@contextmanager
def again(
    wanted: Wanted, nodes: tuple[Node, ...], checks: tuple[Check | FleetCheck, ...]
) -> Iterator[Reach]:
    """Connect to `nodes`, wherever they are known from."""
    options = transport.ConnectOptions(
        accept_new=wanted.accept_new,
        become_password=prompt.become_password() if wanted.ask_become_pass else None,
        ask_passphrase=prompt.asker(),
    )
    with closing(transport.connector(nodes, options, local=wanted.local)) as connect:
        now = datetime.now(timezone.utc)
        yield Reach(nodes, checks, connect, wanted.parallel, wanted.local, now)
