"""The README's gate, run as it stands there: what is not ready does not get through."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests import installed
from tests.by_hand import CURES, put_right
from tests.lab import Lab, Machine

README = Path(__file__).parent.parent / "README.md"
SNIPPET = re.compile(
    r"^<!-- gate: (?P<kind>\S+) -->\n```\w+\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)

ONE_NODE = """\
nodes:
  - name: node1
    address: {address}
    storage: 10.78.0.11
    devices: [/dev/sda]
policy: {{single_node: true}}
"""
NOBODY = "10.77.0.1"  # the controller's end of the management network; nothing listens there

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def snippets() -> dict[str, str]:
    found = {match["kind"]: match["text"] for match in SNIPPET.finditer(README.read_text())}
    assert set(found) == {"shell", "cloud-init"}
    return found


@pytest.fixture(scope="module")
def broken(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """One broken machine that has gkprep and the inventory, as an image would bring them."""
    lab.reset("node1")
    machine = lab.machines["node1"]
    installed.install(machine, tmp_path_factory.mktemp("installed"))
    etc = tmp_path_factory.mktemp("etc")
    (etc / "inventory.yaml").write_text(ONE_NODE.format(address=machine.address))
    machine.push(etc, "/etc/gkprep")
    return machine


@pytest.fixture(scope="module")
def right(broken: Machine) -> Machine:
    """The same machine, put right by hand."""
    put_right([broken], *CURES)
    return broken


def test_the_shell_gate_holds_a_broken_node_back(
    lab: Lab, snippets: dict[str, str], broken: Machine, tmp_path: Path
) -> None:
    gate = through_shell(lab, snippets["shell"], tmp_path, broken.address)
    assert gate.returncode == 1
    assert "ready" not in gate.stdout
    assert "blocked" in gate.stderr
    assert outcomes(tmp_path) >= {"failure"}


@pytest.mark.parametrize("shell", [["sh"], ["sh", "-e"]], ids=" ".join)
def test_the_shell_gate_holds_a_node_back_that_it_cannot_ask(
    lab: Lab, snippets: dict[str, str], tmp_path: Path, shell: list[str]
) -> None:
    gate = through_shell(lab, snippets["shell"], tmp_path, NOBODY, shell)
    assert gate.returncode == 1
    assert "ready" not in gate.stdout
    assert "could not find out" in gate.stderr
    assert "error" in outcomes(tmp_path)


def test_the_shell_gate_holds_back_what_has_no_inventory(
    lab: Lab, snippets: dict[str, str], tmp_path: Path
) -> None:
    environment = {"INVENTORY": str(tmp_path / "nowhere.yaml")}
    gate = lab.exec(["sh", "-c", snippets["shell"]], cwd=tmp_path, env=environment, timeout=60)
    assert gate.returncode == 1
    assert "ready" not in gate.stdout
    assert "could not find out" in gate.stderr


def test_cloud_init_does_not_call_a_broken_node_ready(
    snippets: dict[str, str], broken: Machine
) -> None:
    assert through_cloud_init(snippets["cloud-init"], broken) != 0
    assert broken.run("test -e /run/gluster-ready", check=False).returncode == 1
    assert '"verdict": "blocked"' in broken.run("cat /var/log/gkprep.json").stdout


@pytest.mark.parametrize("shell", [["sh"], ["sh", "-e"]], ids=" ".join)
def test_the_shell_gate_lets_a_good_node_through(
    lab: Lab, snippets: dict[str, str], right: Machine, tmp_path: Path, shell: list[str]
) -> None:
    gate = through_shell(lab, snippets["shell"], tmp_path, right.address, shell)
    assert gate.returncode == 0, gate.stderr
    assert "ready" in gate.stdout
    assert outcomes(tmp_path) == set()


def test_cloud_init_calls_a_good_node_ready(snippets: dict[str, str], right: Machine) -> None:
    assert through_cloud_init(snippets["cloud-init"], right) == 0
    assert right.run("test -e /run/gluster-ready", check=False).returncode == 0
    assert '"verdict": "ready"' in right.run("cat /var/log/gkprep.json").stdout


def through_shell(
    lab: Lab, text: str, folder: Path, address: str, shell: list[str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the snippet by the controller's shell in `folder`; INVENTORY names one node."""
    inventory = folder / "inventory.yaml"
    inventory.write_text(ONE_NODE.format(address=address))
    environment = {"INVENTORY": str(inventory)}
    command = [*(shell or ["sh"]), "-c", text]
    return lab.exec(command, cwd=folder, env=environment, timeout=120)


def outcomes(folder: Path) -> set[str]:
    """What the cases of the JUnit report came to, besides success."""
    cases = ET.parse(folder / "gkprep.xml").getroot().iter("testcase")
    found = list(cases)
    assert found
    return {part.tag for case in found for part in case} & {"failure", "error"}


def through_cloud_init(text: str, machine: Machine) -> int:
    """Run the snippet as cloud-init would at the end of the boot; return its exit status.

    A service of systemd's: without HOME or a terminal, with systemd's PATH and / to be in.
    """
    config = yaml.safe_load(text)
    assert text.startswith("#cloud-config\n")
    assert set(config) == {"runcmd"}
    script = runcmd(config["runcmd"]).encode()
    machine.run("cat >/root/runcmd && chmod 700 /root/runcmd", stdin=script)
    machine.run("rm -f /run/gluster-ready /var/log/gkprep.json")
    run = "systemd-run --quiet --collect --wait /root/runcmd"
    return machine.run(run, check=False, timeout=120).returncode


def runcmd(entries: list[str | list[str]]) -> str:
    """The script that cloud-init makes of `runcmd`: shellify() of cloudinit/util.py.

    An entry that is a string is a line of the script; of one that is a list each word is quoted.
    """
    lines = [entry if isinstance(entry, str) else shlex.join(map(str, entry)) for entry in entries]
    return "\n".join(["#!/bin/sh", *lines, ""])
