"""The files of gk-deploy's folder as values: which ones they are, and what has changed in them."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from io import StringIO

from preflight.facts import deployer

Tree = Mapping[str, str]
"""The files of the folder deploy/: path below it -> text, line ends and all."""

SCRIPT, TEMPLATES = deployer.SCRIPT, deployer.TEMPLATES
DAEMONSET = f"{TEMPLATES}glusterfs-daemonset.yaml"
NEEDED = (
    DAEMONSET,
    f"{TEMPLATES}deploy-heketi-deployment.yaml",
    f"{TEMPLATES}heketi-deployment.yaml",
)
"""Templates that gk-deploy cannot do without, as kubectl takes them."""


class NotThereError(Exception):
    """Neither what a patch changes nor its work is in `file`; `sought` is what was looked for.

    It never leaves the package: `patches.apply` makes a DeployError of it.
    """

    def __init__(self, file: str, sought: str) -> None:
        super().__init__(file, sought)
        self.file = file
        self.sought = sought


def text_of(tree: Tree, path: str) -> str:
    """The file's text; raises NotThereError."""
    if path not in tree:
        raise NotThereError(path, "the file")
    return tree[path]


def digest(data: bytes) -> str:
    """A file's SHA-256."""
    return hashlib.sha256(data).hexdigest()


def identify(tree: Tree) -> str:
    """Which gk-deploy this is: the commit that it was tried at, or what is not as it has it."""
    files = {path: digest(text.encode("utf-8", "surrogateescape")) for path, text in tree.items()}
    commit, other = deployer.differing(files)
    if not other:
        return f"the gk-deploy of commit {commit}"
    return (
        f"an unknown gk-deploy, sha256 {files.get(SCRIPT, 'none')}; gkprep knows commit {commit},"
        f" of which these differ: {', '.join(other)}"
    )


def difference(before: Tree, after: Tree) -> str:
    """What has changed, as `git apply` and `patch -p1` take it."""
    return "".join(
        _marked(line)
        for path in sorted({*before, *after})
        for line in difflib.unified_diff(
            list(StringIO(before.get(path, ""))),
            list(StringIO(after.get(path, ""))),
            f"a/{path}",
            f"b/{path}",
        )
    )


def _marked(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
