"""What kubectl prints for people: `describe`, and the tables of `get` -> evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile

from preflight.diagnose import objects
from preflight.diagnose.evidence import Evidence, Kind, Place, Reading, Trouble, part
from preflight.diagnose.spans import spans
from preflight.facts.kubernetes.claims import GLUSTERFS

DESCRIBED = re.compile(r"^Name:[ \t]+\S", re.MULTILINE)
EVENTS = re.compile(r"^Events:[ \t]*(?:\n|$)", re.MULTILINE)
NORMAL = re.compile(r"^\s*(?:(?!Warning\b)\S+\s+){0,9}?Normal\s+[A-Z]\w+\s")
"""A line of `Events:` with type Normal; Warnings and further lines of a message are none."""

POD = r"\b[a-z0-9](?:[-a-z0-9.]{0,252}[a-z0-9])?"
ABOUT = re.compile(rf"\b(?P<kind>pod|daemonset|persistentvolumeclaim|job|node)/(?P<name>{POD})")
ABOUT_OF_OLD = re.compile(rf"(?P<name>{POD})\.[0-9a-f]{{14,16}}\s+(?P<kind>Pod|DaemonSet|Job)\b")
"""Before kubectl 1.12 an event's own name, OBJECT.HEX, stood before the kind."""


def is_described(text: str) -> bool:
    """Whether this is what `kubectl describe` prints."""
    return bool(DESCRIBED.match(text.lstrip()) and re.search(r"^\w[\w ]*:", text, re.MULTILINE))


def described(text: str, origin: str) -> Iterator[Reading]:
    """What `kubectl describe` says of each of the objects it describes."""
    starts = [match.start() for match in DESCRIBED.finditer(text)]
    for start, end in spans(starts, len(text)):
        yield _described(text[start:end], origin)


def _described(text: str, origin: str) -> Reading:
    """One object: its events are evidence of their own kind, told of the same object."""
    cut = EVENTS.search(text)
    page, events = (text[: cut.start()], text[cut.end() :]) if cut else (text, "")
    warnings = "\n".join(line for line in events.splitlines() if not NORMAL.match(line))
    name, namespace = _field(page, "Name"), _field(page, "Namespace")
    what = f"{_kind(page)} {name}"
    state = _state(page, what, namespace, origin)
    node = state.places[0].node if state.places else None
    evidence = [Evidence(Kind.DESCRIBE, what, node, page, origin, namespace)]
    if warnings.strip() and not warnings.strip().startswith("<none>"):
        evidence.append(Evidence(Kind.EVENTS, what, node, warnings, origin, namespace))
    return Reading((*state.evidence, *evidence), state.troubles, state.works, state.places)


def _kind(page: str) -> str:
    if re.search(r"^Desired Number of Nodes Scheduled:", page, re.MULTILINE):
        return "daemonset"
    if re.search(r"^StorageClass:", page, re.MULTILINE) and "Access Modes:" in page:
        return "pvc"
    if re.search(r"^(?:Init )?Containers:", page, re.MULTILINE) and _field(page, "Status"):
        return "pod"
    return "object"


def _state(page: str, what: str, namespace: str, origin: str) -> Reading:
    kind, _, name = what.partition(" ")
    if kind == "pod":
        return _pod(page, name, namespace, origin)
    if kind == "daemonset" and part(name):
        wanted = _number(page, r"^Desired Number of Nodes Scheduled: (\d+)")
        ready = _number(page, r"^Number of Nodes Scheduled with Available Pods: (\d+)")
        if wanted and ready is None:  # an older kubectl, or a page that was cut
            return Reading()
        return objects.counted(what, namespace, (wanted or 0, ready or 0), origin)
    if kind == "pvc" and _by_heketi(page):
        return objects.bound(f"{namespace}/{name}", _field(page, "Status"), origin)
    return Reading()


def _by_heketi(page: str) -> bool:
    by = re.search(r"storage-provisioner: (\S+)", page)
    return by[1] == GLUSTERFS if by else objects.may_be_heketis(_class(page))


def _class(page: str) -> str:
    """Within its line: of a claim without a class, nothing stands behind the colon."""
    match = re.search(r"^StorageClass:[ \t]*(\S*)", page, re.MULTILINE)
    return match[1] if match else ""


def _pod(page: str, name: str, namespace: str, origin: str) -> Reading:
    node = _field(page, "Node").partition("/")[0]
    place = Place(name, None if node in {"", "<none>"} else node, namespace, part(name))
    status = _field(page, "Status")
    # Of one that is being deleted, describe says Terminating and not its phase.
    if status == "Succeeded" or (status != "Terminating" and _condition(page, "Ready") == "True"):
        return Reading(works=(f"pod {name}",), places=(place,))
    told = f"{status}, not ready"
    troubles = (Trouble(f"pod {name}", place.node, told, origin),) if part(name) else ()
    return Reading(troubles=troubles, places=(place,))


def _condition(page: str, wanted: str) -> str:
    """The status of a condition, out of the block below `Conditions:`."""
    lines = iter(page.splitlines())
    if "Conditions:" not in (line.rstrip() for line in lines):
        return ""
    block = (line.split() for line in takewhile(lambda line: line[:1] in {" ", "\t"}, lines))
    return next((words[1] for words in block if words[:1] == [wanted] and len(words) > 1), "")


def _field(page: str, name: str) -> str:
    match = re.search(rf"^{name}:[ \t]+(\S+)", page, re.MULTILINE)
    return match[1] if match else ""


def _number(page: str, pattern: str) -> int | None:
    match = re.search(pattern, page, re.MULTILINE)
    return int(match[1]) if match else None


@dataclass(frozen=True)
class Columns:
    """Where the columns of a table begin, by heading."""

    starts: Mapping[str, int]

    @classmethod
    def of(cls, header: str) -> Columns:
        """Headings are apart by two blanks or more, for some have one within (LAST SEEN)."""
        return cls({m[0]: m.start() for m in re.finditer(r"\S+(?: \S+)*", header)})

    def cell(self, line: str, heading: str) -> str:
        """What stands in `line` below the heading, as far as the next one."""
        if heading not in self.starts:
            return ""
        start = self.starts[heading]
        later = [other for other in self.starts.values() if other > start]
        return line[start : min(later, default=None)].strip()


HEADERS = {
    "pod": r"NAME +READY +STATUS\b",
    "daemonset": r"NAME +DESIRED +CURRENT +READY\b(?! +AGE)",
    "persistentvolumeclaim": r"NAME +STATUS +VOLUME\b",
    "event": r"(?:LAST ?SEEN|FIRST ?SEEN)\b",
    "other": r"NAME +[A-Z]",
}
"""How the table of each kind begins, a ReplicaSet's being no DaemonSet's, and last any other."""

_KINDS = "|".join(f"(?P<{kind}>{header})" for kind, header in HEADERS.items())
HEADER = re.compile(
    rf"^(?P<margin>[ \t>|]*)(?P<titles>(?:NAMESPACE +)?(?:{_KINDS}).*)$", re.MULTILINE
)
"""A heading, which a ticket or a mail may have indented or quoted, and its rows with it."""


def tables(text: str, origin: str) -> Iterator[Reading]:
    """What the tables of `kubectl get` in `text` say, row by row."""
    headers = list(HEADER.finditer(text))
    pieces = spans([header.start() for header in headers], len(text))
    for header, (_, end) in zip(headers, pieces, strict=True):
        what = next(kind for kind in HEADERS if header[kind])
        titles = " " * len(header["margin"]) + header["titles"]
        columns, rows = Columns.of(titles), text[header.end() : end].strip("\n")
        if what == "event":
            yield from _events(rows, origin)
            continue
        for line in filter(str.strip, rows.splitlines()):
            yield _row(what, line, columns, origin)


def _row(what: str, line: str, columns: Columns, origin: str) -> Reading:
    """One object; of several kinds together, kubectl writes KIND.GROUP/NAME."""
    kind, _, name = columns.cell(line, "NAME").rpartition("/")
    namespace = columns.cell(line, "NAMESPACE")
    if what == "other" or (kind and kind.partition(".")[0] != what):
        return Reading()
    if what == "persistentvolumeclaim":
        if not objects.may_be_heketis(columns.cell(line, "STORAGECLASS")):
            return Reading()
        return objects.bound(f"{namespace}/{name}", columns.cell(line, "STATUS"), origin)
    if what == "daemonset":
        numbers = [columns.cell(line, heading) for heading in ("DESIRED", "READY")]
        if part(name) is None or not all(map(str.isdecimal, numbers)):
            return Reading()
        return objects.counted(f"daemonset {name}", namespace, _two(numbers), origin)
    return _pod_row(name, line, columns, origin)


def _two(numbers: list[str]) -> tuple[int, int]:
    return int(numbers[0]), int(numbers[1])


def _pod_row(name: str, line: str, columns: Columns, origin: str) -> Reading:
    status = columns.cell(line, "STATUS")
    ready = re.fullmatch(r"(\d+)/(\d+)", columns.cell(line, "READY"))
    if ready is None or part(name) is None:
        return Reading()
    node = columns.cell(line, "NODE")
    on = None if node in {"", "<none>"} else node
    place = Place(name, on, columns.cell(line, "NAMESPACE"), part(name))
    if status == "Completed" or (status == "Running" and ready[1] == ready[2]):
        return Reading(works=(f"pod {name}",), places=(place,))
    saw = f"{status}, ready {ready[0]}"
    evidence = Evidence(Kind.PODS, f"pod {name}", place.node, saw, origin, place.namespace)
    return Reading((evidence,), (Trouble(f"pod {name}", place.node, saw, origin),), (), (place,))


def _events(rows: str, origin: str) -> Iterator[Reading]:
    """Each event by what it is about; a line that names nothing goes on with the message."""
    what, lines = "events", list[str]()
    for line in rows.splitlines():
        about = ABOUT.search(line) or ABOUT_OF_OLD.search(line)
        if about is None:
            lines.append(line)
            continue
        yield from _told(what, lines, origin)
        what, lines = f"{about['kind'].lower()} {about['name']}", [line]
    yield from _told(what, lines, origin)


def _told(what: str, lines: list[str], origin: str) -> Iterator[Reading]:
    text = "\n".join(lines)
    if text.strip() and not NORMAL.match(lines[0]):
        kind, _, name = what.partition(" ")
        node = name if kind == "node" else None
        yield Reading((Evidence(Kind.EVENTS, what, node, text, origin),))
