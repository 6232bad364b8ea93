"""A text in pieces, each from one beginning to the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def spans(starts: Sequence[int], end: int) -> Iterator[tuple[int, int]]:
    """(start, end) of each piece, the last of which ends at `end`; nothing without a start."""
    yield from zip(starts, [*starts[1:], end], strict=False)
