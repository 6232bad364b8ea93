"""Which of the inventory's nodes is the machine that gkprep runs on."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable

from preflight.errors import UsageError
from preflight.inventory.rules import is_ip
from preflight.model import Inventory, Node


def local_node(inventory: Inventory, hostname: str, addresses: Collection[str]) -> Node:
    """Find the entry of the machine called `hostname` that has these IP addresses.

    A node is recognised by its name or its host name, short or in full, or by an IP address of
    its own; loopback and link-local ones say nothing. Raises UsageError, naming the nodes there
    are, where no entry fits, where several do, and where name and address do not agree.
    """
    own = {_canonical(address) for address in addresses} - {""}
    by_name = _named(inventory.nodes, hostname)
    by_address = [node for node in inventory.nodes if own & {node.address, node.storage}]
    both = [node for node in by_name if node in by_address]
    found = both or by_name or by_address
    if by_name and by_address and not both:
        raise UsageError(
            f"this machine has the name of {_names(by_name)} and an address of"
            f" {_names(by_address)}: put one of them right in the inventory"
        )
    if len(found) > 1:
        raise UsageError(f"this machine ({hostname}) could be any of {_names(found)}")
    if not found:
        raise UsageError(
            f"this machine ({hostname}) is not in the inventory, by name or by address;"
            f" its nodes are {_names(inventory.nodes)}"
        )
    return found[0]


def _named(nodes: Iterable[Node], hostname: str) -> list[Node]:
    """The nodes of this very name; else those that a short name may mean."""
    nodes = list(nodes)
    exact = [node for node in nodes if any(_same(name, hostname) for name in _host_names(node))]
    short = [node for node in nodes if any(_alike(name, hostname) for name in _host_names(node))]
    return exact or short


def _host_names(node: Node) -> list[str]:
    return [name for name in (node.name, node.address) if not is_ip(name)]


def _same(one: str, other: str) -> bool:
    return one.lower().rstrip(".") == other.lower().rstrip(".")


def _alike(one: str, other: str) -> bool:
    """Whether one is the other without its domain; two full names are alike only if the same."""
    first, second = one.lower().rstrip("."), other.lower().rstrip(".")
    short = "." not in first or "." not in second
    return short and first.partition(".")[0] == second.partition(".")[0]


def _canonical(address: str) -> str:
    """The address as the inventory spells it; empty where it tells no machine from another."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    return "" if ip.is_loopback or ip.is_link_local or ip.is_unspecified else str(ip)


def _names(nodes: Iterable[Node]) -> str:
    return ", ".join(node.name for node in nodes)
