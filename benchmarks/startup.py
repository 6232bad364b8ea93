"""How long gkprep takes to start, beside a Python that does nothing.

Run as `python -m benchmarks.startup`: each command in turn, several rounds, medians, and the
ratio to `python -c pass` of the same round, which holds where the machine's speed drifts.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 15
GKPREP = str(Path(sys.executable).with_name("gkprep"))
NOTHING = (sys.executable, "-c", "pass")


@dataclass(frozen=True)
class Timing:
    """Median seconds of a command, and of its ratio to the Python that does nothing."""

    seconds: float
    ratio: float


def measure(*commands: tuple[str, ...], rounds: int = ROUNDS) -> list[Timing]:
    """Time every command once a round, in turn with `python -c pass`, after one warm-up."""
    times: list[list[float]] = [[] for _ in commands]
    ratios: list[list[float]] = [[] for _ in commands]
    for number in range(rounds + 1):
        nothing = _seconds(NOTHING)
        for index, command in enumerate(commands):
            taken = _seconds(command)
            if number:
                times[index].append(taken)
                ratios[index].append(taken / nothing)
    return [
        Timing(statistics.median(taken), statistics.median(ratio))
        for taken, ratio in zip(times, ratios, strict=True)
    ]


def _seconds(command: tuple[str, ...]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Print one line a command."""
    commands = ((GKPREP, "--version"), (GKPREP, "--help"), (GKPREP, "check", "--help"))
    for command, timing in zip(commands, measure(*commands), strict=True):
        name = " ".join(("gkprep", *command[1:]))
        print(f"{name:<24} {timing.seconds * 1000:6.0f} ms   {timing.ratio:5.1f} x python -c pass")


if __name__ == "__main__":
    main()
