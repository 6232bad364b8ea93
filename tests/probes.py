"""Probes by their names: what test_facts and record both look up."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import cast

from preflight import facts
from preflight.model import Probe


def find(name: str, args: list[str]) -> Probe[object]:
    """Return the probe that `module.attribute` names; a factory is called with `args`.

    Raises LookupError where there is no such probe, or where arguments and kind do not match.
    """
    module, _, attribute = name.partition(".")
    known = dict(probes())
    if name not in known:
        raise LookupError(f"there is no probe {name}; there are: {' '.join(sorted(known))}")
    found: object = getattr(importlib.import_module(f"{facts.__name__}.{module}"), attribute)
    if isinstance(found, Probe):
        if args:
            raise LookupError(f"{name} takes no argument")
        return found
    if not args or not callable(found):
        raise LookupError(f"{name} needs an argument")
    return cast("Probe[object]", found(*args))


def probes() -> Iterator[tuple[str, object]]:
    """Every probe and every factory of probes in `preflight.facts`, with its name."""
    for info in pkgutil.iter_modules(facts.__path__):
        module = importlib.import_module(f"{facts.__name__}.{info.name}")
        for attribute, value in vars(module).items():
            if isinstance(value, Probe) or _is_factory(value, module):
                yield f"{info.name}.{attribute}", value


def _is_factory(value: object, module: ModuleType) -> bool:
    """Whether `value` is a public function of `module` that says it returns a probe."""
    if not inspect.isfunction(value) or value.__module__ != module.__name__:
        return False
    public = not value.__name__.startswith("_")
    return public and str(inspect.signature(value).return_annotation).startswith("Probe[")
