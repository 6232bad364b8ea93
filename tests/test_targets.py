"""Which nodes a command is about."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from preflight import targets
from preflight.errors import UsageError
from preflight.model import Device

THREE = """\
defaults: {devices: [/dev/sdb]}
nodes:
  - {name: node1, address: 203.0.113.1}
  - {name: node2, address: 203.0.113.2}
  - {name: HERE, address: 203.0.113.3}
"""


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without an inventory, and no variable that names one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GKPREP_INVENTORY", raising=False)
    return tmp_path


def find(path: Path | None = None, **given: object) -> targets.Targets:
    options: dict[str, Any] = {"local": False, "devices": [], "storage": None, "limit": []}
    return targets.find(path, **{**options, **given})


def inventory(folder: Path, name: str, host: str = "node3") -> Path:
    path = folder / name
    path.write_text(THREE.replace("HERE", host))
    return path


def test_an_argument_goes_before_the_variable_and_that_before_the_folder(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, named = inventory(nowhere, "given", "given"), inventory(nowhere, "named", "named")
    inventory(nowhere, "inventory.yaml", "found")
    assert find().nodes[2].name == "found"
    monkeypatch.setenv("GKPREP_INVENTORY", str(named))
    assert find().nodes[2].name == "named"
    assert find(given).nodes[2].name == "given"


def test_without_any_inventory_the_way_out_is_named() -> None:
    with pytest.raises(UsageError, match=r"gkprep init .*--local needs none"):
        find()


def test_the_fleet_is_whole_only_without_a_limit(nowhere: Path) -> None:
    path = inventory(nowhere, "inventory.yaml")
    assert find(path).whole
    limited = find(path, limit=["node2"])
    assert [node.name for node in limited.nodes] == ["node2"]
    assert not limited.whole


def test_a_limit_to_a_node_that_is_not_there_names_the_nearest(nowhere: Path) -> None:
    with pytest.raises(UsageError, match="did you mean node"):
        find(inventory(nowhere, "inventory.yaml"), limit=["node9"])


def test_this_machine_from_options_alone() -> None:
    [node] = find(local=True, devices=["/dev/sdb", "/dev/sdc"], storage="203.0.113.9").nodes
    assert node.name == socket.gethostname()
    assert node.devices == (Device("/dev/sdb"), Device("/dev/sdc"))
    assert node.storage == "203.0.113.9"


def test_this_machine_is_found_in_the_inventory_by_its_name(nowhere: Path) -> None:
    path = inventory(nowhere, "inventory.yaml", socket.gethostname())
    chosen = find(path, local=True)
    assert [node.address for node in chosen.nodes] == ["203.0.113.3"]
    assert not chosen.whole


def test_a_machine_that_is_not_in_the_inventory_is_told_who_is(nowhere: Path) -> None:
    with pytest.raises(UsageError, match=r"node1.*node2.*node3"):
        find(inventory(nowhere, "inventory.yaml"), local=True)


def test_options_that_describe_the_machine_make_an_inventory_of_the_folder_no_matter(
    nowhere: Path,
) -> None:
    inventory(nowhere, "inventory.yaml")
    [node] = find(local=True, devices=["/dev/sdb"]).nodes
    assert node.name == socket.gethostname()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"devices": ["/dev/sdb"]}, "go with --local"),
        ({"storage": "203.0.113.1"}, "go with --local"),
        ({"local": True, "limit": ["node1"]}, "--limit"),
        ({"local": True, "storage": "storage.example"}, "--storage storage.example: a name; "),
        ({"local": True, "storage": "127.0.0.1"}, "means every machine itself"),
        ({"local": True, "storage": "0.0.0.0"}, "no machine's address"),
        ({"local": True, "storage": "255.255.255.255"}, "the broadcast address"),
        ({"local": True, "storage": "224.0.0.1"}, "a multicast address"),
        ({"local": True, "storage": "fe80::1%eth0"}, "one machine's own interface"),
        ({"local": True, "devices": ["/dev/sdb", "/dev//sdb"]}, "named twice"),
        ({"local": True, "devices": ["sdb"]}, "--device 'sdb': a disk is named by its whole path"),
        ({"local": True, "devices": [""]}, "--device '': a disk is named by its whole path"),
        (
            {"local": True, "devices": ["/dev/a b"]},
            "--device '/dev/a b': heketi takes only letters",
        ),
        ({"path": Path()}, "the inventory's name is empty"),
    ],
)
def test_options_that_do_not_fit_are_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        find(**given)


def test_another_spelling_of_an_address_is_the_same_address() -> None:
    [node] = find(local=True, devices=["/dev/sdb"], storage="::ffff:192.0.2.2").nodes
    assert node.storage == "192.0.2.2"
