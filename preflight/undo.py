"""A run's journal -> the plan that takes it back. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from preflight.errors import Unknown
from preflight.facts import service
from preflight.facts.disk import guard
from preflight.journal import Record, Taken
from preflight.model import Act, Action, Facts, Finding, Left, Overwrite, Plan, Risk, Status

SERVES = service.ASKED
"""What tells whether a node serves, whatever its role."""

SIGNALLED = 128  # exit statuses above it are a signal's: the step may have done anything


def reverse(
    record: Record, fleet: Mapping[str, Facts], undone: Collection[tuple[str, int]] = ()
) -> Plan:
    """Every step that was taken, or may have been, undone: on each node the last one first.

    `undone` are those, by node and number, that another undo has taken back. A step whose end is
    not on record may have been taken whole, or not at all. One that failed has changed nothing that
    could be taken back, unless its undo lives on what it printed. On a node that serves Gluster by
    now, and on one of which that cannot be told, nothing is undone.
    """
    actions, left = [], []
    for taken in reversed(remaining(record, undone)):
        done = taken.done
        finding = Finding(taken.subject, Status.FAIL, "", check=done.check, node=done.node)
        step = _undo(taken)
        why = _in_use(fleet.get(done.node)) or (step if isinstance(step, str) else "")
        if why or isinstance(step, str):
            left.append(Left(finding, why))
        else:
            actions.append(Action(finding, Risk.DISRUPTIVE, (step,), taken.number))
    return Plan(tuple(actions), tuple(left))


def remaining(record: Record, undone: Collection[tuple[str, int]]) -> list[Taken]:
    """Steps of the run that there are to take back, whatever the nodes are like by now."""
    return [
        taken
        for taken in record.taken
        if not ((taken.done.node, taken.number) in undone or _nothing(taken))
    ]


def _nothing(taken: Taken) -> bool:
    """Whether the step has left nothing to take back."""
    done, step = taken.done, taken.done.step
    if isinstance(step, Overwrite):
        return not taken.kept  # it never came to be told to write
    printed = step.undo is not None and step.undo.fed_output and bool(done.out)
    failed = done.rc is not None and 0 < done.rc <= SIGNALLED
    return step.undo is None or (failed and not printed)


def _undo(taken: Taken) -> Act | str:
    """The step that takes it back, or why there is none."""
    done, step = taken.done, taken.done.step
    if isinstance(step, Overwrite):
        if taken.saved is None:
            return "what was saved is not in the journal any more; the node has a copy"
        return _restore(step, taken.saved, done.out.decode("ascii", "replace").strip())
    assert step.undo is not None  # noqa: S101 - `_nothing` was asked
    if not step.undo.fed_output:
        return step.undo
    if done.rc is None:
        return f"what it printed did not arrive: it is on the node, {taken.number}.out"
    return replace(step.undo, stdin=done.out)


def _restore(step: Overwrite, saved: bytes, around: str) -> Overwrite:
    """What was there, where nothing else has come since."""
    vacant = guard.vacant(step.path, dict(step.identity), step.extents)
    return replace(step, data=saved, expected=step.data, around=around, guard=vacant)


def _in_use(facts: Facts | None) -> str:
    """Why nothing may be undone on a node; empty where it may."""
    if facts is None:
        return "the node was not asked"
    try:
        return service.serving(facts)
    except Unknown as exc:
        return f"whether it serves could not be found out: {exc}"
