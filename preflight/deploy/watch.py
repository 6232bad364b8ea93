"""Looks at the cluster while a deployer runs: which pods are waited for, and is it still there."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import final

from preflight.deploy.cluster import Cluster
from preflight.errors import TransportError, Unknown
from preflight.facts import deployment, kubernetes
from preflight.facts.kubernetes.command import kubectl
from preflight.facts.kubernetes.pods import Pod

PERIOD = 3.0
"""Seconds from one look to the next."""

PATIENCE = 60.0
"""Seconds after which an API server that does not answer is lost: a restart takes less."""

SHOWN = 3


@final
class Watch:
    """A context manager around a run of the deployer."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        words = kubectl(cluster.controller)
        self._asked = deployment.pods(words, cluster.namespace)
        self._server = kubernetes.server(words)
        self._pods: tuple[Pod, ...] = ()
        self._why = ""
        self._answered = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._answered = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop looking; a look that is under way is nobody's business any more."""
        self._over.set()

    def _look(self) -> None:
        while True:
            try:
                self._ask()
            except TransportError as exc:  # the next look may get through
                self._why = str(exc)
            if self._over.wait(PERIOD):
                return

    def _ask(self) -> None:
        """The pods, which we may not be allowed to see; and whether anybody is there at all."""
        told = self._cluster.ask(self._asked, self._server)
        with suppress(Unknown):
            self._pods = told[self._asked]
        try:
            server = told[self._server]
        except Unknown as exc:
            self._why = str(exc)
            return
        self._why = server.complaint
        if server.version:
            self._answered = time.monotonic()

    def waits(self) -> str:
        """The pods that are not ready: `glusterfs-7xk2p on node2 0/1 ContainerCreating`."""
        late = [pod for pod in self._pods if not pod.is_ready and pod.phase != "Succeeded"]
        told = [_told(pod) for pod in late[:SHOWN]]
        if len(late) > SHOWN:
            told.append(f"{len(late) - SHOWN} more")
        return ", ".join(told)

    def lost(self) -> str | None:
        """Why there is no going on: the API server has not answered for too long.

        Where nobody looks any more, for a fault in here, that is none of its.
        """
        silent = time.monotonic() - self._answered
        if silent < PATIENCE or not self._thread.is_alive():
            return None
        return f"the API server has not answered for {silent:.0f} s: {self._why}"


def _told(pod: Pod) -> str:
    where = f"on {pod.node} " if pod.node else ""
    return f"{pod.name} {where}{pod.ready}/{pod.wanted} {pod.waits}".rstrip()
