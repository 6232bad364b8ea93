"""Versions: kubectl's own, and the API server's."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from preflight.errors import Unknown
from preflight.facts.kubernetes.command import get
from preflight.model import Probe


@dataclass(frozen=True, order=True)
class Version:
    """A version of Kubernetes; `text` is as it names itself, `v1.20.2` or with a vendor's words."""

    major: int
    minor: int
    text: str

    @property
    def short(self) -> tuple[int, int]:
        """What decides which APIs there are."""
        return self.major, self.minor


@dataclass(frozen=True)
class Told:
    """A version, or why there is none: the last line of what was said instead."""

    version: Version | None
    complaint: str = ""


def parse_client(text: str) -> Told:
    """Exit status, then the answer of `kubectl version --client -o json`."""
    return _told(text, "clientVersion")


def parse_server(text: str) -> Told:
    """Exit status, then /version, of package k8s.io/apimachinery/pkg/version, type Info."""
    return _told(text, None)


def _told(text: str, key: str | None) -> Told:
    rc, _, said = text.removesuffix("\n").partition("\n")
    if rc != "0":
        return Told(None, said.strip().rpartition("\n")[2] or f"exit {rc}")
    # A plugin that logs in may have said something on the way.
    begin = said.find("{")
    if begin < 0:
        raise Unknown(f"{said.strip()!r} is no version")
    told, _ = json.JSONDecoder().raw_decode(said, begin)
    return Told(_version(told[key] if key else told))


def _version(info: dict[str, Any]) -> Version:
    """Vendors write a minor such as `14+`."""
    major, minor = (re.match("[0-9]+", info[key]) for key in ("major", "minor"))
    if not major or not minor:
        raise Unknown(f"{info['gitVersion']} is no version")
    return Version(int(major[0]), int(minor[0]), info["gitVersion"])


def client(kubectl: str) -> Probe[Told]:
    """What kubectl says of itself, without asking any server."""
    return Probe(
        f"kubernetes.client({kubectl})",
        f"set -- {kubectl}\n"
        'command -v "$1" >/dev/null || { printf \'127\\n%s: not found\\n\' "$1"; exit 0; }\n'
        'said=$("$@" version --client -o json 2>&1)\n'
        "printf '%s\\n' $? \"$said\"",
        parse_client,
    )


def server(kubectl: str) -> Probe[Told]:
    """What the API server says of itself, or what kubectl says of the way there."""
    return Probe(
        f"kubernetes.server({kubectl})",
        f"said=$({get(kubectl, '/version')} 2>&1)\nprintf '%s\\n' $? \"$said\"",
        parse_server,
    )
