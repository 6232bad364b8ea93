"""kernel-modules on facts given as values: every branch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from checks.kernel_modules import REQUIRED, kernel_modules, required
from preflight.errors import Unknown
from preflight.facts import kernel
from preflight.facts.kernel import Loadable
from preflight.judge import judge
from preflight.model import Facts, Finding, Node, Policy, Status

NODE = Node("node1", "192.0.2.1", "192.0.2.1", policy=Policy(gluster_block=False))


def findings(node: Node = NODE, **given: object) -> dict[str, Finding]:
    """What is found, by subject, where all modules are in order but for what is `given`."""
    names = frozenset(required(node))
    values: dict[str, object] = {
        kernel.modules.name: names,
        kernel.persisted.name: names,
        kernel.builtin.name: frozenset(),
        kernel.loadable(*required(node)).name: Loadable("6.1.0", names),
    }
    values |= {f"kernel.{key}": value for key, value in given.items()}
    found = judge([kernel_modules], {node.name: Facts(node, values)})
    return {finding.subject: finding for finding in found}


def saw(name: str, **given: Any) -> tuple[Status, str]:
    found = findings(**given)[name]
    return found.status, found.saw


def test_loaded_and_loaded_at_boot_passes() -> None:
    assert {f.status for f in findings().values()} == {Status.PASS}


def test_block_devices_need_one_module_more() -> None:
    assert set(findings()) == set(REQUIRED)
    block = replace(NODE, policy=Policy())
    assert set(findings(block)) == {*REQUIRED, "target_core_user"}


def test_built_in_needs_no_loading() -> None:
    found = findings(modules=frozenset(), persisted=frozenset(), builtin=frozenset(REQUIRED))
    assert {(f.status, f.saw) for f in found.values()} == {(Status.PASS, "built into the kernel")}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"persisted": frozenset()}, "loaded, but not loaded at boot"),
        ({"modules": frozenset()}, "loaded at boot, but not loaded now"),
        ({"modules": frozenset(), "persisted": frozenset()}, "not loaded"),
    ],
)
def test_half_is_not_enough(given: dict[str, Any], expected: str) -> None:
    assert saw("dm_mirror", **given) == (Status.FAIL, expected)


def test_the_cure_is_only_what_is_missing() -> None:
    missing = findings(modules=frozenset())["dm_mirror"]
    assert missing.cure == "modprobe dm_mirror"
    unpersisted = findings(persisted=frozenset())["dm_mirror"]
    assert unpersisted.cure == "echo dm_mirror >> /etc/modules-load.d/gluster.conf"


def test_a_kernel_without_the_module_says_so() -> None:
    asked = kernel.loadable(*REQUIRED).name.removeprefix("kernel.")
    none = {"modules": frozenset(), asked: Loadable("4.19-cos", frozenset())}
    assert saw("dm_thin_pool", **none) == (
        Status.FAIL,
        "kernel 4.19-cos has no such module",
    )


@pytest.mark.parametrize("name", ["modules", "persisted"])
def test_what_is_not_known_is_no_pass(name: str) -> None:
    given: dict[str, Any] = {name: Unknown("permission denied")}
    found = findings(**given)
    assert [(f.status, f.saw) for f in found.values()] == [(Status.ERROR, "permission denied")]
