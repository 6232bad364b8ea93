"""heketi's two keys: from the environment, from an earlier deployment, or made.

`admin` may do everything at heketi's REST interface, `user` only what is about volumes. gk-deploy
wants both whatever it does (D1), and writes them into a sed expression, where a `/` breaks it; so
here a key is letters and digits.
"""

from __future__ import annotations

import os
import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from preflight.errors import DeployError, UsageError
from preflight.journal import private

ADMIN_VARIABLE, USER_VARIABLE = "GKPREP_HEKETI_ADMIN_KEY", "GKPREP_HEKETI_USER_KEY"
ADMIN_FILE, USER_FILE = "admin", "user"
LENGTH = 32
SHORTEST = 8
"""Shorter ones could turn up in any text, and redacting them would spoil it."""


@dataclass(frozen=True)
class Keys:
    """Both keys, never shown by `repr`."""

    admin: str = field(repr=False)
    user: str = field(repr=False)


def keys(
    folder: Path, environ: Mapping[str, str], running: Keys | None, stored: Keys | None
) -> Keys:
    """The keys for this cluster, kept in `folder` from now on: two files that the owner may read.

    A heketi that is there decides: with other keys nobody would reach it, and no volume could be
    made or deleted. `running` are those of one. Without, what the environment says goes before
    what is kept, that before what is `stored` in the cluster, by a deployment from elsewhere, and
    all before new ones. Raises UsageError for a key that gk-deploy could not take, or that is not
    the running heketi's, and DeployError where they cannot be kept.
    """
    admin, user = _given(environ, ADMIN_VARIABLE), _given(environ, USER_VARIABLE)
    kept = _kept(folder)
    if running:
        for variable, given, right in (
            (ADMIN_VARIABLE, admin, running.admin),
            (USER_VARIABLE, user, running.user),
        ):
            if given and given != right:
                raise UsageError(f"{variable}: heketi runs with another key; abort it first")
        found = running
    else:
        other = kept or stored
        found = Keys(
            admin or (other.admin if other else _made()), user or (other.user if other else _made())
        )
    if found.admin == found.user and not running:
        raise UsageError(f"{ADMIN_VARIABLE} and {USER_VARIABLE} are the same: users would be admin")
    if found != kept:
        _keep(folder, found)
    return found


def any_keys(folder: Path, running: Keys | None) -> Keys:
    """Both keys for what works with any: the running heketi's, the kept ones, or made for once.

    Only a running heketi's are kept. Raises DeployError where they cannot be.
    """
    kept = _kept(folder)
    if running and running != kept:
        _keep(folder, running)
    return running or kept or Keys(_made(), _made())


def _given(environ: Mapping[str, str], variable: str) -> str:
    value = environ.get(variable, "")
    if value and not re.fullmatch(f"(?=.*[A-Za-z])[A-Za-z0-9]{{{SHORTEST},}}", value):
        raise UsageError(
            f"{variable}: a key is {SHORTEST} or more letters and digits, and no number, for"
            " gk-deploy puts it into a sed expression, and that into YAML without quotes"
        )
    return value


def _made() -> str:
    alphabet = string.ascii_letters + string.digits
    first = secrets.choice(string.ascii_letters)  # a number is none in YAML without quotes
    return first + "".join(secrets.choice(alphabet) for _ in range(LENGTH - 1))


def _kept(folder: Path) -> Keys | None:
    try:
        admin, user = (
            (folder / name).read_text("ascii").strip() for name in (ADMIN_FILE, USER_FILE)
        )
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as exc:
        raise DeployError(f"heketi's keys in {folder} cannot be read: {exc}") from exc
    if not (admin and user):
        raise DeployError(f"heketi's keys in {folder} are empty: remove that folder")
    return Keys(admin, user)


def _keep(folder: Path, found: Keys) -> None:
    """Write both, each at once whole: a half-written key would lock everybody out."""
    try:
        private(folder)
        for name, key in ((ADMIN_FILE, found.admin), (USER_FILE, found.user)):
            new = folder / f".{name}.new"
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(f"{key}\n")
                file.flush()
                os.fsync(file.fileno())
            new.replace(folder / name)
    except OSError as exc:
        raise DeployError(f"heketi's keys cannot be kept in {folder}: {exc.strerror}") from exc
