"""What systemctl and journalctl say inside a pod -> evidence.

A Gluster pod uses the host's network and its name (hostNetwork), so the journal in it names the
node.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from preflight.diagnose.evidence import Evidence, Kind, Place, Reading

UNIT = re.compile(
    r"^\W{0,3}[\w@.-]+\.(?:service|socket|target|mount) - .*\n\s+Loaded: ", re.MULTILINE
)
STAMP = (
    r"^(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.+-]+)"
    r" (?P<host>[\w.-]+) [\w@()./-]+(?:\[\d+\])?: "
)
LINE = re.compile(STAMP, re.MULTILINE)
JOURNAL = re.compile(rf"^-- (?:Logs begin|Journal begins|No entries)|{STAMP}", re.MULTILINE)


def is_status(text: str) -> bool:
    """Whether `systemctl status` printed this."""
    return bool(UNIT.search(text))


def is_journal(text: str) -> bool:
    """Whether `journalctl` printed this."""
    return bool(JOURNAL.search(text))


def status(text: str, what: str | None, origin: str) -> Reading:
    """What `systemctl status` said, in the pod `what`, or on the node that its lines name."""
    hosts = {match["host"] for match in LINE.finditer(text)}
    node = hosts.pop() if len(hosts) == 1 else None
    evidence = Evidence(Kind.SYSTEMCTL, what or "systemctl", node, text, origin)
    return Reading((evidence,), places=_places(what, node))


def journal(text: str, what: str | None, origin: str) -> Iterator[Reading]:
    """What the journal said, host by host: files of several are often put into one."""
    hosts: dict[str | None, list[str]] = {}
    host = None
    for line in text.splitlines():
        if match := LINE.match(line):
            host = match["host"]
        hosts.setdefault(host, []).append(line)
    for name, lines in hosts.items():
        evidence = Evidence(Kind.JOURNAL, what or "journal", name, "\n".join(lines), origin)
        yield Reading((evidence,), places=_places(what, name))


def _places(what: str | None, node: str | None) -> tuple[Place, ...]:
    """Where the pod runs, for the rest of what is known of it."""
    pod = (what or "").removeprefix("pod ")
    return (Place(pod, node, "", by_host=True),) if pod and node else ()
