"""What is changed in gk-deploy's Kubernetes templates. Pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from preflight.deploy import manifest
from preflight.deploy.manifest import Edit
from preflight.deploy.tree import DAEMONSET, NEEDED, TEMPLATES, NotThereError, Tree, text_of
from preflight.errors import UsageError
from preflight.inventory.rules import TOLERATION

WORKLOADS = frozenset({"DaemonSet", "Deployment"})

OLD = frozenset({"extensions/v1beta1", "apps/v1beta1", "apps/v1beta2"})
"""Gone from Kubernetes 1.16 on (its Deprecated API Migration Guide)."""


@dataclass(frozen=True)
class Toleration:
    """A taint that the Gluster pods are to bear; an empty value stands for any."""

    key: str
    value: str
    effect: str

    @property
    def fields(self) -> dict[str, str]:
        """As a pod has it (Kubernetes API, Toleration): without a value, any."""
        value = {"operator": "Equal", "value": self.value} if self.value else {"operator": "Exists"}
        return {"key": self.key, **value, "effect": self.effect}


def toleration(text: str) -> Toleration:
    """Read `key[=value]:effect` as the inventory takes it; raises UsageError where it is none."""
    found = re.fullmatch(TOLERATION, text)
    if found is None:
        raise UsageError(
            f"{text!r} is no taint: key:effect or key=value:effect is, and the effects are"
            " NoSchedule, PreferNoSchedule and NoExecute"
        )
    return Toleration(found["key"], found["value"] or "", found["effect"])


def modernised(tree: Tree) -> Tree:
    """C1: every workload of every template as apps/v1 has it, which wants a selector."""
    edits = {
        path: [edit for each in _workloads(tree, path) for edit in _modern(path, tree[path], each)]
        for path in _templates(tree)
    }
    return {**tree, **{path: manifest.edited(tree[path], each) for path, each in edits.items()}}


def _modern(path: str, text: str, workload: MappingNode) -> Iterator[Edit]:
    version = manifest.at(workload, "apiVersion")
    now = manifest.word(version)
    if version is not None and now in OLD:
        yield manifest.replaced(version, "apps/v1")
    elif now != "apps/v1":
        raise NotThereError(
            path, f"an apiVersion that is apps/v1 or one of {', '.join(sorted(OLD))}"
        )
    lines = [*_selector(path, text, workload), *_strategy(now, workload)]
    edit = manifest.prepended(text, manifest.at(workload, "spec"), lines)
    if edit is None:
        raise NotThereError(path, "a spec written as a block")
    if lines:
        yield edit


def _selector(path: str, text: str, workload: MappingNode) -> list[str]:
    """All labels of the template, as the old API took them where there was no selector.

    One is not enough: heketi and deploy-heketi share the first, and would take each other's pods.
    """
    if manifest.at(workload, "spec", "selector") is not None:
        return []
    labels = manifest.at(workload, "spec", "template", "metadata", "labels")
    if not isinstance(labels, MappingNode) or not labels.value:
        raise NotThereError(path, "spec.template.metadata.labels")
    return ["selector:", "  matchLabels:", *(f"    {e}" for e in manifest.source(text, labels))]


def _strategy(version: str, workload: MappingNode) -> list[str]:
    """What the old API did by itself: apps/v1 would restart bricks as soon as the template changes.

    (The migration guide again: extensions/v1beta1 has OnDelete, apps/v1 RollingUpdate.)
    """
    kind = manifest.word(workload, "kind")
    if (kind, version) != ("DaemonSet", "extensions/v1beta1"):
        return []
    given = manifest.at(workload, "spec", "updateStrategy")
    return [] if given is not None else ["updateStrategy:", "  type: OnDelete"]


def tolerant(asked: Iterable[Toleration], tree: Tree) -> Tree:
    """N23: the Gluster pods bear these taints, beside those that they bear already."""
    text = text_of(tree, DAEMONSET)
    edits = []
    for workload in _workloads(tree, DAEMONSET):
        pod = manifest.at(workload, "spec", "template", "spec")
        given = manifest.at(pod, "tolerations")
        there = _tolerations(given)
        missing = [each.fields for each in asked if each.fields not in there]
        items = [line for fields in missing for line in _item(fields)]
        if not items:
            continue
        block, lines = (pod, ["tolerations:", *items]) if given is None else (given, items)
        edit = manifest.prepended(text, block, lines)
        if edit is None:
            raise NotThereError(DAEMONSET, "a pod's spec or tolerations, written as a block,")
        edits.append(edit)
    return {**tree, DAEMONSET: manifest.edited(text, edits)}


def _tolerations(given: Node | None) -> list[dict[str, str]]:
    items = given.value if isinstance(given, SequenceNode) else []
    return [{"operator": "Equal"} | manifest.pairs(each) for each in items]  # Equal: the default


def _item(fields: Mapping[str, str]) -> list[str]:
    """An item of a list, quoted: a value `true` would be no string, and the API refuses it."""
    lines = [f"{name}: {json.dumps(value)}" for name, value in fields.items()]
    return [f"- {lines[0]}", *(f"  {line}" for line in lines[1:])]


_REFERENCE = re.compile(r"[A-Za-z0-9][\w./:-]*(?:@[a-z0-9]+:[0-9a-f]+)?", re.ASCII)


def check_image(name: str, reference: str) -> None:
    """Raise UsageError where `reference` is none, or has neither tag nor digest."""
    if not _REFERENCE.fullmatch(reference) or _name(reference) == reference:
        raise UsageError(
            f"{reference!r} pins no image {name}: a name with a tag or a digest does,"
            f" such as {name}@sha256:..."
        )


def _name(reference: str) -> str:
    """An image's name without tag and digest; a colon before a slash is a registry's port."""
    name, _, _digest = reference.partition("@")
    return re.sub(r":[^/]*\Z", "", name)


def pinned(images: Mapping[str, str], tree: Tree) -> Tree:
    """C13: these images, wherever a template names them.

    The copy job's is not among them: heketi-cli names that, and gk-deploy does not ask it for
    another.
    """
    now = dict(tree)
    used = set()
    for path in _templates(tree):
        edits = []
        for workload in _workloads(tree, path):
            for image in _images(workload):
                name = _name(str(image.value))
                used |= {name, str(image.value)}
                if name in images and image.value != images[name]:
                    edits.append(manifest.replaced(image, json.dumps(images[name])))
        now[path] = manifest.edited(tree[path], edits)
    for name, reference in images.items():
        if not used & {name, reference}:
            raise NotThereError(TEMPLATES, f"the image {name}")
    return now


def _images(workload: MappingNode) -> Iterator[ScalarNode]:
    for group in ("containers", "initContainers"):
        containers = manifest.at(workload, "spec", "template", "spec", group)
        for each in containers.value if isinstance(containers, SequenceNode) else ():
            image = manifest.at(each, "image")
            if isinstance(image, ScalarNode):
                yield image


def _templates(tree: Tree) -> list[str]:
    """Those that gk-deploy cannot do without, whether they are there or not, and the others."""
    found = (path for path in tree if path.startswith(TEMPLATES) and path.endswith(".yaml"))
    return list(dict.fromkeys((*NEEDED, *found)))


def _workloads(tree: Tree, path: str) -> Iterator[MappingNode]:
    try:
        found = list(manifest.objects(text_of(tree, path), WORKLOADS))
    except yaml.YAMLError as exc:
        raise NotThereError(path, f"YAML ({' '.join(str(exc).split())})") from None
    if not found and path in NEEDED:
        raise NotThereError(path, f"a {' or a '.join(sorted(WORKLOADS))}")
    yield from found
