"""What the command line picks: some checks of all, some nodes of all. Pure functions."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Collection, Iterable, Sequence

from preflight.errors import UsageError
from preflight.model import Check, FleetCheck, Node, Role


def select_checks(
    checks: Sequence[Check | FleetCheck], only: Sequence[str], skip: Sequence[str]
) -> tuple[Check | FleetCheck, ...]:
    """The checks named by `only` (all, where it is empty) without those named by `skip`.

    Raises UsageError for an id that does not exist, and where nothing is left to check.
    """
    known = [check.id for check in checks]
    for wanted in (*only, *skip):
        require_known("check", wanted, known)
    picked = tuple(
        check for check in checks if (not only or check.id in only) and check.id not in skip
    )
    if not picked:
        raise UsageError("--only and --skip leave no check to run")
    return picked


def asked_for(
    checks: Sequence[Check | FleetCheck], only: Collection[str]
) -> tuple[Check | FleetCheck, ...]:
    """All of `checks` but the controller's that `only` does not name.

    Those are about a cluster, which nodes that are still to be prepared need not have. Raises
    UsageError where that leaves none.
    """
    left = tuple(check for check in checks if check.id in only or not of_controller(check))
    if not left:
        raise UsageError("--skip leaves no check of the nodes to run; --only names the others")
    return left


def judged(
    nodes: Sequence[Node], checks: Sequence[Check | FleetCheck], controller: str
) -> tuple[Node, ...]:
    """Those of `nodes` that `checks` are about: not the others, where all are the controller's.

    Raises UsageError where one of those is to be judged, and the controller, which is called
    `controller`, is not there.
    """
    controllers = tuple(node for node in nodes if node.role is Role.CONTROLLER)
    own = [check.id for check in checks if of_controller(check)]
    if own and not controllers:
        raise UsageError(
            f"{' and '.join(own)}: judged of the machine that deploys, which --limit leaves out;"
            f" add --limit {shlex.quote(controller)}"
        )
    return controllers if len(own) == len(checks) else tuple(nodes)


def of_controller(check: Check | FleetCheck) -> bool:
    """Whether it is about the machine that deploys alone."""
    return isinstance(check, Check) and check.roles == {Role.CONTROLLER}


def judgeable(
    checks: Sequence[Check | FleetCheck], *, whole: bool
) -> tuple[Check | FleetCheck, ...]:
    """All of `checks` where the `whole` inventory is asked, else those of single nodes.

    Raises UsageError where that leaves none.
    """
    left = tuple(check for check in checks if whole or isinstance(check, Check))
    if not left:
        named = " and ".join(check.id for check in checks)
        raise UsageError(f"{named}: judged on the whole inventory, not with --local or --limit")
    return left


def select_nodes(nodes: Sequence[Node], limit: Sequence[str]) -> tuple[Node, ...]:
    """The nodes named by `limit`, in inventory order; all of them where it is empty."""
    for wanted in limit:
        require_known("node", wanted, [node.name for node in nodes])
    return tuple(node for node in nodes if not limit or node.name in limit)


def require_known(what: str, wanted: str, known: Iterable[str]) -> None:
    """Raise UsageError with the nearest names where `wanted` is none of `known`."""
    names = list(known)
    if wanted in names:
        return
    near = difflib.get_close_matches(wanted, names, n=3)
    if not names:
        raise UsageError(f"no {what} is called {wanted!r}; there is none")
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {' '.join(names)}"
    raise UsageError(f"no {what} is called {wanted!r}; {hint}")
