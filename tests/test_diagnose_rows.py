"""`gkprep diagnose` on saved output: every row on its sample."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from preflight.diagnose import match, saved
from preflight.diagnose.evidence import Diagnosis, Reading, together
from preflight.diagnose.table import Clause
from preflight.model import Verdict
from preflight.registry import checks
from tests.diagnosed import (
    PROVENANCE,
    ROWS,
    SAMPLES,
    TABLE,
    diagnosed,
    every_sample,
    expected,
    instead,
    is_of,
    provenance,
    row_of,
    without,
    write,
)


@every_sample
def test_a_sample_is_explained_by_its_row_and_no_other(sample: str) -> None:
    row, found = expected(sample), diagnosed(SAMPLES / sample)
    assert [is_of(cause, row) for cause in found.causes] == [True], found.causes
    assert found.verdict is Verdict.BLOCKED
    assert [cause.node for cause in found.causes] == [PROVENANCE[sample]["node"]]
    assert not found.unexplained


@every_sample
def test_without_its_row_no_other_takes_its_place(sample: str) -> None:
    row = expected(sample)
    found = diagnosed(SAMPLES / sample, without(row))
    assert not any(is_of(cause, row) or not cause.general for cause in found.causes)


def test_every_row_has_a_sample_and_every_sample_its_provenance() -> None:
    folders = {path.name for path in SAMPLES.iterdir()}
    lacking = [row for row in ROWS if row not in map(row_of, PROVENANCE)]
    assert not lacking, f"no sample of the rows {lacking}: make tests/samples/diagnose/ROW/"
    assert [expected(sample) for sample in folders | set(PROVENANCE)]
    told = "tests/samples/provenance.yaml and the folders in tests/samples/diagnose"
    assert folders == set(PROVENANCE), f"{told} do not have the same names"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{N1: {from: here}}", "N1: no `node`; allowed: the node that is named, or null"),
        ("{N1: {node: null}}", "N1: no `from`; allowed: where its text is from"),
        ("{N1: {from: '', node: null}}", "N1: `from` is empty"),
        ("{N1: {from: here, nodes: a, node: b}}", "N1: `nodes`; allowed: from and node"),
        ("{N1: here}", "N1: no `node`"),
    ],
)
def test_a_mistake_in_the_provenance_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=r"tests/samples/provenance\.yaml: N1: ") as caught:
        provenance(text)
    assert told in str(caught.value)


@every_sample
def test_what_is_quoted_stands_in_the_file_that_is_named(sample: str) -> None:
    for cause in diagnosed(SAMPLES / sample).causes:
        assert cause.evidence
        for quote in cause.evidence:
            text = (SAMPLES / sample / quote.origin.partition(": ")[0]).read_text("utf-8")
            reported = quote.origin.endswith(".json")
            assert quote.lines
            assert reported or all(line in text for line in quote.lines)


def test_every_pattern_of_a_row_is_in_one_of_its_samples() -> None:
    for name, row in ROWS.items():
        texts = [
            piece
            for sample in PROVENANCE
            if row_of(sample) == name
            for piece in together(saved.read(SAMPLES / sample)).evidence
        ]
        for clause in (*row.every, *row.some):
            told = [p for p in texts if p.kind in clause.where and clause.pattern.search(p.text)]
            kinds = {piece.kind.value for piece in texts}
            assert told, f"{_in(name, clause)} matches in no sample of it, which have {kinds}"


def _in(name: str, clause: Clause) -> str:
    kinds = ", ".join(sorted(kind.value for kind in clause.where))
    return f"row {name}, pattern {clause.pattern.pattern!r} in {kinds}:"


CLAUSES = [
    (name, part, number)
    for name, row in ROWS.items()
    for part in ("every", "some", "unless", "also")
    for number in range(len(getattr(row, part)))
]


@pytest.mark.parametrize(("name", "part", "number"), CLAUSES)
def test_every_clause_is_needed_by_a_sample(name: str, part: str, number: int) -> None:
    """Taken out, it changes what is said of one of them at least."""
    row = ROWS[name]
    clauses = getattr(row, part)
    changed: dict[str, Any] = {part: clauses[:number] + clauses[number + 1 :]}
    other = replace(row, **changed)
    known = without(row) if not (other.every or other.some) else instead(row, other)
    # The row's own samples tell in most cases, and what is about others is asked only then.
    samples = sorted(PROVENANCE, key=lambda sample: expected(sample) is not row)
    needed = any(match.diagnose(read(sample), known) != usual(sample) for sample in samples)
    assert needed, (
        f"{_in(name, clauses[number])} without it every sample is told as before; allowed: a"
        f" sample tests/samples/diagnose/{name}.VARIANT that needs it (for `unless`: one of the row"
        " that is told instead), or no such clause"
    )


@cache
def read(sample: str) -> Reading:
    return together(saved.read(SAMPLES / sample))


@cache
def usual(sample: str) -> Diagnosis:
    return match.diagnose(read(sample), TABLE)


def test_a_line_that_two_clauses_know_names_what_either_does(tmp_path: Path) -> None:
    """As where a row has a second, looser pattern for what other releases say."""
    row = ROWS["N9"]
    plain = replace(row.some[0], pattern=re.compile("peer probe: failed: .*"))
    known = instead(row, replace(row, some=(*row.some, plain)))
    text = "peer probe: failed: 10.78.0.12 is already part of another cluster\n"
    (cause,) = diagnosed(write(tmp_path, {"a.log": text}), known).causes
    assert cause.cause.startswith("10.78.0.12 still has the state of an earlier")


def test_cures_are_commands_that_gkprep_has() -> None:
    ids = {check.id for check in checks()}
    known = {"check", "fix", "deploy", "diagnose", "explain"}
    for row in TABLE.rows:
        for command in row.cure:
            first, *words = command.split()
            assert first in {"gkprep", "kubectl", "{kubectl}"}
            assert first != "gkprep" or words[0] in known
            assert {words[at + 1] for at, word in enumerate(words) if word == "--only"} <= ids


def test_the_most_certain_cause_comes_first(tmp_path: Path) -> None:
    """Two nodes, one with more evidence than the other; and a general row goes with neither."""
    shutil.copytree(SAMPLES / "N11", tmp_path / "a")
    shutil.copytree(SAMPLES / "N6", tmp_path / "b")
    shutil.copytree(SAMPLES / "C8", tmp_path / "c")
    found = diagnosed(tmp_path)
    assert [cause.id for cause in found.causes] == ["N11", "N6"]
    assert [len(cause.evidence) for cause in found.causes] == [2, 2]


def test_a_finding_of_gkpreps_makes_a_cause_more_certain_and_is_quoted(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "N11", tmp_path, dirs_exist_ok=True)
    shutil.copy(SAMPLES / "N11-2/check.json", tmp_path)
    (cause,) = diagnosed(tmp_path).causes
    assert (cause.id, cause.node) == ("N11", "node2")
    assert "rpcbind-port fail port 111: saw tcp+udp held by systemd, pid 1" in [
        line for quote in cause.evidence for line in quote.lines
    ]


def test_the_same_failure_on_two_nodes_is_two_causes_with_two_cures(tmp_path: Path) -> None:
    text = (SAMPLES / "N6/gk-deploy.log").read_text("utf-8")
    bad = re.search(r"^Adding device /dev/sda \.\.\. Unable.*$", text, re.MULTILINE)
    assert bad
    first, _, rest = text.partition("Adding device /dev/sda ... OK")
    write(tmp_path, {"gk-deploy.log": first + bad[0] + rest})
    found = diagnosed(tmp_path)
    assert [cause.node for cause in found.causes] == ["node1", "node2"]
    assert [cause.cure for cause in found.causes] == [
        (f"gkprep fix --only device-clean --limit {node}",) for node in ("node1", "node2")
    ]


# --- the two failures of every walk-through ------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "node", "pod", "namespace"),
    [
        ("N11", "node2", "glusterfs-c7k4d", "glusterfs"),
        ("N11.journal", "node-181", "glusterfs-74rsl", "NAMESPACE"),
    ],
)
def test_ready_0_of_1_names_port_111_the_socket_the_node_and_the_whole_cure(
    sample: str, node: str, pod: str, namespace: str
) -> None:
    (cause,) = diagnosed(SAMPLES / sample).causes
    assert all(word in cause.cause for word in ("ort 111", "rpcbind.socket", node))
    assert cause.object == f"pod {pod}"
    assert cause.cure == (
        f"gkprep fix --only rpcbind-port --limit {node} --yes",
        f"kubectl -n {namespace} delete pod {pod}",
    )
    assert "not tried again" in cause.advice


def test_the_empty_log_of_that_pod_is_no_evidence_and_no_mishap() -> None:
    assert (SAMPLES / "N11/logs-glusterfs-c7k4d.txt").read_bytes() == b""
    assert not diagnosed(SAMPLES / "N11").unread


@pytest.mark.parametrize(
    ("sample", "device"),
    [("N6", "/dev/sda"), ("N6.filter", "/dev/sdb"), ("N6.ignored", "/dev/sdb")],
)
def test_pvcreate_that_finds_a_table_names_disk_node_and_cure(sample: str, device: str) -> None:
    (cause,) = diagnosed(SAMPLES / sample).causes
    node = PROVENANCE[sample]["node"]
    assert f"{device} on {node} carries a partition table" in cause.cause
    assert cause.cure == (f"gkprep fix --only device-clean --limit {node}",)
