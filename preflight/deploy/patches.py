"""What a private copy of gk-deploy needs to run today: small named changes. Pure functions.

The last gk-deploy is of 2019. Each patch is one row of the failure catalogue, and knows its work
when it is done already: somebody's fork may have mended it. A patch that finds neither what it
changes nor its own work stops the deployment, for that gk-deploy is one that nobody has tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from preflight.deploy import script, templates
from preflight.deploy.templates import Toleration
from preflight.deploy.tree import SCRIPT, NotThereError, Tree, identify
from preflight.errors import DeployError


@dataclass(frozen=True)
class Asked:
    """What the patches depend on.

    `python` is the interpreter to run, a name or a path. `images` maps the name of an image, as the
    templates have it but without tag, to the whole reference to use.
    """

    python: str
    tolerations: tuple[Toleration, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Patch:
    """One change. `id` is its row of the failure catalogue, `why` what happens without it."""

    id: str
    title: str
    why: str
    change: Callable[[Tree], Tree]


@dataclass(frozen=True)
class Patched:
    """A tree that was changed, and by which patches: others had nothing left to do."""

    tree: Tree
    done: tuple[Patch, ...]


def patches(asked: Asked) -> tuple[Patch, ...]:
    """The patches for what is `asked`; raises UsageError where an image's reference pins nothing.

    The first four are harmless where they are not needed: every server from 1.9 on has apps/v1.
    """
    wanted = [
        Patch(
            "C1",
            "templates for apps/v1, with a selector",
            'Kubernetes 1.16 and later: no matches for kind "DaemonSet" in version'
            ' "extensions/v1beta1", then a long wait and "pods not found."',
            templates.modernised,
        ),
        Patch(
            "C2",
            "no --show-all",
            "kubectl 1.14 and later: unknown flag: --show-all, and at the very end"
            ' "Failed to communicate with heketi service."',
            script.without_show_all,
        ),
        Patch(
            "C4",
            "a python that is there, and a coding that it knows",
            'without: python: command not found, or "SyntaxError: encoding problem: utf8", then'
            " \"Failed to label node ''\"",
            partial(script.runnable, asked.python),
        ),
        Patch(
            "C10",
            "StorageClass of storage.k8s.io/v1",
            "Kubernetes 1.22 and later do not have storage.k8s.io/v1beta1, which the StorageClass"
            " that gk-deploy prints for copying is of",
            script.storage_class,
        ),
    ]
    if asked.tolerations:
        wanted.append(
            Patch(
                "N23",
                "Gluster pods tolerate the taints that were named",
                "a tainted node gets no Gluster pod, and its devices fail later",
                partial(templates.tolerant, asked.tolerations),
            )
        )
    if asked.images:
        for name, reference in asked.images.items():
            templates.check_image(name, reference)
        wanted.append(
            Patch(
                "C13",
                "images pinned",
                "the tags that the templates name are moved from one release to the next",
                partial(templates.pinned, asked.images),
            )
        )
    return tuple(wanted)


def apply(tree: Tree, chosen: Iterable[Patch]) -> Patched:
    """Change a copy of `tree` by each of `chosen`, in their order.

    Raises DeployError where one of them does not find its target: it says what was looked for and
    where, and which gk-deploy this is.
    """
    now = tree
    done: list[Patch] = []
    for patch in chosen:
        try:
            after = patch.change(now)
        except NotThereError as exc:
            raise DeployError(
                f"patch {patch.id} ({patch.title}) does not fit: {exc.sought} was looked for in"
                f" {exc.file}, and is not there. {_which(tree)}"
            ) from None
        if after != now:
            done.append(patch)
        now = after
    return Patched(now, tuple(done))


def _which(tree: Tree) -> str:
    """The end of a message."""
    if SCRIPT not in tree:
        return "There is no gk-deploy at all."
    return f"This is {identify(tree)}."
