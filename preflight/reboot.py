"""Restart nodes, one at a time, to prove that what was put right lasts."""

from __future__ import annotations

import time

from preflight import judge
from preflight.apply import LOCK
from preflight.errors import TransportError, Unknown
from preflight.facts import kernel, service, services
from preflight.journal import Journal
from preflight.model import Facts, Limits, Verdict
from preflight.reach import UNHURRIED, Reach

ASKED = (kernel.boot, *service.ASKED)
BOOTING = frozenset({"initializing", "starting"})
PAUSE = 2.0  # seconds between two tries
# A node that is down answers late, or never.
TRY = Limits(connect=10, probe=20, node=30)

# Not while another gkprep takes steps there. The answer may come, or the line break first.
RESTART = f"""\
flock -n {LOCK} true || {{ echo "another gkprep is at work here: $(cat {LOCK})" >&2; exit 1; }}
systemctl reboot"""


def restart(fleet: Reach, journal: Journal, timeout: float, *, strict: bool) -> dict[str, str]:
    """Restart every node of `fleet`, wait for it and check it, before the next one is.

    Returns why, by node, where it went no further: a node that serves Gluster, or is not ready yet,
    is left alone; one that does not come back within `timeout` seconds, or is not ready then, is
    the last.
    """
    for node in fleet.nodes:
        alone = fleet.alone(node)
        if not _ready(alone, strict=strict):
            return {node.name: "not restarted: it is not ready; no further node is restarted"}
        if why := _restarted(alone, journal, timeout):
            return {node.name: f"{why}; no further node is restarted"}
        if not _ready(alone, strict=strict):
            return {node.name: "it is not ready after its restart; no further node is restarted"}
    return {}


def _ready(alone: Reach, *, strict: bool) -> bool:
    return judge.verdict(alone.survey(UNHURRIED).findings, strict=strict) is Verdict.READY


def _restarted(alone: Reach, journal: Journal, timeout: float) -> str:
    """Restart one node and wait; why not, or nothing."""
    [node] = alone.nodes
    before = alone.ask(ASKED, UNHURRIED)[node.name]
    try:
        booted = before[kernel.boot]
        if serving := service.serving(before):
            return f"not restarted: {serving}"
        journal.restarts(node.name)
        output = alone.connect(node).run(RESTART, TRY)
    except (Unknown, TransportError) as exc:
        return f"not restarted: {exc}"
    if output.rc:
        return f"not restarted: {output.err.decode('utf-8', 'replace').strip()}"
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        time.sleep(PAUSE)
        if _is_back(alone.ask((kernel.boot, services.system), TRY)[node.name], booted):
            return ""
    return f"it did not come back within {timeout:.0f} s"


def _is_back(facts: Facts, booted: str) -> bool:
    """Whether it has booted anew, and all that starts at boot has."""
    try:
        return facts[kernel.boot] != booted and facts[services.system] not in BOOTING
    except Unknown:  # down, or not up yet
        return False
