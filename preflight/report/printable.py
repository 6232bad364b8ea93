r"""Text from a node is hostile: how it is made fit to print.

Whatever could move a cursor, colour a screen, reverse a line, forge a line of the report or not be
encoded at all is shown as an escape that a reader can see: ESC as \x1b, an undecodable byte as
\xff, U+202E (right-to-left override) as \u202e, a line feed as \n.
"""

from __future__ import annotations

import unicodedata

ELISION = "..."

_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def visible(text: str, *, ascii_only: bool = False) -> str:
    """`text` on one line, with every character that is not plainly printable escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _plain(char, ascii_only) else _escape(char) for char in text)


def safe(text: str) -> bool:
    """Whether `text` can be shown, and copied, exactly as it is."""
    return visible(text) == text


def bounded(text: str, limit: int) -> str:
    """`text`, or its beginning where it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - len(ELISION)].rstrip() + ELISION


def decodable(text: str) -> str:
    r"""`text` without lone surrogates, which no UTF-8 can hold: a byte 0xff becomes \xff."""
    return "".join(_escape(char) if _is_surrogate(char) else char for char in text)


def _plain(char: str, ascii_only: bool) -> bool:
    """Marks (categories M*) are printable, but would be painted over their neighbours."""
    if char.isascii() or ascii_only:
        return char.isascii() and char.isprintable()
    return char.isprintable() and not unicodedata.category(char).startswith("M")


def _is_surrogate(char: str) -> bool:
    return "\ud800" <= char <= "\udfff"


def _escape(char: str) -> str:
    """Bytes that were not UTF-8 arrive as U+DC80..U+DCFF (PEP 383) and are shown as the bytes."""
    code = ord(char)
    if "\udc80" <= char <= "\udcff":
        return f"\\x{code - 0xDC00:02x}"
    if code > 0xFFFF:  # noqa: PLR2004 - what four digits can hold
        return f"\\U{code:08x}"
    return _SHORT.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")  # noqa: PLR2004 - two digits
