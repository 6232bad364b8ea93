"""Entry points -> checks and fixes; the built-in ones come in by the same door as anybody's.

The groups are `gkprep.checks` and `gkprep.fixes`. An entry point names a module or a package; of a
package every module is loaded that does not start with an underscore. What counts is what is in
there: each `Check`, `FleetCheck` or `Fix`. So a new check is one new file, and nothing else.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import TypeVar

from preflight.errors import PluginError
from preflight.model import Check, Fix, FleetCheck

T = TypeVar("T")


def checks() -> tuple[Check | FleetCheck, ...]:
    """All checks that are installed, sorted by id.

    Raises PluginError for one that cannot be loaded: a requirement that silently is not checked
    would be a pass that nobody gave.
    """
    found: list[Check | FleetCheck] = [*_load("gkprep.checks", Check)]
    found += _load("gkprep.checks", FleetCheck)
    return tuple(_by_id((check.id, check) for check in found).values())


def fixes() -> dict[str, Fix]:
    """All fixes that are installed, by the id of the check they put right."""
    return _by_id((fix.check.id, fix) for fix in _load("gkprep.fixes", Fix))


def _by_id(named: Iterable[tuple[str, T]]) -> dict[str, T]:
    known: dict[str, T] = {}
    for name, plugin in sorted(named, key=lambda pair: pair[0]):
        if known.setdefault(name, plugin) is not plugin:
            raise PluginError(f"two plugins claim the id {name}")
    return known


def _load(group: str, kind: type[T]) -> list[T]:
    """Every instance of `kind` behind the entry points of `group`, each once."""
    found: dict[int, T] = {}
    for entry in entry_points(group=group):
        for module in _modules(entry):
            found.update(
                {id(value): value for value in vars(module).values() if isinstance(value, kind)}
            )
    return list(found.values())


def _modules(entry: EntryPoint) -> Iterator[ModuleType]:
    root = _import(entry.module, entry)
    yield root
    for info in pkgutil.iter_modules(getattr(root, "__path__", ())):
        if not info.name.startswith("_"):
            yield _import(f"{entry.module}.{info.name}", entry)


def _import(name: str, entry: EntryPoint) -> ModuleType:
    """Import one module; raises PluginError whatever it does, an exit with any code included."""
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as exc:
        origin = f" of {entry.dist.name}" if entry.dist else ""
        told = " ".join(f"{type(exc).__name__}: {exc}".split())
        raise PluginError(f"plugin {name}{origin} cannot be loaded: {told}") from exc
