"""What the commands take, said once for all of them."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Format(str, Enum):
    """What a report is written as."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


class ListFormat(str, Enum):
    """What a listing is written as."""

    TEXT = "text"
    JSON = "json"


InventoryArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="INVENTORY",
        help="Inventory (YAML) or heketi topology.json."
        "  [default: $GKPREP_INVENTORY, then ./inventory.yaml]",
        show_default=False,
    ),
]
Local = Annotated[bool, typer.Option("--local", help="This machine; needs no inventory.")]
Devices = Annotated[
    list[str] | None,
    typer.Option("--device", metavar="PATH", help="With --local: a disk for heketi (repeatable)."),
]
Storage = Annotated[
    str | None,
    typer.Option(
        metavar="IP", help="With --local: Gluster's address.  [default: of the default route]"
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Count warnings as failures.")]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ID",
        help="Only this check (repeatable). check and fix judge the cluster's only so.",
    ),
]
OnlyOfAll = Annotated[
    list[str] | None,
    typer.Option(
        "--only", metavar="ID", help="Only this check, of the nodes or of the cluster (repeatable)."
    ),
]
Skip = Annotated[
    list[str] | None, typer.Option(metavar="ID", help="Leave this check out (repeatable).")
]
Limit = Annotated[
    list[str] | None, typer.Option(metavar="NODE", help="Only this node (repeatable).")
]
Parallel = Annotated[
    int, typer.Option(metavar="N", min=1, max=1000, help="Nodes asked side by side.")
]
Timeout = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=1, max=86400, help="The most that one node may take."),
]
AcceptNew = Annotated[
    bool,
    typer.Option("--accept-new", help="Record unknown host keys; a changed one is always refused."),
]
AskBecomePass = Annotated[
    bool, typer.Option("--ask-become-pass", help="Ask for sudo's password, or read it from stdin.")
]
Output = Annotated[Format, typer.Option("-o", "--output", help="How to report.")]
