"""Every probe's parser against recorded real output.

A capture is a pair in `captures/<probe name without arguments>/`: `<case>.out`, the raw standard
output of the probe's command, and `<case>.json`, an object of

    provenance  where and when the output was recorded, and how the machine came to that state
    args        the arguments of a probe that is made by a function (only there)
    value       what the output parses to, as `tests.plain` spells it
    unknown     instead of `value`: the words with which the parser says that it cannot tell
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from preflight.errors import Unknown
from preflight.model import Probe
from tests.plain import plain
from tests.probes import find, probes

CAPTURES = Path(__file__).parent / "captures"
FILES = sorted(path for path in CAPTURES.rglob("*") if path.is_file())
CASES = sorted({path.with_suffix("") for path in FILES})
NAMES = sorted(name for name, _ in probes())


def case_id(case: Path) -> str:
    return str(case.relative_to(CAPTURES))


def read(case: Path) -> dict[str, object]:
    return cast("dict[str, object]", json.loads(case.with_name(f"{case.name}.json").read_text()))


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_a_capture_is_a_pair_that_says_where_it_is_from(case: Path) -> None:
    assert case.parent.parent == CAPTURES
    assert {path.suffix for path in FILES if path.with_suffix("") == case} == {".out", ".json"}
    record = read(case)
    assert {*record} - {"args"} in ({"provenance", "value"}, {"provenance", "unknown"})
    assert len(str(record["provenance"]).split()) > 3, "say where, when and how"


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_a_recorded_answer_parses_to_the_recorded_value(case: Path) -> None:
    record = read(case)
    args = cast("list[str]", record.get("args", []))
    probe = find(case.parent.name, args)
    text = case.with_name(f"{case.name}.out").read_bytes().decode("utf-8", "surrogateescape")
    if "unknown" in record:
        with pytest.raises(Unknown) as raised:
            probe.parse(text)
        assert str(raised.value) == record["unknown"]
    else:
        assert plain(probe.parse(text)) == record["value"]


@pytest.mark.parametrize("name", NAMES)
def test_every_probe_has_a_capture_with_a_value(name: str) -> None:
    cases = [case for case in CASES if case.parent.name == name]
    assert any("value" in read(case) for case in cases), (
        f"record one: python -m tests.record {name}"
    )


def test_every_probe_is_called_as_its_module_calls_it() -> None:
    named = {name: probe for name, probe in probes() if isinstance(probe, Probe)}
    assert {name: probe.name for name, probe in named.items()} == {name: name for name in named}


def test_every_made_probe_is_called_as_its_function_and_arguments() -> None:
    made = [case for case in CASES if "args" in read(case)]
    for case in made:
        args = cast("list[str]", read(case)["args"])
        assert find(case.parent.name, args).name == f"{case.parent.name}({' '.join(args)})"
