"""heketi's token: HS256, signed with the issuer's key, good for one method and path.

Source: heketi's middleware/jwt.go (v10.4) and the JWT section of its docs/api/api.md; RFC 7519.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping

LIFE = 300  # seconds that a client makes its token last
LEEWAY = 120  # seconds that a client's clock may be ahead of the server's (N37)


class RefusedError(Exception):
    """The words with which heketi turns a token down."""


def sign(user: str, key: str, method: str, path: str, now: float) -> str:
    """A token of `user` for one request; `now` is in seconds since the epoch."""
    claims = {"iss": user, "iat": int(now), "exp": int(now) + LIFE, "qsh": _purpose(method, path)}
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{signed}.{_encoded(_signature(signed, key))}"


def issuer(token: str, keys: Mapping[str, str], method: str, path: str, now: float) -> str:
    """Whose token it is; raises RefusedError. `keys` are the issuers' keys by name."""
    try:
        signed, _, signature = token.rpartition(".")
        header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        given = _decoded(signature)
    except ValueError:
        raise RefusedError(
            "Invalid JWT token: token contains an invalid number of segments"
        ) from None
    if header.get("alg") != "HS256":
        raise RefusedError(f"Invalid JWT token: Unexpected signing method: {header.get('alg')}")
    if (user := claims.get("iss")) not in keys:
        raise RefusedError(
            f"Invalid JWT token: {'Unknown user' if user else 'Token missing iss claim'}"
        )
    if not hmac.compare_digest(given, _signature(signed, keys[user])):
        raise RefusedError(
            "Invalid JWT token: signature is invalid (client and server secrets may not match)"
        )
    _in_time(claims, int(now))
    if claims.get("qsh") != _purpose(method, path):
        raise RefusedError("Invalid qsh claim in token")
    return str(user)


def _in_time(claims: Mapping[str, int], now: int) -> None:
    if now < claims.get("iat", 0) - LEEWAY:
        raise RefusedError(
            "Invalid JWT token: Token used before issued (client and server clocks may differ)"
        )
    if (late := now - claims.get("exp", 0)) > 0:
        raise RefusedError(f"Invalid JWT token: Token is expired by {late}s")


def _purpose(method: str, path: str) -> str:
    # The query is no part of it, whatever the name of the claim says.
    return hashlib.sha256(f"{method}&{path}".encode()).hexdigest()


def _signature(signed: str, key: str) -> bytes:
    return hmac.new(key.encode(), signed.encode(), "sha256").digest()


def _part(value: Mapping[str, object]) -> str:
    return _encoded(json.dumps(value).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
