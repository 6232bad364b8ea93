"""What `kubectl exec POD -- COMMAND` gets: a recorded answer, or the real program.

    python -I answer.py STATE COMMAND [WORD...]

An answer is looked up for the pod, then for its node; it is the one with the longest command line
that this one begins with. Several units asked of `systemctl status` at once are answered one by
one. Without a record, systemctl and journalctl speak as on a healthy node, and other programs run:
heketi-cli of the stand-ins, cat and its like of this computer, with the pod's own /tmp and
/etc/heketi.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

REAL = ("cat", "head", "ls", "tail")
"""Programs of this computer that may read or list the pod's own files."""
NOT_FOUND = 127
Answer = tuple[int, str]


def main() -> int:
    """Answer, and return the exit status; a real program takes this one's place."""
    state, *words = sys.argv[1:]
    records = _records(Path(state))
    found = _recorded(records, words) or _systemd(records, words)
    if found is None:
        return _run(Path(state), words)
    code, text = found
    sys.stdout.write(text if text.endswith("\n") or not text else f"{text}\n")
    return code


def _records(state: Path) -> dict[str, Answer]:
    """All answers for this pod, its own before its node's."""
    file = state / "answers.json"
    everyone = json.loads(file.read_text()) if file.exists() else {}
    pod = Path(os.environ["GKPREP_POD"]).name.partition("_")[2]
    return {**everyone.get(os.environ["GKPREP_NODE"], {}), **everyone.get(pod, {})}


def _recorded(records: dict[str, Answer], words: list[str]) -> Answer | None:
    fits = [line for line in records if words[: len(line.split())] == line.split()]
    return records[max(fits, key=len)] if fits else None


def _systemd(records: dict[str, Answer], words: list[str]) -> Answer | None:
    """Healthy services, but for those units of which a record tells otherwise."""
    if words[0] == "journalctl":
        return 0, "-- No entries --\n"
    if words[0] != "systemctl":
        return None
    # The number is the value of `-n`.
    named = [word for word in words[1:] if not word.startswith("-") and not word.isdigit()]
    verb, *units = named or ["status"]
    answers = [
        _recorded(records, ["systemctl", verb, unit]) or _healthy(verb, unit) for unit in units
    ]
    return max((code for code, _ in answers), default=0), "\n".join(text for _, text in answers)


def _healthy(verb: str, unit: str) -> Answer:
    unit = unit if "." in unit else f"{unit}.service"
    texts = {
        "is-active": "active\n",
        "is-enabled": "enabled\n",
        "status": f"● {unit}\n   Loaded: loaded\n   Active: active (running)\n",
    }
    return 0, texts.get(verb, "")


def _run(state: Path, words: list[str]) -> int:
    name, *rest = words
    program = state / "heketi-programs" / name if name == "heketi-cli" else Path("/bin") / name
    if name not in (*REAL, "heketi-cli") or not program.exists():
        sys.stderr.write(f"{name}: command not found\n")
        return NOT_FOUND
    root = Path(os.environ["GKPREP_POD"]) / "root"
    own = re.compile("(^|=)(?=/(?:tmp|etc/heketi)(?:/|$))")
    os.execv(program, [name, *(own.sub(rf"\g<1>{root}", word) for word in rest)])
    return NOT_FOUND


if __name__ == "__main__":
    sys.exit(main())
