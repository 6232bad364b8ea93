"""gk-deploy: the stand-in, and the real one where GKPREP_TEST_GK_DEPLOY names it.

What it is to do is what the failure catalogue, section 3, says that the real one (commit 7246eb4)
does: its faults are part of the interface.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.gk_deploy import KEYS, OPTIONS, GkDeploy, make
from tests.kube.standins import GK_DEPLOY, real_gk_deploy

PROGRAMS = {"own": GK_DEPLOY} | ({"real": real} if (real := real_gk_deploy()) else {})
LINES = [
    "Using Kubernetes CLI.",
    'Using namespace "storage".',
    "Checking for pre-existing resources...",
    "  GlusterFS pods ... not found.",
    "  deploy-heketi pod ... not found.",
    "  heketi pod ... not found.",
    "Creating initial resources ... ",
    "OK",
    "Waiting for GlusterFS pods to start ... OK",
    "Waiting for deploy-heketi pod to start ... OK",
    "Creating cluster ... ID: 0123",
    "Adding device /dev/sda ... OK",
    "heketi topology loaded.",
    "Saving /tmp/heketi-storage.json",
    "Waiting for heketi pod to start ... OK",
    "heketi is now running and accessible via http://10.0.0.9:8080 . ",
    "kind: StorageClass",
    "provisioner: kubernetes.io/glusterfs",
    '  resturl: "http://10.0.0.9:8080"',
    '  restuserkey: "UserKey"',
    "Deployment complete!",
]
CLI = (
    "exec -i deploy-heketi-1 -- heketi-cli -s http://localhost:8080 --user admin --secret AdminKey"
)
ACCOUNT = "storage:heketi-service-account"
FILES = "--from-file=private_key=/dev/null --from-file=./heketi.json"
FILES += " --from-file=topology.json=topology.json"
SECRET_LABELS = "glusterfs=heketi-config-secret heketi=config-secret"
SERVICE_LABELS = "glusterfs=heketi-storage-endpoints heketi=storage-endpoints"
CALLS = [
    "get namespace --no-headers storage",
    *(
        f"get pods --no-headers --selector={selector}"
        for selector in ("glusterfs=pod", "deploy-heketi=pod", "heketi=pod")
    ),
    "create -f kube-templates/heketi-service-account.yaml",
    f"create clusterrolebinding heketi-sa-view --clusterrole=edit --serviceaccount={ACCOUNT}",
    "label --overwrite clusterrolebinding heketi-sa-view glusterfs=heketi-sa-view heketi=sa-view",
    *(f"label nodes node{n} storagenode=glusterfs --overwrite" for n in (1, 2, 3)),
    "create -f -",
    "get pods --no-headers --selector=glusterfs=pod",
    f"create secret generic heketi-config-secret {FILES}",
    f"label --overwrite secret heketi-config-secret {SECRET_LABELS}",
    "create -f -",
    "get pods --no-headers --selector=deploy-heketi=pod",
    "describe svc/deploy-heketi",
    "get pod --no-headers --selector=deploy-heketi",
    "exec -i deploy-heketi-1 -- curl http://10.0.0.9:8080/hello",
    f"{CLI} topology load --json=/etc/heketi/topology.json",
    f"{CLI} setup-openshift-heketi-storage --listfile=/tmp/heketi-storage.json",
    "create -f -",
    "exec -i deploy-heketi-1 -- cat /tmp/heketi-storage.json",
    "get pods --no-headers --selector=job-name=heketi-storage-copy-job",
    f"label --overwrite svc heketi-storage-endpoints {SERVICE_LABELS}",
    "delete all,service,jobs,deployment,secret --selector=deploy-heketi",
    "create -f -",
    "get pods --no-headers --selector=heketi=pod",
    "describe svc/heketi",
    "get pod --no-headers --selector=heketi",
    "exec -i heketi-1 -- curl http://10.0.0.9:8080/hello",
]


@pytest.fixture(params=PROGRAMS)
def plain(request: pytest.FixtureRequest, tmp_path: Path) -> GkDeploy:
    """As it is."""
    return make(PROGRAMS[request.param], tmp_path)


@pytest.fixture
def gk(plain: GkDeploy) -> GkDeploy:
    """Mended so far that it gets anywhere."""
    plain.mend()
    return plain


@pytest.fixture
def own(tmp_path: Path) -> GkDeploy:
    """The stand-in, mended."""
    made = make(GK_DEPLOY, tmp_path)
    made.mend()
    return made


def in_order(lines: list[str], text: str) -> None:
    at = 0
    for line in lines:
        found = text.find(line, at)
        assert found >= 0, f"{line!r} is not in, or not behind the ones before it:\n{text}"
        at = found + len(line)


def test_a_shell_takes_it() -> None:
    subprocess.run(["bash", "-n", GK_DEPLOY], check=True)


def test_shellcheck_finds_nothing_in_the_stand_in() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("no shellcheck here")
    done = subprocess.run(["shellcheck", GK_DEPLOY], check=False, capture_output=True, text=True)
    assert done.stdout == ""


def test_help_names_the_options(plain: GkDeploy) -> None:
    done = plain.run("-h")
    assert done.returncode == 0
    for option in ("-g", "-c", "-t", "-n", "-w", "--admin-key", "--user-key", "--abort", "-y"):
        assert option in done.stdout


def test_lines_and_calls_of_a_deployment(gk: GkDeploy) -> None:
    done = gk.deploy()
    assert done.returncode == 0
    in_order(LINES, done.stdout)
    assert done.stdout.strip().splitlines()[-1] == "Deployment complete!"
    calls = [call.removeprefix("-n storage ") for call in gk.calls]
    # What stands on both sides of a pipe may begin in either order.
    assert sorted(calls) == sorted(CALLS)
    alone = [call for call in CALLS if call != "create -f -"]
    assert [call for call in calls if call != "create -f -"] == alone
    assert all(call.startswith("-n storage ") for call in gk.calls[1:])


def test_c2_an_old_option_of_kubectl_is_met_at_the_very_end(plain: GkDeploy) -> None:
    script = plain.folder / "gk-deploy"
    script.write_text(script.read_text().replace("coding: utf8", "coding: utf-8"))
    done = plain.deploy()
    assert done.returncode == 1
    in_order([*LINES[:15], "Failed to communicate with heketi service."], done.stdout)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this python takes the coding from a pipe")
def test_c4_no_node_is_read_out_of_the_topology(plain: GkDeploy) -> None:
    done = plain.deploy()
    assert done.returncode == 1
    in_order(["encoding problem: utf8", "Failed to label node ''"], done.stdout)


def test_c1_templates_of_an_interface_that_is_gone(plain: GkDeploy) -> None:
    for name in ("glusterfs-daemonset", "deploy-heketi-deployment", "heketi-deployment"):
        text = (plain.folder / "kube-templates" / f"{name}.yaml").read_text()
        (workload,) = (
            found
            for found in yaml.safe_load_all(text)
            if found["kind"] in ("DaemonSet", "Deployment")
        )
        assert workload["apiVersion"] == "extensions/v1beta1"
        assert "selector" not in workload["spec"]


def test_c6_a_namespace_that_is_not_there_passes(gk: GkDeploy) -> None:
    gk.kubectl('"get namespace"*) exit 1 ;;')
    assert 'Using namespace "storage".' in gk.deploy().stdout


def test_c10_the_storageclass_is_of_an_interface_that_is_gone(gk: GkDeploy) -> None:
    printed = re.search(r"^---$(.*?)^$", gk.deploy().stdout, re.MULTILINE | re.DOTALL)
    assert printed
    assert yaml.safe_load(printed[1])["apiVersion"] == "storage.k8s.io/v1beta1"


@pytest.mark.parametrize("abort", [(), ("--abort",)])
def test_d1_keys_are_needed_and_a_topology_too(gk: GkDeploy, abort: tuple[str, ...]) -> None:
    words = ("-gy", "-c", "kubectl", *abort)
    done = gk.run(*words, "topology.json")
    assert (done.returncode, done.stdout) == (1, "heketi admin and user keys are required!\n")
    done = gk.run(*words, *KEYS, "nowhere.json")
    assert (done.returncode, done.stdout) == (1, "Topology File not found!\n")
    assert gk.calls == []


def test_d1_a_slash_in_a_key_is_one_too_many_for_sed(gk: GkDeploy) -> None:
    done = gk.run(*OPTIONS, "--admin-key", "a/b", "topology.json")
    assert done.returncode == 1
    in_order(
        ["unknown option to `s'", "deploy-heketi pod to start ... pod not found."], done.stdout
    )


def test_d1_told_everything_it_tells_the_key(gk: GkDeploy) -> None:
    assert "AdminKey" in gk.run(*OPTIONS, "-v", "topology.json").stdout


def test_d1_the_user_key_is_told_in_any_case(gk: GkDeploy) -> None:
    said = gk.deploy().stdout
    assert "AdminKey" not in said
    assert "UserKey" in said


@pytest.mark.parametrize(("answer", "goes_on"), [("n\n", False), ("", True), ("y\n", True)])
def test_d2_no_is_a_success_and_nobody_means_yes(gk: GkDeploy, answer: str, goes_on: bool) -> None:
    words = [word.replace("-gy", "-g") for word in OPTIONS]
    done = gk.run(*words, "topology.json", answer=answer)
    assert done.returncode == 0
    assert ("Deployment complete!" in done.stdout) is goes_on


@pytest.mark.parametrize("answer", ["y\n", "n\n", ""])
def test_d2_an_abort_never_is_a_success(gk: GkDeploy, answer: str) -> None:
    words = [word.replace("-gy", "-g") for word in OPTIONS]
    assert gk.run(*words, "--abort", "topology.json", answer=answer).returncode == 1
    assert any("delete" in call for call in gk.calls) is (answer == "y\n")


def test_d11_an_abort_deletes_objects_and_labels(gk: GkDeploy) -> None:
    gk.run(*OPTIONS, "--abort", "topology.json")
    assert [call.removeprefix("-n storage ") for call in gk.calls[1:]] == [
        "delete all,svc,jobs,deploy,secret --selector=deploy-heketi",
        "delete all,svc,deploy,secret,sa,clusterrolebinding --selector=heketi",
        "delete svc heketi-storage-endpoints",
        *(f"label nodes node{n} storagenode-" for n in (1, 2, 3)),
        "delete ds --selector=glusterfs",
    ]


def test_d3_a_file_of_the_caller_s_is_lost(gk: GkDeploy) -> None:
    mine = gk.cwd / "heketi.json"
    mine.write_text("mine")
    gk.deploy()
    assert not mine.exists()


def test_d4_an_option_that_leaves_its_value(gk: GkDeploy) -> None:
    done = gk.run(*OPTIONS, "topology.json", "--ssh-user", "core")
    assert (done.returncode, done.stdout) == (1, "Topology File not found!\n")
    done = gk.run(*OPTIONS, "--ssh-user=core", "topology.json")
    assert done.returncode == 1
    assert done.stdout.startswith("Unknown option '-ssh-user=core'.")


def test_d5_what_cannot_be_created_is_ok(gk: GkDeploy) -> None:
    gk.kubectl('*" create -f "*account.yaml) echo "Error: AlreadyExists" >&2; exit 1 ;;')
    said = gk.deploy().stdout
    in_order(["Creating initial resources ... Error: AlreadyExists", "already exists", "OK"], said)


def test_d6_one_pod_of_three_is_enough(gk: GkDeploy) -> None:
    gk.kubectl('*glusterfs=pod) tail -n 1 "$STUB/pods/glusterfs=pod" 2>/dev/null; exit ;;')
    assert "GlusterFS pods to start ... OK" in gk.deploy().stdout


def test_a_pod_that_never_is_ready_ends_it(gk: GkDeploy) -> None:
    gk.kubectl(
        '*glusterfs=pod) sed "s|^glusterfs-2 1/1|glusterfs-2 0/1|" "$STUB/pods/glusterfs=pod"'
        " 2>/dev/null; exit ;;"
    )
    done = gk.deploy()
    assert done.returncode == 1
    assert done.stdout.endswith("Waiting for GlusterFS pods to start ... pods not found.\n")


def test_a_device_that_is_refused_ends_it(gk: GkDeploy) -> None:
    gk.kubectl(
        '*" topology load "*) echo "Adding device /dev/sda ... Unable to add device: x"; exit ;;'
    )
    done = gk.deploy()
    assert done.returncode == 1
    words = ["Error loading the cluster topology.", "Please check the failed node or device"]
    in_order(words, done.stdout)


def test_d7_a_topology_that_fails_in_other_words_is_loaded(gk: GkDeploy) -> None:
    gk.kubectl(
        '*" topology load "*) echo "Error: Invalid JWT token" >&2; exit 255 ;;\n'
        '*setup-openshift*) echo "Error: No clusters configured" >&2; exit 255 ;;'
    )
    done = gk.deploy()
    assert done.returncode == 1
    end = ["heketi topology loaded.", "No clusters", "Failed on setup openshift heketi storage"]
    in_order(["Error: Invalid JWT token", *end], done.stdout)


def test_d8_nobody_looks_whether_the_volume_is_there(gk: GkDeploy) -> None:
    gk.there("glusterfs=pod", "deploy-heketi=pod")
    gk.kubectl(
        '*" volume list"*) echo "Name:heketidbstorage"; exit ;;\n'
        '*setup-openshift*) echo "Error: Volume heketidbstorage already exists" >&2; exit 255 ;;'
    )
    done = gk.deploy()
    assert done.returncode == 1
    assert "Failed on setup openshift heketi storage" in done.stdout


def test_d9_a_secret_that_is_there_stays_as_it_is(gk: GkDeploy) -> None:
    gk.kubectl('*"create secret"*) echo "Error: AlreadyExists" >&2; exit 1 ;;')
    assert gk.deploy().returncode == 0
    assert not [call for call in gk.calls if "replace" in call or "apply" in call]


def test_d10_where_there_is_a_heketi_nothing_is_done_and_all_is_well(gk: GkDeploy) -> None:
    gk.there("glusterfs=pod", "heketi=pod")
    done = gk.deploy()
    assert done.returncode == 0
    assert "Deployment complete!" in done.stdout
    assert not [call for call in gk.calls if "create" in call or "label" in call]


def test_d14_no_address_is_no_failure(gk: GkDeploy) -> None:
    gk.kubectl('*"describe svc/heketi") exit ;;')
    done = gk.deploy()
    assert done.returncode == 0
    in_order(["accessible via http:// .", "Deployment complete!"], done.stdout)


def test_a_copy_job_that_never_ends_is_given_up(gk: GkDeploy) -> None:
    gk.kubectl("*job-name=*) echo copy-job-1 0/1 Running 0 1m; exit ;;")
    done = gk.deploy()
    assert done.returncode == 1
    assert "Error waiting for job 'heketi-storage-copy-job' to complete." in done.stdout


@pytest.mark.parametrize(
    ("fault", "code", "last"),
    [
        ("no-last-line", 0, "Waiting for heketi pod to start ... OK"),
        ("empty-address", 0, "Deployment complete!"),
        ("copy-job-hangs", 1, "Error waiting for job 'heketi-storage-copy-job' to complete."),
        ("writes-files", 0, "Deployment complete!"),
        ("no-last-line,writes-files", 0, "Waiting for heketi pod to start ... OK"),
    ],
)
def test_faults_that_are_asked_for(own: GkDeploy, fault: str, code: int, last: str) -> None:
    before = contents(own.folder)
    done = own.deploy(fault)
    assert done.returncode == code
    assert done.stdout.strip().splitlines()[-1] == last
    assert ("accessible via http:// ." in done.stdout) is (fault == "empty-address")
    assert (contents(own.folder) != before) is ("writes-files" in fault)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("topology-fails", "--secret AdminKey topology load --json=/etc/heketi/no-topology.json"),
        ("topology-refused", "--secret wrong topology load --json=/etc/heketi/topology.json"),
    ],
)
def test_faults_that_heketi_answers(own: GkDeploy, fault: str, words: str) -> None:
    own.deploy(fault)
    assert any(call.endswith(words) for call in own.calls)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
