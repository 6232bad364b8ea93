"""Files of ssh_config(5) as lines: words, quotes, comments and Include, nothing decided yet."""

from __future__ import annotations

import glob
import os
import pwd
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from preflight.errors import UsageError
from preflight.openssh.files import read_bytes

# As in OpenSSH, where it is called READCONF_MAX_DEPTH.
MAX_DEPTH = 16
_KEYWORD = re.compile(r"([^\s=]+)(?:\s*=\s*|\s+|$)(.*)", re.DOTALL)
_ESCAPABLE = "'\"\\"


@dataclass(frozen=True)
class Line:
    """One setting: its place (`file:line`), keyword in lower case, raw rest of line, and words.

    `included` holds, for an Include, the lines of each file that it names.
    """

    place: str
    keyword: str
    rest: str
    words: tuple[str, ...]
    included: tuple[tuple[Line, ...], ...] = ()


@dataclass(frozen=True)
class Source:
    """Where a file stands: the folder its relative Includes start from, and whose file it is.

    The user's own files must be writable by nobody else, as `ssh` itself insists.
    """

    base: Path
    home: Path
    private: bool


def read(path: Path, source: Source, depth: int = 0) -> tuple[Line, ...]:
    """Lines of `path`, Includes read in place; none where there is no such file.

    Raises UsageError for a file that cannot be read, that others could write, or that is no
    ssh_config.
    """
    try:
        if source.private or depth:
            _refuse_if_others_write(path)
        text = read_bytes(path).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ()
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc
    if depth > MAX_DEPTH:
        raise UsageError(f"{path}: Include is nested more than {MAX_DEPTH} deep")
    return tuple(_lines(path, text, source, depth))


def _lines(path: Path, text: str, source: Source, depth: int) -> Iterator[Line]:
    for number, raw in enumerate(text.split("\n"), 1):
        stripped = raw.strip(" \t\r\f\v")
        match = _KEYWORD.match(stripped)
        if match is None or stripped.startswith("#"):
            continue
        place, keyword = f"{path}:{number}", match[1].lower()
        if "\0" in raw:  # no path and no name can have one
            raise UsageError(f"{place}: there is a NUL character")
        try:
            words = split_words(match[2])
        except ValueError as exc:
            # A command line may hold an odd quote of its own: the shell, not we, reads it.
            if keyword not in {"proxycommand", "remotecommand", "localcommand"}:
                raise UsageError(f"{place}: {exc}") from exc
            words = ()
        if not match[2]:
            raise UsageError(f"{place}: {match[1]} lacks a value")
        included = tuple(_include(words, source, depth)) if keyword == "include" else ()
        yield Line(place, keyword, match[2], words, included)


def split_words(text: str) -> tuple[str, ...]:
    """Words as OpenSSH's argv_split() makes them; `#` at the start of a word begins a comment.

    Raises ValueError where a quote is not closed.
    """
    words: list[str] = []
    position = 0
    while position < len(text):
        if text[position] in " \t":
            position += 1
        elif text[position] == "#":
            break
        else:
            word, position = _word(text, position)
            words.append(word)
    return tuple(words)


def _word(text: str, position: int) -> tuple[str, int]:
    word, quote = "", ""
    while position < len(text):
        char, following = text[position], text[position + 1 : position + 2]
        position += 1
        if (
            char == "\\"
            and following
            and (following in _ESCAPABLE or (following, quote) == (" ", ""))
        ):
            word += following
            position += 1
        elif not quote and char in " \t":
            return word, position
        elif not quote and char in "'\"":
            quote = char
        elif char == quote:
            quote = ""
        else:
            word += char
    if quote:
        raise ValueError("a quote is not closed")
    return word, position


def _include(words: tuple[str, ...], source: Source, depth: int) -> Iterator[tuple[Line, ...]]:
    for word in words:
        pattern = source.base / expand_home(word, source.home)
        for name in sorted(glob.glob(str(pattern))):  # noqa: PTH207 - a Path cannot glob from "/"
            yield read(Path(name), source, depth + 1)


def expand_home(text: str, home: Path) -> Path:
    """`~` and `~/x` below `home`, `~user/x` below that user's home in passwd(5)."""
    first, slash, rest = text.partition("/")
    if not first.startswith("~"):
        return Path(text)
    if first == "~":
        return home / rest
    try:
        return Path(pwd.getpwnam(first[1:]).pw_dir + slash + rest)
    except KeyError:
        return Path(text)


def _refuse_if_others_write(path: Path) -> None:
    status = path.stat()
    writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if writable or status.st_uid not in {0, os.getuid()}:
        raise UsageError(f"{path}: bad owner or permissions: others can write it; chmod 600 {path}")
