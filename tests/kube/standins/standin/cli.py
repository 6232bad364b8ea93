"""The command line of heketi-cli, as far as gk-deploy and gkprep call it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from . import storage, topology
from .client import Client, HeketiError

FAILURE = 255  # heketi-cli's exit code for everything


class Parser(argparse.ArgumentParser):
    """A wrong option is told, and ends, as heketi-cli does it."""

    def error(self, message: str) -> NoReturn:
        """No usage: heketi-cli keeps it for `--help`."""
        self.exit(FAILURE, f"Error: {message}\n")


def main() -> int:
    """Run one command."""
    arguments = _parser().parse_args()
    given = vars(arguments)
    client = Client(
        given.get("server") or os.environ.get("HEKETI_CLI_SERVER") or "http://localhost:8080",
        given.get("user") or os.environ.get("HEKETI_CLI_USER", ""),
        given.get("secret") or os.environ.get("HEKETI_CLI_KEY", ""),
    )
    try:
        arguments.run(client, arguments)
    except HeketiError as why:
        sys.stderr.write(f"Error: {why}\n")
        return FAILURE
    return 0


def _parser() -> argparse.ArgumentParser:
    anywhere = _connection()
    shown = Parser(add_help=False, parents=[anywhere])
    shown.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    parser = Parser(prog="heketi-cli", parents=[shown], allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    of_topology = commands.add_parser("topology").add_subparsers(required=True, metavar="COMMAND")
    load = of_topology.add_parser("load", parents=[anywhere])
    load.add_argument("-j", "--json", dest="file", type=Path)
    load.set_defaults(run=_load)
    of_topology.add_parser("info", parents=[shown]).set_defaults(run=_info)

    of_volumes = commands.add_parser("volume").add_subparsers(required=True, metavar="COMMAND")
    of_volumes.add_parser("list", parents=[shown]).set_defaults(run=_volumes)
    create = of_volumes.add_parser("create", parents=[shown])
    create.add_argument("--size", type=int, default=0)
    create.add_argument("--name", default="")
    create.add_argument("--durability", default="replicate")
    create.set_defaults(run=_create)

    of_clusters = commands.add_parser("cluster").add_subparsers(required=True, metavar="COMMAND")
    of_clusters.add_parser("list", parents=[shown]).set_defaults(run=_clusters)

    setup = commands.add_parser("setup-openshift-heketi-storage", parents=[anywhere])
    setup.add_argument("--listfile", type=Path, default=Path("heketi-storage.json"))
    setup.add_argument("--durability", default="replicate")
    setup.set_defaults(run=_setup)
    return parser


def _connection() -> Parser:
    # SUPPRESS: what is given before the command must not be forgotten at the command.
    parser = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("-s", "--server")
    parser.add_argument("--user")
    parser.add_argument("--secret")
    return parser


def _load(client: Client, arguments: argparse.Namespace) -> None:
    if not arguments.file:
        raise HeketiError("Missing configuration file")
    topology.load(client, arguments.file, _write)


def _info(client: Client, arguments: argparse.Namespace) -> None:
    known = topology.info(client)
    _write(json.dumps(known) if "json" in arguments else topology.text(known))


def _volumes(client: Client, arguments: argparse.Namespace) -> None:
    listed = client.get("/volumes")
    if "json" in arguments:
        _write(json.dumps(listed))
        return
    for key in listed["volumes"]:
        volume = client.get(f"/volumes/{key}")
        _write(f"Id:{key:<35} Cluster:{volume['cluster']:<35} Name:{volume['name']}\n")


def _create(client: Client, arguments: argparse.Namespace) -> None:
    if not arguments.size:
        raise HeketiError("Missing volume size")
    durability = {"type": arguments.durability, "replicate": {"replica": 3}}
    asked = {"size": arguments.size, "name": arguments.name, "durability": durability}
    volume = client.post("/volumes", asked)
    if "json" in arguments:
        _write(json.dumps(volume))
        return
    mount = volume["mount"]["glusterfs"]
    _write(f"Name: {volume['name']}\nSize: {volume['size']}\nVolume Id: {volume['id']}\n")
    _write(f"Cluster Id: {volume['cluster']}\nMount: {mount['device']}\n")


def _clusters(client: Client, arguments: argparse.Namespace) -> None:
    listed = client.get("/clusters")
    if "json" in arguments:
        _write(json.dumps(listed))
        return
    _write("Clusters:\n")
    for key in listed["clusters"]:
        cluster = client.get(f"/clusters/{key}")
        _write(f"Id:{key} {'[file]' * cluster['file']}{'[block]' * cluster['block']}\n")


def _setup(client: Client, arguments: argparse.Namespace) -> None:
    made = storage.objects(client, arguments.durability)
    _write(f"Saving {arguments.listfile}\n")
    arguments.listfile.write_text(json.dumps(made, indent=2))


def _write(text: str) -> None:
    # At once: who reads along sees which device is being added.
    sys.stdout.write(text)
    sys.stdout.flush()
