"""The log of the last deployment from here -> evidence, as long as it tells of what is there.

What gk-deploy printed is in no cluster, and some failures show nowhere else. It is not read any
more once a later deployment, or an abort, has taken its place, whoever made it: one by hand shows
in objects that are newer than the log. Nor is it when it is older than a week.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

from preflight.collect import collect
from preflight.diagnose import deployment, objects
from preflight.diagnose.cluster import Kubectl
from preflight.diagnose.evidence import Reading, Unread, part, together
from preflight.errors import Unknown
from preflight.facts import deployment as facts
from preflight.facts.kubernetes.command import kubectl, site
from preflight.facts.kubernetes.shapes import get, named, word
from preflight.journal import deployments
from preflight.model import Limits, Node
from preflight.transport import Shell

WEEK = timedelta(days=7)

SKEW = timedelta(minutes=1)
"""How far the API server's clock may be from ours."""

API_TIME = "%Y-%m-%dT%H:%M:%SZ"
"""How the API writes a time (RFC 3339, in UTC)."""

NOTHING = Reading()
MADE = "daemonsets,deployments"


def read(
    controller: Node, shell: Callable[[Node], Shell], limits: Limits, now: datetime
) -> Reading:
    """What the last deployment to the controller's cluster and namespace told; perhaps nothing.

    Where that is left out because it is old, the reading says so.
    """
    which, made = facts.cluster(kubectl(controller)), Kubectl(controller).objects(MADE)
    asked = collect(controller, (which, made), shell(controller), limits)
    try:
        found = deployments.last(asked[which], site(controller).deployer.namespace)
        there = list(_made(asked[made]))
    except Unknown:  # then the cluster does not tell anything else, and that is told
        return NOTHING
    if found is None or found[1].back or found[1].stopped == "":
        return NOTHING
    if found[1].deployer != deployment.GK_DEPLOY:  # what another's words mean it alone knows
        return NOTHING
    return _still(*found, there, now)


def _still(
    folder: Path, record: deployments.Deployed, made: list[tuple[str, datetime]], now: datetime
) -> Reading:
    """The log in `folder`, unless it is of the past; `made` is what there is, and since when."""
    log = deployments.log_of(folder, record.deployer)
    try:
        began, ended = deployments.began(folder), _utc(log.stat().st_mtime)
        text = deployments.printed(log)
    except (OSError, ValueError) as exc:
        return _left_out(f"{log}", f"it could not be read: {exc}")
    origin = f"gk-deploy's output of {began:%Y-%m-%d %H:%M} UTC"
    newer = [name for name, since in made if since > ended + SKEW]
    if newer:
        return _left_out(origin, f"not read: {newer[0]} is newer, so somebody has deployed since")
    if now - ended > WEEK:
        return _left_out(origin, f"not read: it is of {_ago(now - ended)}; --from {folder} does")
    note = f"{origin} ({_ago(now - ended)}) is read too, the last from here: {log}"
    readings = [deployment.deployment(text, origin), Reading(notes=(note,))]
    if record.stopped and record.rc == 0:
        readings.append(deployment.unproven(record.deployer, record.stopped, origin))
    return together(readings)


def _made(listed: object) -> Iterator[tuple[str, datetime]]:
    """What a deployment makes in any case, and when it was made."""
    for each in objects.listed(listed):
        name, _ = named(each)
        since = word(get(each, "metadata").get("creationTimestamp"))
        with suppress(ValueError):
            moment = datetime.strptime(since, API_TIME).replace(tzinfo=timezone.utc)
            if part(name):
                yield f"{word(each.get('kind')).lower()} {name}", moment


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _ago(age: timedelta) -> str:
    """In the largest unit of which it is two or more: `3 hours ago`."""
    minutes = max(0, int(age.total_seconds() // 60))
    for unit, size in (("days", 24 * 60), ("hours", 60)):
        if minutes >= 2 * size:
            return f"{minutes // size} {unit} ago"
    return f"{minutes} minutes ago" if minutes > 1 else "just now"


def _left_out(origin: str, why: str) -> Reading:
    return Reading(unread=(Unread(origin, why, needed=False),))
