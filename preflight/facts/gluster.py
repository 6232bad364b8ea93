"""What an earlier Gluster left on a node: peers, volumes, and heketi's list of bricks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from preflight.errors import Unknown
from preflight.facts.tools import needs
from preflight.model import Probe

GLUSTERD, HEKETI = "/var/lib/glusterd", "/var/lib/heketi"
"""Where glusterd keeps its state, and where heketi, through the Gluster pod, keeps its own."""

FSTAB = f"{HEKETI}/fstab"
_GROUP = re.compile(r"\bvg_[0-9a-f]{32}\b")


@dataclass(frozen=True)
class State:
    """What is below the two folders.

    `folders` are those that exist, each with a SHA-256 over the names and contents of its files.
    `peers` are file names, UUIDs for glusterd; `volumes` maps a volume's name to the heketi groups
    that its bricks are in, as (name, groups) pairs; `bricks` are the lines of heketi's fstab.
    """

    folders: tuple[tuple[str, str], ...]
    peers: tuple[str, ...]
    volumes: tuple[tuple[str, tuple[str, ...]], ...]
    bricks: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether a new cluster would not stumble over it (N9)."""
        return not (self.peers or self.volumes or self.bricks)

    def mentions(self, group: str) -> str:
        """What still leads to the volume group: volumes by name, or heketi's fstab; or nothing."""
        volumes = [name for name, groups in self.volumes if group in groups]
        if volumes:
            return f"{GLUSTERD}/vols ({', '.join(volumes)})"
        return FSTAB if any(group in brick for brick in self.bricks) else ""


def parse_state(text: str) -> State:
    """`folder DIGEST PATH`, `peer NAME`, `volume NAME`, its `group`s, `brick LINE`; then `end`."""
    folders: dict[str, str] = {}
    volumes: dict[str, tuple[str, ...]] = {}
    named: dict[str, list[str]] = {"peer": [], "brick": []}
    *lines, last = text.removesuffix("\n").split("\n")
    if last != "end":
        raise Unknown("the answer ends too early")
    for line in lines:
        word, _, rest = line.partition(" ")
        digest, _, path = rest.partition(" ")
        if word == "folder" and re.fullmatch(r"[0-9a-f]{64}", digest):
            folders[path] = digest
        elif word == "volume":
            volumes[rest] = ()
        elif word == "group" and volumes and _GROUP.fullmatch(rest):
            volumes[[*volumes][-1]] += (rest,)
        elif word in named:
            named[word].append(rest)
        else:
            raise Unknown(f"what is {line!r}?")
    return State(
        tuple(folders.items()),
        tuple(named["peer"]),
        tuple(volumes.items()),
        tuple(named["brick"]),
    )


# Bricks are mounted below heketi's folder: -xdev keeps out of them.
DIGEST = """\
digest() {
  {
    find -H "$1" -xdev -type f -exec sha256sum {} +
    find -H "$1" -xdev ! -type f -print
    find -H "$1" -xdev -type l -exec readlink {} \\;
  } 2>&1 | sort | sha256sum | cut -d ' ' -f 1
}"""

state = Probe(
    "gluster.state",
    needs("find", "sha256sum")
    + f"""\
{DIGEST}
for folder in {GLUSTERD} {HEKETI}; do
  [ ! -d $folder ] || echo "folder $(digest $folder) $folder"
done
for peer in {GLUSTERD}/peers/*; do [ ! -e "$peer" ] || echo "peer ${{peer##*/}}"; done
for volume in {GLUSTERD}/vols/*; do
  [ -e "$volume" ] || continue
  echo "volume ${{volume##*/}}"
  grep -rhoE 'vg_[0-9a-f]{{32}}' "$volume" | sort -u | sed 's/^/group /'
done
[ ! -e {FSTAB} ] || sed -n '/^[[:space:]]*[^#[:space:]]/s/^/brick /p' {FSTAB} || exit
echo end""",
    parse_state,
)
