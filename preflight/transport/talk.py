"""One script's conversation with a shell, whatever carries it: bytes in, bytes out, no I/O.

The script begins by printing a random line on both streams. What comes before it (a login
shell's banner, sudo's lecture) is cut off, and without it the script was not started.

With a password, sudo is started with a random prompt and a command that prints the same line and
then becomes `sh -s`. The password is sent only when that prompt appears, which under NOPASSWD is
never; the script only when the line did. So neither can be taken for the other, and a wrong
password costs one attempt.
"""

from __future__ import annotations

import secrets

from preflight.errors import TransportError
from preflight.model import Output
from preflight.transport.shell import Dialogue, printable

MAX_STREAM = 16 * 1024 * 1024
"""The most bytes kept of one stream; a node that sends more is cut off."""

LOCALE = ("env", "LC_ALL=C")

HIDDEN = "(a line with the password in it)"
"""Shown instead of it: with only the password cut out, what is left would give a short one away."""

LONGEST = 4096
"""Characters of a line that are looked at to show it."""


class Talk:
    """Feed it what arrives, send what it answers, and have the Output in the end."""

    def __init__(
        self,
        script: str,
        *,
        sudo: bool,
        password: str | None = None,
        dialogue: Dialogue | None = None,
    ) -> None:
        first, second = secrets.token_hex(8), secrets.token_hex(8)
        # The line is put together by the shell: a trace of the command does not show it.
        hello = f"m={first}; for s in 1 2; do echo >&$s; echo ${{m}}{second} >&$s; done"
        mark = f"\n{first}{second}\n".encode()
        self._out, self._err = _Stream("standard output", mark), _Stream("standard error", mark)
        self._sudo = sudo
        self._password = password if sudo else None
        self._prompt = f"gkprep-{secrets.token_hex(8)}:"
        self._prompts = 0
        self._hello = hello
        self._script = script.encode("utf-8", "surrogateescape")
        self._script_sent = False
        self._dialogue = dialogue

    @property
    def argv(self) -> tuple[str, ...]:
        """The command to start. No secret is in it."""
        if not self._sudo:
            return ("sh", "-s")
        if self._password is None:
            return (*LOCALE, "sudo", "-n", "--", "sh", "-s")
        ready = f"{self._hello}; exec sh -s"
        return (*LOCALE, "sudo", "-S", "-p", self._prompt, "--", "sh", "-c", ready)

    def opening(self) -> bytes:
        """Return what to send at once: the script, unless sudo has to be answered first."""
        if self._password is not None:
            return b""
        self._script_sent = True
        return self._hello.encode() + b"\n" + self._script

    def hear(self, out: bytes, err: bytes) -> bytes:
        """Take in what arrived on each stream and return what to send now, if anything.

        Raises TransportError where sudo did not take the password.
        """
        self._out.add(out)
        self._err.add(err)
        if self._script_sent or self._password is None:
            if self._dialogue is None or not self._out.started:
                return b""
            return self._dialogue.hear(self._out.fresh(), self._err.fresh())
        if self._out.started:
            self._script_sent = True
            return self._script
        prompts = self._err.data.count(self._prompt.encode())
        if prompts > 1:
            raise TransportError("sudo: the password is wrong")
        asked, self._prompts = prompts > self._prompts, prompts
        return self._password.encode() + b"\n" if asked else b""

    @property
    def complete(self) -> bool:
        """Whether all that there is to send has been handed out, so that stdin may be closed."""
        return self._script_sent and (self._dialogue is None or self._dialogue.over)

    @property
    def flood(self) -> str | None:
        """Why to stop listening, if a stream became too long."""
        for stream in (self._out, self._err):
            if len(stream.data) > MAX_STREAM:
                return f"more than {MAX_STREAM >> 20} MiB on {stream.name}"
        return None

    def ended(self, rc: int) -> Output:
        """Return what the shell said until it ended; raises TransportError if it never began."""
        if not self._out.started:
            raise TransportError(self._refusal(rc))
        return Output(rc, self._out.body, self._err.body)

    def broke(self, why: str) -> Output:
        """Return what arrived before the line broke; raises TransportError if nothing was sent."""
        if not self._script_sent:
            words = self._shown(self._last_line())
            raise TransportError(f"{why}; the last words were: {words}" if words else why)
        return Output(None, self._out.body, self._err.body, why)

    def _refusal(self, rc: int) -> str:
        said = self._last_line()
        if "sudo: a password is required" in said:
            return "sudo: a password is required: --ask-become-pass"
        if "sudo: no password was provided" in said or "incorrect password" in said:
            return "sudo: the password is wrong"
        started = "sudo did" if self._sudo else "the login did"
        return f"{started} not start a shell: {self._shown(said) or 'no message'} (exit {rc})"

    def _last_line(self) -> str:
        """Return the last line that was printed, whole and without our prompt; see `_shown`."""
        for stream in (self._err, self._out):
            text = stream.data.replace(self._prompt.encode(), b"\n").rstrip()
            if text:
                start = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
                return text[start:].decode("utf-8", "replace")
        return ""

    def _shown(self, line: str) -> str:
        """Return what may be shown of a line: nothing, if the password is in it."""
        return HIDDEN if self._password and self._password in line else printable(line[:LONGEST])


class _Stream:
    """What arrived on one stream; the first line that counts is the mark."""

    def __init__(self, name: str, mark: bytes) -> None:
        self.name = name
        self.data = bytearray()
        self.started = False
        self._mark = mark
        self._heard = 0

    def add(self, new: bytes) -> None:
        searched = max(0, len(self.data) - len(self._mark))
        self.data += new
        if self.started or not new:
            return
        found = self.data.find(self._mark, searched)
        if found >= 0:
            self.started = True
            del self.data[: found + len(self._mark)]

    def fresh(self) -> bytes:
        """What the script itself printed since the last time."""
        new, self._heard = self.body[self._heard :], len(self.body)
        return new

    @property
    def body(self) -> bytes:
        """What the script itself printed."""
        return bytes(self.data) if self.started else b""
