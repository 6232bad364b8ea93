"""What commands have in common."""

from __future__ import annotations


def needs(*tools: str) -> str:
    """A line that ends a command where one of `tools` is missing, as if that had been called.

    For tools without which the rest would still print something: an answer with a hole in it.
    """
    return (
        f"for tool in {' '.join(tools)}; do command -v $tool >/dev/null || "
        '{ echo "$tool: not found" >&2; exit 127; }; done\n'
    )
