"""A socket with a deadline: whoever reads or writes is let go when it has passed.

paramiko waits in many places, some for ever. All of them end when its socket does, so the
socket's end is what limits them all, without a watching thread.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Protocol

SHY = 1 << 20
"""Bytes a server may send before it has let us in: many times what an honest one needs."""

GENEROUS = 48 << 20
"""Bytes it may send afterwards: both streams at their longest, and what wraps them."""

FOREVER = 3600.0


class Pipe(Protocol):
    """What a socket and a channel through a jump host have in common."""

    def recv(self, size: int, /) -> bytes: ...  # noqa: D102
    def send(self, data: bytes, /) -> int: ...  # noqa: D102
    def settimeout(self, seconds: float | None, /) -> None: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class Wire:
    """The socket that paramiko is given.

    `moment` is when it ends, by time.monotonic(). `allowance` is how many bytes may still arrive.
    `ended` says which of the two ended it, "late" or "flood"; None while neither did. `patience`
    limits a single write, for a wire without an end.
    """

    def __init__(self, pipe: Pipe, moment: float) -> None:
        self.moment = moment
        self.allowance = SHY
        self.patience = FOREVER
        self.ended: str | None = None
        # paramiko looks for this attribute of sockets when the interpreter ends.
        self._closed = False
        self._pipe = pipe

    def recv(self, size: int) -> bytes:
        """Return what arrived, or b"" at the end, which the deadline is too."""
        while not self._closed:
            left = min(self.moment - time.monotonic(), FOREVER)
            if left <= 0:
                self.ended = self.ended or "late"
                return b""
            if self.allowance <= 0:
                self.ended = self.ended or "flood"
                return b""
            try:
                self._pipe.settimeout(left)
                data = self._pipe.recv(size)
            except TimeoutError:
                continue
            except EOFError:
                return b""
            self.allowance -= len(data)
            return data
        return b""

    def send(self, data: bytes) -> int:
        """Write what fits; raises OSError at the end."""
        left = min(self.moment - time.monotonic(), self.patience)
        if self._closed or left <= 0:
            raise ConnectionError("the wire has ended")
        try:
            self._pipe.settimeout(left)
            return self._pipe.send(data)
        except TimeoutError as exc:
            self.ended = self.ended or "late"
            self.close()
            raise ConnectionError("the peer does not read") from exc
        except EOFError as exc:
            raise ConnectionError("the wire has ended") from exc

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing: paramiko would poll, but here the deadline rules."""

    def close(self) -> None:
        """Hang up, so that every waiting reader and writer returns; the descriptor stays open.

        It must not be used again while another thread may still read from it: see `release`.
        """
        self._closed = True
        # A channel says farewell to its jump host, which may fail in more ways than a socket.
        with contextlib.suppress(Exception):
            if isinstance(self._pipe, socket.socket):
                self._pipe.shutdown(socket.SHUT_RDWR)
            else:
                self._pipe.close()

    def release(self) -> None:
        """Give the descriptor back; nobody may be using the wire any more."""
        with contextlib.suppress(Exception):
            self._pipe.close()
