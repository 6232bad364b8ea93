"""A client of heketi: a token for every request, and patience with what is done in the queue.

Source: heketi's client/api/go-client/client.go.
"""

from __future__ import annotations

import http.client
import json
import time
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from . import jwt

POLL = 0.1  # seconds; heketi's own client waits 0.4


class HeketiError(Exception):
    """What heketi said instead of doing it."""


@dataclass(frozen=True)
class Reply:
    """One answer, read to its end."""

    status: int
    location: str
    pending: bool
    body: bytes


@dataclass(frozen=True)
class Client:
    """A user of the heketi at `url`."""

    url: str
    user: str
    key: str

    def get(self, path: str) -> Any:
        """The document there; raises HeketiError."""
        return json.loads(self.read(path))

    def read(self, path: str) -> bytes:
        """The bytes there; raises HeketiError."""
        return self._expect(self.ask("GET", path), HTTPStatus.OK)

    def post(self, path: str, asked: object) -> Any:
        """What was made, or None where heketi only says that it is done; raises HeketiError."""
        return self._done(self.ask("POST", path, json.dumps(asked)))

    def delete(self, path: str) -> None:
        """Gone when this returns; raises HeketiError."""
        self._done(self.ask("DELETE", path))

    def ask(self, method: str, path: str, body: str = "") -> Reply:
        """One request; raises HeketiError if nobody is there."""
        place = urlsplit(self.url)
        token = jwt.sign(self.user, self.key, method, path, time.time())
        headers = {"Authorization": f"bearer {token}"}
        with closing(http.client.HTTPConnection(place.hostname or "", place.port or 80)) as line:
            try:
                line.request(method, path, body or None, headers)
                answer = line.getresponse()
                said = answer.read()
            except OSError as error:
                why = str(error.strerror).lower()
                raise HeketiError(f'{method.title()} "{self.url}{path}": {why}') from None
        pending = answer.getheader("X-Pending") == "true"
        return Reply(answer.status, answer.getheader("Location") or "", pending, said)

    def _done(self, reply: Reply) -> Any:
        place = reply.location
        while reply.pending or reply.status == HTTPStatus.ACCEPTED:
            time.sleep(POLL)
            reply = self.ask("GET", place)
        if reply.status == HTTPStatus.SEE_OTHER:
            return self.get(reply.location)
        if reply.status == HTTPStatus.NO_CONTENT:
            return None
        made = self._expect(reply, HTTPStatus.OK, HTTPStatus.CREATED)
        return json.loads(made) if made else None

    @staticmethod
    def _expect(reply: Reply, *good: HTTPStatus) -> bytes:
        if reply.status not in good:
            raise HeketiError(reply.body.decode().strip())
        return reply.body
