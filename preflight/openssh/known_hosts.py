"""Which host keys are trusted: known_hosts files, as sshd(8) describes them.

Lines are read one by one: what is wrong with one host's line never hides another's. `@revoked` is
honoured. `@cert-authority` needs certificates, which gkprep cannot verify; that, and any word
that it does not know, is an error for the hosts it applies to.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import hmac
import os
import secrets
import shlex
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path

from preflight.errors import TransportError
from preflight.openssh.files import read_bytes
from preflight.openssh.patterns import matches_list

DEFAULT_PORT = 22
REVOKED = "@revoked"
AUTHORITY = "@cert-authority"


class Trust(Enum):
    """What the files say of a key that a host shows."""

    KNOWN = "known"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class HostKey:
    """A public key: its type (`ssh-ed25519`) and its bytes as they travel (RFC 4253, 6.6)."""

    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        digest = hashlib.sha256(self.blob).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    @property
    def algorithm(self) -> str:
        """The name that ssh-keygen and ssh-keyscan use: `ed25519`, `ecdsa`, `rsa`."""
        return self.type.removeprefix("ssh-").split("-", 1)[0]


@dataclass(frozen=True)
class Entry:
    """One line: where it stands, its word (empty for most), its host patterns, its key.

    `key` is None where the line's key could not be read.
    """

    place: str
    word: str
    hosts: str
    key: HostKey | None

    def covers(self, name: str) -> bool:
        """Whether the line is about the host called `name` (lower case, `[host]:port`)."""
        if not self.hosts.startswith("|"):
            return matches_list(name, self.hosts.lower().split(","))
        if self._hash is None:
            return False
        salt, digest = self._hash
        return hmac.digest(salt, name.encode("utf-8", "surrogateescape"), "sha1") == digest

    @cached_property
    def _hash(self) -> tuple[bytes, bytes] | None:
        """Salt and digest of a hashed name, `|1|SALT|DIGEST`; None where it is broken."""
        try:
            nothing, version, *parts = self.hosts.split("|")
            salt, digest = (base64.b64decode(part, validate=True) for part in parts)
        except ValueError:
            return None
        return (salt, digest) if (nothing, version) == ("", "1") else None


@dataclass
class KnownHosts:
    """The lines of one file, ready to be asked about many hosts.

    To look for a name among thousands of hashed lines takes a while, so each answer is kept.
    """

    _plain: dict[str, list[Entry]] = field(default_factory=dict)
    _others: list[Entry] = field(default_factory=list)
    _answers: dict[str, list[Entry]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> KnownHosts:
        """Read `path`; empty where there is no such file. Raises TransportError if unreadable."""
        known = cls()
        try:
            text = read_bytes(path).decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return known
        except OSError as exc:
            raise TransportError(f"{path}: {exc.strerror}") from exc
        for entry in parse(text, str(path)):
            known.add(entry)
        return known

    def add(self, entry: Entry) -> None:
        """Take in one more line."""
        for name, answer in self._answers.items():
            if entry.covers(name):
                answer.append(entry)
        if any(c in entry.hosts for c in "|*?!"):
            self._others.append(entry)
            return
        for name in entry.hosts.lower().split(","):
            self._plain.setdefault(name, []).append(entry)

    def about(self, name: str) -> Sequence[Entry]:
        """All lines that are about the host called `name`."""
        if name not in self._answers:
            others = [entry for entry in self._others if entry.covers(name)]
            self._answers[name] = [*self._plain.get(name, ()), *others]
        return self._answers[name]


def parse(text: str, place: str) -> Iterator[Entry]:
    """Entries of a known_hosts file; lines that are too short to be any are passed over."""
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        word = words.pop(0) if words[0].startswith("@") else ""
        if words:
            yield Entry(f"{place}:{number}", word, words[0], _key(words[1:]))


def host_name(hostname: str, port: int, alias: str | None) -> str:
    """Return the name a host goes by in these files: its alias, else with a port that is not 22."""
    if alias is not None:
        return alias.lower()
    return hostname.lower() if port == DEFAULT_PORT else f"[{hostname.lower()}]:{port}"


def judge(name: str, entries: Iterable[Entry], shown: HostKey) -> Trust:
    """Judge the key that a host shows by all lines that are about it.

    Raises TransportError where a line forbids it: the key was revoked, the host is known by other
    keys, or the line asks for what gkprep cannot do.
    """
    lines = tuple(entries)
    for entry in lines:
        refuse_words(name, entry, shown)
    keys = [entry for entry in lines if entry.word == "" and entry.key is not None]
    if any(entry.key == shown for entry in keys):
        return Trust.KNOWN
    for entry in lines:
        if entry.word == AUTHORITY:
            raise TransportError(
                f"{entry.place} trusts certificates ({AUTHORITY}) for {name}, which gkprep cannot"
                f" verify; add the host's own key, {shown.fingerprint}, beside it"
            )
    if keys:
        raise _changed(name, keys, shown)
    return Trust.UNKNOWN


def record(path: Path, name: str, key: HostKey, *, hashed: bool) -> Entry:
    """Append a line to `path`, made with its folder if need be; existing bytes stay as they are.

    Raises TransportError where it cannot be written: a key that is not kept would be accepted
    anew each time.
    """
    hosts = _hashed(name) if hashed else name
    line = f"{hosts} {key.type} {base64.b64encode(key.blob).decode()}\n".encode()
    try:
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with open(handle, "r+b", buffering=0) as file:  # noqa: PTH123 - a descriptor has no Path
            fcntl.flock(file, fcntl.LOCK_EX)
            size = os.fstat(handle).st_size
            unfinished = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            file.write(b"\n" + line if unfinished else line)
    except OSError as exc:
        raise TransportError(
            f"the new host key could not be recorded in {path}: {exc.strerror}"
        ) from exc
    return Entry(str(path), "", hosts, key)


def refuse_words(name: str, entry: Entry, shown: HostKey) -> None:
    """Raise TransportError where the line revokes the key, or has a marker nobody knows."""
    if entry.word == REVOKED and entry.key in {shown, None}:
        raise TransportError(
            f"host key is REVOKED: {entry.place} forbids {shown.fingerprint} for {name}"
        )
    if entry.word not in {"", REVOKED, AUTHORITY}:
        raise TransportError(f"{entry.place}: gkprep does not know {entry.word}, set for {name}")


def _changed(name: str, keys: list[Entry], shown: HostKey) -> TransportError:
    same_type = [entry for entry in keys if entry.key and entry.key.type == shown.type]
    entry = (same_type or keys)[0]
    old = entry.key.fingerprint if entry.key else ""
    kind = entry.key.type if entry.key else ""
    file = entry.place.rpartition(":")[0]
    return TransportError(
        f"host key has CHANGED: {entry.place} has {kind} {old}, the host shows {shown.type}"
        f" {shown.fingerprint}; someone may be in between, unless the machine was set up anew",
        cure=f"ssh-keygen -R {shlex.quote(name)} -f {shlex.quote(file)}",
    )


def _key(words: list[str]) -> HostKey | None:
    """`TYPE BASE64`, the type repeated inside; None for anything else, SSH-1 keys included."""
    try:
        kind, blob = words[0], base64.b64decode(words[1], validate=True)
        (length,) = struct.unpack_from(">I", blob)
        inner = blob[4 : 4 + length].decode("ascii")
    except (IndexError, ValueError, binascii.Error, struct.error):
        return None
    return HostKey(kind, blob) if inner == kind else None


def _hashed(name: str) -> str:
    salt = secrets.token_bytes(hashlib.sha1(usedforsecurity=False).digest_size)
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
