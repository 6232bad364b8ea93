#!/usr/bin/env python3
"""A stand-in for kubectl: answers from the files beside its folder's copy of it.

    pods.json, "events FailedMount.json", ...    what `get` prints of a kind, or of those selected
    raw/URL                                  what `get --raw` prints, without what is behind a ?
    logs/POD, logs/POD.previous                                          what `logs` prints
    exec/POD/WORD                        what a command in the pod prints that has WORD in it
    asked                                written: the words of each call, a line of JSON each

Whatever has no file fails as kubectl does, with 1 and a line on standard error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent


def main(words: list[str]) -> int:
    with (HOME / "asked").open("a") as asked:
        asked.write(json.dumps(words) + "\n")
    while words[0].startswith("-"):
        words = words[2 if words[0] == "-n" else 1 :]
    file = answer(words)
    if file is None or not file.exists():
        sys.stderr.write(f"Error from server (NotFound): {words[0]}: no answer\n")
        return 1
    sys.stdout.write(file.read_text())
    return 0


def answer(words: list[str]) -> Path | None:
    if words[:2] == ["get", "--raw"]:
        return HOME / "raw" / words[2].partition("?")[0].lstrip("/")
    if words[0] == "get":
        chosen = [word for word in words if word.startswith("--field-selector=")]
        return HOME / f"{' '.join([words[1], *(word.split('=')[2] for word in chosen)])}.json"
    if words[0] == "logs":
        return HOME / "logs" / (words[1] + (".previous" if "--previous" in words else ""))
    if words[0] == "exec":
        known = sorted((HOME / "exec" / words[1]).glob("*"))
        return next((file for file in known if file.name in " ".join(words[2:])), None)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
