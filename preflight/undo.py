"""A run's journal -> the plan that takes it back. Pure functions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from preflight.errors import Unknown
from preflight.facts import service
from preflight.facts.disk import guard
from preflight.journal import Record, Taken, kept_below
from preflight.model import (
    Act,
    Action,
    Facts,
    Finding,
    Left,
    Node,
    Overwrite,
    Plan,
    Risk,
    Role,
    Status,
)

NOTHING: Mapping[tuple[str, int], bool] = MappingProxyType({})
SERVES = service.ASKED
"""What tells whether a node serves, whatever its role."""

# sh(1): the command was found but could not be run, or not found. It has changed nothing.
NEVER_RAN = frozenset({126, 127})

# What a step printed is on the node as well. Without it, the step had not begun.
FROM_NODE = '[ -e "$0" ] || exit 0; exec "$@" <"$0"'
# What a step on the controller printed may be a Secret of the cluster: it goes from the file that
# keeps it into the command, and not into a plan that is shown.
FROM_HERE = 'exec "$@" <"$0"'


def reverse(
    record: Record, fleet: Mapping[str, Facts], undone: Mapping[tuple[str, int], bool] = NOTHING
) -> Plan:
    """Every step that was taken, or may have been, undone: on each node the last one first.

    `undone` are those, by node and number, that another undo has taken back, or False where it
    broke off. A step that failed, or whose end is not on record, may have been taken in part: what
    undoes one does no harm where there is nothing to undo. On a node that serves Gluster by now,
    and on one of which that cannot be told, nothing is undone.
    """
    actions, left = [], []
    nodes = {node.name: node for node in record.nodes}
    for taken in reversed(remaining(record, undone)):
        done = taken.done
        finding = Finding(taken.subject, Status.FAIL, "", check=done.check, node=done.node)
        broken = (done.node, taken.number) in undone
        step = _undo(taken, nodes[done.node], record.run, broken=broken)
        why = in_use(fleet.get(done.node)) or (step if isinstance(step, str) else "")
        if why or isinstance(step, str):
            left.append(Left(finding, why))
        else:
            actions.append(Action(finding, Risk.DISRUPTIVE, (step,), taken.number))
    return Plan(tuple(actions), tuple(left))


def remaining(record: Record, undone: Mapping[tuple[str, int], bool]) -> list[Taken]:
    """Steps of the run that there are to take back, whatever the nodes are like by now."""
    return [
        taken
        for taken in record.taken
        if not (undone.get((taken.done.node, taken.number)) or _nothing(taken))
    ]


def _nothing(taken: Taken) -> bool:
    """Whether the step has left nothing to take back."""
    done, step = taken.done, taken.done.step
    if isinstance(step, Overwrite):
        return not taken.wrote
    if step.undo is None or done.rc in NEVER_RAN:
        return True
    return step.undo.fed_output and bool(done.rc) and not done.out


def _undo(taken: Taken, node: Node, run: str, *, broken: bool) -> Act | str:
    """The step that takes it back, or why there is none."""
    done, step = taken.done, taken.done.step
    if isinstance(step, Overwrite):
        if taken.saved is None:
            return "what was saved is not in the journal any more; the node has a copy"
        # Where some of it is back already, all around is neither as it was left nor as it was.
        around = "" if broken else done.out.decode("ascii", "replace").strip()
        return _restore(step, taken.saved, around)
    assert step.undo is not None  # noqa: S101 - `_nothing` was asked
    if not step.undo.fed_output:
        return step.undo
    if done.rc is None or node.role is Role.CONTROLLER:
        printed = f"{kept_below(node)}/{run}/{taken.number}.out"
        fed = FROM_NODE if done.rc is None else FROM_HERE
        argv = ("sh", "-c", fed, printed, *step.undo.argv)
        return replace(step.undo, argv=argv, shown=step.undo.shown or shlex.join(step.undo.argv))
    return replace(step.undo, stdin=done.out)


def _restore(step: Overwrite, saved: bytes, around: str) -> Overwrite:
    """What was there, where nothing else has come since."""
    vacant = guard.vacant(step.path, dict(step.identity), step.extents)
    return replace(step, data=saved, expected=step.data, around=around, guard=vacant)


def in_use(facts: Facts | None) -> str:
    """Why a node is to be left in peace, for it serves or may do so; empty where it need not.

    On the controller nothing is changed but objects of the cluster, whatever else it serves as:
    their steps look for themselves whether somebody needs them.
    """
    if facts is None:
        return "the node was not asked"
    if facts.node.role is Role.CONTROLLER:
        return ""
    try:
        return service.serving(facts)
    except Unknown as exc:
        return f"whether it serves could not be found out: {exc}"
