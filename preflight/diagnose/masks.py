"""Heketi's keys out of what was read: nobody who looks at a report has to know them."""

from __future__ import annotations

import re

MARK = "***"

_KEY = re.compile(
    r"""
    (?P<before>
        --(?:secret|admin-key|user-key) (?: = | [ \t]+ )   # heketi-cli's and gk-deploy's options
      | --from-literal=(?:user-)?key=
      | \brestuserkey["']? [ \t]* : [ \t]*               # the StorageClass that gk-deploy prints
      | \bHEKETI_\w{0,20}KEY\}? (?: ["']? [ \t]* [:=] [ \t]* | / )
      | \bname: [ \t] ["']? HEKETI_\w{0,20}KEY ["']? \s{1,80} value: [ \t]*
      | "name": [ ]? "HEKETI_\w{0,20}KEY" , \s{0,80} "value": [ ]?
    )
    (?P<quote>\\?["']?)
    [^\s"'\\,;/}\]][^\s"'\\,;/}\]]*
    """,
    re.VERBOSE,
)
"""gk-deploy prints the user's key at its end; with -v, all its commands with both (D1)."""


def masked(text: str) -> str:
    """`text` without keys."""
    return _KEY.sub(rf"\g<before>\g<quote>{MARK}", text)
