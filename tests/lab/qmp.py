"""QEMU's own remote control, the QEMU Machine Protocol: JSON lines over a local socket.

Source: https://www.qemu.org/docs/master/interop/qmp-spec.html
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

from .errors import LabError

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 60.0
"""How long QEMU may take to answer: its main loop stands still while it writes a disk."""


class Qmp:
    """One conversation; use it as a context manager. OSError where nothing listens."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(SECONDS)
            self._socket.connect(str(path))
            self._lines = self._socket.makefile("rb")
            self._read()  # the greeting
            self("qmp_capabilities")
        except BaseException:
            self._socket.close()
            raise

    def __call__(self, command: str, **arguments: object) -> Any:
        """Run one command and return what it returns; LabError with QEMU's words if it fails."""
        request = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            reply = self._read()
            if "return" in reply:
                return reply["return"]
            if "error" in reply:
                raise LabError(f"qemu, {command}: {reply['error']['desc']}")
            # Anything else is an event, and nobody here waits for one.

    def __enter__(self) -> Qmp:  # noqa: PYI034 - typing.Self came with Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise ConnectionError("qemu closed its control socket")
        reply: dict[str, Any] = json.loads(line)
        return reply
