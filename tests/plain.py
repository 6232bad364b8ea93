"""Values of facts as JSON has them, so that a recorded value can be read and compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath

SPELLED = (IPv4Address, IPv4Network, IPv6Address, IPv6Network, PurePath)


def plain(value: object) -> object:  # noqa: PLR0911 - one line a kind
    """Dataclasses become objects, sets sorted lists, tuples lists, enums their values.

    Raises TypeError for a type it does not know: a value that JSON would blur must not look equal.
    """
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, SPELLED):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, AbstractSet):
        return sorted((plain(item) for item in value), key=json.dumps)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no plain form")
