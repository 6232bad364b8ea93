"""The inventory: what is read from it, and every mistake told at its place.

`golden/inventory/` holds one input for every kind of refusal and beside it the whole error text;
run with GOLDEN_UPDATE=1 to write the texts anew, then read the difference. What an editor or git
would not keep byte for byte (line ends, encodings) is spelt out here instead.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from jsonschema import Draft202012Validator

from preflight import inventory, template
from preflight.errors import InventoryError, Problem, UsageError
from preflight.inventory import cluster, problems, source, tree
from preflight.model import (
    Deployer,
    Device,
    Inventory,
    Node,
    Policy,
    PortRange,
    Role,
    Rpcbind,
    SshOptions,
)

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "inventory.example.yaml"
GOLDEN = Path(__file__).parent / "golden" / "inventory"
VALID = GOLDEN / "valid"
REFUSED = sorted(path for path in GOLDEN.glob("*.*") if path.suffix in {".yaml", ".json"})
SCHEMA = json.loads((ROOT / "preflight/schemas/inventory.schema.json").read_text())

LEAST = b"nodes: [{name: a, address: 10.0.0.1, devices: [/dev/sdb]}]\n"
LOADERS = [tree.LOADER] if tree.LOADER is yaml.SafeLoader else [tree.LOADER, yaml.SafeLoader]


@pytest.fixture(params=LOADERS, ids=lambda loader: loader.__name__)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both of PyYAML's parsers, where there are two: they must agree to the letter."""
    monkeypatch.setattr(tree, "LOADER", request.param)


def refusal(data: bytes | str) -> str:
    """The error text of an inventory that must be refused."""
    raw = data.encode() if isinstance(data, str) else data
    with pytest.raises(InventoryError) as caught:
        inventory.parse(raw, "inventory.yaml")
    return str(caught.value)


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("path", REFUSED, ids=lambda path: cast("str", path.name))
def test_refusal(path: Path) -> None:
    with pytest.raises(InventoryError) as caught:
        inventory.parse(path.read_bytes(), path.name)
    said = f"{caught.value}\n"
    expected = path.with_name(f"{path.name}.txt")
    if os.environ.get("GOLDEN_UPDATE"):
        expected.write_text(said)
    assert said == expected.read_text()


def test_every_refusal_has_its_input() -> None:
    texts = {path.name.removesuffix(".txt") for path in GOLDEN.glob("*.txt")}
    assert texts == {path.name for path in REFUSED}


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "1:1: the file is empty; `gkprep init` writes one to start from"),
        (b" \n\n", "1:1: the file is empty; `gkprep init` writes one to start from"),
        (
            b"# to do\n",
            "1:1: the file holds nothing but comments; `gkprep init` writes one to start from",
        ),
        (
            b"---\n",
            "{}: saw nothing; allowed: a mapping, with the keys defaults, nodes, policy, deployer",
        ),
        ("nodes: []".encode("utf-16"), "1:1: the file is UTF-16; save it as UTF-8"),
        ("nodes: []".encode("utf-32"), "1:1: the file is UTF-32; save it as UTF-8"),
        (b"\0\0\xfe\xff\0\0\0n", "1:1: the file is UTF-32; save it as UTF-8"),
        (b"\xfe\xff\x00n", "1:1: the file is UTF-16; save it as UTF-8"),
        (
            "nodes:\r\n- name: caf\u00e9".encode("latin-1"),
            "2:12: saw the byte 0xe9, which is not UTF-8; save the file as UTF-8",
        ),
        (b"nodes: []\n# \x00 \x1b\x07", "2:3: saw the control character U+0000, and 2 more such"),
        ("a: b\u0085".encode(), "1:5: saw the control character U+0085"),
        ("a: \ufeffb".encode(), "1:4: saw the control character U+FEFF"),
        (b" " * (source.LIMIT + 1), "1:1: the file is larger than 10 MiB"),
    ],
)
def test_refused_as_a_file(data: bytes, said: str) -> None:
    if "{}" in said:  # where the nothing stands is a matter of taste to the two parsers
        assert refusal(data).endswith(said.removeprefix("{}"))
    else:
        assert refusal(data) == f"inventory.yaml:{said}"


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("ends", [b"\r\n", b"\r"], ids=["CRLF", "CR"])
def test_other_line_ends_count_the_same(ends: bytes) -> None:
    text = (GOLDEN / "three-mistakes.yaml").read_bytes()
    expected = (GOLDEN / "three-mistakes.yaml.txt").read_text()
    with pytest.raises(InventoryError) as caught:
        inventory.parse(text.replace(b"\n", ends), "three-mistakes.yaml")
    assert f"{caught.value}\n" == expected


@pytest.mark.usefixtures("loader")
def test_a_byte_order_mark_is_fine_and_counts_for_nothing() -> None:
    assert inventory.parse(b"\xef\xbb\xbf" + LEAST, "x") == inventory.parse(LEAST, "x")
    assert refusal("\ufeffnode: []\nnodes: []").startswith("inventory.yaml:1:1: unknown key 'node'")


def test_problems_come_in_file_order_with_their_places() -> None:
    with pytest.raises(InventoryError) as caught:
        inventory.parse((GOLDEN / "three-mistakes.yaml").read_bytes(), "x")
    assert [(p.line, p.column) for p in caught.value.problems] == [
        (2, 5),
        (3, 5),
        (7, 15),
        (10, 11),
    ]
    assert isinstance(caught.value.problems[0], Problem)


def test_no_more_than_a_thousand_mistakes_are_told() -> None:
    text = "nodes:\n" + "".join(f"- {{name: n{n}, colour: red}}\n" for n in range(2000))
    lines = refusal(text).splitlines()
    assert len(lines) == problems.MOST + 1
    assert lines[-1].endswith("reading stopped at 1000 mistakes")


def test_a_mistake_behind_many_aliases_is_told_once() -> None:
    text = "defaults: {devices: [/dev/sdb]}\nnodes:\n"
    text += "- {name: n0, address: 10.0.0.1, ssh: &s {usr: x}}\n"
    text += "".join(f"- {{name: n{n}, address: 10.0.1.{n}, ssh: *s}}\n" for n in range(1, 250))
    assert len(refusal(text).splitlines()) == 1


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    "text",
    [
        "nodes: [{name: NAME, address: NAME}, {name: b, address: 10.0.0.1, devices: [NAME]}]",
        'nodes: [{name: "\\e[31mNAME", address: "\\nNAME"}]',
        "NAME: {}\nNAME: {}\nnodes: []",
        '"\\e[31mNAME": {}\n"\\e[31mNAME": {}\nnodes: []',
        "nodes: !%1b[31mNAME []",
        "nodes: !%1bNAME []",
        "nodes: *NAME",
        "nodes: &NAME [*NAME]",
        "nodes: [{name: a, address: a, storage: NAME}, {name: a, address: a, storage: NAME}]",
        "nodes: [{name: a, address: 10.0.0.1, devices: [/NAME, /NAME]}]",
        "nodes: [{name: a, devices: [{path: /b, serial: NAME}, {path: /c, wwn: NAME}]}]",
        "nodes: [{name: a, devices: [{path: /NAME, serial: NAME}, {path: /c, serial: NAME}]}]",
    ],
)
def test_hostile_values_are_shown_on_one_short_printable_line(text: str) -> None:
    for line in refusal(text.replace("NAME", "x" * 500)).split("\n"):
        assert line.isprintable()
        assert len(line) < 250


def test_what_breaks_the_parser_itself_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = '{"nodes": ' + "[" * 100_000  # too deep for json as well
    assert refusal(deep) == "inventory.yaml:1:43: nested deeper than 32 levels"
    monkeypatch.setattr(tree, "LOADER", yaml.SafeLoader)
    said = refusal(f"%YAML 1.{'9' * 5000}\n---\nnodes: []")
    assert said.startswith("inventory.yaml:1:1: this is not YAML: ")


# --- what is read ------------------------------------------------------------------------------


def test_every_key_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    policy = Policy(
        single_node=True,
        gluster_block=False,
        rpcbind=Rpcbind.HOST,
        brick_ports=PortRange(49152, 60999),
    )
    ssh = SshOptions("core", 2222, VALID / "keys/id_ed25519", "bastion")
    wwn = "0x5000c500a1b2c3d4"
    first = Node(
        "node-181.example.com",
        "gl1",
        "192.168.136.181",
        zone=1,
        ssh=SshOptions("core", 22, Path("/root/.ssh/id_rsa"), "bastion"),
        become=False,
        devices=(
            Device("/dev/sdb"),
            Device("/dev/sdc", serial="WD-123", wipe="df9a1c2b77d0"),
            Device(f"/dev/disk/by-id/wwn-{wwn}", wwn=wwn),
        ),
        policy=policy,
    )
    usual: dict[str, Any] = {"zone": 2, "ssh": ssh, "become": True, "policy": policy}
    disk = (Device("/dev/sdb"),)
    assert inventory.load(VALID / "full.yaml") == Inventory(
        nodes=(
            first,
            Node("node-182", "192.168.136.182", "192.168.136.182", devices=disk, **usual),
            Node("183", "fd00::183", "fd00::183", devices=disk, **usual),
            Node("node-190", "mount-only.example.com", None, role=Role.CLIENT, **usual),
        ),
        policy=policy,
        deployer=Deployer(
            gk_deploy=VALID / "gluster-kubernetes/deploy/gk-deploy",
            repository="https://example.com/gluster-kubernetes.git",
            namespace="storage",
            kubectl=str(VALID / "bin/kubectl"),
            kubeconfig=VALID / "kube/config",
            context="prod",
            tolerate=("node-role.kubernetes.io/master:NoSchedule", "storage=yes:NoExecute"),
            images=(
                (
                    "gluster/gluster-centos",
                    "registry.example.com:5000/gluster-centos:gluster4u1_centos7",
                ),
                ("heketi/heketi", f"heketi/heketi@sha256:{'0123456789abcdef' * 4}"),
            ),
        ),
    )


@pytest.mark.usefixtures("loader")
def test_what_is_not_said_has_its_default() -> None:
    assert inventory.parse(LEAST, "x") == Inventory(
        (Node("a", "10.0.0.1", "10.0.0.1", devices=(Device("/dev/sdb"),)),), Policy(), Deployer()
    )


def test_all_nodes_share_one_policy() -> None:
    read = inventory.load(VALID / "full.yaml")
    assert all(node.policy is read.policy for node in read.nodes)


def test_defaults_are_overridden_key_by_key_and_devices_as_a_whole() -> None:
    read = inventory.parse(
        b"defaults: {zone: 5, become: false, ssh: {user: core, port: 2222}, devices: [/dev/sdb]}\n"
        b"nodes:\n"
        b"- {name: a, address: 10.0.0.1, ssh: {port: 22}, devices: [/dev/sdc]}\n"
        b"- {name: b, address: 10.0.0.2, zone: 6, become: true, ssh: {user: root}}\n",
        "x",
    )
    assert [node.ssh for node in read.nodes] == [SshOptions("core", 22), SshOptions("root", 2222)]
    assert [node.zone for node in read.nodes] == [5, 6]
    assert [node.become for node in read.nodes] == [False, True]
    assert [node.devices[0].path for node in read.nodes] == ["/dev/sdc", "/dev/sdb"]
    assert [len(node.devices) for node in read.nodes] == [1, 1]


@pytest.mark.usefixtures("loader")
def test_anchors_aliases_and_merge_keys() -> None:
    nodes = inventory.load(VALID / "anchors.yaml").nodes
    assert [node.name for node in nodes] == ["node-181", "node-182", "node-183", "node-184"]
    assert [node.zone for node in nodes] == [2, 3, 1, 4]  # own key, then the first source
    assert [node.become for node in nodes] == [None, None, None, True]
    assert [node.ssh.port for node in nodes] == [2222, 2222, 22, 2222]
    assert {node.ssh.user for node in nodes} == {"core"}
    assert {node.devices for node in nodes} == {(Device("/dev/sdb"), Device("/dev/sdc"))}


@pytest.mark.usefixtures("loader")
def test_json_is_an_inventory_too_tabs_and_all() -> None:
    (node,) = inventory.load(VALID / "json.json").nodes
    assert node.devices == (Device("/dev/sdb"), Device("/dev/sdc"))


def test_disks_that_only_the_node_can_judge_are_left_to_it() -> None:
    (node,) = inventory.load(VALID / "disks.yaml").nodes
    assert len(node.devices) == 15
    assert Device("/dev/xvda1") in node.devices


def test_paths_begin_at_the_home_or_at_the_inventory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And lead there from any folder: an undo or a saved plan may be used in another one."""
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.chdir(tmp_path)
    here = tmp_path / "cluster"

    def keys(word: str) -> tuple[Path | None, str]:
        text = (
            LEAST.decode()
            + f"defaults: {{ssh: {{identity_file: {word}}}}}\ndeployer: {{kubectl: {word}}}"
        )
        read = inventory.parse(text.encode(), "cluster/prod.yaml")
        return read.nodes[0].ssh.identity_file, read.deployer.kubectl

    assert keys("~/id") == (Path("/home/somebody/id"), "/home/somebody/id")
    assert keys("/keys/id") == (Path("/keys/id"), "/keys/id")
    assert keys("./id") == (here / "id", str(here / "id"))
    assert keys("kubectl") == (here / "kubectl", "kubectl")
    assert "home folder is not known" in refusal(
        LEAST.decode() + "deployer: {kubeconfig: ~no-such-user/config}"
    )


def test_a_cluster_of_any_size_is_an_inventory() -> None:
    clients = "nodes: [{name: a, address: a, role: client}]"
    assert inventory.parse(clients.encode(), "x").nodes == (Node("a", "a", None, role=Role.CLIENT),)
    assert len(inventory.parse(LEAST, "x").nodes) == 1


# --- files -------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no inventory .*none.yaml \(gkprep init writes"):
        inventory.load(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match=r"cannot read the inventory .*: Is a directory"):
        inventory.load(tmp_path)
    with pytest.raises(UsageError, match="cannot read the inventory"):
        inventory.load(Path("a\0b"))


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(source.LIMIT + 1)
    with pytest.raises(InventoryError, match="larger than 10 MiB"):
        inventory.load(large)
    with pytest.raises(InventoryError, match="larger than 10 MiB"):
        inventory.load(Path("/dev/zero"))


# --- the example, the schema -------------------------------------------------------------------


def test_the_inventories_in_the_manual_are_valid() -> None:
    manual = (ROOT / "docs" / "inventory.md").read_text()
    blocks = re.findall("```yaml\n(.*?)```", manual, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert inventory.parse(block.encode(), "x").nodes
        assert Draft202012Validator(SCHEMA).is_valid(yaml.safe_load(block))


def test_the_manual_describes_every_key() -> None:
    manual = (ROOT / "docs" / "inventory.md").read_text()
    tables = (cluster.INVENTORY, cluster.NODE, cluster.SSH, cluster.DEVICE, cluster.POLICY)
    for keys in (*tables, cluster.DEPLOYER):
        for key in keys:
            assert f"`{key}`" in manual


def test_the_example_is_what_init_writes() -> None:
    assert EXAMPLE.read_text() == template.INVENTORY


def test_the_example_describes_three_nodes_with_every_default() -> None:
    read = inventory.load(EXAMPLE)
    assert [(node.name, node.storage) for node in read.nodes] == [
        ("node-181", "192.168.136.181"),
        ("node-182", "192.168.136.182"),
        ("node-183", "192.168.136.183"),
    ]
    assert {node.devices for node in read.nodes} == {(Device("/dev/sdb"),)}
    assert read.policy == Policy()
    assert read.deployer == Deployer()


def test_the_example_shows_every_key() -> None:
    tables = (cluster.INVENTORY, cluster.NODE, cluster.SSH, cluster.DEVICE, cluster.POLICY)
    for key in {key for keys in (*tables, cluster.DEPLOYER) for key in keys}:
        assert f"{key}:" in template.INVENTORY


def uncommented() -> str:
    """The example with every commented-out key switched on."""
    lines = []
    for line in template.INVENTORY.splitlines():
        bare = line.lstrip(" ")
        indent = line[: len(line) - len(bare)]
        body = bare.removeprefix("# ")
        word = body.lstrip(" -{").partition(":")[0]
        known = word in {"deployer", *cluster.NODE, *cluster.SSH, *cluster.DEPLOYER, "path"}
        is_key = bare.startswith("# ") and ":" in body and known
        is_item = bare.startswith("#   - ")
        lines.append(indent + body if is_key or is_item else line)
    return "\n".join(lines)


def test_the_example_with_everything_switched_on_is_valid_too() -> None:
    read = inventory.parse(uncommented().encode(), "x")
    assert [node.role for node in read.nodes] == [Role.STORAGE] * 3 + [Role.CLIENT]
    assert len(read.nodes[2].devices) == 3
    assert read.nodes[0].ssh.proxy_jump == "bastion"
    assert read.deployer.context == "prod"


@pytest.mark.parametrize(
    "path", [EXAMPLE, *sorted(VALID.iterdir())], ids=lambda path: cast("str", path.name)
)
def test_what_is_valid_is_so_by_the_schema(path: Path) -> None:
    assert inventory.load(path).nodes
    text = path.read_text()
    document = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document)] == []


def test_the_example_with_everything_switched_on_is_valid_by_the_schema() -> None:
    assert Draft202012Validator(SCHEMA).is_valid(yaml.safe_load(uncommented()))


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "name",
    [
        "unknown-keys.yaml",
        "missing-keys.yaml",
        "missing-nodes.yaml",
        "no-nodes.yaml",
        "wrong-types.yaml",
        "wrong-whole.yaml",
        "out-of-range.yaml",
        "node-names.yaml",
        "device-paths.yaml",
        "defaults-of-one-node.yaml",
        "brick-ports-colon.yaml",
        "deployer.yaml",
        "deployer-types.yaml",
        "deployer-unpinned.yaml",
    ],
)
def test_what_an_editor_can_see_is_refused_by_the_schema(name: str) -> None:
    document = yaml.safe_load((GOLDEN / name).read_text())
    assert not Draft202012Validator(SCHEMA).is_valid(document)


def test_parser_and_schema_know_the_same_keys() -> None:
    parts, definitions = SCHEMA["properties"], SCHEMA["$defs"]
    tables = [
        (cluster.INVENTORY, SCHEMA),
        (cluster.DEFAULTS, parts["defaults"]),
        (cluster.POLICY, parts["policy"]),
        (cluster.DEPLOYER, parts["deployer"]),
        (cluster.NODE, definitions["node"]),
        (cluster.SSH, definitions["ssh"]),
        (cluster.DEVICE, definitions["device"]),
    ]
    for keys, described in tables:
        assert list(keys) == list(described["properties"])
        assert described["additionalProperties"] is False


def test_every_key_is_described_in_the_schema() -> None:
    definitions = SCHEMA["$defs"]

    def description(described: dict[str, Any]) -> str | None:
        reference = str(described.get("$ref", "")).rpartition("/")[2]
        own, shared = described.get("description"), definitions.get(reference, {})
        return cast("str | None", own or shared.get("description"))

    for described in (SCHEMA, *SCHEMA["properties"].values(), *definitions.values()):
        for key, value in described.get("properties", {}).items():
            assert description(value), key


def test_the_schema_gives_the_defaults_that_the_model_has() -> None:
    policy, deployer = (SCHEMA["properties"][key]["properties"] for key in ("policy", "deployer"))
    assert {key: value["default"] for key, value in policy.items()} == {
        "single_node": Policy().single_node,
        "gluster_block": Policy().gluster_block,
        "rpcbind": Policy().rpcbind.value,
        "brick_ports": str(Policy().brick_ports),
    }
    assert deployer["namespace"]["default"] == Deployer().namespace
    assert deployer["kubectl"]["default"] == Deployer().kubectl
    assert SCHEMA["$defs"]["zone"]["default"] == Node("a", "a", None).zone


# --- this machine ------------------------------------------------------------------------------

CLUSTER = inventory.parse(
    b"defaults: {devices: [/dev/sdb]}\n"
    b"nodes:\n"
    b"- {name: node-181, address: 192.168.136.181}\n"
    b"- {name: node-182.example.com, address: gl2.mgmt.example.com, storage: 10.0.0.2}\n"
    b"- {name: node-183, address: 192.168.136.183, storage: 'fd00::183'}\n"
    b"- {name: k8s.site-a, address: 127.0.0.1, storage: 10.0.1.1}\n"
    b"- {name: k8s.site-b, address: 127.0.0.1, storage: 10.0.1.2, ssh: {port: 2222}}\n",
    "x",
)


@pytest.mark.parametrize(
    ("hostname", "addresses", "expected"),
    [
        ("node-181", set(), "node-181"),
        ("NODE-181", set(), "node-181"),
        ("node-181.example.com", set(), "node-181"),
        ("node-182", set(), "node-182.example.com"),
        ("gl2.mgmt.example.com", set(), "node-182.example.com"),
        ("localhost", {"127.0.0.1", "192.168.136.183"}, "node-183"),
        ("localhost", {"10.0.0.2"}, "node-182.example.com"),
        ("localhost", {"fe80::1%eth0", "fd00:0::183"}, "node-183"),
        ("node-183", {"127.0.0.1", "172.17.0.1"}, "node-183"),
        ("k8s", {"127.0.0.1", "10.0.1.2"}, "k8s.site-b"),
        ("k8s.site-a", {"127.0.0.1"}, "k8s.site-a"),
    ],
)
def test_the_local_machine_is_found(hostname: str, addresses: set[str], expected: str) -> None:
    assert inventory.local_node(CLUSTER, hostname, addresses).name == expected


def test_a_machine_that_is_not_in_the_inventory() -> None:
    with pytest.raises(UsageError) as caught:
        inventory.local_node(CLUSTER, "laptop", {"127.0.0.1", "::1", "no address"})
    assert str(caught.value) == (
        "this machine (laptop) is not in the inventory, by name or by address; its nodes are"
        " node-181, node-182.example.com, node-183, k8s.site-a, k8s.site-b"
    )
    with pytest.raises(UsageError):  # two full names are alike only if they are the same
        inventory.local_node(CLUSTER, "node-182.example.org", set())


def test_a_machine_that_could_be_several_nodes() -> None:
    with pytest.raises(UsageError, match=r"\(k8s\) could be any of k8s.site-a, k8s.site-b"):
        inventory.local_node(CLUSTER, "k8s", set())
    with pytest.raises(UsageError, match="could be any of node-181, node-183"):
        inventory.local_node(CLUSTER, "localhost", {"192.168.136.181", "192.168.136.183"})


def test_a_machine_with_the_name_of_one_node_and_the_address_of_another() -> None:
    with pytest.raises(UsageError, match="the name of node-181 and an address of node-183"):
        inventory.local_node(CLUSTER, "node-181", {"192.168.136.183"})


# --- whatever comes ----------------------------------------------------------------------------


def mutations(text: str, count: int) -> Iterator[str]:
    """Variants of `text`, always the same ones: characters and lines lost, doubled and swapped."""
    chance = random.Random(181)
    pieces = [
        *"{}[]:,-#&*!|>'\"%@`?~<=\t\r\n \\",
        *(
            "<<: *a",
            "&a ",
            "*a",
            "!!str ",
            "---\n",
            "...\n",
            ": ",
            "- ",
            "\u00e9",
            "\u2028",
            "\U0001f600",
        ),
        *(
            "null",
            "0x1",
            "1e400",
            "\\ud800",
            "clusters",
            "nodes",
            '"',
            "%TAG ! x\n",
            "? ",
            "9" * 5000,
        ),
    ]
    for _ in range(count):
        lines = text.splitlines(keepends=True)
        for _ in range(chance.randint(1, 4)):
            line = chance.randrange(len(lines))
            at = chance.randint(0, len(lines[line]))
            piece = chance.choice(pieces)
            lines[line] = chance.choice(
                [
                    lines[line][:at] + piece + lines[line][at:],
                    lines[line][:at] + lines[line][at + 1 :],
                    lines[line][:at] + piece + lines[line][at + len(piece) :],
                    lines[line] * 2,
                    lines[line][chance.randint(0, 4) :],
                    chance.choice(lines),
                    "",
                ]
            )
        yield "".join(lines)


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    "path",
    [EXAMPLE, VALID / "full.yaml", VALID / "anchors.yaml", GOLDEN / "topology-mistakes.json"],
    ids=lambda path: cast("str", path.name),
)
def test_nothing_but_its_own_errors_comes_out(path: Path) -> None:
    results = [outcome(text.encode()) for text in mutations(path.read_text(), 300)]
    refused = [result for result in results if isinstance(result, InventoryError)]
    assert len(refused) > 50
    assert all(exc.problems for exc in refused)
    assert all(line.startswith("x:") for exc in refused for line in str(exc).split("\n"))
    read = [result for result in results if isinstance(result, Inventory)]
    assert all(result.nodes for result in read)
    assert len(read) > 5 or path.suffix == ".json"


def outcome(data: bytes) -> Inventory | InventoryError:
    try:
        return inventory.parse(data, "x")
    except InventoryError as exc:
        return exc


def test_bytes_of_any_kind() -> None:
    chance = random.Random(182)
    text = EXAMPLE.read_bytes()
    cuts = [chance.randrange(len(text)) for _ in range(300)]
    damaged = [text[:at] + chance.randbytes(2) + text[at + 1 :] for at in cuts]
    kinds = {type(outcome(data)) for data in damaged}
    assert kinds == {Inventory, InventoryError}


def test_five_hundred_nodes_take_no_time() -> None:
    text = "defaults: {ssh: {user: root, port: 22}}\nnodes:\n" + "".join(
        f"  - name: node-{n}\n    address: 10.0.{n // 250}.{n % 250 + 1}\n"
        f"    zone: {n % 3 + 1}\n    ssh: {{user: core}}\n"
        f"    devices: [/dev/sdb, {{path: /dev/sdc, serial: WD-{n}}}]\n"
        for n in range(500)
    )
    started = time.process_time()
    assert len(inventory.parse(text.encode(), "x").nodes) == 500
    assert time.process_time() - started < (0.9 if tree.LOADER is not yaml.SafeLoader else 9)


def test_an_address_of_one_interface_is_not_glusters() -> None:
    text = b"nodes: [{name: a, address: 'fe80::1%eth0', devices: [/dev/sdb]}]"
    with pytest.raises(InventoryError, match=r"1:28: the key 'storage' is missing: .* interface"):
        inventory.parse(text, "x")
