"""The API server's REST interface, as far as playing nodes needs it."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast

Object = dict[str, Any]
"""A Kubernetes object as JSON has it."""

SECONDS = 10.0
"""How long one answer may take."""


@dataclass(frozen=True)
class Api:
    """The server at `url`, trusted by its certificate, spoken to with a token."""

    url: str
    certificate: Path
    token: str

    def get(self, path: str) -> Object | None:
        """The object at this path; None where there is none."""
        try:
            return self._call("GET", path)
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    def create(self, path: str, body: Mapping[str, Any]) -> bool:
        """Create an object; False where there is one of its name, or its namespace is going."""
        try:
            self._call("POST", path, body)
        except urllib.error.HTTPError as error:
            if error.code in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN):
                return False
            raise
        return True

    def merge(self, path: str, patch: Mapping[str, Any]) -> bool:
        """Merge into an object; False where it is gone, or is another of its name."""
        try:
            self._call("PATCH", path, patch, "application/strategic-merge-patch+json")
        except urllib.error.HTTPError as error:
            if error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                return False
            raise
        return True

    def replace(self, path: str, body: Mapping[str, Any]) -> Object:
        """Put an object in the place of the one that is there."""
        return self._call("PUT", path, body)

    def delete(self, path: str, options: Mapping[str, Any] | None = None) -> None:
        """Delete an object, if it is there."""
        try:
            self._call("DELETE", path, options)
        except urllib.error.HTTPError as error:
            if error.code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise

    def ready(self) -> bool:
        """Whether the server says that it is."""
        try:
            with self._open("GET", "/readyz", None) as answer:
                return bool(answer.read() == b"ok")
        except (OSError, HTTPException):
            return False

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        kind: str = "application/json",
    ) -> Object:
        data = None if body is None else json.dumps(body).encode()
        with self._open(method, path, data, kind) as answer:
            return cast("Object", json.load(answer))

    def _open(
        self, method: str, path: str, data: bytes | None, kind: str = "application/json"
    ) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        trust = ssl.create_default_context(cafile=str(self.certificate))
        return urllib.request.urlopen(request, timeout=SECONDS, context=trust)
