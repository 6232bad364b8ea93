"""gk-deploy from where its project is: a clone of gkprep's own, at the commit that is known."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from preflight.collect import collect
from preflight.deploy.cluster import LIMITS
from preflight.errors import DeployError, TransportError, Unknown
from preflight.facts import deployer as facts
from preflight.facts.kubernetes.command import site
from preflight.model import Limits, Node, Probe
from preflight.report.printable import visible
from preflight.transport import Connector, LiveShell

PATIENCE = Limits(node=600.0)
"""Some 20 MB have to come from somewhere."""


def where(controller: Node) -> Probe[facts.Script | None]:
    """Where gk-deploy is: what the inventory names, else wherever it is found."""
    return facts.gk_deploy(str(site(controller).deployer.gk_deploy or ""))


def obtain(controller: Node, connect: Connector, agreed: Callable[[str], bool]) -> None:
    """Clone it where it is nowhere, the inventory names none, and that is `agreed` to.

    Raises DeployError where it cannot be had.
    """
    question = f"gk-deploy is nowhere. Clone {visible(repository(controller))}?"
    if missing(controller, connect(controller)) and agreed(question):
        clone(controller, connect(controller))


def missing(controller: Node, shell: LiveShell) -> bool:
    """Whether gk-deploy is nowhere; False also where that could not be found out, or is set."""
    if site(controller).deployer.gk_deploy:
        return False
    asked = where(controller)
    try:
        return collect(controller, [asked], shell, LIMITS)[asked] is None
    except Unknown:
        return False


def repository(controller: Node) -> str:
    """Where it would come from: the inventory's `deployer.repository`, or upstream."""
    return site(controller).deployer.repository or facts.REPOSITORY


def clone(controller: Node, shell: LiveShell) -> None:
    """Clone it into gkprep's own cache. Raises DeployError, and leaves nothing half done then."""
    [commit] = facts.KNOWN
    source = shlex.quote(repository(controller))
    script = f"""\
target={facts.CACHE}
new=$target.$$
mkdir -p "${{target%/*}}" || exit
trap 'rm -rf "$new"' EXIT
GIT_TERMINAL_PROMPT=0 git clone --quiet -- {source} "$new" </dev/null &&
  git -C "$new" -c advice.detachedHead=false checkout --quiet {commit} &&
  rm -rf "$target" &&
  mv "$new" "$target"
"""
    try:
        done = shell.run(script, PATIENCE)
    except TransportError as exc:
        raise DeployError(f"git: {exc}") from exc
    if done.rc != 0:
        said = done.err.decode("utf-8", "replace").strip() or done.lost or "no message"
        raise DeployError(f"{repository(controller)} cannot be cloned: {said}")
