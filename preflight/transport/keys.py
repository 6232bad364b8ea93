"""What can prove who we are: identity files and the agent's keys, read once a run and shared."""

from __future__ import annotations

import base64
import binascii
import copy
import io
import os
import socket
import stat
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import paramiko
from paramiko.agent import AgentKey, AgentSSH
from paramiko.message import Message

from preflight.openssh.config import HostConfig
from preflight.openssh.files import read_bytes
from preflight.transport.shell import printable

DEFAULT_FILES = ("id_ed25519", "id_ecdsa", "id_rsa")

LIST_PATIENCE = 1.0
"""Seconds to wait for the agent's list of keys, once a run."""

SIGN_PATIENCE = 10.0
"""Seconds to wait for a signature: the agent may be asking its user to touch or to confirm."""

ATTEMPTS = 3

_MAGIC = b"openssh-key-v1\0"
_CLASSES: dict[str, type[paramiko.PKey]] = {
    "ssh-ed25519": paramiko.Ed25519Key,
    "ssh-rsa": paramiko.RSAKey,
    "ecdsa-sha2-nistp256": paramiko.ECDSAKey,
    "ecdsa-sha2-nistp384": paramiko.ECDSAKey,
    "ecdsa-sha2-nistp521": paramiko.ECDSAKey,
}
_PEM_CLASSES: dict[str, type[paramiko.PKey]] = {
    "-----BEGIN RSA PRIVATE KEY-----": paramiko.RSAKey,
    "-----BEGIN EC PRIVATE KEY-----": paramiko.ECDSAKey,
}


@dataclass(frozen=True)
class Identity:
    """A key to offer, and what to call it in a message."""

    name: str
    key: paramiko.PKey


@dataclass(frozen=True)
class KeyFile:
    """What is in an identity file: its public half where that can be read, and the key or why not.

    `locked` holds where only the passphrase is missing.
    """

    public: bytes | None
    key: paramiko.PKey | None = None
    problem: str = ""
    locked: bool = False


class Keys:
    """All keys of a run."""

    def __init__(self, home: Path, ask: Callable[[Path], str | None] | None) -> None:
        self._home = home
        self._ask = ask
        self._files: dict[Path, KeyFile] = {}
        self._agents: dict[Path, tuple[AgentKey, ...] | str] = {}
        self._lock = threading.RLock()

    def identities(self, config: HostConfig, problems: list[str]) -> Iterator[Identity]:
        """Yield the keys to offer, named files first; `problems` gathers why others are left out.

        As with `ssh`, a file whose key the agent holds is used through the agent, default files
        come after the agent's keys, and IdentitiesOnly leaves out what no file names.
        """
        held = self._agent(config.agent, problems)
        named = config.identity_files is not None
        paths = config.identity_files if config.identity_files is not None else self._defaults()
        rest = [] if config.identities_only else list(held.values())
        offered: set[bytes] = set()
        for identity in [] if named else rest:
            offered.add(_blob(identity.key))
            yield identity
        for path in paths:
            file = self._file(path)
            if file.public in offered:
                continue
            offered.add(file.public or b"")
            if file.public in held:
                yield held[file.public]
            elif file.key is not None:
                yield from _with_certificate(self._short(path), path, file.key)
            else:
                problems.append(f"{self._short(path)} {file.problem}")
        yield from (identity for identity in rest if _blob(identity.key) not in offered)

    def unlock(self, config: HostConfig) -> None:
        """Ask for the passphrases of locked files that were named, or are all there is to offer."""
        if self._ask is None:
            return
        alone = next(self.identities(config, []), None) is None
        held = self._agent(config.agent, [])
        for path in config.identity_files or (self._defaults() if alone else ()):
            file = self._file(path)
            if file.locked and file.public not in held:
                self._files[path] = self._unlocked(path, file)

    def _unlocked(self, path: Path, file: KeyFile) -> KeyFile:
        for _ in range(ATTEMPTS):
            passphrase = self._ask(path) if self._ask else None
            if not passphrase:
                return replace(file, locked=False)  # one answer is enough, however many nodes ask
            opened = read_key(path, passphrase)
            if opened.key is not None:
                return opened
        return KeyFile(file.public, problem="was not opened by the passphrases given")

    def _defaults(self) -> tuple[Path, ...]:
        candidates = (self._home / ".ssh" / name for name in DEFAULT_FILES)
        return tuple(path for path in candidates if path.exists())

    def _file(self, path: Path) -> KeyFile:
        with self._lock:
            if path not in self._files:
                self._files[path] = read_key(path)
            return self._files[path]

    def _agent(self, path: Path | None, problems: list[str]) -> dict[bytes, Identity]:
        """Return the agent's keys by their public bytes."""
        if path is None:
            return {}
        with self._lock:
            if path not in self._agents:
                self._agents[path] = _ask_agent(path)
            keys = self._agents[path]
        if isinstance(keys, str):
            problems.append(keys)
            return {}
        return {_blob(key): Identity(f"agent's {_describe(key)}", key) for key in keys}

    def _short(self, path: Path) -> str:
        return str(path).replace(f"{self._home}/", "~/", 1)


def read_key(path: Path, passphrase: str | None = None) -> KeyFile:
    """Read an identity file; never raises, for a key that cannot be used is only left out."""
    try:
        status = path.stat()
        text = read_bytes(path).decode("utf-8", "surrogateescape")
    except OSError as exc:
        return KeyFile(None, problem=f"cannot be read: {exc.strerror}")
    if _is_public(text):
        # Only the public half, to name a key of the agent: ssh_config(5), IdentityFile.
        return KeyFile(_base64(text.split()[1]), problem="is a public key that the agent lacks")
    public = public_half(path, text)
    # Our own only: as root one may use the keys of others, and so does `ssh`.
    if status.st_uid == os.getuid() and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        return KeyFile(public, problem=f"is open to others (mode {mode}): chmod 600 {path}")
    return _load(path, text, public, passphrase)


def _load(path: Path, text: str, public: bytes | None, passphrase: str | None) -> KeyFile:
    kind = _key_type(public) if public else ""
    load = _CLASSES.get(kind) or _PEM_CLASSES.get(text.lstrip().partition("\n")[0].strip())
    if load is None:
        kinds = f"is of a kind that gkprep cannot use: {kind}"
        return KeyFile(public, problem=kinds if kind else "holds no key that gkprep can read")
    try:
        key = load.from_private_key(io.StringIO(text), passphrase)
    except paramiko.PasswordRequiredException:
        return KeyFile(public, problem=f"has a passphrase: ssh-add {path}", locked=True)
    except Exception as exc:  # noqa: BLE001 - whatever a broken file makes the library raise
        return KeyFile(public, problem=f"cannot be read: {printable(str(exc))}", locked=True)
    return KeyFile(key.asbytes(), key)


def public_half(path: Path, text: str) -> bytes | None:
    """Return the public key of a private file: OpenSSH's format has it in clear, else FILE.pub."""
    body = _base64("".join(line for line in text.split("\n") if line and "-----" not in line))
    if body is not None and body.startswith(_MAGIC):
        try:
            _cipher, rest = _string(body[len(_MAGIC) :])
            _kdf, rest = _string(rest)
            _options, rest = _string(rest)
            return _string(rest[4:])[0]
        except struct.error:
            return None
    try:
        words = read_bytes(Path(f"{path}.pub")).decode("utf-8", "surrogateescape").split()
    except OSError:
        return None
    return _base64(words[1]) if len(words) > 1 else None


def _is_public(text: str) -> bool:
    words = text.split()
    return len(words) > 1 and words[0].startswith(("ssh-", "ecdsa-", "sk-"))


def _string(data: bytes) -> tuple[bytes, bytes]:
    """Cut the first string off (RFC 4251, section 5)."""
    (length,) = struct.unpack_from(">I", data)
    return data[4 : 4 + length], data[4 + length :]


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _key_type(public: bytes) -> str:
    return _string(public)[0].decode("ascii", "replace") if len(public) > 4 else ""  # noqa: PLR2004 - the length comes first


def _with_certificate(name: str, path: Path, key: paramiko.PKey) -> Iterator[Identity]:
    """`FILE-cert.pub` is offered before FILE itself, as by `ssh`."""
    certificate = Path(f"{path}-cert.pub")
    if certificate.exists():
        certified = copy.copy(key)
        try:
            certified.load_certificate(str(certificate))
        except Exception:  # noqa: BLE001, S110 - a broken certificate is none; the key remains
            pass
        else:
            yield Identity(f"{name}-cert.pub", certified)
    yield Identity(name, key)


class _Agent(AgentSSH):
    """The agent behind a socket, connected to anew for each request: they may come side by side."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = str(path)
        self._patience = LIST_PATIENCE

    def list(self) -> tuple[AgentKey, ...]:
        """Return its keys, which sign by asking it again."""
        self._connect(None)  # type: ignore[attr-defined]
        self._patience = SIGN_PATIENCE
        return tuple(_HeldKey(self, key.blob, key.comment) for key in self.get_keys())

    def _send_message(self, msg: object) -> object:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(self._patience)
            connection.connect(self._path)
            return _OneRequest(connection).ask(msg)


class _OneRequest(AgentSSH):
    """paramiko's side of the agent's protocol, for one connection."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._conn = connection

    def ask(self, message: object) -> object:
        return self._send_message(message)  # type: ignore[attr-defined]


class _HeldKey(AgentKey):
    """A key of the agent; one that it will not sign with fails alone, not the connection."""

    def sign_ssh_data(self, data: Any, algorithm: str | None = None) -> Message:  # noqa: ANN401 - paramiko's
        try:
            return super().sign_ssh_data(data, algorithm)
        except Exception:  # noqa: BLE001 - refused, locked, timed out: the server will say no
            return Message()


def _ask_agent(path: Path) -> tuple[AgentKey, ...] | str:
    try:
        return _Agent(path).list()
    except Exception as exc:  # noqa: BLE001 - no agent, or none that can be understood
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        return f"the agent at {path} does not answer: {printable(why)}"


def _blob(key: paramiko.PKey) -> bytes:
    return key.asbytes()


def _describe(key: AgentKey) -> str:
    return printable(key.comment) or key.get_name()
