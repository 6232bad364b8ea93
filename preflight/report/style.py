"""What a stream can show: how wide, and whether colour and more than ASCII."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

NARROWEST = 60  # below this a page is wrapped as if it were so wide


@dataclass(frozen=True)
class Style:
    """`width` in columns, None where lines are not wrapped; `plain`: ASCII without colour."""

    width: int | None = None
    plain: bool = True

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str] | None = None) -> Style:
        """What `stream` can show, to a user with the variables `environ`: the process's own.

        Not a terminal: plain, and every line whole, for grep and for logs. NO_COLOR
        (no-color.org), TERM=dumb, an encoding other than UTF-8 or the locale C: plain.
        """
        if not stream.isatty():
            return cls()
        environ = started_with() if environ is None else environ
        width = max(NARROWEST, shutil.get_terminal_size().columns)
        utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8" and not in_c(environ)
        fancy = utf8 and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"
        return cls(width, plain=not fancy)


def in_c(environ: Mapping[str, str]) -> bool:
    """Whether characters are the locale C's, that is ASCII: locale(7) has the order."""
    named = (environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    return next(filter(None, named), "C") in {"C", "POSIX"}


def started_with() -> Mapping[str, str]:
    """The environment as the user made it.

    In os.environ Python itself puts LC_CTYPE=C.UTF-8, where the locale is C (PEP 538).
    """
    try:
        lines = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return os.environ
    pairs = (os.fsdecode(line).partition("=") for line in lines)
    return {name: value for name, _, value in pairs}
