"""The server around heketi's REST interface: configuration, tokens, HTTP.

`heketi --config=FILE`. Read of the file: port, jwt.admin.key, jwt.user.key and glusterfs.db;
HEKETI_HTTP_PORT, HEKETI_ADMIN_KEY and HEKETI_USER_KEY come before it, as with heketi, which does
not look at `use_auth` either: there is no server without keys. It listens on every address, as
heketi does, unless GKPREP_STANDIN_ADDRESS names one.

Source: heketi's main.go, middleware/jwt.go and apps/glusterfs/app_middleware.go (v10.4).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from urllib.parse import urlsplit

from . import jwt
from .rest import Answer, Heketi, refusal
from .state import State


@dataclass(frozen=True)
class Config:
    """What is read of the configuration."""

    port: int
    keys: dict[str, str]
    db: Path

    @classmethod
    def read(cls, path: Path) -> Config:
        """Raises OSError, ValueError, KeyError."""
        text = json.loads(path.read_text())
        kept = {
            user: text.get("jwt", {}).get(user, {}).get("key", "") for user in ("admin", "user")
        }
        keys = {user: os.environ.get(f"HEKETI_{user.upper()}_KEY") or kept[user] for user in kept}
        port = os.environ.get("HEKETI_HTTP_PORT") or text["port"]
        return cls(int(port), keys, Path(text["glusterfs"]["db"]))


class Server(ThreadingTCPServer):
    """One heketi; requests are answered one after the other, as its database would have it.

    Not http.server's: that asks a name server for this host's name, which may take long to fail.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, config: Config, faults: Path) -> None:
        super().__init__((os.environ.get("GKPREP_STANDIN_ADDRESS", ""), config.port), Asked)
        self.keys = config.keys
        self.heketi = Heketi(State(config.db), faults)
        self.lock = threading.Lock()


class Asked(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one segment: the second would wait for an acknowledgement

    def do_GET(self) -> None:
        """Ask."""
        self._answer()

    do_POST = do_DELETE = do_GET  # noqa: N815 - likewise

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path == "/hello":
            self._send(Answer(HTTPStatus.OK, b"Hello from Heketi", {"Content-Type": "text/plain"}))
        elif refused := self._refused(path):
            self._send(refused)
        else:
            with self.server.lock:
                answer = self.server.heketi.answer(self.command, path, body)
            self._send(answer)

    def _refused(self, path: str) -> Answer | None:
        token = self.headers.get("Authorization", "").partition(" ")[2]
        if not token:
            return refusal(HTTPStatus.UNAUTHORIZED, "Required authorization token not found")
        try:
            user = jwt.issuer(token, self.server.keys, self.command, path, time.time())
        except jwt.RefusedError as why:
            return refusal(HTTPStatus.UNAUTHORIZED, str(why))
        # /volumes and no other path: not even the /queue entry of a volume that it asked for.
        if user == "user" and path != "/volumes":
            return refusal(HTTPStatus.UNAUTHORIZED, "Administrator access required")
        return None

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)


def main() -> int:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="heketi")
    parser.add_argument("--config", type=Path)
    path = parser.parse_args().config
    if not path:
        return _stop("Please provide configuration file")
    try:
        config = Config.read(path)
    except OSError as error:
        return _stop(f"ERROR: Unable to open config file {path}: {error.strerror}")
    except (ValueError, KeyError) as error:
        return _stop(f"ERROR: Unable to parse configuration: {error}")
    if not all(config.keys.values()):
        return _stop("ERROR: Missing JWT information in config file")
    server = Server(config, path.with_name("faults.json"))
    for number in (signal.SIGINT, signal.SIGTERM):
        # shutdown() waits for the loop that this very thread runs.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    sys.stdout.write(f"Listening on port {config.port}\n")
    sys.stdout.flush()
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    sys.stdout.write("Shutting down...\n")
    return 0


def _stop(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 1
