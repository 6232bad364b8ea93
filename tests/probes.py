"""Probes by their names: what test_facts and record both look up."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import cast

import checks
from preflight import facts
from preflight.model import Probe


def find(name: str, args: list[str]) -> Probe[object]:
    """Return the probe of that name; a factory, named `module.attribute`, is called with `args`.

    Raises LookupError where there is no such probe, or where arguments and kind do not match.
    """
    known = dict([*probes(), *own_probes()])
    if name not in known:
        raise LookupError(f"there is no probe {name}; there are: {' '.join(sorted(known))}")
    found = known[name]
    if isinstance(found, Probe):
        if args:
            raise LookupError(f"{name} takes no argument")
        return found
    if not args or not callable(found):
        raise LookupError(f"{name} needs an argument")
    return cast("Probe[object]", found(*args))


def probes() -> Iterator[tuple[str, object]]:
    """Every probe and every factory of probes in `preflight.facts`, with its name.

    A package's face comes before the modules behind it, and gives the name.
    """
    seen: list[object] = []
    for info in pkgutil.walk_packages(facts.__path__, f"{facts.__name__}."):
        module, name = importlib.import_module(info.name), info.name.rpartition(".")[2]
        for attribute, value in vars(module).items():
            # A probe that another module's factory has made has that one's name.
            made = isinstance(value, Probe) and value.name.startswith(f"{name}.")
            if (made or _is_factory(value, module)) and not any(value is other for other in seen):
                seen.append(value)
                yield f"{name}.{attribute}", value


def own_probes() -> Iterator[tuple[str, object]]:
    """Probes that a check brings in its own file, with the names that they give themselves."""
    for info in pkgutil.iter_modules(checks.__path__, f"{checks.__name__}."):
        for value in vars(importlib.import_module(info.name)).values():
            if isinstance(value, Probe):
                yield value.name, value


def _is_factory(value: object, module: ModuleType) -> bool:
    """Whether `value` is a public function of `module` that says it returns a probe."""
    if not inspect.isfunction(value) or not value.__module__.startswith(module.__name__):
        return False
    public = not value.__name__.startswith("_")
    return public and str(inspect.signature(value).return_annotation).startswith("Probe[")
