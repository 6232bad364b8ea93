"""A folder of saved output -> evidence; no cluster and no node is touched.

What a file is, its content says and not its name. A file may hold several outputs, one after the
other, as a copied terminal does: a line with a prompt begins the next.
"""

from __future__ import annotations

import json
import os
import re
import stat
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from preflight.diagnose import deployment, inside, nodes, objects, plain
from preflight.diagnose.evidence import Evidence, Kind, Log, Place, Reading, Unread
from preflight.diagnose.spans import spans
from preflight.errors import UsageError
from preflight.facts.kubernetes.shapes import Object

MOST_BYTES = 8 * 1024 * 1024
"""Of one file; of a longer one, its end is read, for that is where logs tell of a failure.

What is wrong may be told before it: then nothing is called healthy.
"""

MOST_FILES = 2000
SOME = 8192

# The C parser is about ten times as fast; a PyYAML built without libyaml lacks it.
LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

PROMPT = re.compile(
    r"^(?:[^\n$#]{0,60}\$ (?:sudo )?(?=[\w./])"
    r"|[^\n$#]{0,60}# (?=(?:\S*/)?(?:kubectl|oc|systemctl|journalctl|gk-deploy|heketi-cli)\b))"
    r"(?P<command>.*)\n?|^```.*\n?",
    re.MULTILINE,
)
"""What ends one output and begins the next: a prompt with a command, or the fence around it.

After `#`, which begins comments too, only what is asked for here is a command.
"""

DRESSED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\\\))|\ufeff")
"""What dresses a text and says nothing: colours, titles of windows, marks of byte order."""

LINE_END = re.compile(r"\r+\n?")

JSON = json.JSONDecoder()
WORD = re.compile(r"\S")
NOT_WHOLE = (ValueError, yaml.YAMLError, RecursionError)
YAML = re.compile(r"(?:---\s+)?(?:apiVersion|kind|items|metadata): ?")
"""How what kubectl prints as YAML begins."""

EXEC = re.compile(r"\bexec (?:-\S+ )*(?:pod/)?(?P<pod>[a-z0-9][-a-z0-9.]*)")
NAMESPACE = re.compile(r" (?:-n|--namespace)[ =](?P<namespace>[a-z0-9][-a-z0-9]*)")
REFUSED = re.compile(r"\s*(?:Error from server|error: |Unable to connect)")
"""How kubectl begins what it says itself, and not the pod that it was to ask."""

POD = re.compile(r"(?P<pod>(?:glusterfs|deploy-heketi|heketi)-[a-z0-9]+(?:-[a-z0-9]+)*)")


def read(folder: Path) -> list[Reading]:
    """All regular files below `folder`, in order of their names; links are not followed.

    Raises UsageError where there is no such folder, or it may not be looked into.
    """
    try:
        os.scandir(folder).close()
    except OSError as exc:
        raise UsageError(f"--from {folder}: {exc.strerror}") from exc
    readings: list[Reading] = []
    closed: list[Reading] = []
    for number, (path, name) in enumerate(_files(folder, closed)):
        if number == MOST_FILES:
            readings.append(_unread(str(folder), f"only the first {MOST_FILES} files were read"))
            break
        readings.extend(file(path, name))
    return deployment.joined([*readings, *closed])


def _files(folder: Path, closed: list[Reading]) -> Iterator[tuple[Path, str]]:
    """The files below `folder`; folders in it that are not looked into are told in `closed`."""

    def told(path: Path) -> str:
        return str(path.relative_to(folder))

    def not_entered(exc: OSError) -> None:
        closed.append(_unread(told(Path(exc.filename)), exc.strerror or str(exc)))

    for root, folders, names in os.walk(folder, onerror=not_entered):
        folders.sort()
        paths = map(Path(root).joinpath, folders)
        closed.extend(
            _unread(told(path), "a link to a folder, not followed")
            for path in paths
            if not _lies_in(path, folder)
        )
        for name in sorted(names):
            path = Path(root) / name
            yield path, told(path)


def _lies_in(path: Path, folder: Path) -> bool:
    """Whether what the path leads to is in the folder, and so is read, if it is a link or not."""
    there, inside = (Path(os.path.realpath(each)) for each in (path, folder))
    return inside == there or inside in there.parents


def file(path: Path, name: str) -> list[Reading]:
    """What the file at `path` says; `name` is what reports call it."""
    try:
        data, size = _bytes(path)
    except OSError as exc:
        return [_unread(name, exc.strerror or str(exc))]
    if data is None:
        return [_unread(name, "no regular file")]
    if b"\0" in data[:SOME]:
        return [_unread(name, "no text")]
    found = list(recognised(_undressed(data), name))
    if size > len(data):
        found.append(_unread(name, f"only the last {MOST_BYTES >> 20} MiB were read"))
    return found


def _undressed(data: bytes) -> str:
    """The words, whatever terminal, editor or ticket they went through."""
    text = DRESSED.sub("", data.decode("utf-8", "surrogateescape"))
    return textwrap.dedent(LINE_END.sub("\n", text).replace("\xa0", " "))


def _bytes(path: Path) -> tuple[bytes | None, int]:
    """The content, or its end, and the size; None where it is no regular file.

    Neither a link nor a pipe that was put there meanwhile is opened, or waited for.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        return None, 0
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            return None, 0
        stream.seek(max(0, status.st_size - MOST_BYTES))
        return stream.read(MOST_BYTES), status.st_size


def recognised(text: str, name: str) -> Iterator[Reading]:
    """What `text` says, by what it looks like: each output in it by itself.

    Of several runs of gk-deploy, one after the other, the last one counts.
    """
    try:
        documents = _documents(text)
    except NOT_WHOLE:
        documents = []
    if documents:
        yield from _structured(documents, name)
        return
    outputs = [
        (command, textwrap.dedent(output)) for command, output in _outputs(text) if output.strip()
    ]
    runs = [number for number, (_, output) in enumerate(outputs) if deployment.is_run(output)]
    for number, (command, output) in enumerate(outputs):
        if number not in runs[:-1]:
            for each in _output(output, command, name):
                yield _within(each, NAMESPACE.search(command))


def _documents(text: str) -> list[Any]:
    """Objects and reports that `text` has as JSON or YAML; none where it is something else.

    Raises one of NOT_WHOLE where it only begins like one.
    """
    text = text.strip()
    found: list[Any] = []
    if YAML.match(text):
        found += yaml.load_all(text, Loader=LOADER)
    end = 0
    while text.startswith("{", end):
        document, end = JSON.raw_decode(text, end)
        found.append(document)
        further = WORD.search(text, end)
        end = further.start() if further else len(text)
    if end and end < len(text):
        raise ValueError("other text follows")
    return [each for each in found if nodes.is_report(each) or objects.listed(each)]


def _structured(documents: Iterable[Any], origin: str) -> Iterator[Reading]:
    """What objects of the API, and reports of gkprep's, say."""
    found: list[Object] = []
    for document in documents:
        if nodes.is_report(document):
            yield nodes.report(document, origin)
        found += objects.listed(document)
    yield from objects.read(found, origin)


def _outputs(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a copied terminal, and what it printed; ("", ...) what no prompt begins."""
    prompts = list(PROMPT.finditer(text))
    if not prompts:
        yield "", text
        return
    yield "", text[: prompts[0].start()]
    pieces = spans([match.start() for match in prompts], len(text))
    for match, (_, end) in zip(prompts, pieces, strict=True):
        yield match["command"] or "", text[match.end() : end]


def _output(text: str, command: str, name: str) -> Iterator[Reading]:
    """One output; what is recognised as nothing else is read as a log."""
    what = None if REFUSED.match(text) else _pod(command, name)
    origin = f"{name}: {command}" if command else name
    try:
        documents = _documents(text)
    except NOT_WHOLE:
        documents = []
        yield _unread(origin, "neither JSON nor YAML, though it begins like it; read as text")
    if documents:
        yield from _structured(documents, origin)
    elif plain.is_described(text):
        yield from plain.described(text, origin)
    elif deployment.is_deployment(text):
        yield deployment.deployment(text, origin)
    elif deployment.is_heketi(text):
        yield Reading(logs=(Log(text, origin),))
    elif inside.is_status(text):
        yield inside.status(text, what, origin)
    elif inside.is_journal(text):
        yield from inside.journal(text, what, origin)
    elif tables := list(plain.tables(text, origin)):
        yield from tables
    else:
        yield Reading((Evidence(Kind.LOGS, what or "log", None, text, origin),))


def _within(reading: Reading, asked: re.Match[str] | None) -> Reading:
    """The namespace that the command named, for what does not tell it itself."""
    if asked is None:
        return reading
    name = asked["namespace"]
    return replace(
        reading,
        evidence=_told_in(name, reading.evidence),
        places=_told_in(name, reading.places),
        logs=_told_in(name, reading.logs),
    )


Told = TypeVar("Told", Evidence, Place, Log)


def _told_in(namespace: str, told: Iterable[Told]) -> tuple[Told, ...]:
    return tuple(replace(each, namespace=each.namespace or namespace) for each in told)


def _pod(command: str, name: str) -> str | None:
    """The pod that a text without a name in it is from: the command or the file's name tell."""
    match = EXEC.search(command) or POD.search(name)
    return f"pod {match['pod']}" if match else None


def _unread(origin: str, why: str) -> Reading:
    return Reading(unread=(Unread(origin, why),))
