"""Which files gk-deploy consists of: what was checked is what is copied, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from checks.gk_deploy import gk_deploy
from preflight.collect import collect
from preflight.controller import controller
from preflight.deploy.deployer import Work
from preflight.deploy.gk_deploy import GkDeploy
from preflight.deploy.place import Place
from preflight.deploy.source import where
from preflight.errors import DeployError, Unknown
from preflight.facts import deployer
from preflight.facts.deployer import KNOWN, Python, Script
from preflight.model import Facts, Limits, Status
from preflight.transport import Local
from tests.judged import found, one, with_deployer
from tests.kube.standins import GK_DEPLOY

DAEMONSET = "kube-templates/glusterfs-daemonset.yaml"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    shutil.copytree(GK_DEPLOY.parent, tmp_path / "deploy")
    return tmp_path / "deploy" / "gk-deploy"


def checked(script: Path) -> Work:
    """What is known of the controller once its gk-deploy was looked at."""
    inventory = with_deployer(gk_deploy=script)
    node = controller(inventory)
    found = collect(node, [where(node)], Local(become=False), Limits())
    known = {**found.values, deployer.python.name: Python("python3", "3.11.2")}
    return Work(inventory, Facts(node, known), GkDeploy().options(()))


def seen(script: Path) -> Script:
    known = checked(script).controller
    there = known[where(known.node)]
    assert there
    return there


def prepared(work: Work, folder: Path) -> Path:
    """The copy that was made."""
    place = Place.made(folder / "deployments", "gk-deploy")
    GkDeploy().prepare(work, place)
    return place.copy


def test_what_is_edited_beside_a_known_script_makes_it_another(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KNOWN, "1a2b", dict(seen(script).files))
    known = found(gk_deploy, gk_deploy=seen(script))["gk-deploy"]
    assert (known.status, known.saw) == (Status.PASS, f"{script}, commit 1a2b")
    daemonset = script.parent / DAEMONSET
    daemonset.write_text(f"{daemonset.read_text()}# edited\n")
    edited = one(gk_deploy, gk_deploy=seen(script))
    assert edited.status is Status.WARN
    assert edited.saw.endswith(f"not as in commit 1a2b are {DAEMONSET}")


@pytest.mark.parametrize("name", ["gk-deploy", "heketi.json.template", DAEMONSET])
def test_what_has_changed_since_it_was_checked_is_not_run(
    script: Path, tmp_path: Path, name: str
) -> None:
    work = checked(script)
    file = script.parent / name
    file.write_text(f"{file.read_text()}# edited\n")
    with pytest.raises(DeployError, match=f"{name} has changed since it was checked"):
        prepared(work, tmp_path)
    file.unlink()
    with pytest.raises(DeployError, match="cannot be read: No such file"):
        prepared(work, tmp_path)


def test_what_was_not_checked_is_not_copied(script: Path, tmp_path: Path) -> None:
    work = checked(script)
    (script.parent / "kube-templates/later.yaml").write_text("kind: DaemonSet\n")
    (script.parent / "kube-templates/folder").mkdir()
    copy = prepared(work, tmp_path)
    files = {str(file.relative_to(copy)) for file in copy.rglob("*") if file.is_file()}
    assert files == {name for name, _ in seen(script).files} - {"kube-templates/later.yaml"}


def test_a_script_of_another_name_is_the_one_that_is_copied(script: Path, tmp_path: Path) -> None:
    other = script.with_name("gk-deploy.mine")
    other.write_text(f"{script.read_text()}# mine\n")
    assert (prepared(checked(other), tmp_path) / "gk-deploy").read_text().endswith("# mine\n")


def test_a_file_that_cannot_be_read_is_unknown() -> None:
    with pytest.raises(Unknown, match=r"/g/gk-deploy: kube-templates/a\.yaml cannot be read"):
        deployer.parse_gk_deploy(f"/g/gk-deploy\n\n{'0' * 64} gk-deploy\n kube-templates/a.yaml\n")
