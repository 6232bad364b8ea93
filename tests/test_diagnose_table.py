"""The table of `gkprep diagnose`, read strictly."""

from __future__ import annotations

import re

import pytest

from preflight.diagnose.table import Table, parse
from preflight.errors import TableError

GOOD = r"""
rows:
  - id: N1
    cause: "{device} on {node}"
    any: [{where: [logs], pattern: 'Device (?P<device>\S+) broke'}]
    advice: mend it
    source: nowhere
without: [{id: N2, why: no text}]
"""


def test_a_good_table_is_read() -> None:
    assert isinstance(parse(GOOD, "t.yaml"), Table)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("id: N1\n", "id: X1\n", "row X1: id: saw X1; allowed: a row of the failure catalogue"),
        ("id: N1\n", "name: N1\n", "a row: unknown key 'name' in a row"),
        ("source:", "sauce:", "row N1: unknown key 'sauce' in a row; did you mean 'source'?"),
        ("    source: nowhere\n", "", "row N1: the key 'source' is missing in a row: where it is"),
        ("[logs]", "[loggs]", "row N1: where: saw loggs; allowed: a list of gk-deploy, describe"),
        ("[logs]", "logs", "row N1: where: saw logs; allowed: a list of gk-deploy"),
        (r"'Device (?P<device>\S+) broke'", "'('", "pattern: saw '(', missing ), unterminated"),
        (r"'Device (?P<device>\S+) broke'", "'a*'", "matches no empty text"),
        ("{device} on", "{disk} on", "row N1: saw {disk}; allowed: {node}, {pod}, {namespace}"),
        ("(?P<device>", "(?P<node>", "row N1: the group 'node' has the name of a field"),
        ("    advice: mend it\n", "", "row N1: nothing that helps; allowed: `cure` or `advice`"),
        ("    any: [{where: [logs], pattern: 'Device (?P<device>\\S+) broke'}]\n", "",
         "row N1: nothing to match; allowed: `all` or `any`"),
        ("rows:\n", "rows: []\nrest:\n", "rows: saw an empty list; allowed: a list of causes"),
        ("why: no text", "because: no text", "unknown key 'because' in a failure"),
        ("without:", "with:", "unknown key 'with' in the table; did you mean 'without'?"),
        ("rows:", "\trows:", "a tab; YAML is indented with spaces"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_file_row_what_and_allowed(old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(TableError) as caught:
        parse(GOOD.replace(old, new), "t.yaml")
    assert told in str(caught.value)
    assert re.match(r"t\.yaml:\d+:\d+: ", str(caught.value))


def test_all_mistakes_are_told_at_once() -> None:
    text = GOOD.replace("id: N1\n", "id: X1\n").replace("source:", "sauce:")
    with pytest.raises(TableError) as caught:
        parse(text, "t.yaml")
    assert len(str(caught.value).splitlines()) == 3  # the third: `source` is missing
