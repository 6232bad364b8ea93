"""`gkprep diagnose --from DIR`, as a command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import unattended
from tests.diagnosed import HEALTHY, SAMPLES, write
from tests.site import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


@pytest.mark.parametrize(("sample", "code"), [("N11", 1), ("C8", 1), (None, 3)])
def test_exit_codes_of_the_command(
    gkprep: str, home: Home, sample: str | None, code: int, tmp_path: Path
) -> None:
    folder = SAMPLES / sample if sample else write(tmp_path / "none", {"a": "?"})
    done = unattended([gkprep, "diagnose", "--from", str(folder)], home)
    assert (done.returncode, done.stderr) == (code, "")


def test_healthy_is_0(gkprep: str, home: Home, tmp_path: Path) -> None:
    folder = write(tmp_path / "healthy", HEALTHY)
    done = unattended([gkprep, "diagnose", "--from", str(folder)], home)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("HEALTHY  nothing is wrong in ")


def test_json_of_the_command(gkprep: str, home: Home) -> None:
    argv = [gkprep, "diagnose", "--from", str(SAMPLES / "N6"), "-o", "json"]
    report = json.loads(unattended(argv, home).stdout)
    assert (report["command"], report["verdict"]) == ("diagnose", "blocked")
    assert [cause["id"] for cause in report["causes"]] == ["N6"]


@pytest.mark.parametrize("more", [["inventory.yaml"], ["--limit", "a"], ["--only", "x"]])
def test_a_folder_and_nodes_do_not_go_together(gkprep: str, home: Home, more: list[str]) -> None:
    argv = [gkprep, "diagnose", *more, "--from", str(SAMPLES / "N6")]
    done = unattended(argv, home)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--from reads a folder" in done.stderr
