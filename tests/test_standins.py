"""heketi and heketi-cli: the stand-ins, and the real ones where GKPREP_TEST_HEKETI names them.

The expected texts are what heketi v10.4 and heketi-cli v10.4 said. With the real ones each of the
stand-ins is tried against its real counterpart, too.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.heketi import BROKEN, ENVIRONMENT, WORDS, Heketi, make, topology, without_ids
from tests.kube.standins import HEKETI, real_heketi
from tests.kube.standins.standin import jwt
from tests.kube.standins.standin.client import HeketiError

FOLDERS = {"own": HEKETI} | ({"real": real} if (real := real_heketi()) else {})
PAIRS = list(product(FOLDERS, FOLDERS))
NODES = {"node1": ["/dev/sda"], "node2": ["/dev/sda"], "node3": ["/dev/sda"]}
BRICK = 2_109_440  # KiB: 2 GiB and the metadata of its thin pool, in whole extents
START = "Creating cluster ... ID: ID\n\tAllowing file volumes on cluster.\n"
START += "\tAllowing block volumes on cluster.\n"

INFO = """
Cluster Id: ID

    File:  true
    Block: true

    Volumes:

\tName: one
\tSize: 1
\tId: ID
\tCluster Id: ID
\tMount: 10.78.0.11:one
\tMount Options: backup-volfile-servers=
\tDurability Type: none
\tSnapshot: Disabled

\t\tBricks:
\t\t\tId: ID
\t\t\tPath: /var/lib/heketi/mounts/vg_ID/brick_ID/brick
\t\t\tSize (GiB): 1
\t\t\tNode: ID
\t\t\tDevice: ID



    Nodes:

\tNode Id: ID
\tState: online
\tCluster Id: ID
\tZone: 1
\tManagement Hostnames: node1
\tStorage Hostnames: 10.78.0.11
\tDevices:
\t\tId:ID   State:online    Size (GiB):500     Used (GiB):1       Free (GiB):498    \u0020
\t\t\tKnown Paths: /dev/sda

\t\t\tBricks:
\t\t\t\tId:ID   Size (GiB):1       Path: /var/lib/heketi/mounts/vg_ID/brick_ID/brick

"""

Maker = Callable[..., Heketi]


@pytest.fixture(params=PAIRS, ids=lambda pair: f"{pair[0]}-server-{pair[1]}-cli")
def maker(request: pytest.FixtureRequest, tmp_path: Path) -> Maker:
    server, cli = (FOLDERS[name] for name in request.param)
    return lambda **wanted: make(server, cli, tmp_path, **wanted)


@pytest.fixture
def heketi(maker: Maker) -> Iterator[Heketi]:
    with maker().running() as running:
        yield running


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Heketi]:
    with make(HEKETI, HEKETI, tmp_path).running() as running:
        yield running


def info(heketi: Heketi) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(heketi.run("topology", "info", "--json").stdout)
    return known


def test_hello_needs_no_token_and_everything_else_does(heketi: Heketi) -> None:
    nobody = heketi.client("", "")
    assert nobody.read("/hello") == b"Hello from Heketi"
    with pytest.raises(HeketiError, match="Invalid JWT token: Token missing iss claim"):
        nobody.read("/clusters")


@pytest.mark.parametrize(
    ("user", "key", "said"),
    [
        (
            "admin",
            "wrong",
            "signature is invalid (client and server secrets may not match)",
        ),
        ("somebody", "AdminKey", "Unknown user"),
    ],
)
def test_a_wrong_key_or_user_is_refused(heketi: Heketi, user: str, key: str, said: str) -> None:
    done = heketi.run("volume", "list", user=user, key=key)
    assert (done.returncode, done.stdout) == (255, "")
    assert done.stderr == f"Error: Invalid JWT token: {said}\n"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (jwt.LEEWAY - 30, None),
        (jwt.LEEWAY + 30, "Token used before issued (client and server clocks may differ)"),
        (-jwt.LIFE - 30, "Token is expired by "),
    ],
)
def test_clocks_may_differ_by_two_minutes(heketi: Heketi, seconds: int, said: str | None) -> None:
    client = heketi.client()
    with pytest.MonkeyPatch.context() as patch:
        now = time.time() + seconds
        patch.setattr("tests.kube.standins.standin.client.time.time", lambda: now)
        answer = client.ask("GET", "/volumes")
    body = answer.body.decode()
    assert answer.status == (HTTPStatus.UNAUTHORIZED if said else HTTPStatus.OK)
    assert body.startswith(f"Invalid JWT token: {said}") if said else body.strip()


def test_a_token_is_good_for_one_path(heketi: Heketi, monkeypatch: pytest.MonkeyPatch) -> None:
    real = jwt.sign
    monkeypatch.setattr(jwt, "sign", lambda *args: real(args[0], args[1], "GET", "/nodes", args[4]))
    with pytest.raises(HeketiError, match="Invalid qsh claim in token"):
        heketi.client().read("/volumes")


def test_the_user_may_see_the_list_of_volumes_and_nothing_more(heketi: Heketi) -> None:
    heketi.load(topology(devices=NODES))
    user = heketi.client("user")
    assert user.get("/volumes") == {"volumes": []}
    for path in ("/clusters", "/volumes/0123", "/topology"):
        with pytest.raises(HeketiError, match="Administrator access required"):
            user.get(path)
    # The provisioner with `restuser: user` meets this: what it asked for is made, and it fails.
    with pytest.raises(HeketiError, match="Administrator access required"):
        user.post("/volumes", {"size": 1, "durability": {"type": "none"}})
    eventually(lambda: len(user.get("/volumes")["volumes"]) == 1)


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_topology_is_loaded_once_and_found_the_second_time(heketi: Heketi) -> None:
    wanted = topology(devices=NODES)
    first, second = heketi.load(wanted), heketi.load(wanted)
    nodes = [f"node{n}" for n in (1, 2, 3)]
    assert without_ids(first.stdout) == START + "".join(
        f"\tCreating node {node} ... ID: ID\n\t\tAdding device /dev/sda ... OK\n" for node in nodes
    )
    assert without_ids(second.stdout) == "".join(
        f"\tFound node {node} on cluster ID\n\t\tFound device /dev/sda\n" for node in nodes
    )
    assert (first.returncode, first.stderr, second.returncode) == (0, "", 0)
    (cluster,) = info(heketi)["clusters"]
    known = {
        node["hostnames"]["manage"][0]: (
            node["hostnames"]["storage"],
            node["zone"],
            node["state"],
            [(disk["name"], disk["storage"]["total"]) for disk in node["devices"]],
        )
        for node in cluster["nodes"]
    }
    assert known == {
        node: ([f"10.78.0.{10 + n}"], 1, "online", [("/dev/sda", 500 << 20)])
        for n, node in enumerate(nodes, start=1)
    }


def test_what_cannot_be_added_is_told_and_passed_over(heketi: Heketi) -> None:
    wanted: Any = topology(devices={**NODES, "node4": [], "node5": []})
    nodes = wanted["clusters"][0]["nodes"]
    nodes[1]["devices"].append("/dev/no disk")
    nodes[3]["node"]["hostnames"]["storage"] = ["10.78.0.11"]
    nodes[4]["node"]["zone"] = 0
    done = heketi.load(wanted)
    assert done.returncode == 0
    device, node, invalid = "Unable to add device", "Unable to create node", "validation failed"
    said = [line.strip() for line in without_ids(done.stdout).splitlines() if "Unable" in line]
    assert said == [
        f"Adding device /dev/no disk ... {device}: {invalid}: name: must be in a valid format.",
        f"Creating node node4 ... {node}: Hostname 10.78.0.11 already used by node with id ID",
        f"Creating node node5 ... {node}: {invalid}: zone: cannot be blank.",
    ]


def test_lvm_refuses_a_device_until_it_is_mended(maker: Maker) -> None:
    wanted = topology(devices={**NODES, "node2": [BROKEN]})
    with maker(broken=True).running() as heketi:
        done = heketi.load(wanted)
        assert (done.returncode, done.stderr) == (0, "")
        assert without_ids(done.stdout) == (
            f"{START}\tCreating node node1 ... ID: ID\n\t\tAdding device /dev/sda ... OK\n"
            f"\tCreating node node2 ... ID: ID\n\t\tAdding device {BROKEN} ... Unable to add"
            f" device: Initializing device {BROKEN} failed (already initialized or contains"
            f" data?): {WORDS}\n"
            "\tCreating node node3 ... ID: ID\n\t\tAdding device /dev/sda ... OK\n"
        )
        heketi.mend()
        assert without_ids(heketi.load(wanted).stdout) == (
            "\tFound node node1 on cluster ID\n\t\tFound device /dev/sda\n"
            f"\tFound node node2 on cluster ID\n\t\tAdding device {BROKEN} ... OK\n"
            "\tFound node node3 on cluster ID\n\t\tFound device /dev/sda\n"
        )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("topology", "load"), "Missing configuration file"),
        (("topology", "load", "--json=/not/there"), "Unable to open config file"),
        (("topology", "load", "--json=/etc/passwd"), "Unable to parse config file"),
        (("volume", "create"), "Missing volume size"),
        (("volume", "create", "--size=1"), "No clusters configured"),
        (("setup-openshift-heketi-storage", "--listfile=/dev/null"), "No clusters configured"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_fails_is_said_on_standard_error(
    heketi: Heketi, words: tuple[str, ...], said: str
) -> None:
    done = heketi.run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (255, "", f"Error: {said}\n")


@pytest.mark.parametrize("words", [["-h"], ["setup-openshift-heketi-storage", "--help"]])
def test_help_is_there(heketi: Heketi, words: list[str]) -> None:
    done = heketi.run(*words)
    assert done.returncode == 0
    assert "heketi-cli" in done.stdout


def test_volumes_take_space_and_give_it_back(heketi: Heketi) -> None:
    heketi.load(topology(devices=NODES))
    assert heketi.run("volume", "list").stdout == ""
    made = heketi.run("volume", "create", "--size=2", "--name=one", "--json")
    volume = json.loads(made.stdout)
    hosts = volume["mount"]["glusterfs"]["hosts"]
    assert sorted(hosts) == ["10.78.0.11", "10.78.0.12", "10.78.0.13"]
    assert volume["mount"]["glusterfs"]["device"] == f"{hosts[0]}:one"
    assert len({brick["node"] for brick in volume["bricks"]}) == 3
    assert used(heketi) == [BRICK] * 3
    listed = heketi.run("volume", "list").stdout
    line = f"Id:{volume['id']:<35} Cluster:{volume['cluster']:<35} Name:one\n"
    assert listed == line
    heketi.client().delete(f"/volumes/{volume['id']}")
    assert used(heketi) == [0] * 3
    assert heketi.run("volume", "list", "--json").stdout.replace(" ", "") == '{"volumes":[]}'


def test_the_topology_for_people(heketi: Heketi) -> None:
    heketi.load(topology(devices={"node1": ["/dev/sda"]}))
    heketi.run("volume", "create", "--size=1", "--name=one", "--durability=none")
    assert without_ids(heketi.run("topology", "info").stdout) == INFO


def used(heketi: Heketi) -> list[int]:
    nodes = info(heketi)["clusters"][0]["nodes"]
    return [device["storage"]["used"] for node in nodes for device in node["devices"]]


@pytest.mark.parametrize(
    ("devices", "size"),
    [({"node1": ["/dev/sda"], "node2": ["/dev/sda"]}, 1), (NODES, 1000)],
    ids=["two-nodes", "too-big"],
)
def test_three_bricks_need_three_nodes_with_room(
    heketi: Heketi, devices: dict[str, list[str]], size: int
) -> None:
    heketi.load(topology(devices=devices))
    done = heketi.run("volume", "create", f"--size={size}")
    assert (done.returncode, done.stdout) == (255, "")
    assert done.stderr == "Error: Failed to allocate new volume: No space\n"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"size": 0}, "validation failed: size: cannot be blank."),
        ({"size": 1, "name": "a/b"}, "validation failed: name: must be in a valid format."),
        ({"size": 1, "clusters": ["0" * 32]}, f"Cluster id {'0' * 32} not found"),
    ],
    ids=["size", "name", "cluster"],
)
def test_a_volume_that_cannot_be(heketi: Heketi, asked: dict[str, object], said: str) -> None:
    heketi.load(topology(devices=NODES))
    with pytest.raises(HeketiError) as raised:
        heketi.client().post("/volumes", asked)
    assert str(raised.value) == said


def test_heketi_s_own_volume_is_made_once_and_stays(heketi: Heketi) -> None:
    heketi.load(topology(devices=NODES))
    file = heketi.home / "heketi-storage.json"
    words = ("setup-openshift-heketi-storage", f"--listfile={file}")
    done = heketi.run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"Saving {file}\n", "")
    secret, endpoints, service, job = json.loads(file.read_text())["items"]
    assert [item["kind"] for item in (secret, endpoints, service, job)] == [
        "Secret",
        "Endpoints",
        "Service",
        "Job",
    ]
    assert list(secret["data"]) == ["heketi.db"]
    addresses = [part["addresses"][0]["ip"] for part in endpoints["subsets"]]
    assert sorted(addresses) == ["10.78.0.11", "10.78.0.12", "10.78.0.13"]
    assert service["metadata"]["name"] == endpoints["metadata"]["name"]
    pod = job["spec"]["template"]["spec"]
    assert pod["volumes"][0]["glusterfs"]["path"] == "heketidbstorage"
    assert pod["containers"][0]["command"] == ["cp", "/db/heketi.db", "/heketi"]
    again = heketi.run(*words)
    assert again.stderr == "Error: Volume heketidbstorage already exists\n"
    (key,) = heketi.client().get("/volumes")["volumes"]
    with pytest.raises(HeketiError, match="Cannot delete volume containing the Heketi database"):
        heketi.client().delete(f"/volumes/{key}")


def test_a_server_that_is_started_again_knows_it_still(maker: Maker) -> None:
    heketi = maker()
    with ExitStack() as first:
        first.enter_context(heketi.running())
        heketi.load(topology(devices=NODES))
        heketi.run("volume", "create", "--size=1")
        before = info(heketi)
    with heketi.running():
        assert info(heketi) == before


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "Please provide configuration file"),
        ("", "ERROR: Unable to open config file "),
        ("{", "ERROR: Unable to parse configuration: "),
        ('{"port": "0", "glusterfs": {"executor": "mock", "db": "DB"}}', "ERROR: Missing JWT"),
    ],
    ids=["none", "not-there", "no-json", "no-keys"],
)
@pytest.mark.parametrize("name", FOLDERS)
def test_a_server_needs_its_configuration(
    tmp_path: Path, name: str, config: str | None, said: str
) -> None:
    file = tmp_path / "heketi.json"
    if config:
        file.write_text(config.replace("DB", str(tmp_path / "db")))
    words = [] if config is None else [f"--config={file}"]
    program = FOLDERS[name] / "heketi"
    done = subprocess.run(
        [program, *words], check=False, capture_output=True, text=True, env=ENVIRONMENT, timeout=20
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(said)


def test_what_takes_a_while_is_pending_first(own: Heketi) -> None:
    own.load(topology(devices=NODES))
    client = own.client()
    asked = client.ask("POST", "/volumes", json.dumps({"size": 1}))
    place = asked.location
    assert (asked.status, place[:7]) == (HTTPStatus.ACCEPTED, "/queue/")
    pending = client.ask("GET", place)
    assert (pending.status, pending.pending) == (HTTPStatus.OK, True)
    done = client.ask("GET", place)
    assert done.status == HTTPStatus.SEE_OTHER
    assert client.get(done.location)["size"] == 1
    assert client.ask("GET", place).status == HTTPStatus.NOT_FOUND


def test_faults_come_and_go_while_it_runs(own: Heketi) -> None:
    own.faults(node={"node2": "New Node doesn't have glusterd running"})
    said = own.load(topology(devices=NODES)).stdout
    assert "Unable to create node: New Node doesn't have glusterd running" in said
    own.faults(volume="thin: Required device-mapper target(s) not detected in your kernel.")
    done = own.run("volume", "create", "--size=1", "--durability=none")
    assert "not detected in your kernel" in done.stderr
    own.faults(hang=["volume"])
    place = own.client().ask("POST", "/volumes", '{"size": 1}').location
    assert all(own.client().ask("GET", place).pending for _ in range(5))
    assert own.client().get("/volumes") == {"volumes": []}
    own.mend()
    assert own.run("volume", "create", "--size=1", "--durability=none").returncode == 0
