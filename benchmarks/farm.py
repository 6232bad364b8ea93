"""A fleet of real sshds on loopback: `gkprep check` beside bare paramiko doing nothing.

Run as `python -m benchmarks.farm [NODES]` (200), as root. All are timed as whole processes, in
turn, with the same number of threads; ratios are of medians. What a node's own commands cost falls
on the same cores here, which no fleet would share: so that work is timed alone as well (the very
script that each node gets, by `sh`), and taken off for the ratio that a fleet would see.
Connections and channels are counted in the sshds' logs.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from preflight import registry, targets
from preflight.collect import script, unite
from preflight.judge import needs
from preflight.model import Limits
from tests.sshd import KeyPair, Sshd, keygen, serve

ROUNDS = 3
PARALLEL = 32
GKPREP = str(Path(sys.executable).with_name("gkprep"))

BARE = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
import paramiko
key, parallel, nodes = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
key = paramiko.Ed25519Key.from_private_key_file(key)
def ask(node):
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(*node, username="root", pkey=key, look_for_keys=False, allow_agent=False)
    _, out, _ = client.exec_command("true")
    out.channel.recv_exit_status()
    client.close()
with ThreadPoolExecutor(parallel) as pool:
    list(pool.map(ask, nodes))
"""

WORK = """
import subprocess, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
scripts, parallel = sys.argv[1], int(sys.argv[2])
def work(script):
    subprocess.run(["sh", "-s"], input=script.read_bytes(), capture_output=True)
with ThreadPoolExecutor(parallel) as pool:
    list(pool.map(work, sorted(Path(scripts).iterdir())))
"""

BARE_NAME, ALL_NAME, WORK_NAME = "paramiko connect + true", "gkprep check", "the nodes' own work"


def main() -> None:
    """Boot the farm, time the three in turn, print what it came to."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory(prefix="gkprep-farm-") as name, ExitStack() as stack:
        folder = Path(name)
        key, host_key = keygen(folder / "id_ed25519"), keygen(folder / "host_ed25519")
        farm = boot(stack, folder, count, key, host_key)
        inventory = write_inventory(folder, farm, key)
        nodes = json.dumps([(address(number), sshd.port) for number, sshd in enumerate(farm)])
        check = [GKPREP, "check", str(inventory), "-o", "json", "--parallel", str(PARALLEL)]
        check += ["--accept-new"]
        commands = {
            BARE_NAME: [sys.executable, "-c", BARE, str(key.path), str(PARALLEL), nodes],
            "gkprep check, one check": [*check, "--only", "kernel-modules"],
            ALL_NAME: check,
            WORK_NAME: [
                sys.executable,
                "-c",
                WORK,
                write_scripts(folder, inventory),
                str(PARALLEL),
            ],
        }
        report(farm, commands, folder)


def boot(stack: ExitStack, folder: Path, count: int, key: KeyPair, host_key: KeyPair) -> list[Sshd]:
    """Start `count` sshds, each on a loopback address of its own, and with processes of its own.

    Without that every node would look through the processes of all the others.
    """
    return [
        stack.enter_context(
            serve(
                folder / f"sshd{number}",
                [host_key],
                [key.public],
                options=[f"ListenAddress {address(number)}"],
                prefix=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"],
            )
        )
        for number in range(count)
    ]


def address(number: int) -> str:
    """An address in 127.0.0.0/8, which is all this machine's own."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


def write_inventory(folder: Path, farm: Sequence[Sshd], key: KeyPair) -> Path:
    """The farm as an inventory; its storage addresses are of a documentation range (RFC 2544)."""
    lines = [
        "defaults:",
        f"  ssh: {{user: root, identity_file: {key.path}}}",
        "  devices: [/dev/sdb]",
        "nodes:",
    ]
    lines += [
        f"  - {{name: node-{number:03}, address: {address(number)},"
        f" storage: 198.18.{number // 250}.{number % 250 + 1}, ssh: {{port: {sshd.port}}}}}"
        for number, sshd in enumerate(farm)
    ]
    path = folder / "inventory.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def write_scripts(folder: Path, inventory: Path) -> str:
    """Write what `gkprep check` sends to each node into a folder of files; return its path."""
    scripts = folder / "scripts"
    scripts.mkdir()
    checks = registry.checks()
    for node in targets.inventory_of(inventory).nodes:
        asked = unite(needs(checks, node))
        (scripts / node.name).write_text(script(asked, "0" * 32, Limits()))
    return str(scripts)


def report(farm: Sequence[Sshd], commands: dict[str, list[str]], home: Path) -> None:
    """Time `commands` in turn and print medians, ratios, connections and channels a node."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    counted: dict[str, Counter[tuple[int, int]]] = {name: Counter() for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            before = [(sshd.connections(), channels(sshd)) for sshd in farm]
            times[name].append(seconds(command, home))
            after = [(sshd.connections(), channels(sshd)) for sshd in farm]
            counted[name].update(
                (b[0] - a[0], b[1] - a[1]) for a, b in zip(before, after, strict=True)
            )
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    bare = medians[BARE_NAME]
    print(f"{len(farm)} nodes, {PARALLEL} side by side, medians of {ROUNDS}")
    for name, median in medians.items():
        print(f"{name:<27} {median:6.1f} s  {median / bare:5.2f} x   {told(counted[name])}")
    rest = medians[ALL_NAME] - medians[WORK_NAME]
    print(f"{'gkprep check less that work':<27} {rest:6.1f} s  {rest / bare:5.2f} x")


def told(counted: Counter[tuple[int, int]]) -> str:
    """Connections and channels of a node in one round, all that occurred: it should be one pair."""
    return " or ".join(
        f"{connections} connection, {opened} channel a node"
        for connections, opened in sorted(counted)
    )


def channels(sshd: Sshd) -> int:
    """How many commands sshd has started, each in a session channel of its own."""
    return sshd.log().count("Starting session: command")


def seconds(command: list[str], home: Path) -> float:
    """Run one command with a home of its own; exits where it did not do what is to be timed.

    That is to end with 0, or for gkprep to have read every node to the end, whatever it found.
    """
    started = time.perf_counter()
    done = subprocess.run(
        command,
        capture_output=True,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(home)},
    )
    taken = time.perf_counter() - started
    if command[0] != GKPREP and done.returncode:
        raise SystemExit(done.stderr.decode())
    if command[0] == GKPREP:
        nodes = json.loads(done.stdout or b"{}").get("nodes", [{"error": done.stderr.decode()}])
        if lost := [node["error"] for node in nodes if node["error"]]:
            raise SystemExit(f"{len(lost)} nodes were not read, the first for: {lost[0]}")
    return taken


if __name__ == "__main__":
    main()
