"""One try of what the API server passes on to a kubelet, which may refuse it, or never answer."""

from __future__ import annotations

from dataclasses import dataclass

from preflight.model import TIMED_OUT

PATIENCE = 12
"""Seconds for one: an exec took 9 on machines that were busy making volumes."""


@dataclass(frozen=True)
class Try:
    """What it came to: empty where it went well, else what was said last. `late`: no answer yet."""

    complaint: str
    late: bool = False

    @property
    def forbidden(self) -> bool:
        """Whether it is this user who may not, so that nobody has tried."""
        return "(Forbidden)" in self.complaint and "User " in self.complaint


def parse_try(told: str) -> Try:
    """`RC LAST LINE`, as a shell prints it: `exit status, what was said last`."""
    rc, _, said = told.partition(" ")
    if rc == "0":
        return Try("")
    if int(rc) in TIMED_OUT:
        return Try(f"no answer within {PATIENCE} s", late=True)
    return Try(said or f"exit {rc}")
