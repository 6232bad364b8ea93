"""gk-deploy's output and heketi's log -> evidence, node by node.

gk-deploy prints the topology as it is loaded: `Creating node X ... ID: ...`, then a line for each
of its devices. heketi writes records that begin with `[part] LEVEL`, and says in most of them in
which pod a command ran (pkg/remoteexec/kube/target.go: `from host:NODE`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from operator import itemgetter

from preflight.diagnose import mended
from preflight.diagnose.evidence import Evidence, Kind, Log, Place, Reading, Trouble
from preflight.diagnose.masks import masked
from preflight.diagnose.spans import spans

GK_DEPLOY = "gk-deploy"

CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|\r(?=\n)")

OPENING = re.compile(
    r"^(?:Using (?:Kubernetes|OpenShift) CLI\.|Checking for pre-existing resources\.\.\."
    r"|Waiting for GlusterFS pods to start|heketi topology loaded\."
    r"|\s*(?:Creating|Found) node \S+ (?:\.\.\.|on cluster)"
    r"|.*the deployment tool for GlusterFS)",
    re.MULTILINE,
)
NODE = re.compile(r"^\s*(?:Creating|Found) node (\S+) (?:\.\.\.|on cluster)")
OUTSIDE = re.compile(r"^(?:heketi topology|Error loading|Please check|Saving|Creating cluster|OK$)")
START = re.compile(r"^Using (?:Kubernetes|OpenShift) CLI\.", re.MULTILINE)
COMPLETE = "Deployment complete!"
ADDRESS = re.compile(r"accessible via +https?://[\w\[]")
WAITING = re.compile(r"(?:[^\n$#]{0,60}[$#]\s*|```)")
"""A prompt without a command, as a copied terminal ends with."""
NAMESPACE = re.compile(r'^Using namespace "([^"]+)"', re.MULTILINE)


def is_deployment(text: str) -> bool:
    """Whether gk-deploy, or `heketi-cli topology load`, printed this."""
    return bool(OPENING.search(text))


def deployment(text: str, origin: str) -> Reading:
    """What gk-deploy said in its last run; where that came to its end, the rest is history (D2).

    Only what ends with the words of the end has come to it.
    """
    # Its last line may be a key that only the line before tells to be one.
    text = masked(_last_run(CODES.sub("", text)))
    told = [line for line in text.splitlines() if line.strip() and not WAITING.fullmatch(line)]
    if told and told[-1].strip() == COMPLETE and ADDRESS.search(text):
        return Reading(works=(GK_DEPLOY,))
    namespace = match[1] if (match := NAMESPACE.search(text)) else ""
    evidence = tuple(
        Evidence(Kind.GK_DEPLOY, GK_DEPLOY, node, "\n".join(lines), origin, namespace)
        for node, lines in _sections(text).items()
    )
    last = told[-1].strip() if told else ""
    trouble = Trouble(GK_DEPLOY, None, f"did not come to its end; last: {last}", origin)
    return Reading(evidence, (trouble,))


def unproven(deployer: str, why: str, origin: str) -> Reading:
    """What gkprep saw of a run that ended with 0 and was no success all the same (D2, D3, D14)."""
    said = Evidence(Kind.GK_DEPLOY, deployer, None, why, origin)
    return Reading((said,), (Trouble(deployer, None, why, origin),))


def is_run(text: str) -> bool:
    """Whether gk-deploy printed this from its beginning."""
    return bool(START.search(text))


def _last_run(text: str) -> str:
    """A log that is added to has all the runs, one after the other."""
    starts = [match.start() for match in START.finditer(text)]
    return text[starts[-1] :] if starts else text


def _sections(text: str) -> dict[str | None, list[str]]:
    """The lines about each node, and (None) all others."""
    sections: dict[str | None, list[str]] = {}
    node: str | None = None
    for line in text.splitlines():
        if match := NODE.match(line):
            node = match[1]
        elif OUTSIDE.match(line):
            node = None
        sections.setdefault(node, []).append(line)
    return sections


RECORD = re.compile(
    r"^\[(?:heketi|kubeexec|sshexec|cmdexec|negroni|asynchttp|jwt|middleware)\] ?(?P<level>[A-Z]*)"
    r"(?: (?P<when>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d))?",
    re.MULTILINE,
)


def is_heketi(text: str) -> bool:
    """Whether this is heketi's log."""
    return bool(RECORD.search(text))


def joined(readings: Iterable[Reading]) -> list[Reading]:
    """The same, and all that heketi logged as one: before a restart, after it, in several copies.

    What it complained of in one of them, it may have done since by another.
    """
    apart = list(readings)
    logs = [log for each in apart for log in each.logs]
    return [*(replace(each, logs=()) for each in apart), *([heketi(logs)] if logs else [])]


def heketi(logs: Iterable[Log]) -> Reading:
    """What heketi complained of and has not done since, by the pod in which it ran a command.

    Its reports of what went well are left out: they quote every command's whole output.
    """
    told: dict[tuple[str, str | None, Log], list[str]] = {}
    places: dict[str, Place] = {}
    for record in mended.standing(_in_order(logs)):
        pod, node = mended.pod(record.text), mended.host(record.text)
        what = f"pod {pod}" if pod else "heketi"
        if pod and node:
            places[pod] = Place(pod, node, record.log.namespace)
        told.setdefault((what, node, record.log), []).append(record.text.rstrip("\n"))
    evidence = tuple(
        Evidence(Kind.HEKETI, what, node, "\n".join(records), log.origin, log.namespace)
        for (what, node, log), records in told.items()
    )
    return Reading(evidence, places=tuple(places.values()))


def _in_order(logs: Iterable[Log]) -> list[mended.Record]:
    """The records of all of them by the time that they tell; of one log, as they stand in it.

    One without a time is as late as the one before it, at the beginning as the one after it.
    """
    found: list[tuple[str, mended.Record]] = []
    for log in logs:
        records = list(_records(log))
        when = next((record.when for record in records if record.when), "")
        for record in records:
            when = max(when, record.when)
            found.append((when, record))
    return [record for _, record in sorted(found, key=itemgetter(0))]


def _records(log: Log) -> Iterator[mended.Record]:
    """Each record with all its lines; what comes before the first is one without a level."""
    text = CODES.sub("", log.text)
    heads = [(each.start(), each["level"], each["when"] or "") for each in RECORD.finditer(text)]
    if not heads or heads[0][0] > 0:
        heads.insert(0, (0, "", ""))
    pieces = spans([start for start, *_ in heads], len(text))
    for (_, level, when), (start, end) in zip(heads, pieces, strict=True):
        if text[start:end].strip():
            yield mended.Record(level, text[start:end], when, log)
