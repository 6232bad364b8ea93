"""A deployment that broke off: what it has made on the nodes does not close the gate to a rerun."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest

from checks.device_clean import device_clean
from preflight.collect import collect
from preflight.controller import controller
from preflight.deploy import flow
from preflight.deploy.gk_deploy import GkDeploy
from preflight.deploy.keys import ADMIN_FILE
from preflight.deploy.source import where
from preflight.facts import block, disk, usage
from preflight.facts.block import GIB, Block, Target
from preflight.judge import judge, needs
from preflight.model import Facts, Inventory, Limits, Node, Status
from preflight.reach import Reach
from preflight.survey import Survey
from preflight.transport import LiveShell, Local
from tests import kubectl
from tests.judged import BEGUN, CHECKS, NODES, VALUES, with_deployer
from tests.kube.standins import GK_DEPLOY

CAPTURES = Path(__file__).parent / "captures"
DISK = Block("sda", "8:0", "disk", 12 * GIB, serials=("LABDATA3",), wwns=("0x5",))
GROUP = "0123456789abcdef0123456789abcdef"
"""Of the captures `leftover`, as heketi calls the device."""


@dataclass(frozen=True)
class Known(Reach):
    """A fleet of which all is known already."""

    found: Survey

    def survey(self, *_: object, **__: object) -> Survey:
        """What was found."""
        return self.found


@dataclass
class World:
    """The machine that deploys: its kubectl, and where it keeps its keys."""

    folder: Path

    def __post_init__(self) -> None:
        program = self.folder / "kubectl"
        shutil.copy(kubectl.__file__, program)
        program.write_text(f"#!{sys.executable}\n{program.read_text()}")
        program.chmod(0o755)
        namespace = "api/v1/namespaces"
        self.has("raw/version", "{}")
        self.has(f"raw/{namespace}/kube-system", '{"metadata": {"uid": "one"}}')
        self.has(f"raw/{namespace}/glusterfs/secrets", '{"items": []}')
        self.has("pods Running.json", "deploy-heketi-1")
        self.has(f"state/gkprep/keys/one-glusterfs/{ADMIN_FILE}", "adminADMIN1\n")
        self.knows(GROUP)

    def has(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def knows(self, device: str) -> None:
        """Have deploy-heketi's disks be called so; all else in its topology is as recorded."""
        told = json.loads((CAPTURES / "deployment.known/deployed.out").read_text())
        for cluster in told["clusters"]:
            for node in cluster["nodes"]:
                for each in node["devices"]:
                    each["id"] = device
        self.has("exec/-i/topology", json.dumps(told))

    @property
    def inventory(self) -> Inventory:
        return with_deployer(kubectl=str(self.folder / "kubectl"), gk_deploy=GK_DEPLOY)

    def deploy(self) -> flow.Outcome:
        """`gkprep deploy` as far as its question, to which the answer is no."""
        node = controller(self.inventory)
        checks = (device_clean, *CHECKS)
        facts = {each.name: Facts(each, leftover()) for each in NODES}
        facts[node.name] = Facts(node, self.of_controller())
        found = Survey(facts, judge(checks, facts))
        now = datetime.now(timezone.utc)
        fleet = Known((*NODES, node), checks, Here(), 1, local=False, started=now, found=found)
        terms = flow.Terms(GkDeploy().options(()))
        return flow.deploy(fleet, self.inventory, GkDeploy(), terms, lambda _: False)

    def of_controller(self) -> dict[str, object]:
        """All is in order, but that deploy-heketi is there."""
        node = controller(self.inventory)
        script = collect(node, [where(node)], Local(become=False), Limits())[where(node)]
        values = VALUES | {"objects": BEGUN, "gk_deploy": script}
        asked = needs(CHECKS, node)
        return {each.name: values[called(each.name)] for each in asked}


def called(probe: str) -> str:
    return probe.partition("(")[0].rpartition(".")[2]


class Here:
    """Every shell is of this machine."""

    def __call__(self, node: Node) -> LiveShell:
        del node
        return Local(become=False)

    def close(self) -> None:
        """There is nothing to close."""


def leftover() -> dict[str, object]:
    """A node whose disk is as it was recorded, with a volume group of heketi's."""
    path = "/dev/sda"
    return {
        block.devices.name: (DISK,),
        block.target(path).name: Target(exists=True, number="8:0"),
        usage.mounts.name: frozenset(),
        disk.signatures(path).name: disk.parse_signatures(read("disk.signatures")),
        disk.content(path).name: disk.parse_content(read("disk.content")),
    }


def read(probe: str) -> str:
    data = (CAPTURES / probe / "debian-12-leftover.out").read_bytes()
    return data.decode("utf-8", "surrogateescape")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return World(tmp_path)


def clean(outcome: flow.Outcome) -> list[tuple[Status, bool]]:
    """Of each disk, and whether it was said to be of the deployment that goes on."""
    found = [each for each in outcome.before.findings if each.check == device_clean.id]
    return [(each.status, each.saw.endswith("of the deployment that goes on")) for each in found]


def test_the_disks_of_a_deployment_under_way_leave_the_gate_open(world: World) -> None:
    outcome = world.deploy()
    assert clean(outcome) == [(Status.PASS, True)] * 3
    assert outcome.prospect, "the gate was closed"


@pytest.mark.parametrize("other", ["0" * 32, GROUP[:-1]])
def test_another_deployments_disks_close_it(world: World, other: str) -> None:
    """The group is the one that the disk names; to begin with the same letters is not enough."""
    world.knows(other)
    outcome = world.deploy()
    assert clean(outcome) == [(Status.FAIL, False)] * 3
    assert outcome.prospect is None


def test_so_do_all_where_deploy_heketi_does_not_tell(world: World) -> None:
    (world.folder / "exec/-i/topology").unlink()
    assert clean(world.deploy()) == [(Status.FAIL, False)] * 3
