"""The controller's checks of kubelets, image and gk-deploy, and how answers are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from checks.gk_deploy import gk_deploy
from checks.gluster_image import gluster_image
from checks.kubelet_reach import kubelet_reach
from preflight.errors import Unknown
from preflight.facts import deployer, kubernetes
from preflight.facts.kubernetes import Image, Kubelet, Told, Try, Version
from preflight.model import Inventory, Policy, PortRange, Rpcbind, Status
from tests.judged import FILES, FINE, INVENTORY, SCRIPT, found, one, with_deployer


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("error dialing backend: dial tcp: lookup node1: no such host", "preferred-address-types"),
        ("error dialing backend: dial tcp 10.0.0.1:10250: i/o timeout", "10250/tcp"),
        ("x509: certificate signed by unknown authority", "certificate"),
        ("Forbidden (user=kube-apiserver, verb=create)", "kubelet-api-admin"),
    ],
)
def test_c14_a_kubelet_out_of_reach_fails_with_what_helps(said: str, cure: str) -> None:
    broken = replace(FINE, exec=Try(said))
    finding = found(kubelet_reach, kubelet=broken)["node1"]
    assert (finding.status, finding.saw) == (Status.FAIL, f"exec: {said}")
    assert cure in finding.cure


def test_c14_one_kubelet_that_could_not_be_asked_hides_no_other() -> None:
    findings = found(kubelet_reach, kubelet=Unknown("no answer within 20 s"))
    assert [f.status for f in findings.values()] == [Status.ERROR] * 3
    assert [*findings] == ["node1", "node2", "node3"]


def test_c14_without_a_pod_the_kubelets_health_decides() -> None:
    assert found(kubelet_reach, kubelet=Kubelet(Try(""), Try("")))["node1"].status is Status.PASS
    down = found(kubelet_reach, kubelet=Kubelet(Try("connection refused"), Try("")))["node1"]
    assert down.status is Status.FAIL


FORBIDDEN = Try('(Forbidden): nodes "node1" is forbidden: User "me" cannot get "nodes/proxy"')


def test_c14_who_may_not_ask_for_health_can_still_try_a_pod() -> None:
    assert found(kubelet_reach, kubelet=replace(FINE, health=FORBIDDEN))["node1"].status is (
        Status.PASS
    )
    finding = found(kubelet_reach, kubelet=Kubelet(FORBIDDEN, Try("")))["node1"]
    assert finding.status is Status.WARN
    assert "nobody could try" in finding.saw


MAY_NOT_LIST = Try('(Forbidden): pods is forbidden: User "me" cannot list resource "pods"')
LATE = Try("no answer within 12 s", late=True)


@pytest.mark.parametrize(
    ("health", "listed", "status"),
    [
        (Try(""), MAY_NOT_LIST, Status.WARN),
        (Try(""), LATE, Status.ERROR),
        (Try(""), Try("Unable to connect to the server: EOF"), Status.ERROR),
        (FORBIDDEN, MAY_NOT_LIST, Status.WARN),
        (FORBIDDEN, LATE, Status.ERROR),
        (Try("connection refused"), MAY_NOT_LIST, Status.FAIL),
        (Try("connection refused"), LATE, Status.FAIL),
    ],
)
def test_c14_pods_that_could_not_be_listed_are_not_none(
    health: Try, listed: Try, status: Status
) -> None:
    """The right to list all pods is none that a deployment needs."""
    finding = found(kubelet_reach, kubelet=Kubelet(health, listed))["node1"]
    assert finding.status is status
    assert "no pod runs there" not in finding.saw


DAEMONSET = "kube-templates/glusterfs-daemonset.yaml"
WIDE = replace(INVENTORY, policy=Policy(brick_ports=PortRange(49152, 60999)))


@pytest.mark.parametrize(
    ("inventory", "image", "status"),
    [
        (INVENTORY, Image("p", "4.1.5", "enabled"), Status.PASS),
        (INVENTORY, Image("p", "9.6", "enabled"), Status.PASS),
        (INVENTORY, Image("p", "10.3", "enabled"), Status.FAIL),
        (WIDE, Image("p", "10.3", "enabled"), Status.PASS),
        (INVENTORY, Image("p", "10.3", "enabled", PortRange(49152, 49251)), Status.PASS),
    ],
)
def test_n40_brick_ports_are_those_of_the_images_gluster(
    inventory: Inventory, image: Image, status: Status
) -> None:
    finding = found(gluster_image, inventory, image=image)["brick ports"]
    assert finding.status is status
    assert (finding.cure == "policy: {brick_ports: 49152-60999}") is (status is Status.FAIL)


OTHERS = frozenset({"sysinit.target", "system.slice"})
BLOCKD = Image("p", "9.6", "masked", blockd="enabled", requires=OTHERS)
OWN = Image("p", "4.1.5", "enabled", blockd="enabled", requires=OTHERS | {"rpcbind.service"})


@pytest.mark.parametrize(
    ("rpcbind", "image", "status"),
    [
        (Rpcbind.POD, OWN, Status.PASS),
        (Rpcbind.POD, BLOCKD, Status.FAIL),  # N12
        (Rpcbind.POD, replace(BLOCKD, socket=""), Status.FAIL),
        (Rpcbind.HOST, BLOCKD, Status.PASS),
        (Rpcbind.HOST, OWN, Status.FAIL),  # N11
    ],
)
def test_n11_n12_rpcbind_is_the_images_or_the_hosts(
    rpcbind: Rpcbind, image: Image, status: Status
) -> None:
    inventory = replace(INVENTORY, policy=Policy(rpcbind=rpcbind))
    finding = found(gluster_image, inventory, image=image)["rpcbind"]
    assert finding.status is status
    if status is Status.FAIL:
        other = Rpcbind.HOST if rpcbind is Rpcbind.POD else Rpcbind.POD
        assert f"rpcbind: {other.value}" in finding.cure


NO_BLOCKD = replace(BLOCKD, blockd="disabled")
"""As GLUSTER_BLOCK_ENABLED=FALSE makes it (gluster-containers, update-params.sh)."""


@pytest.mark.parametrize("socket", ["masked", "disabled", ""])
@pytest.mark.parametrize("rpcbind", Rpcbind)
def test_an_image_in_which_nothing_needs_rpcbind_fits_either_policy(
    rpcbind: Rpcbind, socket: str
) -> None:
    inventory = replace(INVENTORY, policy=Policy(rpcbind=rpcbind))
    finding = found(gluster_image, inventory, image=replace(NO_BLOCKD, socket=socket))["rpcbind"]
    assert (finding.status, finding.want) == (Status.PASS, "whichever policy.rpcbind")


@pytest.mark.parametrize("requires", [OTHERS | {"rpcbind.service"}, frozenset()])
def test_a_glusterd_that_needs_rpcbind_or_does_not_tell_is_no_such_image(
    requires: frozenset[str],
) -> None:
    assert one(gluster_image, image=replace(NO_BLOCKD, requires=requires)).subject == "rpcbind"


def test_c13_an_image_that_cannot_be_asked_is_a_warning_and_is_named() -> None:
    finding = one(gluster_image, image=Image(""))
    assert (finding.subject, finding.status) == ("gluster/gluster-centos:latest", Status.WARN)
    pinned = with_deployer(images=(("gluster/gluster-centos", "mine/gluster:1"),))
    broken = one(gluster_image, pinned, image=Image("p", complaint="refused"))
    assert (broken.subject, broken.status) == ("mine/gluster:1", Status.WARN)
    assert "refused" in broken.saw


def test_gk_deploy_is_found_and_known() -> None:
    assert found(gk_deploy)["gk-deploy"].saw == "/g/deploy/gk-deploy, commit 7246eb4"
    nowhere = one(gk_deploy, gk_deploy=None)
    assert (nowhere.status, nowhere.saw) == (Status.FAIL, "found nowhere")
    assert "checkout 7246eb4" in nowhere.cure
    named = one(gk_deploy, with_deployer(gk_deploy="/x/gk-deploy"), gk_deploy=None)
    assert named.saw == "/x/gk-deploy is not there"


@pytest.mark.parametrize("lacks", ["kube-templates", "heketi.json.template"])
def test_a_gk_deploy_without_what_it_needs_beside_it_fails(lacks: str) -> None:
    files = tuple(each for each in SCRIPT.files if not each[0].startswith(lacks))
    alone = one(gk_deploy, gk_deploy=replace(SCRIPT, files=files))
    assert (alone.status, alone.saw) == (
        Status.FAIL,
        f"/g/deploy/gk-deploy has no {lacks} beside it",
    )


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"gk-deploy": "ab" * 32}, "gk-deploy"),
        ({DAEMONSET: "ab" * 32}, DAEMONSET),
        ({"kube-templates/more.yaml": "ab" * 32}, "kube-templates/more.yaml"),
        (
            dict.fromkeys(FILES, "ab" * 32),
            f"{', '.join([*FILES][:5])} and {len(FILES) - 5} more",
        ),
    ],
)
def test_a_gk_deploy_that_is_not_known_is_a_warning_that_says_what_differs(
    changed: dict[str, str], named: str
) -> None:
    """Wherever it was checked out: its templates are what is made in the cluster."""
    other = replace(SCRIPT, files=tuple({**FILES, **changed}.items()))
    finding = one(gk_deploy, gk_deploy=other)
    assert finding.status is Status.WARN
    assert finding.saw == (
        "/g/deploy/gk-deploy, in a checkout of commit 7246eb4, which is not known: not as in commit"
        f" 7246eb4 are {named}"
    )


def test_c4_without_any_python_it_fails() -> None:
    finding = one(gk_deploy, python=None)
    assert (finding.status, finding.says) == (Status.FAIL, "python: command not found")


# --- answers ---------------------------------------------------------------------------------

Parser = Callable[[str], object]


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (kubernetes.client("kubectl").parse, "0\nnothing\n"),
        (kubernetes.server("kubectl").parse, '0\n{"major":"","minor":"","gitVersion":"v0.0.0"}\n'),
        (kubernetes.kubelet("kubectl", "n").parse, "health 0 ok\nlisted 0 \npod a/b\nlogs 0 \n"),
        (kubernetes.kubelet("kubectl", "n").parse, "health 0 ok\n"),
        (deployer.gk_deploy("").parse, "/g\n\n gk-deploy\n"),
    ],
)
def test_what_is_no_answer_is_unknown(parse: Parser, text: str) -> None:
    with pytest.raises(Unknown):
        parse(text)


def test_a_login_plugin_may_talk_before_the_version() -> None:
    text = '0\nlogged in as me\n{"major":"1","minor":"14+","gitVersion":"v1.14.8-gke"}\n'
    assert kubernetes.server("kubectl").parse(text) == Told(Version(1, 14, "v1.14.8-gke"))


@pytest.mark.parametrize(
    "no_true",
    [
        'exec failed: exec: "true": executable file not found in $PATH',
        "command terminated with exit code 127",
    ],
)
def test_an_exec_that_found_no_program_has_reached_the_kubelet(no_true: str) -> None:
    told = kubernetes.kubelet("kubectl", "n").parse(
        f"health 137 \nlisted 0 \npod a/b\nlogs 0 \nexec 1 {no_true}\n"
    )
    assert (told.exec, told.health) == (Try(""), Try("no answer within 12 s", late=True))


@pytest.mark.parametrize(
    "said",
    [
        # Of the API server, where its tunnel to the nodes is a socket that is not there.
        "error dialing backend: dial unix /run/k.sock: connect: no such file or directory",
        # Of a kubelet whose container runtime has died.
        "rpc error: dial unix /run/containerd/containerd.sock: connect: no such file or directory",
        # Of runc, whatever the program: the pod's processes cannot be joined.
        "OCI runtime exec failed: exec failed: cannot exec in a stopped container: unknown",
    ],
)
def test_an_exec_that_works_nowhere_is_no_success(said: str) -> None:
    told = kubernetes.kubelet("kubectl", "n").parse(
        f"health 0 ok\nlisted 0 \npod a/b\nlogs 0 \nexec 1 {said}\n"
    )
    assert told.exec == Try(said)


OLD_GLUSTER = """\
glusterfs 4.1.5
rpcbind.socket masked
gluster-blockd.service enabled
glusterd.service Requires=basic.target system.slice
base-port 50000
max-port 50100
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pod\nsh: gluster: not found\n", Image("pod", complaint="sh: gluster: not found")),
        ("pod\n", Image("pod", complaint="it says nothing")),
        (
            f"pod\nDefaulting container name to glusterfs.\n{OLD_GLUSTER}",
            Image(
                "pod",
                "4.1.5",
                "masked",
                PortRange(50000, 50100),
                blockd="enabled",
                requires=frozenset({"basic.target", "system.slice"}),
            ),
        ),
    ],
)
def test_an_image_tells_what_it_can(text: str, told: Image) -> None:
    assert kubernetes.image("kubectl", "n").parse(text) == told


def test_a_right_that_could_not_be_asked_for_is_unknown() -> None:
    parse = kubernetes.rights("kubectl", "n").parse
    for text, why in (("! refused\nasked 1\n", "refused"), ("asked 2\n", "0 answers, but asked 2")):
        with pytest.raises(Unknown, match=why):
            parse(text)
