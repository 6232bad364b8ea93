"""Lets this host into the namespace: what connects to a socket out here is connected in there.

    nsenter --net=... python -m tests.kube.relay DESCRIPTOR PORT

DESCRIPTOR is a listening socket that was made outside, where it stays; connections to
127.0.0.1:PORT are made inside, where this process is. So the API server has one address and port
for both sides.
"""

from __future__ import annotations

import socket
import sys
from threading import Thread

CHUNK = 1 << 16


def main() -> None:
    """Relay until ended."""
    outside, port = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    while True:
        client, _ = outside.accept()
        Thread(target=_relay, args=(client, port), daemon=True).start()


def _relay(client: socket.socket, port: int) -> None:
    with client:
        try:
            server = socket.create_connection(("127.0.0.1", port))
        except OSError:  # nobody there: the client sees its connection end
            return
        with server:
            back = Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            _copy(client, server)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy until the end, which is passed on; an error ends both directions."""
    try:
        while data := source.recv(CHUNK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            end.close()


if __name__ == "__main__":
    main()
