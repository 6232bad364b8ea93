"""All that the author of a check or a fix imports.

A check is a generator function from facts to findings, made a `Check` by a decorator that names
the probes it needs; its id is the function's name with hyphens, its docstring the page that
`gkprep explain` shows. See docs/adding-a-check.md for one from start to finish.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Union

from preflight.errors import Unfixable, Unknown
from preflight.model import (
    Act,
    Check,
    Deployer,
    Device,
    Extent,
    Facts,
    Finding,
    Fix,
    FleetCheck,
    FleetTest,
    Guard,
    Node,
    Overwrite,
    Policy,
    PortRange,
    Probe,
    Risk,
    Role,
    Rpcbind,
    Site,
    Status,
    Step,
    Test,
)

__all__ = [
    "EVERY_ROLE",
    "Act",
    "Check",
    "Deployer",
    "Device",
    "Extent",
    "Facts",
    "Finding",
    "Fix",
    "FleetCheck",
    "Guard",
    "Node",
    "Overwrite",
    "Policy",
    "PortRange",
    "Probe",
    "Risk",
    "Role",
    "Rpcbind",
    "Site",
    "Status",
    "Step",
    "Unfixable",
    "Unknown",
    "check",
    "controller_check",
    "device_check",
    "fail",
    "fix",
    "fleet_check",
    "look_first",
    "ok",
    "skip",
    "unknown",
    "warn",
]

Need = Union[Probe[object], Callable[[Node], Iterable[Probe[object]]]]
DeviceNeed = Union[Probe[object], Callable[[str], Iterable[Probe[object]]]]
DeviceTest = Callable[[Facts, Device], Iterable[Finding]]

THEN = "  # look; if nothing is needed: "
"""What stands between a look and the command that could cost something, for `look_first`."""

STORAGE_ONLY = frozenset({Role.STORAGE})
EVERY_ROLE = frozenset({Role.STORAGE, Role.CLIENT})
"""The roles that an inventory gives; the controller is none of its nodes."""


def ok(subject: str, saw: str, want: str = "") -> Finding:
    """Report that `subject` is as it must be, and what was seen."""
    return Finding(subject, Status.PASS, saw, want)


def warn(subject: str, saw: str, want: str, *, says: str = "", cure: str = "") -> Finding:
    """Report what will work today and is likely to hurt later; `--strict` makes it a failure."""
    return Finding(subject, Status.WARN, saw, want, says, cure)


def fail(  # noqa: PLR0913 - the parts of a failure, each named by its caller
    subject: str, saw: str, want: str, *, says: str = "", cure: str = "", token: str | None = None
) -> Finding:
    """Report what stops a deployment: `says` is the error it would end in, `cure` the way out."""
    return Finding(subject, Status.FAIL, saw, want, says, cure, token)


def unknown(subject: str, why: str, want: str) -> Finding:
    """Report that `subject` could not be decided, and go on with the next; no pass either."""
    return Finding(subject, Status.ERROR, why, want)


def skip(subject: str, why: str) -> Finding:
    """Report that there was nothing to judge, because another finding already says why."""
    return Finding(subject, Status.SKIP, why)


def look_first(look: str, act: str) -> str:
    """A cure that costs something where it is wrong: copied as it stands, it only looks."""
    return f"{look}{THEN}{act}"


def check(*needs: Need, roles: frozenset[Role] = STORAGE_ONLY) -> Callable[[Test], Check]:
    """Make a `Check` of a function from a node's facts to findings.

    A need is a probe, or a function from the node to probes where they depend on its inventory
    entry. `roles` says which kinds of node the requirement is for.
    """

    def decorate(test: Test) -> Check:
        return Check(
            id=_id(test),
            doc=_doc(test),
            roles=roles,
            needs=partial(_probes, needs),
            parts=lambda _node: [("", test)],
        )

    return decorate


def controller_check(*needs: Need, about_nodes: bool = False) -> Callable[[Test], Check]:
    """Make a `Check` of the machine that deploys, and of the cluster as it is seen from there.

    `facts.node.site` has the inventory's nodes and its `deployer` section. `about_nodes` says that
    each subject is the name of one of the cluster's nodes.
    """

    def decorate(test: Test) -> Check:
        made = check(*needs, roles=frozenset({Role.CONTROLLER}))(test)
        return replace(made, about_nodes=about_nodes)

    return decorate


def device_check(*needs: DeviceNeed) -> Callable[[DeviceTest], Check]:
    """Make a `Check` that judges each device of a node by itself.

    A need is a probe, or a function from the device's path to probes. A node for which no device
    is named gets a SKIP: `device-usable` is the check that fails then.
    """

    def decorate(test: DeviceTest) -> Check:
        def probes(node: Node) -> Iterator[Probe[object]]:
            for device in node.devices:
                yield from _probes(needs, device.path)

        def parts(node: Node) -> list[tuple[str, Test]]:
            if not node.devices:
                return [("devices", lambda _facts: [skip("devices", "no device is named")])]
            return [(device.path, partial(_judge_device, test, device)) for device in node.devices]

        return Check(id=_id(test), doc=_doc(test), roles=STORAGE_ONLY, needs=probes, parts=parts)

    return decorate


def fleet_check(*needs: Need) -> Callable[[FleetTest], FleetCheck]:
    """Make a `FleetCheck` of a function from all nodes' facts, by node name, to findings."""

    def decorate(test: FleetTest) -> FleetCheck:
        return FleetCheck(id=_id(test), doc=_doc(test), needs=partial(_probes, needs), test=test)

    return decorate


def fix(
    check: Check, *needs: Need, risk: Risk
) -> Callable[[Callable[[Finding, Facts], Iterable[Act]]], Fix]:
    """Make a `Fix` of a function from one finding of `check`, and the facts, to steps.

    A need is what only the fix wants to know: whatever the check needs is there too.
    """

    def decorate(steps: Callable[[Finding, Facts], Iterable[Act]]) -> Fix:
        return Fix(check, risk, _doc(steps), steps, needs=partial(_probes, needs))

    return decorate


def _judge_device(test: DeviceTest, device: Device, facts: Facts) -> Iterable[Finding]:
    return test(facts, device)


def _probes(needs: Iterable[object], subject: object) -> Iterator[Probe[object]]:
    for need in needs:
        if isinstance(need, Probe):
            yield need
        elif callable(need):
            yield from need(subject)


def _id(function: Callable[..., object]) -> str:
    return function.__name__.replace("_", "-")


def _doc(function: Callable[..., object]) -> str:
    return inspect.cleandoc(function.__doc__ or "")
