"""The smoke test: a volume that is asked for, bound, and deleted again with all that was made."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from preflight.deploy.cluster import Cluster
from preflight.deploy.objects import claim
from preflight.errors import DeployError
from preflight.facts.kubernetes import claims
from preflight.facts.kubernetes.claims import Claim
from preflight.facts.kubernetes.command import kubectl
from preflight.model import Finding
from preflight.plugin import fail, ok

CHECK = "smoke-test"
PATIENCE = 300.0
"""Seconds for a volume of 1 GiB: 65 s were measured on slow machines."""

PAUSE = 1.0
WANT = "a volume that is bound, and deleted again"


def smoke_test(cluster: Cluster, patience: float = PATIENCE) -> Iterator[Finding]:
    """Ask for a volume, wait until it is bound, delete it, and wait until it is gone.

    The claim is deleted whatever happens, an interrupt included.
    """
    name = f"gkprep-smoke-{secrets.token_hex(4)}"
    seen = claims.claim(kubectl(cluster.controller), cluster.namespace, name)

    def state() -> Claim | None:
        return cluster.ask(seen)[seen]

    cluster.apply(claim(cluster.namespace, name))
    try:
        bound = _wait(lambda: (now := state()) is not None and now.phase == "Bound", patience)
        last = state()
    finally:
        with suppress(DeployError):  # it is looked for below
            cluster.delete("persistentvolumeclaim", name, wait=False)
    look = f"kubectl --namespace={cluster.namespace} get events"
    if bound is None:
        says = last.event if last else ""
        saw = f"{last.phase if last else 'gone'} after {patience:.0f} s"
        yield fail("volume", saw, WANT, says=says, cure="gkprep diagnose")
        return
    gone = _wait(lambda: state() is None, patience)
    if gone is None:
        yield fail("volume", f"still there after {patience:.0f} s", WANT, cure=look)
    else:
        yield ok("volume", f"1 GiB bound in {bound:.0f} s, gone again in {gone:.0f} s")


def _wait(reached: Callable[[], bool], patience: float) -> float | None:
    """Seconds until it was reached, None where it was not within `patience`."""
    started = time.monotonic()
    while (elapsed := time.monotonic() - started) < patience:
        if reached():
            return elapsed
        time.sleep(PAUSE)
    return None
