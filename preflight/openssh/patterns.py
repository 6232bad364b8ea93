"""Patterns and pattern lists as ssh_config(5) defines them: `*`, `?` and a leading `!`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache


def matches(text: str, pattern: str) -> bool:
    """Whether one pattern without `!` covers the whole of `text`; unlike a glob it knows no []."""
    if "*" not in pattern and "?" not in pattern:
        return text == pattern
    return _compiled(pattern).fullmatch(text) is not None


def matches_list(text: str, patterns: Iterable[str]) -> bool:
    """Whether any pattern matches and no negated one does; negations alone never match."""
    found = False
    for pattern in patterns:
        if pattern.startswith("!"):
            if matches(text, pattern[1:]):
                return False
        elif matches(text, pattern):
            found = True
    return found


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(c) or re.escape(c) for c in pattern), re.DOTALL)
