"""Fix of rpcbind-port: give port 111 to the Gluster pod, or to the host, as the policy says."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace

from checks.rpcbind_port import PACKAGE, PORT, RUNNING, UNITS, gone, known, needed, rpcbind_port
from preflight.facts import packages, ports
from preflight.plugin import Facts, Finding, Risk, Rpcbind, Step, Unfixable, Unknown, fix

NAME = "rpcbind"
NOW = " ".join(("-y", *packages.UNLOCKED["dnf"]))

# What each package manager is asked, by the name of its database: the version that is installed
# (nothing where none is) or in a file; to fetch a file of that very version into the current
# folder; whether others let it go; to remove it, with its settings kept, and to put it back.
DPKG = """\
installed() { dpkg-query -W -f '${db:Status-Abbrev} ${Version}\\n' "$1" | sed -n 's/^.i. *//p'; }
version_of() { dpkg-deb -W --showformat '${Package} ${Version}' "$1" | sed -n "s/^$name //p"; }
fetch() { apt-get -o APT::Sandbox::User=root download "$1=$2"; }
ask() { dpkg --dry-run --remove "$1"; }
remove() { dpkg --remove "$1"; }
put_back() { dpkg --force-confold --install "$1"; }
"""
# dnf of old and yum can fetch what is installed only by a reinstallation; dnf of now has a command.
# rpm renames settings that were changed, and brings the default ones back.
RPM = f"""\
form='%{{VERSION}}-%{{RELEASE}}.%{{ARCH}}\\n'
installed() {{ rpm -q --quiet "$1" && rpm -q --qf "$form" "$1"; }}
version_of() {{ rpm -qp --qf "%{{NAME}} $form" "$1" | sed -n "s/^$name //p"; }}
fetch() {{
  manager=$(command -v dnf || command -v yum) || {{ echo "no dnf and no yum is there"; return 1; }}
  "$manager" {NOW} reinstall --downloadonly --downloaddir="$PWD" "$1-$2" ||
    "$manager" {NOW} download --destdir="$PWD" "$1-$2"
}}
ask() {{ rpm -e --test "$1"; }}
settings() {{ rpm -qc "$1" | grep '^/'; }}
remove() {{
  settings "$1" | while IFS= read -r file; do
    [ ! -e "$file" ] || {{ mkdir -p "kept${{file%/*}}" && cp -a "$file" "kept$file"; }} || exit
  done && rpm -e "$1"
}}
put_back() {{
  rpm -U "$1" && settings "$name" | while IFS= read -r file; do
    rm -f "$file"
    [ ! -e "kept$file" ] || cp -a "kept$file" "$file" || exit
    ! cmp -s "$file.rpmsave" "$file" || rm "$file.rpmsave"
  done
}}
"""
TOOLS = {"dpkg": DPKG, "rpm": RPM}

BOTH = f"""\
name=$1 version=$2 folder=/var/lib/gkprep/packages/$1-$2
export DEBIAN_FRONTEND=noninteractive
find_copy() {{
  for copy in *; do
    [ ! -f "$copy" ] || [ "$(version_of "$copy" 2>/dev/null)" != "$version" ] || return 0
  done
  return 1
}}
{packages.REASON}
"""
# What keeps the package from being removed is no failure: its units are masked.
REMOVE = """\
stays() { echo "gkprep: the package $name stays, its units are masked: $1" >&2; exit 0; }
[ "$(installed "$name")" = "$version" ] || stays "it is not $version any more"
said=$(ask "$name" 2>&1) || stays "$(because)"
rm -rf "$folder" && (umask 077; mkdir -p "$folder/kept") && cd "$folder" || exit
said=$(fetch "$name" "$version" 2>&1) && find_copy && sync ||
  stays "undo could not bring this version back: $(because)"
said=$(remove "$name" 2>&1)
status=$?
[ $status = 0 ] || [ "$(installed "$name")" != "$version" ] || stays "$(because)"
printf '%s\\n' "$said" >&2
exit $status"""
# It may have stayed, or have been installed again since.
RESTORE = """\
[ -z "$(installed "$name")" ] || exit 0
cd "$folder" && find_copy || { echo "there is no file of $name $version in $folder" >&2; exit 1; }
said=$(put_back "$copy" 2>&1)
status=$?
printf '%s\\n' "$said" >&2
[ $status = 0 ] && rm -r "$folder" || because >&2
exit $status"""


@fix(rpcbind_port, risk=Risk.DISRUPTIVE)
def hand_over(finding: Finding, facts: Facts) -> Iterator[Step]:
    """Stops, disables and masks rpcbind.socket and rpcbind.service, and removes the package.

    The package goes only where no other needs it and the node's package manager can fetch the file
    of the very version that is installed, which stays on the node, below
    /var/lib/gkprep/packages. Otherwise it stays, and why is told. The mask stays in both cases: a
    package that comes back with another does not take the port.

    With `policy.rpcbind: host`: unmasks, enables and starts them instead. Undone step by step: the
    package is installed again from that file, without a network, with its settings; then each unit
    is put back to how it was. Where another program holds the port, or NFS or NIS on the node needs
    rpcbind, a person has to decide.
    """
    del finding  # there is one subject
    if facts.node.policy.rpcbind is Rpcbind.HOST:
        yield from to_host(facts)
        return
    held = ports.listening_on(facts[ports.listening], PORT)
    if held and not all(known(listener) for listener in held):
        raise Unfixable("another program holds the port: stop it, or say policy.rpcbind: host")
    if users := needed(facts, ""):
        raise Unfixable(f"{users.removeprefix('; ')}: give that up, or say policy.rpcbind: host")
    steps = list(away(facts))
    package, kept = removable(facts)
    if not steps:
        return
    if kept:
        said = f"{shlex.join(steps[-1].argv)}  # the package {NAME} stays: {kept}"
        steps[-1] = replace(steps[-1], shown=said)
    yield from steps
    if package and not kept:
        yield removal(package)


def removable(facts: Facts) -> tuple[packages.Package | None, str]:
    """The package that is installed, and why it has to stay, empty where it can go."""
    try:
        package = facts[PACKAGE]
    except Unknown as exc:
        return None, f"whether another needs it could not be found out: {exc}"
    return package, package.kept if package else ""


def removal(package: packages.Package) -> Step:
    """Take the package off the node, with a copy of its file for the way back."""
    head = TOOLS[package.database] + BOTH
    words = ("sh", NAME, package.version)
    undo = Step(("sh", "-c", head + RESTORE, *words), shown=f"install that file of {NAME} again")
    shown = f"remove the package {NAME}, if a file of {package.version} can be kept for undo"
    return Step(("sh", "-c", head + REMOVE, *words), shown=shown, undo=undo)


def away(facts: Facts) -> Iterator[Step]:
    """End the units for good, both in one command: each takes the other along.

    Stopping the socket stops the service too, which would then be missing from what a later run
    finds to undo. In phases, so that backwards both are unmasked before they are started.
    """
    units = {name: facts[RUNNING][name] for name in UNITS if facts[RUNNING][name].exists}
    if active := [name for name, unit in units.items() if unit.active == "active"]:
        yield systemctl("stop", *active, undo="start")
    if starting := [name for name, unit in units.items() if unit.starts_at_boot]:
        yield systemctl("disable", *starting, undo="enable")
    if unmasked := [name for name, unit in units.items() if unit.load != "masked"]:
        yield systemctl("mask", *unmasked, undo="unmask")


def to_host(facts: Facts) -> Iterator[Step]:
    """Have rpcbind.socket hold the port, now and after a reboot."""
    held = ports.listening_on(facts[ports.listening], PORT)
    if not all(known(listener) for listener in held):
        raise Unfixable("another program holds the port: stop it, or say policy.rpcbind: pod")
    if gone(facts):
        raise Unfixable("rpcbind is not installed: install the package rpcbind")
    name, unit = UNITS[0], facts[RUNNING][UNITS[0]]
    for masked in UNITS:
        if facts[RUNNING][masked].load == "masked":
            yield systemctl("unmask", masked, undo="mask")
    if not unit.starts_at_boot:
        yield systemctl("enable", name, undo="disable")
    if unit.active != "active":
        yield systemctl("start", name, undo="stop")


def systemctl(verb: str, *names: str, undo: str) -> Step:
    """One change of units, and the one that takes it back."""
    return Step(("systemctl", verb, *names), undo=Step(("systemctl", undo, *names)))
