"""Progress on stderr: building takes minutes and booting one, and silence looks like a hang."""

from __future__ import annotations

import sys
import time

_STARTED = time.monotonic()


def say(message: str) -> None:
    """Print one line with the seconds since this process began to report."""
    sys.stderr.write(f"[{time.monotonic() - _STARTED:6.1f} s] {message}\n")
    sys.stderr.flush()
