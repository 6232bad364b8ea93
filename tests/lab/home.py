"""The HOME of commands inside the laboratory, and the inventory that names its machines.

gkprep reads ~/.ssh through $HOME, so a home of the laboratory's own makes key, host keys and
aliases known without a line in the user's files. OpenSSH looks its home up in the password
database instead, hence the two wrappers in `bin`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .node import NODES

if TYPE_CHECKING:
    from .image import Image
    from .place import Place

BASHRC = r"""# Written by the laboratory.
[ ! -r /etc/bash.bashrc ] || . /etc/bash.bashrc
PS1='(gkprep lab) \w\$ '
"""
ZSHRC = "PROMPT='(gkprep lab) %~%# '\n"


def write(place: Place, image: Image) -> None:
    """Write the home folder and the inventory. What a user left in that home stays."""
    ssh = place.home / ".ssh"
    tools = place.home / "bin"
    for folder in (place.state, place.home, ssh):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    tools.mkdir(exist_ok=True)
    key = ssh / "id_ed25519"
    key.unlink(missing_ok=True)
    shutil.copy(image.key, key)
    key.chmod(0o600)
    (ssh / "known_hosts").write_text(known_hosts(image))
    (ssh / "config").write_text(ssh_config(place))
    for name in ("ssh", "scp", "sftp"):
        if program := shutil.which(name, path="/usr/local/bin:/usr/bin:/bin"):
            wrapper = tools / name
            wrapper.write_text(f'#!/bin/sh\nexec {program} -F "{ssh}/config" "$@"\n')
            wrapper.chmod(0o755)
    (place.home / ".bashrc").write_text(BASHRC)
    (place.home / ".zshrc").write_text(ZSHRC)
    place.inventory.write_text(inventory(place))


def known_hosts(image: Image) -> str:
    """Host keys of every machine under its name and both its addresses."""
    lines = []
    for node in NODES:
        names = f"{node.name},{node.address},{node.storage}"
        lines += [f"{names} {key}\n" for key in image.host_keys(node.name)]
    return "".join(lines)


def ssh_config(place: Place) -> str:
    """Aliases for the machines. The shared connection saves two seconds a call under emulation."""
    ssh = place.home / ".ssh"
    aliases = "".join(f"Host {node.name}\n    HostName {node.address}\n" for node in NODES)
    networks = " ".join(f"{node.address} {node.storage}" for node in NODES)
    return f"""# Written by the laboratory.
{aliases}
Host {" ".join(node.name for node in NODES)} {networks}
    User root
    IdentityFile "{ssh}/id_ed25519"
    IdentitiesOnly yes
    UserKnownHostsFile "{ssh}/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    ConnectTimeout 10
    ServerAliveInterval 15
    ControlMaster auto
    ControlPath {place.run}/ssh-%h-%r
    ControlPersist 30m
"""


def inventory(place: Place) -> str:
    """The three machines in gkprep's own words."""
    # A JSON string is a YAML string, whatever the path holds.
    key = json.dumps(str(place.home / ".ssh" / "id_ed25519"))
    nodes = "".join(
        f"""\
  - name: {node.name}
    address: {node.address}
    storage: {node.storage}
    devices: [{{path: {node.disk}, serial: {node.serial}}}]
"""
        for node in NODES
    )
    return f"""\
# The laboratory's machines; written by `python -m tests.lab up`.
defaults:
  ssh: {{user: root, identity_file: {key}}}
nodes:
{nodes}"""


def environment(place: Place) -> dict[str, str]:
    """Environment of a command inside.

    The XDG folders and the SSH agent of the user are left behind: the one would lead out of
    the laboratory's home, the other would offer keys that no machine here knows.
    """
    kept = {name: value for name, value in os.environ.items() if not _leads_out(name)}
    tools = [str(place.home / "bin"), kept.get("PATH", os.defpath)]
    if sys.prefix != sys.base_prefix:
        tools.insert(0, str(Path(sys.prefix) / "bin"))
        kept["VIRTUAL_ENV"] = sys.prefix
    return {
        **kept,
        "HOME": str(place.home),
        "PATH": os.pathsep.join(tools),
        "GKPREP_INVENTORY": str(place.inventory),
        "GKPREP_LAB": place.name,
        "GKPREP_LAB_CACHE": str(place.cache),
        "GKPREP_LAB_STATE": str(place.state.parent),
    }


def _leads_out(name: str) -> bool:
    return name == "SSH_AUTH_SOCK" or (name.startswith("XDG_") and name.endswith("_HOME"))
