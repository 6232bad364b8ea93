"""A plan that was saved by `gkprep fix --dry-run -o json`, and read by a person since."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from preflight.errors import UsageError
from preflight.model import Plan
from preflight.report import machine

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class SavedPlan:
    """The actions of a report, as its JSON has them."""

    path: Path
    actions: tuple[Entry, ...]

    @property
    def tokens(self) -> tuple[str, ...]:
        """The consents that it was made with."""
        return tuple(entry["token"] for entry in self.actions if entry["token"])

    @property
    def checks(self) -> tuple[str, ...]:
        """The checks whose findings it puts right."""
        return tuple(dict.fromkeys(str(entry["check"]) for entry in self.actions))

    def only(self, plan: Plan) -> Plan:
        """Those actions of `plan` that were saved, just as they were.

        Raises UsageError where one of them would be another by now, or not be taken at all: the
        facts have changed since a person has read the plan.
        """
        if len(self.actions) != len({_key(entry) for entry in self.actions}):
            raise UsageError(f"{self.path}: one of its actions stands there twice")
        now = {_key(machine.planned(action)): action for action in plan.actions}
        chosen = []
        for entry in self.actions:
            action = now.get(_key(entry))
            if action is None or machine.planned(action) != entry:
                change = "is not to be done now" if action is None else "is another step by now"
                what = f"{self.path}: the facts have changed since: {' '.join(_key(entry))}"
                raise UsageError(f"{what} {change}; nothing was changed")
            chosen.append(action)
        return replace(plan, actions=tuple(chosen), withheld=(), spent=())


def read(path: Path) -> SavedPlan:
    """Read the plan in a report; raises UsageError for a file that holds none."""
    try:
        actions = tuple(_actions(json.loads(path.read_text(encoding="utf-8"))))
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc
    except (ValueError, KeyError, TypeError) as exc:
        made = "gkprep fix --dry-run -o json"
        raise UsageError(f"{path}: no plan as `{made}` writes it ({exc!r})") from exc
    return SavedPlan(path, actions)


def _actions(report: Entry) -> Iterator[Entry]:
    if report["schema"] != machine.SCHEMA or report["command"] != "fix":
        raise ValueError("another kind of report")
    for entry in report["plan"]["actions"]:
        _key(entry)
        if not isinstance(entry["token"], (str, type(None))):
            raise TypeError("a token that is no text")
        yield entry


def _key(entry: Entry) -> tuple[str, str, str]:
    return str(entry["node"]), str(entry["check"]), str(entry["subject"])
