"""Addresses: which the machine has, and on which interface."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from preflight.model import Probe


@dataclass(frozen=True)
class Address:
    """One IP address of an interface, canonical, with the length of its network's prefix."""

    interface: str
    ip: str
    prefix: int


def parse_addresses(text: str) -> frozenset[Address]:
    """Lines of `ip -o addr show` (ip-address(8)): `2: eth0    inet 10.0.0.1/24 brd ...`.

    A point-to-point address has its own before `peer` and no prefix: `inet 10.0.0.1 peer ...`.
    """
    found = set()
    for line in text.splitlines():
        _, interface, family, address, *rest = line.split()
        if family not in {"inet", "inet6"}:
            continue
        host, _, length = (rest[1] if rest[:1] == ["peer"] else address).partition("/")
        if rest[:1] == ["peer"]:
            host = address
        ip = ipaddress.ip_address(host)
        found.add(Address(interface, str(ip), int(length or ip.max_prefixlen)))
    return frozenset(found)


def carrier(found: Iterable[Address], ip: str) -> Address | None:
    """The entry of the address `ip`, whatever its spelling; None where no interface has it."""
    wanted = str(ipaddress.ip_address(ip))
    return next((each for each in sorted(found, key=_by_interface) if each.ip == wanted), None)


def _by_interface(address: Address) -> str:
    return address.interface


def own_addresses() -> frozenset[str] | None:
    """Every IP address of the machine gkprep runs on, None where psutil is missing."""
    try:
        import psutil
    except ImportError:
        return None
    families = {socket.AF_INET, socket.AF_INET6}
    return frozenset(
        str(ipaddress.ip_address(address.address.partition("%")[0]))
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in families
    )


addresses = Probe("network.addresses", "ip -o addr show", parse_addresses)
