"""Kernel modules: what is there now, and what comes back at the next boot."""

from __future__ import annotations

import re
from dataclasses import dataclass

from preflight.facts.tools import needs
from preflight.model import Probe


def parse_modules(text: str) -> frozenset[str]:
    """Names of loaded modules, from /proc/modules (proc(5)); empty on a kernel without modules."""
    return frozenset(line.split()[0] for line in text.splitlines())


def parse_builtin(text: str) -> frozenset[str]:
    """Names of modules compiled into the kernel, from modules.builtin (kbuild: one path a line)."""
    return frozenset(_canonical(line.rpartition("/")[2]) for line in text.split())


def parse_persisted(text: str) -> frozenset[str]:
    """Names that systemd-modules-load loads at boot (modules-load.d(5): # and ; comment)."""
    lines = (line.strip() for line in text.splitlines())
    return frozenset(_canonical(line) for line in lines if line and line[0] not in "#;")


@dataclass(frozen=True)
class Loadable:
    """What the running kernel brings: its release, and the modules of it asked for that exist."""

    release: str
    names: frozenset[str]


def parse_loadable(text: str) -> Loadable:
    """First line `uname -r`, then one module a line that modprobe finds for that kernel."""
    release, *names = text.splitlines()
    return Loadable(release, frozenset(_canonical(name) for name in names))


def _canonical(name: str) -> str:
    """Modules are the same with - or _, with or without .ko and its compression (modprobe(8))."""
    return re.sub(r"\.ko(\.(gz|xz|zst))?$", "", name).replace("-", "_")


def loadable(*names: str) -> Probe[Loadable]:
    """Which of `names` the running kernel could load; `modprobe -n` looks, and loads nothing."""
    listed = " ".join(names)
    return Probe(
        f"kernel.loadable({listed})",
        needs("modprobe") + "uname -r; modprobe --version >/dev/null 2>&1 ||"
        ' { echo "modprobe cannot look without loading; is it busybox?" >&2; exit 1; }\n'
        f'for name in {listed}; do modprobe -n -q "$name" && echo "$name"; done; true',
        parse_loadable,
    )


modules = Probe("kernel.modules", "test ! -e /proc/modules || cat /proc/modules", parse_modules)

builtin = Probe("kernel.builtin", 'cat "/lib/modules/$(uname -r)/modules.builtin"', parse_builtin)

# A file in /etc hides its namesake in /run, that one those in /usr/local/lib, /usr/lib and /lib.
# Debian's /etc/modules is among them, by a link; elsewhere nothing reads it.
persisted = Probe(
    "kernel.persisted",
    """\
seen=/
for folder in /etc /run /usr/local/lib /usr/lib /lib; do
  for file in "$folder"/modules-load.d/*.conf; do
    name=${file##*/}
    case $seen in */"$name"/*) continue ;; esac
    if [ -e "$file" ]; then seen=$seen$name/; cat "$file" || exit; echo; fi
  done
done""",
    parse_persisted,
)

# Another one after each boot (random(4)).
boot = Probe("kernel.boot", "cat /proc/sys/kernel/random/boot_id", str.strip)
