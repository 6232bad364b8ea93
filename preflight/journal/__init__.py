"""What was done, kept on the controller where `gkprep undo` finds it.

    plain        values -> JSON and back
    keep         the journal of a run that is being made
    tell         the journal of a run that was
    deployments  which deployment was of which cluster, and what came of it

A run is a folder below the XDG state directory (XDG Base Directory Specification: what should
outlive a restart), readable by its owner alone: what commands printed may be anybody's secret. Its
journal has one JSON object a line, on the disk before the step that it tells of begins. So a run
that was killed can be read: a step without an end may have been taken, or half of it.
"""

from preflight.journal.keep import (
    Journal,
    controller_lock,
    kept_below,
    new_name,
    private,
    runs_folder,
    state_folder,
)
from preflight.journal.plain import FILE, ON_NODE
from preflight.journal.tell import Record, Taken, read, runs, undone

__all__ = [
    "FILE",
    "ON_NODE",
    "Journal",
    "Record",
    "Taken",
    "controller_lock",
    "kept_below",
    "new_name",
    "private",
    "read",
    "runs",
    "runs_folder",
    "state_folder",
    "undone",
]
