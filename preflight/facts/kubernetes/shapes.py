"""Parts of an object of the API, whatever is missing in it: a saved one may be cut down by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]


def get(each: Object, key: str) -> Object:
    """The object under `key`; an empty one where there is none."""
    value = each.get(key)
    return value if isinstance(value, Mapping) else {}


def items(each: Object, key: str) -> list[Object]:
    """The objects in the list under `key`."""
    value = each.get(key)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def word(value: object) -> str:
    """The text that this is; empty for anything else."""
    return value if isinstance(value, str) else ""


def named(each: Object) -> tuple[str, str]:
    """Name and namespace."""
    about = get(each, "metadata")
    return word(about.get("name")), word(about.get("namespace"))
