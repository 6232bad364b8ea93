"""YAML text -> a tree of scalars, lists and maps, each with the place it stands at.

Nothing is constructed: the tree is built from the parser's events, so that a tag is refused
before anything is made of it, an alias is counted before it is followed, a duplicate key is seen
before it is lost, and a scalar keeps the very words of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Union

import yaml

from preflight.inventory.problems import Mark, Problems, clip

# The C parser is about ten times as fast; a PyYAML built without libyaml lacks it.
LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

DEPTH = 32
EXPANSION = 100_000
MERGE = "<<"


@dataclass(frozen=True)
class Scalar:
    """A word or a line of text. `plain` where it stands without quotes: YAML may mean a number."""

    text: str
    mark: Mark
    plain: bool
    size: int = 1


@dataclass(frozen=True)
class List:
    """A sequence. `size` counts the values in it, its own and those that aliases bring."""

    items: tuple[Tree, ...]
    mark: Mark
    size: int = 1


class Entry(NamedTuple):
    """One key's place, and its value."""

    key: Mark
    value: Tree


@dataclass(frozen=True)
class Map:
    """A mapping; merge keys are followed already."""

    entries: Mapping[str, Entry]
    mark: Mark
    size: int = 1


Tree = Union[Scalar, List, Map]


class Unbuildable(Exception):  # noqa: N818 - not an error to report: what is wrong is in Problems
    """The text is no tree, so that there is nothing to read values from."""


def build(text: str, problems: Problems) -> Tree:
    """The tree of the one YAML document in `text`.

    Adds to `problems` what is wrong with it as YAML; raises Unbuildable where, for that, the
    values cannot be judged: a syntax error, an alias to nothing, no document or several.
    """
    builder = _Builder(text, problems)
    try:
        tree = builder.document()
    except yaml.MarkedYAMLError as exc:
        problems.add(*_explain(exc, text.splitlines()))
        raise Unbuildable from exc
    except (yaml.YAMLError, ValueError, OverflowError) as exc:
        problems.add(Mark(1, 1), f"this is not YAML: {clip(str(exc))}")
        raise Unbuildable from exc
    if builder.spoiled or tree is None:
        raise Unbuildable
    return tree


# Words that both parsers use, and what the mistake mostly is.
_COMMON_MISTAKES = (
    (
        "mapping values are not allowed",
        "a `:` that no key belongs to: indented wrongly, or a text with `: ` in it needs quotes",
    ),
    (
        "sequence entries are not allowed",
        "a list cannot begin here, behind a key, but on its own line",
    ),
    ("<document start>", "this does not belong to what stands before it"),
    ("cannot start any token", "a text that begins with {seen} needs quotes"),
)


class _Builder:
    """Follows the events; `spoiled` once a part of the tree could not be made."""

    def __init__(self, text: str, problems: Problems) -> None:
        self.problems = problems
        self.spoiled = False
        self._text = text
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=LOADER)
        self._anchors: dict[str, Tree] = {}
        self._open: set[str] = set()
        self._expanded = 0

    def document(self) -> Tree | None:
        """The first document; None where there is none. A second one is a problem."""
        next(self._events)  # the stream's start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            only = "holds nothing but comments" if self._text.strip() else "is empty"
            self.problems.add(
                Mark(1, 1), f"the file {only}; `gkprep init` writes one to start from"
            )
            return None
        tree = self._tree(next(self._events), 0)
        next(self._events)  # the document's end
        following = next(self._events)
        if not isinstance(following, yaml.StreamEndEvent):
            self._spoil(following, "a second document begins here; an inventory is one document")
        return tree

    def _tree(self, event: yaml.Event, depth: int) -> Tree:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if depth > DEPTH:
            self._spoil(event, f"nested deeper than {DEPTH} levels")
            raise Unbuildable
        assert isinstance(event, yaml.NodeEvent)  # noqa: S101 - all that is left in the grammar
        self._refuse_tag(event)
        if event.anchor:
            self._open.add(event.anchor)
        tree = self._content(event, depth)
        if event.anchor:
            self._open.discard(event.anchor)
            self._anchors[event.anchor] = tree
        return tree

    def _content(self, event: yaml.NodeEvent, depth: int) -> Tree:
        if isinstance(event, yaml.SequenceStartEvent):
            items = tuple(
                self._tree(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)
            )
            return List(items, _mark(event), 1 + sum(item.size for item in items))
        if isinstance(event, yaml.MappingStartEvent):
            return self._map(event, depth)
        assert isinstance(event, yaml.ScalarEvent)  # noqa: S101 - the third kind of node
        return Scalar(event.value, _mark(event), plain=not event.style)

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _map(self, event: yaml.NodeEvent, depth: int) -> Map:
        entries: dict[str, Entry] = {}
        for key_event in self._until(yaml.MappingEndEvent):
            key = self._tree(key_event, depth + 1)
            value = self._tree(next(self._events), depth + 1)
            if not isinstance(key, Scalar):
                self.problems.add(key.mark, "a key must be a word")
            elif first := entries.get(key.text):
                already = f"it stands at line {first.key.line} already"
                self.problems.add(key.mark, f"duplicate key {clip(repr(key.text))}: {already}")
            else:
                entries[key.text] = Entry(key.mark, value)
        size = 1 + sum(entry.value.size for entry in entries.values())
        return Map(self._merged(entries), _mark(event), size)

    def _merged(self, entries: dict[str, Entry]) -> dict[str, Entry]:
        """Put under the map's own keys what `<<` brings; of several sources the first one wins.

        https://yaml.org/type/merge.html
        """
        if MERGE not in entries:
            return entries
        source = entries.pop(MERGE).value
        for source_map in source.items if isinstance(source, List) else (source,):
            if isinstance(source_map, Map):
                entries = {**source_map.entries, **entries}
            else:
                self.problems.add(source_map.mark, "<< merges a mapping, or a list of mappings")
        return entries

    def _alias(self, event: yaml.AliasEvent) -> Tree:
        """What the alias stands for, at the alias's own place.

        Its size is counted as if it were written out, which is what becomes of it.
        """
        name, shown = event.anchor, clip(f"*{event.anchor}")
        if name in self._open:
            self._spoil(event, f"the alias {shown} stands within what it names: it has no end")
            return Scalar("", _mark(event), plain=True)
        if name not in self._anchors:
            self._spoil(event, f"the alias {shown} names nothing that stands before it")
            return Scalar("", _mark(event), plain=True)
        tree = self._anchors[name]
        self._expanded += tree.size
        if self._expanded > EXPANSION:
            self._spoil(event, f"with {shown} the aliases come to more than {EXPANSION} values")
            raise Unbuildable
        return replace(tree, mark=_mark(event))

    def _refuse_tag(self, event: yaml.NodeEvent) -> None:
        tag = getattr(event, "tag", None)
        if tag:
            shown = clip(tag.replace("tag:yaml.org,2002:", "!!", 1))
            self.problems.add(
                _mark(event), f"the tag {shown} is not allowed; put text that needs it in quotes"
            )

    def _spoil(self, event: yaml.Event, message: str) -> None:
        self.spoiled = True
        self.problems.add(_mark(event), message)


def _mark(event: yaml.Event) -> Mark:
    return _place(event.start_mark)


def _place(mark: Any) -> Mark:  # noqa: ANN401 - PyYAML's mark, libyaml's, or None
    return Mark(mark.line + 1, mark.column + 1) if mark else Mark(1, 1)


def _explain(exc: yaml.MarkedYAMLError, lines: list[str]) -> tuple[Mark, str]:
    """Say in a user's words what the parser stumbled on, and where.

    libyaml and PyYAML name the same mistake differently; the commonest ones are worded here.
    """
    mark = _place(exc.problem_mark or exc.context_mark)
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    if tab := re.match(r" *(\t)", line):
        return Mark(mark.line, tab.start(1) + 1), "a tab; YAML is indented with spaces"
    if "unexpected end of stream" in (exc.problem or "") and exc.context_mark:
        return _place(exc.context_mark), "the quote that opens here is never closed"
    inside = (exc.context or "").startswith("while parsing a flow")
    if inside and not "".join(lines[mark.line - 1 :])[mark.column - 1 :].strip():
        return mark, "the file ends inside a bracket that is open"
    return mark, _reword(exc, line[mark.column - 1 : mark.column])


def _reword(exc: yaml.MarkedYAMLError, seen: str) -> str:
    problem, context = exc.problem or "a syntax error", exc.context or ""
    for words, ours in _COMMON_MISTAKES:
        if words in problem:
            return ours.format(seen=seen)
    begin = _place(exc.context_mark).line
    if context.startswith("while parsing a flow"):
        return f"a comma or a bracket is missing in what opens at line {begin}"
    if context.startswith("while parsing a block"):
        return f"indented wrongly: this does not go on with what begins at line {begin}"
    return f"not valid YAML: {problem}"
