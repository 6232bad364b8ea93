"""heketi's topology: read as it is, written so that reading it back gives the same text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from preflight import inventory, topology
from preflight.errors import UsageError
from preflight.inventory import tree
from preflight.model import Device, Inventory, Node, Policy, Role

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "inventory.example.yaml"
VALID = Path(__file__).parent / "golden" / "inventory" / "valid"

# Constructed by the format of heketi's client/cli/go/cmds/topology.go; all that it knows.
FULL = """\
{
\t"clusters": [
\t\t{
\t\t\t"file": true,
\t\t\t"block": false,
\t\t\t"nodes": [
\t\t\t\t{
\t\t\t\t\t"node": {
\t\t\t\t\t\t"hostnames": {
\t\t\t\t\t\t\t"manage": ["node-181", "192.168.10.181", "Not_A:Name"],
\t\t\t\t\t\t\t"storage": ["192.168.10.101", "node-181.storage"]
\t\t\t\t\t\t},
\t\t\t\t\t\t"zone": 3,
\t\t\t\t\t\t"tags": {"rack": "r\u00e9d", "arbiter": ""}
\t\t\t\t\t},
\t\t\t\t\t"devices": [
\t\t\t\t\t\t"/dev/vdb",
\t\t\t\t\t\t{"name": "/dev/vdc", "destroydata": false},
\t\t\t\t\t\t{"name": "/dev/vdd", "tags": {"arbiter": "disabled"}}
\t\t\t\t\t]
\t\t\t\t},
\t\t\t\t{
\t\t\t\t\t"devices": ["/dev/vdb"],
\t\t\t\t\t"node": {"zone": 1, "hostnames": {"manage": ["10.0.0.2"], "storage": ["FD00:0::2"]}}
\t\t\t\t}
\t\t\t]
\t\t}
\t]
}
"""


@pytest.mark.parametrize(
    "loader", dict.fromkeys((tree.LOADER, yaml.SafeLoader)), ids=lambda kind: kind.__name__
)
def test_a_topology_is_read_as_it_is(loader: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "LOADER", loader)
    assert inventory.parse(FULL.encode(), "topology.json") == Inventory(
        nodes=(
            Node(
                name="node-181",
                address="node-181",
                storage="192.168.10.101",
                zone=3,
                devices=(
                    Device("/dev/vdb"),
                    Device("/dev/vdc"),
                    Device("/dev/vdd", tags=(("arbiter", "disabled"),)),
                ),
                tags=(("arbiter", ""), ("rack", "r\u00e9d")),
            ),
            Node("10.0.0.2", "10.0.0.2", "fd00::2", devices=(Device("/dev/vdb"),)),
        ),
        policy=Policy(),
        file=True,
        block=False,
    )


def test_a_topology_in_yaml_is_one_too() -> None:
    as_yaml = yaml.safe_dump(json.loads(topology.render(inventory.load(EXAMPLE))))
    assert as_yaml.startswith("clusters:")
    assert len(inventory.parse(as_yaml.encode(), "topology.yaml").nodes) == 3


def test_the_topology_of_the_example() -> None:
    node = """\
        {
          "node": {
            "hostnames": {
              "manage": [
                "node-%d"
              ],
              "storage": [
                "192.168.136.%d"
              ]
            },
            "zone": 1
          },
          "devices": [
            "/dev/sdb"
          ]
        }"""
    nodes = ",\n".join(node % (number, number) for number in (181, 182, 183))
    assert topology.render(inventory.load(EXAMPLE)) == (
        f'{{\n  "clusters": [\n    {{\n      "nodes": [\n{nodes}\n      ]\n    }}\n  ]\n}}\n'
    )


@pytest.mark.parametrize(
    "source",
    [EXAMPLE, VALID / "full.yaml", VALID / "anchors.yaml", VALID / "disks.yaml", FULL],
    ids=["example", "full", "anchors", "disks", "topology"],
)
def test_rendering_what_was_rendered_changes_nothing(source: Path | str) -> None:
    data = source.encode() if isinstance(source, str) else source.read_bytes()
    once = topology.render(inventory.parse(data, "x"))
    assert topology.render(inventory.parse(once.encode(), "x")) == once
    assert json.loads(once)["clusters"]


def test_what_heketi_knows_of_the_nodes_is_not_lost() -> None:
    (written,) = json.loads(topology.render(inventory.parse(FULL.encode(), "x")))["clusters"]
    assert (written["file"], written["block"]) == (True, False)
    assert written["nodes"][0]["node"]["tags"] == {"rack": "r\u00e9d", "arbiter": ""}
    assert written["nodes"][0]["devices"] == [
        "/dev/vdb",
        "/dev/vdc",
        {"name": "/dev/vdd", "tags": {"arbiter": "disabled"}},
    ]


def test_nothing_that_could_destroy_is_ever_written() -> None:
    disk = Device("/dev/sdb", serial="WD-1", wwn="0x5", wipe="df9a1c2b77d0")
    text = topology.render(Inventory((Node("a", "a", "10.0.0.1", devices=(disk,)),)))
    assert json.loads(text)["clusters"][0]["nodes"][0]["devices"] == ["/dev/sdb"]
    assert "destroydata" not in text
    assert "df9a1c2b77d0" not in text


def test_clients_are_left_out() -> None:
    read = inventory.load(VALID / "full.yaml")
    assert [node.name for node in read.nodes if node.role is Role.CLIENT] == ["node-190"]
    assert "node-190" not in topology.render(read)


def test_what_makes_no_topology() -> None:
    node = Node("a", "a", "10.0.0.1", devices=(Device("/dev/sdb"),))
    with pytest.raises(UsageError, match="no storage node"):
        topology.render(Inventory((replace(node, role=Role.CLIENT),)))
    with pytest.raises(UsageError, match="a has no storage address"):
        topology.render(Inventory((replace(node, storage=None),)))


def test_whatever_json_can_spell_is_read() -> None:
    text = json.dumps(
        {
            "clusters": [
                {
                    "nodes": [
                        {
                            "node": {
                                "hostnames": {"manage": ["a"], "storage": ["192.0.2.1"]},
                                "zone": 1,
                                "tags": {"shelf": "\U0001f600 \\ud83d \u00e9"},
                            },
                            "devices": ["/dev/sdb"],
                        }
                    ]
                }
            ]
        }
    )
    read = inventory.parse(text.encode("ascii"), "topology.json")
    assert json.loads(topology.render(read)) == json.loads(text)
