"""Tree -> typed values: readers for words, numbers, choices, paths, lists and tables of keys.

A reader takes a tree and returns a value, or raises Wrong with what was seen and what is allowed.
The readers of lists and tables go on after a mistake: they add it to the problems and leave the
value out, so that all mistakes of a file are told at once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import yaml
from yaml.resolver import Resolver

from preflight.inventory.problems import SHOWN, Mark, Problems, clip
from preflight.inventory.tree import List, Map, Scalar, Tree

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

_RESOLVER = Resolver()
_TAKEN_FOR = {
    "bool": "true or false",
    "float": "a number",
    "int": "a number",
    "null": "nothing",
    "timestamp": "a date",
}
# Spellings of a whole number that mean another one in YAML 1.1, or nothing to YAML 1.2.
_ODD_NUMBERS = (
    (re.compile("[-+]?0[0-7_]+"), "which is octal in YAML 1.1"),
    (re.compile("[-+]?0[bx].+"), "which is not decimal"),
    (re.compile("[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+"), "which is base 60 in YAML 1.1"),
    (re.compile("[-+]?[0-9]+_[0-9_]*|[+][0-9]+"), "which is not decimal digits alone"),
)


class Wrong(Exception):  # noqa: N818 - becomes a Problem, once its key is known
    """A value that must not be: its place, what was seen, `why` that is wrong, what is allowed."""

    def __init__(self, tree: Tree, allowed: str, why: str = "") -> None:
        self.mark = tree.mark
        seen = f"{show(tree)}, {why}" if why else show(tree)
        super().__init__(f"saw {seen}; allowed: {allowed}")


@dataclass(frozen=True)
class Reading:
    """What all readers of one file share: where mistakes go, and where relative paths begin."""

    problems: Problems
    folder: Path


Reader = Callable[[Tree, Reading], T]


@dataclass(frozen=True)
class Fields:
    """What a mapping held: `values` by key, as far as they were right, `marks` of all its keys.

    `mark` is where the mapping stands.
    """

    mark: Mark
    values: Mapping[str, Any] = field(default_factory=dict)
    marks: Mapping[str, Mark] = field(default_factory=dict)

    def over(self, below: Fields) -> Fields:
        """These fields, with those of `below` where they are silent; tables within, likewise."""
        values = {key: value for key, value in below.values.items() if key not in self.marks}
        for key, value in self.values.items():
            under = below.values.get(key)
            both = isinstance(value, Fields) and isinstance(under, Fields)
            values[key] = value.over(under) if both else value
        return Fields(self.mark, values, {**below.marks, **self.marks})

    def without(self, key: str) -> Fields:
        """These fields as if `key` had never been written."""
        values = {name: value for name, value in self.values.items() if name != key}
        return Fields(self.mark, values, {k: mark for k, mark in self.marks.items() if k != key})

    def renamed(self, key: str, name: str) -> Fields:
        """These fields with `key` under another name."""
        values = {name if old == key else old: value for old, value in self.values.items()}
        marks = {name if old == key else old: mark for old, mark in self.marks.items()}
        return Fields(self.mark, values, marks)

    def spoiled(self, key: str) -> bool:
        """Whether `key` was given but could not be read: a mistake that is told already."""
        return key in self.marks and key not in self.values


def show(tree: Tree) -> str:
    """What stands there, in a few words; whatever it holds, it is one printable line."""
    if isinstance(tree, List):
        return "a list" if tree.items else "an empty list"
    if isinstance(tree, Map):
        return "a mapping" if tree.entries else "an empty mapping"
    if tree.plain and not tree.text:
        return "nothing"
    return clip(tree.text if tree.plain else repr(tree.text))


def _kind(scalar: Scalar) -> str:
    """What YAML 1.1 makes of a word without quotes: str, int, bool, null, float, timestamp, ..."""
    implicit = (scalar.plain, not scalar.plain)
    tag: str = _RESOLVER.resolve(  # type: ignore[no-untyped-call]  # the stubs leave it out
        yaml.ScalarNode, scalar.text, implicit
    )
    return tag.rpartition(":")[2]


def line(tree: Tree, allowed: str) -> Scalar:
    """The scalar that this must be: one printable line without spaces around it."""
    if not isinstance(tree, Scalar) or not tree.text.isprintable():
        raise Wrong(tree, allowed)
    if not tree.text or tree.text != tree.text.strip():
        raise Wrong(tree, allowed)
    return tree


def meant_as_text(scalar: Scalar, allowed: str) -> str:
    """The words of a scalar that would do, unless YAML takes them for something else.

    It is a mistake even though the words are there: an editor or another tool that rewrites the
    file would write `181`, `no` or `0x5000c5` as the number or boolean that it read.
    """
    kind = _kind(scalar)
    if kind != "str":
        taken = _TAKEN_FOR.get(kind, "no text")
        raise Wrong(scalar, f"{allowed}, in quotes", f"which YAML takes for {taken}")
    return scalar.text


def text(allowed: str) -> Reader[str]:
    """Build a reader of one printable line of text, without spaces around it."""
    return pattern(".+", allowed)


def pattern(regex: str, allowed: str) -> Reader[str]:
    """Build a reader of one line of text that `regex` matches from end to end."""
    compiled = re.compile(regex)

    def read(tree: Tree, _reading: Reading) -> str:
        scalar = line(tree, allowed)
        if not compiled.fullmatch(scalar.text):
            raise Wrong(scalar, allowed)
        return meant_as_text(scalar, allowed)

    return read


def integer(low: int, high: int) -> Reader[int]:
    """Build a reader of a whole number in plain decimal digits, `low` to `high`."""
    allowed = f"a whole number, {low} to {high}"

    def read(tree: Tree, _reading: Reading) -> int:
        if not isinstance(tree, Scalar) or not tree.plain:
            raise Wrong(tree, allowed, "which is text" if isinstance(tree, Scalar) else "")
        if not re.fullmatch("0|-?[1-9][0-9]{0,17}", tree.text):
            odd = (why for regex, why in _ODD_NUMBERS if regex.fullmatch(tree.text))
            raise Wrong(tree, allowed, next(odd, ""))
        value = int(tree.text)
        if not low <= value <= high:
            raise Wrong(tree, allowed)
        return value

    return read


def boolean(tree: Tree, _reading: Reading) -> bool:
    """Read `true` or `false`. Not `yes`, `no`, `on`, `off`, which are text in YAML 1.2."""
    if not isinstance(tree, Scalar) or not tree.plain or tree.text not in {"true", "false"}:
        raise Wrong(tree, "true or false")
    return tree.text == "true"


def choice(kind: type[E], *, leaving_out: E | None = None) -> Reader[E]:
    """Build a reader of one of the enumeration's values, but for one that no file may say."""
    by_text = {member.value: member for member in kind if member is not leaving_out}
    allowed = " or ".join(by_text)

    def read(tree: Tree, _reading: Reading) -> E:
        if not isinstance(tree, Scalar) or tree.text not in by_text:
            raise Wrong(tree, allowed)
        return by_text[tree.text]

    return read


def path(tree: Tree, reading: Reading) -> Path:
    """Read a path: `~` is the home folder, a relative one begins at the inventory's folder.

    It is absolute from here on: a journal or a saved plan is read in another folder.
    """
    value = text("a path")(tree, reading)
    try:
        return (reading.folder / Path(value).expanduser()).absolute()
    except RuntimeError:  # no such user, or no home folder
        raise Wrong(tree, "a path; this user's home folder is not known") from None


def items(
    tree: Tree, what: str, read: Reader[Fields], reading: Reading, allowed: str
) -> list[Fields]:
    """Read a list; an item that is wrong is told, and in the result it is Fields without any.

    Raises Wrong where it is no list.
    """

    def item_or_nothing(item: Tree) -> Fields:
        try:
            return read(item, reading)
        except Wrong as wrong:
            reading.problems.add(wrong.mark, f"{what}: {wrong}")
            return Fields(item.mark)

    if not isinstance(tree, List):
        raise Wrong(tree, allowed)
    return [item_or_nothing(item) for item in tree.items]


def table(
    tree: Tree,
    what: str,
    keys: Mapping[str, Reader[Any]],
    reading: Reading,
    required: Mapping[str, str] | None = None,
) -> Fields:
    """Read a mapping whose keys are known: `what` it describes, and how each value is read.

    `required` keys must be there; it says what each is. Unknown, missing and wrong keys are told
    and left out; raises Wrong where it is no mapping.
    """
    if not isinstance(tree, Map):
        raise Wrong(tree, f"a mapping, with the keys {', '.join(keys)}")
    values, marks = {}, {}
    for key, entry in tree.entries.items():
        if key not in keys:
            reading.problems.add(entry.key, unknown_key(key, what, keys))
            continue
        marks[key] = entry.value.mark
        try:
            values[key] = keys[key](entry.value, reading)
        except Wrong as wrong:
            reading.problems.add(wrong.mark, f"{key}: {wrong}")
    for key, meaning in (required or {}).items():
        if key not in tree.entries:
            reading.problems.add(tree.mark, f"the key '{key}' is missing in {what}: {meaning}")
    return Fields(tree.mark, values, marks)


def unknown_key(key: str, what: str, keys: Mapping[str, object]) -> str:
    """Name the key that is not known, the nearest that is, and all that are allowed."""
    near = difflib.get_close_matches(key[:SHOWN].lower(), keys, n=1, cutoff=0.6)
    hint = f"; did you mean '{near[0]}'?" if near else ";"
    return f"unknown key {clip(repr(key))} in {what}{hint} allowed: {', '.join(keys)}"
