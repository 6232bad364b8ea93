"""What is changed in the script gk-deploy itself. Pure functions."""

from __future__ import annotations

import codecs
import re
import shlex

from preflight.deploy.tree import SCRIPT, TEMPLATES, NotThereError, Tree, text_of

# A command may go on behind a backslash; a comment, or the text of --help, is no `get`.
_GET = re.compile(
    r"^(?![ \t]*#)(?:\\\n|[^\n\\]|\\.)*\bget[ \t]+pods?\b(?:\\\n|[^\n\\]|\\.)*", re.MULTILINE
)
_SHOW_ALL = re.compile(r"[ \t]+--show-all(?:=\w+)?(?=\s|$)")


def without_show_all(tree: Tree) -> Tree:
    """C2: kubectl 1.14 and later know no --show-all; they show what it showed."""
    text = text_of(tree, SCRIPT)
    if _GET.search(text) is None:
        raise NotThereError(SCRIPT, "a command that gets pods")
    return {**tree, SCRIPT: _GET.sub(lambda found: _SHOW_ALL.sub("", found[0]), text)}


_SNIPPET = re.compile(
    r"""
    ^(?![ \t]*\#)(?P<before>[^\n]*?)
    (?P<python>(?:/[\w./-]*/)?\bpython[\d.]*)
    (?P<between>(?:[ \t]+-)?[ \t]*<<-?[ \t]*(?P<quote>['"]?)(?P<end>\w+)(?P=quote)[^\n]*\n)
    (?P<body>.*?)
    (?=^\t*(?P=end)$)
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
# PEP 263: in the first or the second line, behind nothing but a comment.
_CODING = re.compile(
    r"\A(?P<before>(?:[ \t\f]*(?:#[^\n]*)?\n)?[ \t\f]*#[^\n]*?coding[:=][ \t]*)(?P<name>[-\w.]+)"
)


def runnable(python: str, tree: Tree) -> Tree:
    """C4: let the snippets run: `python - <<END`, with `# coding: utf8` in the first line.

    bash hands a short heredoc over through a pipe. From there python 3 (3.6 to 3.13) takes utf-8
    under that name alone; any other makes it go back to the beginning, which a pipe has not.
    """
    text = text_of(tree, SCRIPT)
    if _SNIPPET.search(text) is None:
        raise NotThereError(SCRIPT, "a `python - <<END`")

    def mended(found: re.Match[str]) -> str:
        body = _CODING.sub(lambda coding: coding["before"] + _utf8(coding["name"]), found["body"])
        return f"{found['before']}{shlex.quote(python)}{found['between']}{body}"

    return {**tree, SCRIPT: _SNIPPET.sub(mended, text)}


def _utf8(name: str) -> str:
    try:
        known = codecs.lookup(name).name
    except LookupError:
        known = name
    if known != "utf-8":
        raise NotThereError(SCRIPT, "a snippet of python in UTF-8")
    return known


_CLASS = re.compile(
    r"^(?P<before>[ \t]*(?:-[ \t]+)?apiVersion:[ \t]*['\"]?storage\.k8s\.io/v1)(?:beta1)?"
    r"(?=['\"]?[ \t]*(?:#[^\n]*)?$)",
    re.MULTILINE,
)


def storage_class(tree: Tree) -> Tree:
    """C10: in what gk-deploy prints, and in the template of its object store."""
    if _CLASS.search(text_of(tree, SCRIPT)) is None:
        raise NotThereError(SCRIPT, "a StorageClass to print")
    paths = (SCRIPT, *(path for path in tree if path.startswith(TEMPLATES)))
    return {**tree, **{path: _CLASS.sub(r"\g<before>", tree[path]) for path in paths}}
