"""SSH to the machines, for people and tests: OpenSSH with one shared connection a user.

gkprep does not come this way: it has a transport of its own, and is what is tested.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import CommandError, LabError

if TYPE_CHECKING:
    from pathlib import Path

    from .node import Node
    from .place import Place

ANSWER_SECONDS = 240.0
"""How long a machine may take to answer. Booting three at once on two cores takes about 60 s."""


@dataclass(frozen=True)
class Remote:
    """The way into one machine."""

    node: Node
    place: Place

    def run(
        self,
        command: str,
        *,
        check: bool = True,
        timeout: float | None = 60.0,
        stdin: bytes | None = None,
        user: str = "root",
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command there; `timeout` in seconds. Exit status 255 is SSH's own failure.

        Raises CommandError, which shows the output, when `check` and the status is not 0, and
        subprocess.TimeoutExpired.
        """
        words = self._ssh(user, command)
        feed = stdin or b""
        raw = subprocess.run(words, check=False, input=feed, capture_output=True, timeout=timeout)
        out, err = (text.decode(errors="replace") for text in (raw.stdout, raw.stderr))
        if check and raw.returncode:
            raise CommandError(raw.returncode, [self.node.name, command], out, err)
        return subprocess.CompletedProcess(words, raw.returncode, out, err)

    def push(self, local: Path, remote: str, *, user: str = "root") -> None:
        """Copy what is inside the folder `local` into the folder `remote`, made if need be."""
        pack = ["tar", "-C", str(local), "--owner=0", "--group=0", "-cf", "-", "."]
        unpack = 'mkdir -p "$1" && tar -C "$1" -xf -'
        words = self._ssh(user, f"sh -c '{unpack}' - {shlex.quote(remote)}")
        with subprocess.Popen(pack, stdout=subprocess.PIPE) as packing:
            source = packing.stdout
            done = subprocess.run(words, check=False, stdin=source, capture_output=True, text=True)
        if done.returncode or packing.returncode:
            raise CommandError(done.returncode or packing.returncode, words, "", done.stderr)

    def wait(self, seconds: float = ANSWER_SECONDS) -> None:
        """Return when root can log in; LabError with SSH's last words if that takes too long."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            try:
                done = self.run("true", check=False, timeout=max(left, 1))
                if done.returncode == 0:
                    return
                reason = done.stderr.strip()
            except subprocess.TimeoutExpired:
                reason = "no answer"
            if time.monotonic() > deadline:
                raise LabError(f"{self.node.name} does not answer after {seconds:.0f} s: {reason}")
            time.sleep(0.3)

    def set_clock(self) -> None:
        """Give the machine this computer's time: a saved state wakes up in the past.

        The time is sent when the command already runs there, so it is right to milliseconds and
        not to the seconds that logging in takes under emulation.
        """
        command = 'echo ready && read -r now && date --set="@$now" >/dev/null'
        pipe = subprocess.PIPE
        words = self._ssh("root", command)
        with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, bufsize=1) as ssh:
            assert ssh.stdin
            assert ssh.stdout
            ssh.stdout.readline()
            ssh.stdin.write(f"{time.time():.3f}\n")
            ssh.stdin.close()
        if ssh.returncode:
            raise LabError(f"the clock of {self.node.name} could not be set")

    def hang_up(self) -> None:
        """End the shared connections: those to a machine that is gone would only time out."""
        for path in self.place.run.glob(f"ssh-{self.node.address}-*"):
            leave = ["ssh", "-o", f"ControlPath={path}", "-O", "exit", "lab"]
            subprocess.run(leave, check=False, capture_output=True)
            path.unlink(missing_ok=True)

    def _ssh(self, user: str, command: str) -> list[str]:
        config = str(self.place.home / ".ssh" / "config")
        where = ["ssh", "-F", config, "-o", "LogLevel=ERROR", f"{user}@{self.node.name}"]
        return [*self.place.inside(), *where, "--", command]
