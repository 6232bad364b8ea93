"""The look at the cluster while a deployer runs: what it says of an API server that is silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from preflight.controller import controller
from preflight.deploy import watch
from preflight.deploy.cluster import Cluster
from preflight.deploy.watch import Watch
from preflight.errors import TransportError
from preflight.model import Node
from preflight.transport import LiveShell, Local
from tests.judged import with_deployer

NODE = controller(with_deployer(kubectl="/opt/nowhere/kubectl"))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PERIOD", 0.05)
    monkeypatch.setattr(watch, "PATIENCE", 0.2)


def lost(connect: Callable[[Node], LiveShell], seconds: float = 5) -> str | None:
    """What is said of it within some seconds."""
    with Watch(Cluster(NODE, connect)) as looking:
        end = time.monotonic() + seconds
        while (said := looking.lost()) is None and time.monotonic() < end:
            time.sleep(0.05)
        return said


def test_a_server_that_is_out_of_reach_is_lost_with_the_reason() -> None:
    said = lost(lambda _: Local(become=False))
    assert said
    assert said.startswith("the API server has not answered for ")
    assert "/opt/nowhere/kubectl: not found" in said


def test_so_is_one_that_nobody_gets_to() -> None:
    def connect(_: Node) -> LiveShell:
        raise TransportError("no way there")

    assert str(lost(connect)).endswith(" s: no way there")


def test_a_fault_of_its_own_is_none_of_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows, as any does, and the deployment goes on."""
    shown: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: shown.append(told.exc_value))

    def connect(_: Node) -> LiveShell:
        raise LookupError("a fault in here")

    assert lost(connect, 1) is None
    assert [str(each) for each in shown] == ["a fault in here"]
