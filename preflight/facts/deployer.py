"""gk-deploy and what it runs on: where the script is, which one, and which Python it gets."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from preflight.errors import Unknown
from preflight.facts.tools import needs
from preflight.model import Probe

SCRIPT, CONFIG, TEMPLATES = "gk-deploy", "heketi.json.template", "kube-templates/"
"""What gk-deploy consists of, as its folder has it: itself, heketi's configuration, templates."""

KNOWN = {
    "7246eb4": {
        "gk-deploy": "d9b1e7a4ce3b7d2f711bb77bab497138ead3fa40c80bb03d648e8956194c58c1",
        "heketi.json.template": "9b5c2b5f0330ace3bd94bd01f14975669f694e9f4d15eddeab1f4f5fc24e10c8",
        "kube-templates/deploy-heketi-deployment.yaml": (
            "b0457c5bf6044d089e2486c3eef8cc89fcfa6072f356b2c288e946a3528773db"
        ),
        "kube-templates/gluster-s3-pvcs.yaml": (
            "32544444fe801dd4f0f77950b4c779bea8075a82ef8ef38f8da5e6d83aed2157"
        ),
        "kube-templates/gluster-s3-storageclass.yaml": (
            "dd97b4ded761fb9127595ab3155c1f3b265a28df27490e6a76662291ebd9ecaa"
        ),
        "kube-templates/gluster-s3-template.yaml": (
            "e749e003f214f431f0e88923b52cc3f5f60a40a905dd24879a9684e46e29f346"
        ),
        "kube-templates/glusterfs-daemonset.yaml": (
            "3d8755391e2abdff02fce039567b299b3a05913657914914400544ebcd70ccf5"
        ),
        "kube-templates/heketi-deployment.yaml": (
            "5314a79260ccfed33548d3ec209ef26be4a1310bbbf7b2cf2721a7162efd2f2b"
        ),
        "kube-templates/heketi-service-account.yaml": (
            "3c759f9a293a4e4c27611249212d0df936878fc92954cbe40bd24eb42bee0734"
        ),
    }
}
"""A commit of gluster-kubernetes that was tried -> its files in deploy/ -> their SHA-256."""

REPOSITORY = "https://github.com/gluster/gluster-kubernetes.git"
"""Upstream."""

CACHE = '"${XDG_CACHE_HOME:-${HOME:-}/.cache}"/gkprep/gluster-kubernetes'
"""gkprep's own clone, as a shell spells its place (XDG Base Directory Specification)."""


@dataclass(frozen=True)
class Script:
    """One gk-deploy: where, links followed, and the SHA-256 of each file that it consists of.

    `commit` is of the checkout that it is in, empty where that cannot be told. Whatever the script
    itself is called, it is SCRIPT among `files`.
    """

    path: str
    commit: str
    files: tuple[tuple[str, str], ...]

    @property
    def lacks(self) -> str:
        """What it needs beside it and has not; empty where it has all."""
        named = [name for name, _ in self.files]
        if not any(name.startswith(TEMPLATES) for name in named):
            return TEMPLATES.rstrip("/")
        return "" if CONFIG in named else CONFIG


def differing(files: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The known commit that is nearest, and which files, by SHA-256, are not as it has them."""
    found = [
        (
            commit,
            tuple(name for name in sorted({*files, *known}) if files.get(name) != known.get(name)),
        )
        for commit, known in KNOWN.items()
    ]
    return min(found, key=lambda each: len(each[1]))


@dataclass(frozen=True)
class Python:
    """An interpreter that gk-deploy's own snippets can use: what it is called, and its version."""

    name: str
    version: str


def parse_gk_deploy(text: str) -> Script | None:
    """A line with the path, one with the commit or nothing, `SHA-256 NAME` each; or no line."""
    if not text:
        return None
    path, commit, *lines = text.removesuffix("\n").split("\n")
    files = [line.partition(" ")[::2] for line in lines]
    for digest, name in files:
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise Unknown(f"{path}: {name} cannot be read")
    return Script(path, commit, tuple((name, digest) for digest, name in files))


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
tell() {{ printf '%s %s\\n' "$(sha256sum <"$2" | cut -d ' ' -f 1)" "$1"; }}
for file in {shlex.quote(named) if named else elsewhere}; do
  [ -f "$file" ] || continue
  path=$(readlink -f -- "$file") || exit
  printf '%s\\n' "$path"
  cd "${{path%/*}}" || exit
  commit=$(git log -1 --format=%h 2>/dev/null)
  echo "$commit"
  tell {SCRIPT} "$path"
  for each in {CONFIG} {TEMPLATES}*; do
    [ ! -f "$each" ] || tell "$each" "$each"
  done
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
