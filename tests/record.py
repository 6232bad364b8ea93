"""Record what a probe's command prints on a real machine, as a capture for test_facts.

    python -m tests.record PROBE CASE --on node1 [--arg X]... --how "how the state was made"

The command runs as `collect` runs it: by `sh -c` as root, under `timeout`, with standard input
closed, LC_ALL=C and the full PATH. `--on local` takes this machine. Read the value that it
prints: what is recorded is what later versions are held to.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import json
import sys
from pathlib import Path

from preflight.collect import cut, script
from preflight.errors import Unknown
from preflight.model import Limits, Output, Probe
from preflight.transport import Local
from tests.lab import Lab
from tests.plain import plain
from tests.probes import find

CAPTURES = Path(__file__).parent / "captures"
MARK = "recorded"
LIMITS = Limits(probe=60, node=120)


def main() -> None:
    args = arguments()
    probe = find(args.probe, args.arg)
    text = ask(probe, args.on)
    record: dict[str, object] = {"provenance": f"{place(args.on)}; {args.how}"}
    if args.arg:
        record["args"] = args.arg
    try:
        record["value"] = plain(probe.parse(text.decode("utf-8", "surrogateescape")))
    except Unknown as exc:
        record["unknown"] = str(exc)
    folder = CAPTURES / args.probe
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{args.case}.out").write_bytes(text)
    whole = json.dumps(record, indent=2)
    (folder / f"{args.case}.json").write_text(whole + "\n")
    sys.stdout.write(f"{whole}\n{folder / args.case}.out: {len(text)} bytes\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("probe", help="module.attribute, as kernel.modules")
    parser.add_argument("case", help="name of the capture: a distribution or a state")
    parser.add_argument("--on", default="local", help="node1, node2, node3 of the lab, or local")
    parser.add_argument("--arg", action="append", default=[], help="argument of a made probe")
    parser.add_argument("--how", required=True, help="how the machine came to be in this state")
    return parser.parse_args()


def ask(probe: Probe[object], on: str) -> bytes:
    """What the probe's command prints; exits where collect would make it `Unknown`."""
    output = run(script([probe], MARK, LIMITS), on)
    answer = cut(output.out, MARK).get(0)
    if answer is None or answer[0] not in probe.rcs:
        shown = "none" if answer is None else str(answer[0])
        sys.exit(f"{probe.name}: exit {shown}\n{output.err.decode(errors='replace')}")
    return answer[1]


def place(on: str) -> str:
    """Distribution, kernel, machine and month."""
    asked = run('. /etc/os-release; echo "$PRETTY_NAME, Linux $(uname -r)"', on)
    machine = "the test host" if on == "local" else f"lab machine {on}"
    month = dt.datetime.now(dt.timezone.utc).strftime("%Y-%m")
    return f"{asked.out.decode().strip()}, {machine}, {month}"


def run(text: str, on: str) -> Output:
    """Feed `text` to `sh -s` as root on that machine."""
    if on == "local":
        return Local().run(text, LIMITS)
    machine = Lab.default().machines[on]
    # The lab's own way in decodes what comes back, and a capture is bytes.
    done = machine.run("sh -s | base64", stdin=text.encode(), timeout=LIMITS.node)
    return Output(done.returncode, base64.b64decode(done.stdout), done.stderr.encode())


if __name__ == "__main__":
    main()
