"""The script of one node: steps that each wait for the word to take it. Pure functions.

It stands in a function whose call is its last line: a shell that reads its script from a pipe reads
on beyond the line it is at, and would swallow what it is told.
"""

from __future__ import annotations

import base64
import getpass
import os
import secrets
import shlex
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from preflight.collect import head
from preflight.collect import script as question
from preflight.facts.disk import HEAD, TAIL
from preflight.facts.disk.lvm import SECTOR
from preflight.facts.usage import OPEN_ALONE
from preflight.journal import controller_lock, kept_below
from preflight.model import (
    DRIFTED,
    NOT_SAVED,
    Act,
    Extent,
    Limits,
    Node,
    Overwrite,
    Role,
    Step,
)

LOCK = "/run/gkprep.lock"
"""Held on a node while steps are taken there; it says by whom. The controller has another."""

MOST = 1 << 20
"""Bytes of what a step prints that are sent; all of it stays on the node."""

PATIENCE = 120
"""Seconds that a node waits for a word. It comes at once, or the line is broken: nobody is there,
and the lock is not to be held until TCP finds that out."""

LOCK_TRIES = 20
"""Seconds for udev to look at a disk: it holds the same lock meanwhile."""

ROOM = 1 << 16
"""Bytes that must be free before the first step, for what it prints."""

_HANDS = f"""\
command -v flock >/dev/null || {{ mark 'held flock: not found'; exit; }}
(umask 077; : >>"$lock") 2>/dev/null
exec 8>>"$lock"
flock -n 8 || {{ mark "held another gkprep is at work here: $(cat "$lock")"; exit; }}
await() {{
  mark "$1"
  # Nothing is behind the line that head could swallow: one word is said, and the next waits for us.
  word=$(timeout -s KILL $patience head -n 1 8>&- 9<&-)
  case $word in "go $2") ;; "skip $2") return 1 ;; *) exit ;; esac
}}
ended() {{
  mark "done $1 $2"
  [ "$2" = 0 ] || [ "$going" = on ] || exit
}}
around() {{
  size=$(blockdev --getsize64 $held 2>/dev/null || stat -L -c %s $held)
  last=$(((size - {TAIL}) / 512))
  [ "$last" -ge 0 ] || last=0
  {{
    dd if=$held bs=65536 count={HEAD // 65536}
    dd if=$held bs=512 skip=$last count={TAIL // 512}
  }} 2>/dev/null | sha256sum | cut -d ' ' -f 1
}}
locked() {{
  left=$tries
  until flock -n 9; do
    [ $((left -= 1)) -ge 0 ] || return
    sleep 1 8>&-
  done
}}
taken() {{
  {OPEN_ALONE} "$disk" 2>&1 |
    grep -q -e 'is in use' -e 'is mounted'
}}
"""


# What is saved, and printed, is kept on the node too.
_ROOM = f"""\
why=$( (umask 077; mkdir -p "$kept" &&
  head -c {ROOM} /dev/zero >"$kept/room" && rm "$kept/room") 2>&1) ||
  {{ mark "held nothing can be kept in $kept: $why"; exit; }}"""


@dataclass(frozen=True)
class Marks:
    """Lines that no program prints by chance: of the script, and of the questions in it."""

    steps: str = field(default_factory=lambda: secrets.token_hex(16))
    guards: str = field(default_factory=lambda: secrets.token_hex(16))


def script(  # noqa: PLR0913 - all that is in it
    node: Node, steps: Sequence[Act], marks: Marks, run: str, limits: Limits, *, keep_going: bool
) -> str:
    """The script that takes all of `steps` of `node` in the run called `run`, each when told to.

    It ends with the first that fails, unless it is to `keep_going`.
    """
    going = "going=on" if keep_going else "going="
    lock = str(controller_lock()) if node.role is Role.CONTROLLER else LOCK
    places = f"lock={shlex.quote(lock)} kept={shlex.quote(f'{kept_below(node)}/{run}')}"
    lines = [head(marks.steps, node.site), places, _HANDS]
    lines.append(f"patience={PATIENCE} tries={LOCK_TRIES} {going}")
    lines.append(f'work() {{\necho {shlex.quote(_who())} >"$lock"\n{_ROOM}')
    lines.append("\n".join(f"step_{number}" for number in range(len(steps))))
    lines.append("}")
    for number, step in enumerate(steps):
        if isinstance(step, Overwrite):
            text = _overwrite(number, step, marks, limits)
        else:
            text = _command(number, step)
        lines.append(f"step_{number}() {{\n{text}\n}}")
    lines.append("work; exit\n")
    return "\n".join(lines)


def _who() -> str:
    """Who holds a node's lock: `root@controller, pid 4711, since 2026-11-25 16:00:00 +0000`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's uid may have no name
        user = f"uid {os.getuid()}"
    since = time.strftime("%Y-%m-%d %H:%M:%S %z")
    return f"{user}@{socket.gethostname()}, pid {os.getpid()}, since {since}"


def _command(number: int, step: Step) -> str:
    """One command, which prints into files: a line that breaks must not end it by SIGPIPE.

    It is given the time it takes: what is killed half way is neither done nor undone. The files
    stay, for a gkprep that did not hear the end; what is in them may be anybody's secret.
    """
    command = f"{shlex.join(step.argv)} 8>&-"
    if step.stdin:
        fed = base64.b64encode(step.stdin).decode()
        command = f"echo {fed} | base64 -d | {command}"
    else:
        command = f"{command} </dev/null"
    return f"""\
await "ready {number}" {number} || return
(umask 077; : >"$kept/{number}.out"; : >"$kept/{number}.err")
{command} >"$kept/{number}.out" 2>"$kept/{number}.err"
status=$?
head -c {MOST} "$kept/{number}.out"; head -c {MOST} "$kept/{number}.err" >&2
ended {number} $status"""


def _overwrite(number: int, step: Overwrite, marks: Marks, limits: Limits) -> str:
    """Lock the disk, read it again, wait; save, wait; write over what is still the same.

    The lock is the one that udev and systemd know (BLOCK_DEVICE_LOCKING of systemd's documents).
    After it the path counts no more: a link may be turned, what is open stays what it is.
    """
    stop = f"ended {number} {DRIFTED}; return"
    return f"""\
disk={shlex.quote(step.path)}
[ -r "$disk" ] || {{ echo "$disk is gone" >&2; {stop}; }}
command exec 9<"$disk" || {{ echo "$disk cannot be opened" >&2; {stop}; }}
held=/proc/$$/fd/9
locked || {{ echo "another program has locked $disk" >&2; {stop}; }}
before=$(around)
[ "$before" = {shlex.quote(step.around) if step.around else '"$before"'} ] || {{
  echo "something has come onto $disk since" >&2; {stop}
}}
export GKPREP_SHELL=$$
({question(step.guard.probes, marks.guards, limits)}) 8>&- 9<&-
await "ready {number}" {number} || return
[ "$disk" -ef $held ] || {{ echo "$disk is another disk by now" >&2; {stop}; }}
saved() {{
{_read(step.extents)}
}}
sum=$(saved | sha256sum)
(umask 077; saved >"$kept/{number}" && sync)
[ "$(sha256sum <"$kept/{number}")" = "$sum" ] || {{ ended {number} {NOT_SAVED}; return; }}
saved | base64
await "saved {number} ${{sum%% *}}" {number} || return
[ "$(around)" = "$before" ] && [ "$(saved | sha256sum)" = "$sum" ] || {{
  echo "$disk has changed" >&2; {stop}
}}
! taken || {{ echo "something has taken $disk" >&2; {stop}; }}
{_write(step)}
status=$?
around
blockdev --rereadpt $held 2>/dev/null
exec 9<&-
if command -v udevadm >/dev/null; then
  udevadm trigger --action=change --name-match="$disk"; udevadm settle
fi </dev/null >&2
ended {number} $status"""


# Most extents are a few bytes, and begin anywhere; dd reads a number of bytes at one of bytes, and
# takes a while for many: those that lie in sectors are read by sectors.


def _read(extents: Sequence[Extent]) -> str:
    return " &&\n".join(
        f"dd if=$held {_place('skip', each)} count={each.size // _unit(each)} 2>/dev/null"
        for each in extents
    )


def _write(step: Overwrite) -> str:
    commands = []
    for extent, part in zip(step.extents, step.parts(step.data), strict=True):
        fed = f"echo {base64.b64encode(part).decode()} | base64 -d"
        source = fed if any(part) else f"head -c {extent.size} /dev/zero"
        place = f"of=$held {_place('seek', extent)} conv=notrunc,fsync"
        commands.append(f"{source} | dd {place} 2>/dev/null")
    return " &&\n".join(commands)


def _place(word: str, extent: Extent) -> str:
    unit = _unit(extent)
    return f"bs={unit} {word}={extent.offset // unit}"


def _unit(extent: Extent) -> int:
    return SECTOR if extent.offset % SECTOR == extent.size % SECTOR == 0 else 1
