"""Node names in little room: `node-[001-187]` says as much as 187 names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from preflight.report.layout import UNBROKEN
from preflight.report.printable import ELISION, bounded, visible

MANY = 8  # more names than this are folded, however short they are
ROOM = 60  # characters for all names together
RUNS = 5  # runs of numbers within one pair of brackets
MORE = UNBROKEN.join([ELISION, "(-o", "json", "lists", "them)"])
NAME = 63  # characters of one name (RFC 1123 label)


def where(nodes: Sequence[str | None], of: int, *, ascii_only: bool) -> str:
    """Which nodes, of how many: `node-181`, `2 of 3 nodes: ...`, `all 3 nodes: ...`, `cluster`."""
    names = listed(nodes, ascii_only=ascii_only)
    count = sum(node is not None for node in nodes)
    if count <= 1:
        return names
    return f"all {of} nodes: {names}" if count == of else f"{count} of {of} nodes: {names}"


def listed(nodes: Iterable[str | None], *, ascii_only: bool) -> str:
    """All names where they are few, else folded; what has no room even then is left to -o json."""
    names = [bounded(visible(name, ascii_only=ascii_only), NAME) for name in nodes if name]
    return _brief(names) if names else "cluster"


def _brief(names: Sequence[str]) -> str:
    plain = " ".join(names)
    if len(names) <= MANY and len(plain) <= ROOM:
        return plain
    pieces: list[str] = []
    length = 0
    for piece in fold(names):
        length += len(piece) + 1
        if pieces and length > ROOM:
            return " ".join([*pieces, MORE])
        pieces.append(piece)
    return " ".join(pieces)


def fold(names: Iterable[str]) -> list[str]:
    """Names that differ in their last number as one, as pdsh and Slurm write it: `n[1-3,7].lan`."""
    families: dict[tuple[str, str, int], list[int]] = {}
    single: list[str] = []
    split = [(re.fullmatch(r"(.*?)([0-9]+)([^0-9]*)", name), name) for name in names]
    padded = {
        (match[1], match[3])
        for match, _ in split
        if match and match[2].startswith("0") and len(match[2]) > 1
    }
    for match, name in split:
        if match is None:
            single.append(name)
            continue
        width = len(match[2]) if (match[1], match[3]) in padded else 0
        families.setdefault((match[1], match[3], width), []).append(int(match[2]))
    folded = [
        _family(prefix, suffix, width, sorted(numbers))
        for (prefix, suffix, width), numbers in families.items()
    ]
    return [piece for pieces in folded for piece in pieces] + single


def _family(prefix: str, suffix: str, width: int, numbers: Sequence[int]) -> list[str]:
    """The pieces of one family; long ones in several, so that a line can end between them."""
    runs = [
        f"{first:0{width}d}" if first == last else f"{first:0{width}d}-{last:0{width}d}"
        for first, last in _runs(numbers)
    ]
    chunks = [",".join(runs[at : at + RUNS]) for at in range(0, len(runs), RUNS)]
    return [prefix + (chunk if chunk.isdigit() else f"[{chunk}]") + suffix for chunk in chunks]


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(first, last) of each unbroken run of sorted numbers."""
    first = last = numbers[0]
    for number in numbers[1:]:
        if number > last + 1:
            yield first, last
            first = number
        last = number
    yield first, last
