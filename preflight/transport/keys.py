"""What can prove who we are: identity files and the agent's keys, read once a run and shared."""

from __future__ import annotations

import base64
import binascii
import contextlib
import copy
import io
import itertools
import os
import socket
import stat
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
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
_CERTIFIED = "-cert-v01@openssh.com"
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

    @property
    def blob(self) -> bytes:
        """What is offered: the key's certificate, if it has one."""
        certificate = self.key.public_blob
        return certificate.key_blob if certificate else self.key.asbytes()


@dataclass(frozen=True)
class KeyFile:
    """What is in an identity file: its public half where that can be read, and the key or why not.

    `locked` holds where only the passphrase is missing, `certificate` what is in FILE-cert.pub.
    """

    public: bytes | None
    key: paramiko.PKey | None = None
    problem: str = ""
    locked: bool = False
    certificate: bytes | None = None


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
        rest = () if config.identities_only else held.values()
        ours = (identity for path in paths for identity in self._named(path, held, problems))
        offered: set[bytes] = set()
        for identity in itertools.chain(ours, rest) if named else itertools.chain(rest, ours):
            if identity.blob not in offered:
                offered.add(identity.blob)
                yield identity

    def _named(
        self, path: Path, held: Mapping[bytes, Identity], problems: list[str]
    ) -> Iterator[Identity]:
        """Yield what an identity file names: its certificate and the key, each by the agent or not.

        The agent may hold the certificate as well, or just the key: then that signs for it.
        """
        file, name = self._file(path), self._short(path)
        plain = held.get(file.public or b"") or (Identity(name, file.key) if file.key else None)
        certificate = file.certificate or b""
        if certificate in held:
            yield held[certificate]
        elif plain and certificate:
            yield from _certified(f"{name}-cert.pub", plain.key, certificate)
        if plain:
            yield plain
        else:
            problems.append(f"{name} {file.problem}")

    def unlock(self, config: HostConfig) -> None:
        """Ask for the passphrases of locked files that were named, or are all there is to offer."""
        if self._ask is None:
            return
        alone = next(self.identities(config, []), None) is None
        held = self._agent(config.agent, [])
        for path in config.identity_files or (self._defaults() if alone else ()):
            file = self._file(path)
            if file.locked and held.keys().isdisjoint({file.public, file.certificate}):
                self._files[path] = self._unlocked(path, file)

    def _unlocked(self, path: Path, file: KeyFile) -> KeyFile:
        for _ in range(ATTEMPTS):
            passphrase = self._ask(path) if self._ask else None
            if not passphrase:
                return replace(file, locked=False)  # one answer is enough, however many nodes ask
            opened = read_key(path, passphrase)
            if opened.key is not None:
                return opened
        return replace(file, problem="was not opened by the passphrases given", locked=False)

    def _defaults(self) -> tuple[Path, ...]:
        candidates = (self._home / ".ssh" / name for name in DEFAULT_FILES)
        return tuple(p for p in candidates if p.exists() or Path(f"{p}.pub").exists())

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
        return {key.blob: Identity(f"agent's {_describe(key)}", key) for key in keys}

    def _short(self, path: Path) -> str:
        return str(path).replace(f"{self._home}/", "~/", 1)


def read_key(path: Path, passphrase: str | None = None) -> KeyFile:
    """Read an identity file; never raises, for a key that cannot be used is only left out."""
    certificate = _public(Path(f"{path}-cert.pub"))
    if certificate and not _key_type(certificate).endswith(_CERTIFIED):
        certificate = None
    return replace(_read(path, passphrase), certificate=certificate)


def _read(path: Path, passphrase: str | None) -> KeyFile:
    try:
        status = path.stat()
        text = read_bytes(path).decode("utf-8", "surrogateescape")
    except OSError as exc:
        # The agent may hold it all the same; FILE.pub says which one it is.
        return KeyFile(_public(Path(f"{path}.pub")), problem=f"cannot be read: {exc.strerror}")
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
    return _public(Path(f"{path}.pub"))


def _public(path: Path) -> bytes | None:
    """Return the key or the certificate in a public file, if there is one."""
    try:
        words = read_bytes(path).decode("utf-8", "surrogateescape").split()
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


def _certified(name: str, key: paramiko.PKey, certificate: bytes) -> Iterator[Identity]:
    """Yield the key with the certificate; nothing where that is for keys of another type."""
    certified = copy.copy(key)
    with contextlib.suppress(ValueError):
        certified.load_certificate(Message(certificate))
        yield Identity(name, certified)


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
    """A key or certificate of the agent; if it will not sign, that fails, not the connection."""

    public_blob = None  # older versions of paramiko lack it, and would ask the key inside

    def __copy__(self) -> _HeldKey:
        return _HeldKey(self.agent, self.blob, self.comment)

    def asbytes(self) -> bytes:
        """As the agent has it, while paramiko takes an RSA certificate for the key inside."""
        return self.blob

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


def _describe(key: AgentKey) -> str:
    name = printable(key.comment) or key.get_name()
    return f"{name} (certificate)" if key.get_name().endswith(_CERTIFIED) else name
