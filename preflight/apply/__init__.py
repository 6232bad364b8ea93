"""Steps -> one guarded script a node. The only writer.

    script    the script of one node: steps that wait for the word to take them
    foreman   talks with it: each step on record, then the word

The word is not given before the step is in the journal. The end of its standard input ends the
script: where gkprep was killed, or the line to it cut, a step that has begun is finished and no
other begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from preflight.apply.foreman import Foreman
from preflight.apply.script import LOCK, script
from preflight.collect import side_by_side
from preflight.errors import JournalError, PluginError, TransportError
from preflight.journal import Journal
from preflight.model import Act, Action, Done, Limits, Node, Plan
from preflight.transport import LiveShell

__all__ = ["LOCK", "Applied", "apply"]


@dataclass(frozen=True)
class Applied:
    """What one node did. `stopped` is why it did not do all, None where it did."""

    node: str
    done: tuple[Done, ...]
    stopped: str | None = None


def apply(  # noqa: PLR0913 - the things that applying a plan depends on, each named by its caller
    plan: Plan,
    nodes: Mapping[str, Node],
    *,
    connect: Callable[[Node], LiveShell],
    limits: Limits,
    parallel: int,
    journal: Journal,
    on_done: Callable[[Applied], None],
    keep_going: bool = False,
) -> dict[str, Applied]:
    """Take the plan's steps on each of `nodes` by name, in order, until the first that fails there.

    With `keep_going` the others are taken all the same. Nodes are side by side, and know nothing of
    one another. Never raises for what a node does; raises JournalError where a step could not be
    put on record.
    """
    work: dict[str, list[tuple[Action, Act]]] = {}
    for action in plan.actions:
        steps = work.setdefault(action.finding.node or "", [])
        steps += [(action, step) for step in action.steps]
    foremen = {
        name: Foreman(nodes[name], steps, journal, limits, keep_going)
        for name, steps in work.items()
    }
    asks = {
        name: partial(_work, foreman, connect(nodes[name])) for name, foreman in foremen.items()
    }
    return side_by_side(asks, parallel=parallel, on_done=on_done)


def _work(foreman: Foreman, shell: LiveShell) -> Applied:
    """Take one node's steps; whatever befalls it, the others go on."""
    name, journal = foreman.node.name, foreman.journal
    steps = [step for _, step in foreman.steps]
    text = script(
        foreman.node,
        steps,
        foreman.marks,
        journal.run,
        foreman.limits,
        keep_going=foreman.keep_going,
    )
    try:
        why = foreman.why(shell.converse(text, foreman.limits, foreman))
    except TransportError as exc:
        why = str(exc)
    except (JournalError, PluginError):
        raise
    except Exception as exc:  # noqa: BLE001 - whatever befell this node, the others go on
        why = f"{type(exc).__name__}: {exc}"
    if why is not None:
        journal.stopped(name, why)
    return Applied(name, foreman.done, why)
