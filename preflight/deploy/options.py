"""What a person may add to gk-deploy's command line, behind `--`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from preflight.deploy.deployer import Options
from preflight.errors import UsageError

WAIT = 900
"""Seconds that gk-deploy waits for pods: its own 300 are too few where images are pulled (C8)."""

# What a person may add. All else gkprep decides (--admin-key), or gk-deploy does something else
# with it than deploy (--abort, -h), or does not take it as it says (--ssh-user, D4).
_OPTIONS = {
    "-w": r"[1-9][0-9]{0,5}",
    "--wait": r"[1-9][0-9]{0,5}",
    "--daemonset-label": r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?",
    "--single-node": None,
    "-v": None,
    "--verbose": None,
}


def options(words: Sequence[str]) -> Options:
    """Take in what stands behind `--`; raises UsageError for what is not to be had."""
    kept: list[str] = []
    wait = WAIT
    rest = list(words)
    while rest:
        name = rest.pop(0)
        if name not in _OPTIONS:
            allowed = ", ".join(_OPTIONS)
            raise UsageError(f"{name}: gkprep decides this itself; behind -- may stand {allowed}")
        pattern = _OPTIONS[name]
        if pattern is None:
            kept.append(name)
            continue
        value = rest.pop(0) if rest else ""
        if not re.fullmatch(pattern, value):
            raise UsageError(f"{name} {value}: it takes a value like {pattern}")
        if name in {"-w", "--wait"}:
            wait = int(value)
        else:
            kept += [name, value]
    return Options(tuple(kept), wait)
