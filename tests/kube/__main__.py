"""The command line of the control plane."""

from __future__ import annotations

import argparse
import os
import sys

from tests.lab import Lab
from tests.lab.errors import LabError
from tests.lab.progress import say

from . import binaries, host
from .errors import CommandError, KubeError
from .plane import Plane

NEXT = """\
Kubernetes 1.20.2 with three nodes is up:
    export KUBECONFIG={kubeconfig}

    make lab-k8s-shell          a shell in there; then `kubectl get nodes`
    make lab-k8s-down           end it
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit status: 0, 1 for `status` when it is not up, 2."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except (KubeError, LabError, CommandError) as error:
        sys.stderr.write(f"kube: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("kube: interrupted; the next `up` puts things right\n")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.kube", description="A Kubernetes control plane to try gkprep on."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="build what is missing and start it")
    up.add_argument("--in-lab", action="store_true", help="in the virtual machines' namespace")
    up.set_defaults(run=_up)
    shell = commands.add_parser("shell", help="a shell, or one command, beside the API server")
    shell.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    shell.set_defaults(run=_shell)
    commands.add_parser("status", help="what runs").set_defaults(run=_status)
    commands.add_parser("down", help="end it; the programs stay").set_defaults(run=_down)
    commands.add_parser("build", help="only build the programs").set_defaults(run=_build)
    return parser


def _up(arguments: argparse.Namespace) -> int:
    plane = Plane.default(Lab.default().netns if arguments.in_lab else None)
    plane.up()
    sys.stdout.write(NEXT.format(kubeconfig=plane.kubeconfig))
    return 0


def _down(_: argparse.Namespace) -> int:
    Plane.default().down()
    say("the control plane is down")
    return 0


def _build(_: argparse.Namespace) -> int:
    plane = Plane.default()
    host.install(plane.place)
    sys.stdout.write(f"{binaries.ensure(plane.place).folder}\n")
    return 0


def _status(_: argparse.Namespace) -> int:
    plane = Plane.default()
    for name, pid in plane.processes().items():
        sys.stdout.write(f"{name:24} {'running' if pid else 'off':8} pid {pid or '-'}\n")
    sys.stdout.write(f"namespace  {plane.place.netns}\nkubeconfig {plane.kubeconfig}\n")
    return 0 if plane.runs() else 1


def _shell(arguments: argparse.Namespace) -> int:
    plane = Plane.default()
    if not plane.runs():
        raise KubeError("the control plane is not up: make lab-k8s")
    command = arguments.command or [os.environ.get("SHELL", "/bin/sh")]
    words = plane.command(command[1:] if command[0] == "--" else command)
    os.execvpe(words[0], words, {**plane.environment(), "PS1": r"(gkprep kube) \w\$ "})


if __name__ == "__main__":
    sys.exit(main())
