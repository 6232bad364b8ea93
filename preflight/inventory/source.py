"""A file's bytes -> Inventory: what the file must be before it is YAML at all, and which kind."""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path

from preflight.errors import UsageError
from preflight.inventory import cluster, heketi
from preflight.inventory.problems import Enough, Mark, Problems
from preflight.inventory.tree import Unbuildable, build
from preflight.inventory.values import Reading, Wrong
from preflight.model import Inventory

LIMIT = 10 * 1024 * 1024

# By their byte order marks; that of UTF-32 may begin like the one of UTF-16.
_OTHERS = {
    "UTF-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "UTF-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
}
# What YAML 1.1 does not take for printable (5.1), and what ends a line for YAML alone: NEL, LS, PS.
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|.)", re.DOTALL)
_LAST_COMMA = re.compile(r",\s*[]}]")
_LINE_END = re.compile("\r\n|\r|\n")


def load(path: Path) -> Inventory:
    """Read an inventory or a heketi topology from a file.

    Raises InventoryError with every mistake in it, and UsageError where it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
    except FileNotFoundError:
        raise UsageError(
            f"there is no inventory {path} (gkprep init writes one to start from)"
        ) from None
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else exc
        raise UsageError(f"cannot read the inventory {path}: {why}") from exc
    return parse(data, str(path))


def parse(data: bytes, source_name: str) -> Inventory:
    """Read an inventory or a heketi topology from the bytes of the file `source_name`.

    Relative paths in it begin at that file's folder. Raises InventoryError with every mistake.
    """
    problems = Problems()
    inventory = None
    try:
        inventory = _read(data, Reading(problems, Path(source_name).parent))
    except Wrong as wrong:
        problems.add(wrong.mark, str(wrong))
    except (Unbuildable, Enough):
        pass
    problems.raise_for(source_name)
    assert inventory is not None  # noqa: S101 - what ends the reading early is a problem
    return inventory


def _read(data: bytes, reading: Reading) -> Inventory:
    text = _text(data, reading.problems)
    if text.lstrip().startswith("{"):
        text = _json(text, reading.problems)
    tree = build(text, reading.problems)
    return heketi.read(tree, reading) if heketi.is_topology(tree) else cluster.read(tree, reading)


def _text(data: bytes, problems: Problems) -> str:
    """Decode UTF-8, with or without a byte order mark; raises Unbuildable for anything else."""
    if len(data) > LIMIT:
        problems.add(Mark(1, 1), f"the file is larger than {LIMIT // 1024 // 1024} MiB")
        raise Unbuildable
    for kind, marks in _OTHERS.items():
        if data.startswith(marks):
            problems.add(Mark(1, 1), f"the file is {kind}; save it as UTF-8")
            raise Unbuildable
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = exc.object[: exc.start].decode("utf-8")
        seen = f"saw the byte 0x{exc.object[exc.start]:02x}, which is not UTF-8"
        problems.add(_place(before), f"{seen}; save the file as UTF-8")
        raise Unbuildable from exc
    if first := _UNPRINTABLE.search(text):
        others = sum(1 for _ in _UNPRINTABLE.finditer(text)) - 1
        more = f", and {others} more such" if others else ""
        problems.add(
            _place(text[: first.start()]), f"saw the control character U+{ord(first[0]):04X}{more}"
        )
        raise Unbuildable
    return text


def _place(before: str) -> Mark:
    """Where a text goes on that begins with `before`."""
    lines = _LINE_END.split(before)
    return Mark(len(lines), len(lines[-1]) + 1)


def _json(text: str, problems: Problems) -> str:
    """Make JSON readable as YAML, where it is JSON; a topology that is not is no use to heketi.

    YAML (1.1 at least) does not allow all of the tabs that JSON does, which can stand only
    between tokens: inside a string a tab is written as an escape (RFC 8259, 7).
    """
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except json.JSONDecodeError as exc:
        if '"clusters"' in text:
            problems.add(*_explain(exc, text))
            raise Unbuildable from exc
        return text
    except RecursionError:
        return text
    return _ESCAPE.sub(_character, text.replace("\t", " "))


def _character(escape: re.Match[str]) -> str:
    """A pair of surrogates (RFC 8259, 7), which YAML does not know, as what it stands for."""
    pair = len(escape[0]) > len(r"\n")
    return str(json.loads(f'"{escape[0]}"')) if pair else escape[0]


def _explain(exc: json.JSONDecodeError, text: str) -> tuple[Mark, str]:
    """Say what is wrong with the JSON; the commonest mistake in one wording for every Python."""
    comma = _LAST_COMMA.search(text, max(0, text.rfind(",", 0, exc.pos + 1)))
    if comma and comma.start() <= exc.pos < comma.end():
        return _place(text[: comma.start()]), (
            "a comma before a closing bracket, which JSON does not allow"
        )
    return _place(text[: exc.pos]), f"heketi reads only JSON, and this is not JSON: {exc.msg}"
