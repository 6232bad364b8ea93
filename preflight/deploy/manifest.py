"""Kubernetes objects in a text: found by a YAML parser, changed as text. Pure functions.

Written by PyYAML, gk-deploy's templates would lose the quotes of a "y" that the API server then
reads as a boolean (D13), their comments, and the `${...}` that gk-deploy fills in by sed. So the
parser only tells where things stand; what is put there is text, and no other character changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode


@dataclass(frozen=True)
class Edit:
    """`text[begin:end]` is to become `new`."""

    begin: int
    end: int
    new: str


def edited(text: str, edits: Iterable[Edit]) -> str:
    """`text` with all of `edits`, which must not overlap."""
    for edit in sorted(edits, key=lambda each: each.begin, reverse=True):
        text = text[: edit.begin] + edit.new + text[edit.end :]
    return text


def objects(text: str, kinds: Iterable[str]) -> Iterator[MappingNode]:
    """The objects of these kinds, those in a List as well.

    Raises yaml.YAMLError where `text` is no YAML. Only the pure parser counts in characters.
    """
    for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
        items = at(document, "items")
        for each in items.value if isinstance(items, SequenceNode) else [document]:
            if word(each, "kind") in kinds and isinstance(each, MappingNode):
                yield each


def at(node: Node | None, *path: str) -> Node | None:
    """What stands under these keys, one below the other; None where one of them is missing."""
    for key in path:
        if not isinstance(node, MappingNode):
            return None
        node = next((value for name, value in node.value if name.value == key), None)
    return node


def word(node: Node | None, *path: str) -> str:
    """The scalar under these keys; empty where there is none."""
    found = at(node, *path)
    return str(found.value) if isinstance(found, ScalarNode) else ""


def pairs(node: Node | None) -> dict[str, str]:
    """A mapping of scalars, such as labels; empty where `node` is anything else."""
    if not isinstance(node, MappingNode):
        return {}
    return {str(name.value): str(value.value) for name, value in node.value}


def source(text: str, node: MappingNode) -> list[str]:
    """The entries of a mapping of scalars, quotes and all, one `key: value` each."""
    return [f"{_slice(text, name)}: {_slice(text, value)}" for name, value in node.value]


def replaced(node: Node, new: str) -> Edit:
    """Put `new` in the place of a scalar."""
    return Edit(node.start_mark.index, node.end_mark.index, new)


def prepended(text: str, node: Node | None, lines: Iterable[str]) -> Edit | None:
    """Put `lines` before the first entry of a mapping or a list, as deep as that stands.

    None where no such block begins a line: `{}` and `[]` have none to join, `&anchor` precedes one.
    """
    if not isinstance(node, MappingNode | SequenceNode):
        return None
    mark = node.start_mark
    begin = mark.index - mark.column
    if node.flow_style or text[begin : mark.index].strip():
        return None
    return Edit(begin, begin, "".join(f"{' ' * mark.column}{line}\n" for line in lines))


def _slice(text: str, node: Node) -> str:
    return text[node.start_mark.index : node.end_mark.index]
