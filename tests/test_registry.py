"""Checks come in by entry points: one new file is found, and a broken one is never passed over."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from preflight import registry
from preflight.errors import UsageError
from preflight.model import Check, FleetCheck
from preflight.select import select_checks

ROOT = Path(__file__).parent.parent
IDS = {
    "device-clean",
    "device-idle",
    "device-usable",
    "firewall-ports",
    "kernel-modules",
    "mount-glusterfs",
    "node-count",
    "rpcbind-port",
}
SECTIONS = ("Checks:", "Why:", "By hand:", "Source:")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the product's packages, to add files to."""
    for package in ("preflight", "checks", "fixes"):
        shutil.copytree(ROOT / package, tmp_path / package)
    return tmp_path


def run(gkprep: str, house: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command with `house` before the installed packages."""
    environment = {**os.environ, "PYTHONPATH": str(house)}
    return subprocess.run(
        [gkprep, *args], capture_output=True, text=True, env=environment, timeout=60, check=False
    )


def documented_example() -> str:
    """The check that docs/adding-a-check.md walks through, as it stands there."""
    page = (ROOT / "docs/adding-a-check.md").read_text()
    match = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert match
    return match[1]


def test_a_check_added_as_one_file_is_listed_explained_and_reported(
    gkprep: str, house: Path
) -> None:
    assert len(documented_example().splitlines()) <= 35
    (house / "checks/cgroup_version.py").write_text(documented_example())

    assert "cgroup-version" in run(gkprep, house, "list").stdout
    assert (
        "systemd 219 (CentOS 7) cannot run"
        in run(gkprep, house, "explain", "cgroup-version").stdout
    )
    args = ("check", "--local", "--device", "/dev/none", "--only", "cgroup-version", "-o")
    findings = json.loads(run(gkprep, house, *args, "json").stdout)["findings"]
    kind = subprocess.check_output(["stat", "-f", "-c", "%T", "/sys/fs/cgroup"], text=True).strip()
    assert [(f["check"], f["subject"], f["status"]) for f in findings] == [
        ("cgroup-version", "/sys/fs/cgroup", "warn" if kind == "cgroup2fs" else "pass")
    ]
    glyph = "!" if kind == "cgroup2fs" else "+"
    assert run(gkprep, house, *args, "text").stdout.startswith(f"{glyph} cgroup-version")
    cases = ET.fromstring(run(gkprep, house, *args, "junit").stdout).findall(".//testcase")
    assert [case.get("classname", "").rpartition(".")[2] for case in cases] == ["cgroup-version"]


def test_what_the_probe_of_an_added_check_prints_can_be_recorded(house: Path) -> None:
    """As the page says, but on this machine."""
    (house / "checks/cgroup_version.py").write_text(documented_example())
    shutil.copytree(ROOT / "tests", house / "tests")
    words = ["-m", "tests.record", "cgroup.filesystem", "here", "--how", "as it stands"]
    subprocess.run([sys.executable, *words], cwd=house, check=True, capture_output=True, timeout=60)
    record = json.loads((house / "tests/captures/cgroup.filesystem/here.json").read_text())
    kind = subprocess.check_output(["stat", "-f", "-c", "%T", "/sys/fs/cgroup"], text=True).strip()
    assert record["value"] == kind


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("import nothing_of_that_name", "plugin checks.broken of gkprep cannot be loaded: Module"),
        ("import sys; sys.exit(0)", "cannot be loaded: SystemExit: 0"),
        (
            documented_example().replace("def cgroup_version", "def kernel_modules"),
            "two plugins claim",
        ),
    ],
)
def test_a_broken_plugin_is_named_and_nothing_is_checked(
    gkprep: str, house: Path, text: str, complaint: str
) -> None:
    (house / "checks/broken.py").write_text(text)
    done = run(gkprep, house, "check", "--local", "--device", "/dev/none")
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_scripts_rely_on_these_ids() -> None:
    ids = [check.id for check in registry.checks()]
    assert set(ids) >= IDS
    assert ids == sorted(ids)


@pytest.mark.parametrize("check", registry.checks(), ids=lambda check: check.id)
def test_every_check_has_a_whole_page(check: Check | FleetCheck) -> None:
    summary, _, body = check.doc.partition("\n\n")
    assert summary.endswith(".")
    assert "\n" not in summary
    for section in SECTIONS:
        assert f"\n\n{section}" in f"\n\n{body}"


def test_an_unknown_id_gets_the_nearest_ones() -> None:
    with pytest.raises(UsageError, match="did you mean kernel-modules"):
        select_checks(registry.checks(), ["kernel-module"], [])


def test_leaving_everything_out_is_an_error() -> None:
    checks = registry.checks()
    with pytest.raises(UsageError, match="no check"):
        select_checks(checks, [], [check.id for check in checks])
