"""How bytes travel: the only part of gkprep that touches a node.

    shell     what everybody else knows: Shell, ConnectOptions
    children  what is started on gkprep's own machine, and how it ends
    talk      one script's conversation with a shell, sudo included; pure
    local     the machine gkprep runs on, by a subprocess
    ssh       a node, by one connection and one channel
    dialer    what the connections of a run share: OpenSSH's files, keys, jump hosts
    wire      a socket with a deadline
    route     how a connection begins: name, address, proxy command
    session   key exchange, host key, login
    keys      identity files and the agent
    trust     which host keys are known

Whatever paramiko or the operating system raises ends here, as a TransportError that a user can
read, or as the `lost` of an Output. paramiko is imported when the first node is connected to.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from preflight.model import Node, Role
from preflight.transport.local import Here, Local
from preflight.transport.shell import ConnectOptions, Connector, Dialogue, LiveShell, Shell

__all__ = [
    "ConnectOptions",
    "Connector",
    "Dialogue",
    "LiveShell",
    "Local",
    "Shell",
    "connect",
    "connector",
]


def connect(nodes: Iterable[Node], options: ConnectOptions) -> Connector:
    """Return what gives each of `nodes` its shell over SSH.

    Asks for passphrases, if `options` says how. Raises UsageError where ssh_config cannot be used.
    """
    with warnings.catch_warnings():
        # Some versions of paramiko warn, on import, of what newer cryptography will do to them.
        warnings.simplefilter("ignore")
        from preflight.transport.dialer import Dialer  # noqa: PLC0415 - it takes 0.4 s
        from preflight.transport.ssh import Remote  # noqa: PLC0415 - likewise
    dialer = Dialer(options)
    dialer.prepare(nodes)
    return Remote(dialer, options.become_password)


def connector(nodes: Iterable[Node], options: ConnectOptions, *, local: bool) -> Connector:
    """Return what gives each of `nodes` its shell: over SSH, or on this machine.

    The controller is this machine in any case.
    """
    if local:
        return Here(options.become_password)
    far = [node for node in nodes if node.role is not Role.CONTROLLER]
    return Everywhere(connect(far, options), Here(None))


class Everywhere:
    """Gives the controller a shell here, and every other node one over SSH."""

    def __init__(self, there: Connector, here: Connector) -> None:
        self._there, self._here = there, here

    def __call__(self, node: Node) -> LiveShell:
        """Return the node's shell."""
        return (self._here if node.role is Role.CONTROLLER else self._there)(node)

    def close(self) -> None:
        """Close both."""
        for each in (self._here, self._there):
            each.close()
