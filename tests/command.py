"""gkprep as a command: run with a person before it, or with nobody; what it was asked and said."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.site import Home

PATIENCE = 45.0
"""Seconds that a run may take on a busy machine; less than gkprep's own limit for a node."""

Finding = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """What was on the screen, what went to the file that standard output was, and the end."""

    screen: str
    stdout: str
    returncode: int


def environment(home: Home) -> dict[str, str]:
    """Without the colours and the inventory of whoever runs the tests."""
    others = {key: value for key, value in os.environ.items() if key != "GKPREP_INVENTORY"}
    return {**others, "HOME": str(home.path), "TERM": "dumb"}


def at_a_terminal(  # noqa: PLR0913 - what may differ between two runs
    argv: Sequence[str],
    home: Home,
    answers: Mapping[str, str | Callable[[], str]],
    *,
    to_file: bool = False,
    locale: str = "C.UTF-8",
    controlling: bool = True,
    patience: float = PATIENCE,
) -> Seen:
    """Run `argv` in `home`, at a terminal of its own, and type each answer when asked.

    An answer may be found only then, by a function. `to_file` sends standard output to a file, as
    `>` does. Where the terminal is not the `controlling` one, there is no /dev/tty.
    """
    ours, theirs = pty.openpty()
    with (
        tempfile.TemporaryFile("w+") as file,
        subprocess.Popen(
            ["setsid", "--ctty" if controlling else "--wait", *argv],
            stdin=theirs,
            stdout=file if to_file else theirs,
            stderr=theirs,
            cwd=home.path,
            env=environment(home) | {"LC_ALL": locale},
        ) as process,
    ):
        os.close(theirs)
        screen, waiting = "", dict(answers)
        end = time.monotonic() + patience
        while time.monotonic() < end and select.select([ours], [], [], patience)[0]:
            try:
                screen += os.read(ours, 4096).decode()
            except OSError:  # what a terminal without anybody at its other end says
                break
            for question in [asked for asked in waiting if re.search(asked, screen)]:
                answer = waiting.pop(question)
                try:
                    typed = answer if isinstance(answer, str) else answer()
                except BaseException:
                    process.kill()  # it would wait for its answer for ever
                    raise
                os.write(ours, os.fsencode(f"{typed}\n"))
        else:
            process.kill()
        os.close(ours)
        assert not waiting, screen
        returncode = process.wait()
        file.seek(0)
        return Seen(screen, file.read(), returncode)


def unattended(
    argv: Sequence[str], home: Home, *, given: str = "", patience: float = PATIENCE
) -> subprocess.CompletedProcess[str]:
    """Run `argv` in `home` as a CI server would: no terminal, no more to read than is `given`."""
    with tempfile.TemporaryFile() as stdin:
        stdin.write(os.fsencode(given))
        stdin.seek(0)
        return subprocess.run(
            ["setsid", "--wait", *argv],
            stdin=stdin,
            capture_output=True,
            text=True,
            cwd=home.path,
            env=environment(home),
            timeout=patience,
            check=False,
        )


def findings(stdout: str) -> list[Finding]:
    """Of a report in JSON."""
    found: list[Finding] = json.loads(stdout)["findings"]
    return found


def lost(stdout: str) -> dict[str, str | None]:
    """Of a report in JSON: by node, why it gave no answer, or not all of it."""
    return {node["name"]: node["error"] for node in json.loads(stdout)["nodes"]}
