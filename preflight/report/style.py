"""What a stream can show: how wide, and whether colour and more than ASCII."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

NARROWEST = 60  # below this a page is wrapped as if it were so wide


@dataclass(frozen=True)
class Style:
    """`width` in columns, None where lines are not wrapped; `plain`: ASCII without colour."""

    width: int | None = None
    plain: bool = True

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str] = os.environ) -> Style:
        """What `stream` can show.

        Not a terminal: plain, and every line whole, for grep and for logs. NO_COLOR
        (no-color.org), TERM=dumb or an encoding other than UTF-8: plain.
        """
        if not stream.isatty():
            return cls()
        width = max(NARROWEST, shutil.get_terminal_size().columns)
        utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
        fancy = utf8 and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"
        return cls(width, plain=not fancy)
