"""What only a person at the terminal can tell: passwords, never echoed and never kept."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from pathlib import Path

from preflight.errors import UsageError


def become_password() -> str:
    """Ask for the password that sudo wants; raises UsageError where nobody can answer."""
    try:
        return getpass.getpass("sudo password: ")
    except EOFError:
        raise UsageError("--ask-become-pass: no password was given") from None


def asker() -> Callable[[Path], str | None] | None:
    """Return what asks for the passphrase of a key file; None where nobody is there to answer."""
    return _passphrase if sys.stdin.isatty() and sys.stderr.isatty() else None


def _passphrase(path: Path) -> str | None:
    try:
        return getpass.getpass(f"passphrase of {path} (empty: leave it out): ")
    except EOFError:
        return None
