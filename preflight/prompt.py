"""What only a person can tell: passwords, asked for at the terminal, never echoed, never kept."""

from __future__ import annotations

import getpass
import sys
import termios
import warnings
from collections.abc import Callable
from pathlib import Path

from preflight.errors import UsageError


def become_password() -> str:
    """Return the password that sudo wants; without a terminal, the first line of standard input.

    Raises UsageError where there is neither, or what is there cannot be a password.
    """
    try:
        password = _typed("sudo password: ")
        return _piped() if password is None else password
    except EOFError:
        raise UsageError("--ask-become-pass: no password was given") from None
    except UnicodeError:
        raise UsageError("--ask-become-pass: the password is not UTF-8") from None


def asker() -> Callable[[Path], str | None] | None:
    """Return what asks for the passphrase of a key file; None where nobody is there to answer."""
    return _passphrase if somebody() else None


def _passphrase(path: Path) -> str | None:
    try:
        return _typed(f"passphrase of {path} (empty: leave it out): ")
    except EOFError:
        return None
    except UnicodeError:
        raise UsageError(f"the passphrase of {path} is not UTF-8: ssh-add {path}") from None


def _typed(question: str) -> str | None:
    """Ask at the terminal; None where there is none, for what getpass does then is to echo."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            answer = getpass.getpass(question)
        except getpass.GetPassWarning:
            return None
    answer.encode()  # in the locale C, bytes that are not UTF-8 arrive as lone surrogates
    return answer


def _piped() -> str:
    line = sys.stdin.buffer.readline()
    if not line:
        raise EOFError
    return line.removesuffix(b"\n").decode()


def show(text: str) -> None:
    """What a person has to know before the question; on standard error."""
    sys.stderr.write(text)
    sys.stderr.flush()


def consent(typed: int = 0) -> bool:
    """Whether a person at a terminal says yes to the plan; nobody there is a no.

    `typed` is how many tokens were typed, whose steps are in the plan now.
    """
    more = f", with what {typed} token{'s' * (typed > 1)} consented to" if typed else ""
    return answer(f"Apply this plan{more}? [y/N] ").lower() in {"y", "yes"}


def somebody() -> bool:
    """Whether anybody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def answer(question: str) -> str:
    """One line from the terminal; empty where nobody is there.

    What was typed before the question answers nothing.
    """
    if not somebody():
        return ""
    termios.tcflush(sys.stdin, termios.TCIFLUSH)
    show(question)
    return sys.stdin.readline().strip()
