"""The patches on texts of our own, and on a real checkout where GKPREP_TEST_GK_DEPLOY names one.

What they do is judged by what reads the result: YAML's parser, a shell, a python, git apply.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from preflight.deploy.patches import Asked, apply, patches
from preflight.deploy.templates import Toleration, toleration
from preflight.deploy.tree import (
    DAEMONSET,
    NEEDED,
    SCRIPT,
    TEMPLATES,
    Tree,
    difference,
    identify,
)
from preflight.errors import DeployError, UsageError
from preflight.facts.deployer import KNOWN
from preflight.inventory import rules
from tests.patched import (
    ALL,
    OWN,
    OWN_DAEMONSET,
    OWN_SCRIPT,
    STORE_CLASS,
    patched,
    run_snippet,
    workloads,
)

REAL = os.environ.get("GKPREP_TEST_GK_DEPLOY")


def read(folder: Path) -> Tree:
    return {
        str(path.relative_to(folder)): path.read_bytes().decode("utf-8", "surrogateescape")
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(params=["own", *(["real"] if REAL else [])])
def tree(request: pytest.FixtureRequest) -> Tree:
    return OWN if request.param == "own" else read(Path(REAL or "").parent)


def test_every_workload_is_of_apps_v1_and_selects_its_own_pods(tree: Tree) -> None:
    found = workloads(patched(tree, "C1"))
    assert set(found) >= set(NEEDED)
    assert len(found) == 4
    for each in found.values():
        assert each["apiVersion"] == "apps/v1"
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert each["spec"]["selector"] == {"matchLabels": labels}
    heketi, first = (found[path]["spec"]["selector"]["matchLabels"] for path in NEEDED[1:])
    assert heketi.items() - first.items()
    assert first.items() - heketi.items()


def test_nothing_else_of_a_workload_changes(tree: Tree) -> None:
    """Bricks are not restarted behind a person's back, as the old API did not either."""
    before, after = workloads(tree), workloads(patched(tree, "C1"))
    for path, each in after.items():
        del each["spec"]["selector"]
        if each["kind"] == "DaemonSet":
            assert each["spec"].pop("updateStrategy") == {"type": "OnDelete"}
        assert each == {**before[path], "apiVersion": "apps/v1"}


def test_every_line_that_is_not_meant_stays_as_it_is(tree: Tree) -> None:
    """Also the quotes of "y", which the API server needs (D13), comments and ${...}."""
    after = patched(tree, *(patch.id for patch in patches(ALL)))
    removed = {
        line[1:].strip()
        for line in difference(tree, after).splitlines()
        if line.startswith("-") and not line.startswith("---")
    }
    assert {re.sub(r"^\w+=\$\(.* get .*", "get", line) for line in removed} == {
        "apiVersion: extensions/v1beta1",
        "apiVersion: storage.k8s.io/v1beta1",
        "- image: gluster/gluster-centos:latest",
        "NODES=$(python - <<END",
        "# coding: utf8",
        "get",
    }
    heketi = after[NEEDED[2]]
    assert 'value: "y"' in heketi
    assert "value: ${HEKETI_ADMIN_KEY}" in heketi


def test_no_command_has_show_all(tree: Tree) -> None:
    assert "get pod --no-headers --show-all --selector" in tree[SCRIPT]
    after = patched(tree, "C2")[SCRIPT]
    assert 'get pod --no-headers --selector="heketi" | awk' in after
    assert not re.search(r"get .*--show-all", re.sub(r"(?m)^\s*#.*", "", after))
    assert syntax(after) == ""


def test_help_and_comments_about_show_all_stay() -> None:
    after = patched(OWN, "C2")[SCRIPT]
    assert after.count("--show-all") == OWN_SCRIPT.count("--show-all") - 1


def test_show_all_goes_from_a_command_of_several_lines() -> None:
    several = 'pod=$(${CLI} get pod \\\n  --show-all=true \\\n  --selector="heketi")\n'
    after = patched({SCRIPT: several}, "C2")[SCRIPT]
    assert "--show-all" not in after
    assert syntax(after) == ""
    words = subprocess.run(
        ["bash", "-c", f"CLI=echo; {after}echo $pod"], capture_output=True, text=True, check=True
    ).stdout
    assert words == "get pod --selector=heketi\n"


def syntax(script: str) -> str:
    return subprocess.run(
        ["bash", "-n"], input=script, capture_output=True, text=True, check=False
    ).stderr


def test_the_snippet_of_python_runs(tree: Tree, tmp_path: Path) -> None:
    out, complaint = run_snippet(patched(tree, "C4")[SCRIPT], tmp_path)
    assert out == "node-1\nnode-2\n", complaint


def test_without_the_patch_the_snippet_does_not_run(tree: Tree, tmp_path: Path) -> None:
    out, complaint = run_snippet(tree[SCRIPT], tmp_path)
    assert out == "\n"
    assert "python: command not found" in complaint


def test_the_coding_is_one_that_python_takes_from_a_pipe(tree: Tree) -> None:
    after = patched(tree, "C4", asked=Asked("/opt/py thon/bin/python3.11"))[SCRIPT]
    assert "NODES=$('/opt/py thon/bin/python3.11' - <<END\n# coding: utf-8\n" in after
    assert syntax(after) == ""


@pytest.mark.parametrize(
    ("snippet", "expected"),
    [
        ("x=$(python3 -<<'E'\n#!python\n# -*- coding: UTF8 -*-\n1\nE\n)\n", "# -*- coding: utf-8"),
        ("\tx=$(/usr/bin/python2 - <<-E\n\t# coding=utf_8\n\t1\n\tE\n)\n", "\t# coding=utf-8\n"),
        ("x=$(python - <<E\nprint(1) # coding: utf8\nE\n)\n", "print(1) # coding: utf8\n"),
        ("x=$(python - <<E\n1\n2\n# coding: utf8\nE\n)\n", "2\n# coding: utf8\n"),
    ],
)
def test_only_a_declaration_is_changed(snippet: str, expected: str) -> None:
    after = patched({SCRIPT: snippet}, "C4", asked=Asked("py"))[SCRIPT]
    assert expected in after
    assert re.search(r"\$\(py +-? *<<", after)


@pytest.mark.parametrize("coding", ["latin-1", "klingon"])
def test_a_snippet_in_another_coding_is_not_touched(coding: str) -> None:
    other = {SCRIPT: f"x=$(python - <<E\n# coding: {coding}\nE\n)\n"}
    with pytest.raises(DeployError, match="snippet of python in UTF-8 was looked for"):
        patched(other, "C4")


def test_the_storage_class_is_of_v1(tree: Tree) -> None:
    after = patched(tree, "C10")
    assert "storage.k8s.io/v1beta1" in tree[SCRIPT]
    for path in (SCRIPT, STORE_CLASS):
        assert re.findall("storage.k8s.io/.*", after[path]) == ["storage.k8s.io/v1"]


def test_gluster_pods_bear_the_taints(tree: Tree) -> None:
    pod = workloads(patched(tree, "N23"))[DAEMONSET]["spec"]["template"]["spec"]
    assert pod["tolerations"] == [
        {"key": "node-role.kubernetes.io/master", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "for", "operator": "Equal", "value": "storage", "effect": "NoExecute"},
    ]
    before = workloads(tree)[DAEMONSET]["spec"]["template"]["spec"]
    assert {**pod, "tolerations": None} == {**before, "tolerations": None}


def test_taints_that_are_borne_already_are_kept_and_not_doubled() -> None:
    borne = "      tolerations:\n      - {key: for, value: storage, effect: NoExecute}\n"
    given = OWN_DAEMONSET.replace("      containers:\n", f"{borne}      containers:\n")
    after = patched({**OWN, DAEMONSET: given}, "N23")
    found = workloads(after)[DAEMONSET]["spec"]["template"]["spec"]["tolerations"]
    assert [each["key"] for each in found] == ["node-role.kubernetes.io/master", "for"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:NoExecute", Toleration("a", "", "NoExecute")),
        ("a=:NoExecute", Toleration("a", "", "NoExecute")),
        ("x.example/a=b:NoSchedule", Toleration("x.example/a", "b", "NoSchedule")),
        ("a=true:PreferNoSchedule", Toleration("a", "true", "PreferNoSchedule")),
    ],
)
def test_a_taint_is_read_as_kubectl_writes_it(text: str, expected: Toleration) -> None:
    assert toleration(text) == expected


LONG = "k" * 64
"""One character more than a key or a value may have."""

NO_TAINTS = [
    *("", "a", "a=b", "=a:NoExecute", "a:Never", "a b:NoExecute", 'a="b":NoExecute'),
    *("a:NoExecute\n", "a=b=c:NoExecute", "x..example/a:NoExecute", "x./a:NoExecute"),
    *(f"{LONG}:NoExecute", f"a={LONG}:NoExecute"),
]


@pytest.mark.parametrize("text", NO_TAINTS)
def test_what_is_no_taint_is_refused_as_the_inventory_refuses_it(text: str) -> None:
    assert not re.fullmatch(rules.TOLERATION, text)
    with pytest.raises(UsageError, match="is no taint"):
        toleration(text)


def test_a_value_stays_a_string() -> None:
    asked = Asked("python3", (toleration("a=true:NoExecute"), toleration("b=1:NoSchedule")))
    pod = workloads(patched(OWN, "N23", asked=asked))[DAEMONSET]["spec"]["template"]["spec"]
    assert [each["value"] for each in pod["tolerations"]] == ["true", "1"]


def test_images_are_pinned(tree: Tree) -> None:
    pinned = {
        "gluster/gluster-centos": "mirror.example:5000/g/centos@sha256:" + "0f" * 32,
        "heketi/heketi": "heketi/heketi:10",
    }
    found = workloads(patched(tree, "C13", asked=Asked("python3", images=pinned)))
    images = [found[path]["spec"]["template"]["spec"]["containers"][0]["image"] for path in NEEDED]
    assert images == [pinned["gluster/gluster-centos"], *2 * [pinned["heketi/heketi"]]]
    store = found[f"{TEMPLATES}gluster-s3-template.yaml"]["spec"]["template"]["spec"]
    assert store["containers"][0]["image"] == "gluster/gluster-object:latest"


def test_an_image_that_no_template_has_is_named() -> None:
    asked = Asked("python3", images={"gluster/gluster-fedora": "gluster/gluster-fedora:1"})
    with pytest.raises(DeployError, match=r"C13 .* the image gluster/gluster-fedora was looked"):
        patched(OWN, "C13", asked=asked)


@pytest.mark.parametrize("reference", ["", "a", "host.example:5000/a", "a:1 b", 'a:"1"', "a:1\n"])
def test_a_reference_that_pins_nothing_is_refused(reference: str) -> None:
    with pytest.raises(UsageError, match="pins no image a"):
        patches(Asked("python3", images={"a": reference}))


def test_all_together_change_once_and_say_so(tree: Tree) -> None:
    first = apply(tree, patches(ALL))
    assert [patch.id for patch in first.done] == ["C1", "C2", "C4", "C10", "N23", "C13"]
    again = apply(first.tree, patches(ALL))
    assert again.done == ()
    assert again.tree == first.tree


def test_only_what_is_asked_for_is_patched() -> None:
    assert [patch.id for patch in patches(Asked("python3"))] == ["C1", "C2", "C4", "C10"]


def test_a_fork_that_has_apps_v1_keeps_its_own_selector() -> None:
    theirs = OWN_DAEMONSET.replace("extensions/v1beta1", "apps/v1").replace(
        "spec:\n  template", "spec:\n  selector:\n    matchLabels: {glusterfs: pod}\n  template"
    )
    fork = {**OWN, DAEMONSET: theirs}
    assert patched(fork, "C1")[DAEMONSET] == theirs


@pytest.mark.parametrize(
    "change",
    [
        lambda text: re.sub(r"(?m)^( +)", r"\1\1", text).replace("- ", "-   "),
        lambda text: text.replace("extensions/v1beta1", '"extensions/v1beta1"   # old'),
        lambda text: text.replace("kind: DaemonSet\n", "") + "kind: 'DaemonSet'\n",
        lambda text: text.replace("\nspec:\n", "\nspec:\n\n  # what it is\n\n"),
        lambda text: re.sub(
            r"labels:\n +glusterfs: pod\n +glusterfs-node: pod",
            "labels: {glusterfs: pod, 'glusterfs-node': \"pod\"}",
            text,
        ),
    ],
    ids=["deeper", "quoted", "kind-last", "comments", "flow-labels"],
)
def test_another_layout_is_understood(change: Callable[[str], str]) -> None:
    text = change(OWN_DAEMONSET)
    assert text != OWN_DAEMONSET
    after = patched({**OWN, DAEMONSET: text}, "C1", "N23", "C13")
    spec = workloads(after)[DAEMONSET]["spec"]
    assert workloads(after)[DAEMONSET]["apiVersion"] == "apps/v1"
    assert spec["selector"]["matchLabels"] == {"glusterfs": "pod", "glusterfs-node": "pod"}
    assert len(spec["template"]["spec"]["tolerations"]) == 2
    assert spec["template"]["spec"]["containers"][0]["image"].startswith("mirror.example")


def test_a_manifest_within_a_text_is_left_alone() -> None:
    inner = "data:\n  text: |\n    kind: DaemonSet\n    apiVersion: extensions/v1beta1\n    spec:\n"
    other = f"kind: ConfigMap\napiVersion: v1\n{inner}"
    fork = {**OWN, f"{TEMPLATES}more.yaml": other}
    assert patched(fork, "C1")[f"{TEMPLATES}more.yaml"] == other


BROKEN: Mapping[str, tuple[str, Tree, str]] = {
    "no-file": ("C1", {SCRIPT: "x"}, f"the file was looked for in {DAEMONSET}"),
    "no-script": ("C2", {}, "the file was looked for in gk-deploy"),
    "no-yaml": ("C1", {**OWN, DAEMONSET: "{"}, "YAML .* was looked for"),
    "no-workload": ("C1", {**OWN, DAEMONSET: "kind: Pod\n"}, "a DaemonSet or a Deployment was"),
    "no-version": (
        "C1",
        {**OWN, DAEMONSET: OWN_DAEMONSET.replace("extensions/v1beta1", "apps/v2")},
        "an apiVersion that is apps/v1 or one of apps/v1beta1, ",
    ),
    "no-labels": (
        "C1",
        {**OWN, DAEMONSET: OWN_DAEMONSET.replace("glusterfs-node: pod", "").replace(
            "      labels:\n        glusterfs: pod", ""
        )},
        "spec.template.metadata.labels was looked for",
    ),
    "no-block": (
        "C1",
        {**OWN, DAEMONSET: "{kind: DaemonSet, apiVersion: apps/v1, spec: {selector: {}}}"},
        "a spec written as a block",
    ),
    "no-get": ("C2", {SCRIPT: "# get pod --show-all\n"}, "a command that gets pods was"),
    "no-snippet": ("C4", {SCRIPT: "python x.py\n"}, "a `python - <<END` was looked for"),
    "no-class": ("C10", {SCRIPT: "apiVersion: v1\n"}, "a StorageClass to print was looked"),
    "no-pod": (
        "N23",
        {**OWN, DAEMONSET: "kind: DaemonSet\nspec: {template: {spec: {}}}\n"},
        "a pod's spec or tolerations, written as a block, was looked for",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_gk_deploy_that_nobody_has_tried_is_named_with_its_checksum(case: str) -> None:
    id_, given, sought = BROKEN[case]
    with pytest.raises(DeployError, match=sought) as caught:
        patched(given, id_)
    text = str(caught.value)
    assert text.startswith(f"patch {id_} (")
    if SCRIPT in given:
        assert identify(given) in text
        assert "an unknown gk-deploy, sha256 " in text
        assert "gkprep knows commit 7246eb4, of which these differ: gk-deploy, " in text
    else:
        assert text.endswith("There is no gk-deploy at all.")


def test_the_difference_can_be_applied(tree: Tree, tmp_path: Path) -> None:
    cut = {**tree, SCRIPT: f"{tree[SCRIPT]}# \x0c no end of line"}
    after = apply(cut, patches(ALL)).tree
    for path, text in cut.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(text.encode("utf-8", "surrogateescape"))
    diff = difference(cut, after).encode("utf-8", "surrogateescape")
    subprocess.run(["git", "apply"], cwd=tmp_path, input=diff, check=True, env={
        **os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)
    })  # fmt: skip
    assert read(tmp_path) == after
    assert difference(after, after) == ""


def test_a_file_that_ends_without_a_line_end_shows_it() -> None:
    shown = difference({"a": "1\n2"}, {"a": "1\n3"})
    assert shown == (
        "--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n 1\n-2\n\\ No newline at end of file\n"
        "+3\n\\ No newline at end of file\n"
    )


def test_a_gk_deploy_is_known_by_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its templates' too: they are what is made in the cluster."""
    tree = {SCRIPT: "x", DAEMONSET: "y\udcff"}
    checksums = {SCRIPT: hashlib.sha256(b"x").hexdigest()}
    told = identify(tree)
    assert told.startswith(f"an unknown gk-deploy, sha256 {checksums[SCRIPT]}; gkprep knows ")
    checksums[DAEMONSET] = hashlib.sha256(b"y\xff").hexdigest()
    monkeypatch.setitem(KNOWN, "1a2b", checksums)
    assert identify(tree) == "the gk-deploy of commit 1a2b"
    for other in ({SCRIPT: "x"}, {**tree, "more": ""}, {**tree, DAEMONSET: "z"}):
        assert "gkprep knows commit 1a2b, of which these differ: " in identify(other)


if REAL:

    def test_the_real_one_is_the_one_that_was_tried() -> None:
        assert set(KNOWN) == {"7246eb4"}
        whole = read(Path(REAL or "").parent)
        assert (
            identify({name: whole[name] for name in KNOWN["7246eb4"]})
            == "the gk-deploy of commit 7246eb4"
        )
