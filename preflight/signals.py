"""Ctrl-C, SIGTERM and SIGHUP raise, so that whoever started or changed something can put it right.

By default the last two would end gkprep on the spot: with the cursor hidden, the terminal's echo
off, and what it had started still running.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

PATIENCE = 2.0
"""Seconds for putting right. What hangs, such as a terminal that Ctrl-S stopped, gets no more."""

_ending = threading.Lock()  # held once the first has come


def raise_exit() -> None:
    """Let each of them raise SystemExit with 128 + its number, which is what a shell makes of it.

    Those that gkprep was started to ignore, by nohup or a shell's `&`, it ignores.
    """
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit)


def _exit(number: int, _frame: FrameType | None) -> None:
    """Only the first counts: timeout(1) sends two, and another would break the putting right."""
    if not _ending.acquire(blocking=False):
        return
    signal.signal(signal.SIGALRM, lambda *_: os._exit(128 + number))
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    raise SystemExit(128 + number)
