"""The smoke test: a volume that is asked for, bound, and deleted again with all that was made."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress

from preflight import prompt
from preflight.deploy.cluster import Cluster
from preflight.deploy.objects import claim
from preflight.errors import DeployError, Unknown
from preflight.facts import kubernetes
from preflight.facts.kubernetes import Claim, kubectl
from preflight.model import Finding
from preflight.plugin import fail, ok, unknown

CHECK = "smoke-test"
PATIENCE = 300.0
"""Seconds for a volume of 1 GiB: 65 to 150 s were measured on slow machines."""

NORMAL = "a volume of 1 GiB, to be bound and gone again: 1 to 3 minutes on slow machines"

CLAIM = "persistentvolumeclaim"
PAUSE = 1.0
WANT = "a volume that is bound, and gone again"


def smoke_test(cluster: Cluster) -> Finding:
    """Ask for a volume, wait until it is bound, delete it, and wait until all of it is gone.

    The claim is deleted whatever happens. An interrupt leaves little time for that: it tells first
    what may be left. What the API server does not answer at one moment is asked again.
    """
    name = f"gkprep-smoke-{secrets.token_hex(4)}"
    try:
        return _smoke_test(cluster, name)
    except DeployError as exc:
        _delete(cluster, name)
        return unknown("volume", f"claim {name}: {exc}", WANT)
    except BaseException:
        _tell_left(cluster, name)
        if _delete(cluster, name):
            prompt.show(f"gkprep: claim {name} is deleted\n")
        raise


def _tell_left(cluster: Cluster, name: str) -> None:
    words = f"{kubectl(cluster.controller)} --namespace={cluster.namespace}"
    prompt.show(
        f"gkprep: the smoke test was ended; claim {name} is being deleted, and may be left. Then:"
        f" {words} delete {CLAIM} {name}\n"
    )


def _delete(cluster: Cluster, name: str) -> bool:
    """Whether the API server has taken it up; whether it went is looked at elsewhere."""
    try:
        cluster.delete(CLAIM, name, wait=False)
    except DeployError:
        return False
    return True


def _smoke_test(cluster: Cluster, name: str) -> Finding:
    words = kubectl(cluster.controller)
    asked, listed = kubernetes.claim(words, cluster.namespace, name), kubernetes.volumes(words)
    seen: list[Claim] = []

    def bound() -> bool:
        now = cluster.ask(asked)[asked]
        seen.extend([now] if now else [])
        return now is not None and now.phase == "Bound"

    def gone() -> bool:
        told = cluster.ask(asked, listed)
        made = {each.volume for each in seen}
        return told[asked] is None and not any(each.name in made for each in told[listed])

    cluster.apply(claim(cluster.namespace, name))
    took = _wait(bound)
    _delete(cluster, name)
    away = _wait(gone)
    left = "" if away is not None else f"; claim {name} or its volume is still there"
    if took is None:
        last = seen[-1] if seen else None
        saw = f"{last.phase if last else 'unseen'} after {PATIENCE:.0f} s{left}"
        says = last.event if last else ""
        return fail("volume", saw, WANT, says=says, cure="gkprep diagnose")
    if away is None:
        saw = f"bound in {took:.0f} s{left} after {PATIENCE:.0f} s"
        look = f"{words} --namespace={cluster.namespace} get events"
        return fail("volume", saw, WANT, cure=look)
    return ok("volume", f"1 GiB bound in {took:.0f} s, gone again in {away:.0f} s")


def _wait(reached: Callable[[], bool]) -> float | None:
    """Seconds until it was reached, None where it was not in time."""
    started = time.monotonic()
    while (elapsed := time.monotonic() - started) < PATIENCE:
        with suppress(Unknown):
            if reached():
                return elapsed
        time.sleep(PAUSE)
    return None
