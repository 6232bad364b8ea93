"""The command line of the laboratory."""

from __future__ import annotations

import argparse
import os
import sys

from . import host, image
from .errors import CommandError, LabError
from .lab import Lab
from .progress import say

NEXT = """\
Three broken nodes are waiting; the inventory is
    {inventory}

    make lab-shell              a shell in there; then `gkprep check`, or `ssh node1`
    make lab-down               end them
    python -m tests.lab reset break them again, in seconds
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit status: 0, 1 for `status` when it is not up, 2."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(Lab.default(), arguments))
    except (LabError, CommandError) as error:
        sys.stderr.write(f"lab: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("lab: interrupted; the next `up` puts things right\n")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab", description="Three virtual machines to try gkprep on."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="build what is missing and start the machines")
    up.set_defaults(run=_up)
    shell = commands.add_parser("shell", help="a shell, or one command, beside the machines")
    shell.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    shell.set_defaults(run=_shell)
    status = commands.add_parser("status", help="what runs")
    status.set_defaults(run=_status)
    reset = commands.add_parser("reset", help="back to the broken state, in seconds")
    reset.add_argument("nodes", nargs="*", metavar="NODE")
    reset.set_defaults(run=_reset)
    down = commands.add_parser("down", help="end the machines; the next start is a fast one")
    down.set_defaults(run=_down)
    build = commands.add_parser("build", help="only build the image")
    build.set_defaults(run=_build)
    return parser


def _up(lab: Lab, _: argparse.Namespace) -> int:
    lab.up()
    sys.stdout.write(NEXT.format(inventory=lab.inventory))
    return 0


def _down(lab: Lab, _: argparse.Namespace) -> int:
    lab.down()
    say("the lab is down")
    return 0


def _reset(lab: Lab, arguments: argparse.Namespace) -> int:
    lab.reset(*arguments.nodes)
    say(f"broken again: {' '.join(arguments.nodes or lab.machines)}")
    return 0


def _build(lab: Lab, _: argparse.Namespace) -> int:
    host.install()
    sys.stdout.write(f"{image.ensure(lab.place).folder}\n")
    return 0


def _status(lab: Lab, _: argparse.Namespace) -> int:
    states = lab.states()
    for name, machine in lab.machines.items():
        where = f"{machine.address}  storage {machine.storage}"
        pid = machine.emulator.pid or "-"
        sys.stdout.write(f"{name}  {states[name]:9} pid {pid:<8} {where}\n")
    sys.stdout.write(f"namespace {lab.netns}\ninventory {lab.inventory}\n")
    sys.stdout.write(f"image     {lab.image.folder}\n")
    return 0 if set(states.values()) == {"running"} else 1


def _shell(lab: Lab, arguments: argparse.Namespace) -> int:
    if "running" not in lab.states().values():
        raise LabError("the lab is not up: make lab")
    if user := lab.claimed_by():
        say(f"careful: these machines are in use by {user}")
    command = arguments.command or [os.environ.get("SHELL", "/bin/sh")]
    words = lab.command(command[1:] if command[0] == "--" else command)
    os.execvpe(words[0], words, {**lab.environment(), "PS1": r"(gkprep lab) \w\$ "})


if __name__ == "__main__":
    sys.exit(main())
