"""How bytes travel: the only part of gkprep that touches a node.

    shell     what everybody else knows: Shell, ConnectOptions
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

from collections.abc import Callable

from preflight.model import Node
from preflight.transport.dialer import Dialer
from preflight.transport.local import Local
from preflight.transport.shell import ConnectOptions, Shell

__all__ = ["ConnectOptions", "Dialer", "Local", "Shell", "connector"]


def connector(
    *, local: bool, accept_new: bool = False, become_password: str | None = None
) -> Callable[[Node], Shell]:
    """Return what gives a node its shell; raises UsageError where ~/.ssh/config cannot be used."""
    if local:
        return lambda _node: Local(become_password)
    return Dialer(ConnectOptions(accept_new=accept_new, become_password=become_password)).connect
