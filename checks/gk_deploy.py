"""gk-deploy: the script is there, is the one that is known, and has a Python to run."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.facts import deployer
from preflight.facts.deployer import Script
from preflight.facts.kubernetes import site
from preflight.plugin import Facts, Finding, Node, Probe, controller_check, fail, ok, warn

KNOWN = ", ".join(deployer.KNOWN)
NAMED = 5
"""So many files are named of those that differ."""

WANT = f"that of commit {KNOWN}"


def _script(node: Node) -> Probe[Script | None]:
    named = site(node).deployer.gk_deploy
    return deployer.gk_deploy(str(named) if named else "")


@controller_check(deployer.python, lambda node: [_script(node)])
def gk_deploy(facts: Facts) -> Iterator[Finding]:
    """The controller has gk-deploy, one that gkprep knows, and a Python for it.

    Checks: the script that the inventory's `deployer.gk_deploy` names; without that, the one in
    $PATH, in ./gluster-kubernetes, or in gkprep's own cache. Checksums tell which it is: of the
    script, of heketi.json.template and of each of kube-templates. And `python`, `python3` or
    `python2` runs, with what the script's snippets import.

    Why: gk-deploy as it is fails on every Kubernetes since 1.16, so gkprep deploy runs a copy that
    it has changed; the changes are made for the last commit, of 2019. The script calls `python`:
    without one of that name it says `python: command not found`, and with a newer Python 3
    `SyntaxError: encoding problem: utf8`, and then `Failed to label node ''`.

    By hand: `git clone` the repository, `git checkout 7246eb4`, and name deploy/gk-deploy in the
    inventory; install python3.

    Source: catalogue C1, C4; gluster-kubernetes deploy/gk-deploy.
    """
    setting = site(facts.node).deployer
    script = facts[_script(facts.node)]
    clone = (
        f"git clone {setting.repository or deployer.REPOSITORY} gluster-kubernetes"
        f" && git -C gluster-kubernetes checkout {KNOWN}"
    )
    if script is None:
        where = f"{setting.gk_deploy} is not there" if setting.gk_deploy else "found nowhere"
        yield fail("gk-deploy", where, WANT, cure=clone)
    elif script.lacks:
        saw = f"{script.path} has no {script.lacks} beside it"
        yield fail("gk-deploy", saw, WANT, cure=clone)
    else:
        yield _which(script, clone)
    found = facts[deployer.python]
    if found:
        yield ok("python", f"{found.name} {found.version}", "one that runs")
    else:
        says = "python: command not found"
        yield fail("python", "none that runs", "one that runs", says=says, cure="install python3")


def _which(script: Script, clone: str) -> Finding:
    commit, other = deployer.differing(dict(script.files))
    if not other:
        return ok("gk-deploy", f"{script.path}, commit {commit}", WANT)
    which = f"in a checkout of commit {script.commit}, " if script.commit else ""
    more = f" and {len(other) - NAMED} more" if len(other) > NAMED else ""
    named = f"{', '.join(other[:NAMED])}{more}"
    saw = f"{script.path}, {which}which is not known: not as in commit {commit} are {named}"
    return warn("gk-deploy", saw, WANT, cure=clone)
