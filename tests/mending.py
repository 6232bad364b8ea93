"""What is told of machines that gkprep mends: how they are broken, what is seen on the way."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab import Lab, Machine
from tests.scenarios import Mended, mended

Json = dict[str, Any]
STATES, BY_TOKEN = (
    {check: states for check, states in mended().items() if states[0].token is token}
    for token in (False, True)
)

# What is on the disk where tables and superblocks are, and the files that a fix writes.
STATE = """
{ head -c 4M /dev/sda; tail -c 1M /dev/sda; } | sha256sum
cat /etc/modules-load.d/*.conf
for zone in internal work; do
  firewall-cmd --zone=$zone --list-ports; firewall-cmd --permanent --zone=$zone --list-ports
done
systemctl is-enabled rpcbind.socket rpcbind.service; systemctl is-active rpcbind.socket
cat /var/lib/glusterd/kept /var/log/glusterfs/kept
dpkg-query -W -f '${db:Status-Abbrev} ${binary:Package} ${Version}\\n' | grep '^.i' | sha256sum"""

FOLDERS = """
for folder in /var/lib/glusterd /var/lib/heketi; do
  [ ! -e $folder ] || tar -C / -cf - --sort=name ${folder#/} | sha256sum
done"""


@dataclass
class Story:
    """The laboratory, and what was seen on the way."""

    lab: Lab
    gkprep: str
    inventory: Path
    seen: dict[str, Json] = field(default_factory=dict)
    shown: str = ""

    def run(self, *words: str) -> tuple[int, Json]:
        """Exit status and report; what was `shown` meanwhile is kept."""
        named = f"GKPREP_INVENTORY={self.inventory}"
        command = ["env", named, self.gkprep, words[0], "-o", "json", *words[1:]]
        done = self.lab.exec(command, timeout=900)
        assert done.stdout, done.stderr
        assert "Traceback" not in done.stderr
        self.shown = done.stderr
        return done.returncode, json.loads(done.stdout)

    def states(self) -> list[str]:
        """What the machines are like, in their own words."""
        machines = self.lab.machines.values()
        with ThreadPoolExecutor() as pool:
            asked = pool.map(lambda m: m.run(STATE, check=False, timeout=120).stdout, machines)
            return list(asked)

    def folders(self) -> list[str]:
        """What Gluster left on the machines, with its files' contents, owners and times."""
        return [machine.run(FOLDERS).stdout for machine in self.lab.machines.values()]


def broken(number: int, table: dict[str, list[Mended]] = STATES) -> dict[str, Mended]:
    """By check, how the machine of that number is broken."""
    return {check: states[number % len(states)] for check, states in table.items()}


def break_all(lab: Lab, table: dict[str, list[Mended]] = STATES) -> None:
    def break_it(number: int, machine: Machine) -> None:
        commands = "\n".join(state.broken for state in broken(number, table).values())
        machine.run(f"set -e\n{commands}\nudevadm settle", timeout=120)

    with ThreadPoolExecutor() as pool:
        list(pool.map(break_it, range(len(lab.machines)), lab.machines.values()))


def failing(report: Json, key: str = "findings") -> set[str]:
    return {finding["check"] for finding in report[key] if finding["status"] == "fail"}


def told(report: Json) -> list[tuple[str, ...]]:
    """All that was found, but for process ids."""
    return [
        (f["check"], str(f["node"]), f["subject"], f["status"], re.sub(r"pid \d+", "", f["saw"]))
        for f in report["findings"]
        if f["node"]
    ]
