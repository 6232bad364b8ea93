"""YAML or heketi topology JSON -> Inventory, with every mistake told at its line and column.

problems   what was found wrong, and where          source   bytes -> Inventory
tree       YAML text -> scalars, lists, maps        cluster  gkprep's own format
values     tree -> typed values, tables of keys     heketi   heketi's topology
rules      what names, addresses, disks may be      nodes    what both have in common
local      which node is this machine
"""

from __future__ import annotations

from preflight.inventory.local import local_node
from preflight.inventory.source import load, parse

__all__ = ["load", "local_node", "parse"]
