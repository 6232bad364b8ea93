"""gk-deploy and what it runs on: where the script is, which one, and which Python it gets."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from preflight.errors import Unknown
from preflight.facts.tools import needs
from preflight.model import Probe

KNOWN = {"d9b1e7a4ce3b7d2f711bb77bab497138ead3fa40c80bb03d648e8956194c58c1": "7246eb4"}
"""SHA-256 of a gk-deploy that was tried -> its commit of gluster-kubernetes."""

REPOSITORY = "https://github.com/gluster/gluster-kubernetes.git"
"""Upstream."""

CACHE = '"${XDG_CACHE_HOME:-${HOME:-}/.cache}"/gkprep/gluster-kubernetes'
"""gkprep's own clone, as a shell spells its place (XDG Base Directory Specification)."""


@dataclass(frozen=True)
class Script:
    """One gk-deploy: where, links followed; its SHA-256; whether its templates are beside it.

    `commit` is of the checkout that it is in, empty where that cannot be told.
    """

    path: str
    sha256: str
    templates: bool
    commit: str


@dataclass(frozen=True)
class Python:
    """An interpreter that gk-deploy's own snippets can use: what it is called, and its version."""

    name: str
    version: str


def parse_gk_deploy(text: str) -> Script | None:
    """Four lines: path, SHA-256, `yes` or `no`, commit or nothing; or nothing at all."""
    if not text:
        return None
    path, sha256, templates, commit = text.removesuffix("\n").split("\n")
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise Unknown(f"{path} cannot be read")
    return Script(path, sha256, templates == "yes", commit)


def parse_python(text: str) -> Python | None:
    """`name version`, or nothing."""
    if not text:
        return None
    name, version = text.split()
    return Python(name, version)


def gk_deploy(named: str) -> Probe[Script | None]:
    """The script that is `named`, or where that is empty the first one found; None without any."""
    elsewhere = (
        f'"$(command -v gk-deploy)" ./gluster-kubernetes/deploy/gk-deploy {CACHE}/deploy/gk-deploy'
    )
    return Probe(
        f"deployer.gk_deploy({named})",
        needs("sha256sum", "readlink")
        + f"""\
for file in {shlex.quote(named) if named else elsewhere}; do
  [ -f "$file" ] || continue
  path=$(readlink -f -- "$file") || exit
  folder=${{path%/*}}
  printf '%s\\n' "$path"
  sha256sum <"$path" | cut -d ' ' -f 1
  if [ -d "$folder/kube-templates" ]; then echo yes; else echo no; fi
  commit=$(cd "$folder" && git log -1 --format=%h 2>/dev/null)
  echo "$commit"
  exit 0
done""",
        parse_gk_deploy,
    )


# What gk-deploy's snippets import; it calls `python` itself, so that one first (C4).
python = Probe(
    "deployer.python",
    "for name in python python3 python2; do\n"
    "  version=$($name -c 'import argparse, json, platform; print(platform.python_version())'"
    " 2>/dev/null) || continue\n"
    '  echo "$name $version"\n'
    "  exit 0\n"
    "done",
    parse_python,
)
