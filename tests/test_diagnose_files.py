"""Files that `gkprep diagnose` reads: what they are recognised as, and what is taken out."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest

from preflight.diagnose import saved
from preflight.diagnose.evidence import Diagnosis, Kind, together
from preflight.diagnose.masks import masked
from preflight.diagnose.saved import MOST_BYTES
from preflight.errors import UsageError
from preflight.model import Verdict
from tests.diagnosed import FORMS, HEALTHY, SAMPLES, diagnosed, write

KEY = "kEy0fHeketis"


@pytest.mark.parametrize(
    "line",
    [
        f"heketi-cli --user admin --secret '{KEY}' topology load",
        f"heketi-cli --secret={KEY} topology load",
        f"./gk-deploy --admin-key {KEY} --user-key {KEY}",
        f'  restuserkey: "{KEY}"',
        f'{{"restuserkey": "{KEY}"}}',
        f"HEKETI_ADMIN_KEY={KEY}",
        f"      HEKETI_USER_KEY:  {KEY}",
        f"sed -e 's/\\${{HEKETI_ADMIN_KEY}}/{KEY}/' -e 's/\\${{HEKETI_USER_KEY}}/{KEY}/'",
        f"- name: HEKETI_ADMIN_KEY\n  value: {KEY}",
        f"kubectl create secret generic x --from-literal=key={KEY}",
    ],
)
def test_keys_are_in_no_evidence_and_no_report(tmp_path: Path, line: str) -> None:
    text = f"$ {line}\n{line} unknown flag: --show-all\n{line}\n"
    log = f"Using Kubernetes CLI.\n{line}\n"
    write(tmp_path, {"a.log": text, "b.log": f"unknown flag: --show-all {line}\n", "c.log": log})
    reading = together(saved.read(tmp_path))
    found = diagnosed(tmp_path)
    assert reading.troubles
    for told in (repr(reading), *(form(found) for form in FORMS.values())):
        assert KEY not in told
    assert masked(line) != line
    assert masked("no --secrets, no key: here") == "no --secrets, no key: here"


# --- forms of files -----------------------------------------------------------------------------


@pytest.mark.parametrize("sample", ["N11", "N13", "C9", "N6"])
def test_files_with_line_ends_of_windows_say_the_same(tmp_path: Path, sample: str) -> None:
    shutil.copytree(SAMPLES / sample, tmp_path, dirs_exist_ok=True)
    for path in tmp_path.rglob("*.*"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    plain = diagnosed(SAMPLES / sample)
    found = diagnosed(tmp_path)
    assert [(c.id, c.node, c.object) for c in found.causes] == [
        (c.id, c.node, c.object) for c in plain.causes
    ]


def test_json_in_a_copied_terminal_is_read_as_json(tmp_path: Path) -> None:
    text = f"$ kubectl get pods -o json\n{json.dumps(POD_JSON, indent=1)}\n$ date\nToday\n"
    (cause,) = diagnosed(write(tmp_path, {"page.txt": text})).causes
    assert (cause.id, cause.node, cause.object) == ("N42", "node2", "pod glusterfs-c7k4d")


def test_every_document_of_a_file_is_read(tmp_path: Path) -> None:
    names = ("glusterfs-aaaaa", "glusterfs-bbbbb")
    pods = [f"kind: Pod\nmetadata: {{name: {name}}}\n" for name in names]
    write(tmp_path, {"pods.yaml": "---\n".join(pods)})
    assert [each.object for each in diagnosed(tmp_path).unexplained] == [f"pod {n}" for n in names]
    texts = [json.dumps({"kind": "Pod", "metadata": {"name": name}}, indent=1) for name in names]
    (tmp_path / "pods.yaml").write_text("\n".join(texts))
    assert [each.object for each in diagnosed(tmp_path).unexplained] == [f"pod {n}" for n in names]


@pytest.mark.parametrize("text", ['{"kind": "List", "items": [', "apiVersion: v1\nkind: [\n"])
def test_what_begins_like_json_or_yaml_and_is_none_is_named(tmp_path: Path, text: str) -> None:
    found = diagnosed(write(tmp_path, {**HEALTHY, "cut": text}))
    assert found.verdict is Verdict.UNKNOWN
    assert [unread.origin for unread in found.unread] == ["cut"]


# --- files ------------------------------------------------------------------------------------


def test_files_that_hold_nothing_to_read_are_named_and_stop_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"empty": "", "good/gk-deploy.log": (SAMPLES / "C2/gk-deploy.log").read_text()})
    (tmp_path / "binary").write_bytes(b"\x7fELF\0\0\0" * 100)
    (tmp_path / "bytes.log").write_bytes(b"\xff\xfe unknown flag: --show-labels \x1b[2J\n")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(tmp_path / "pipe")
    found = diagnosed(tmp_path)
    assert [cause.id for cause in found.causes] == ["C2"]
    assert {unread.origin: unread.why for unread in found.unread} == {
        "binary": "no text",
        "link": "no regular file",
        "pipe": "no regular file",
    }


def test_of_very_many_files_the_first_are_read_and_it_is_said(tmp_path: Path) -> None:
    for number in range(saved.MOST_FILES + 1):
        (tmp_path / f"{number:05d}").touch()
    assert [unread.why for unread in diagnosed(tmp_path).unread] == [
        "only the first 2000 files were read"
    ]


def test_a_file_that_goes_away_is_named(tmp_path: Path) -> None:
    (reading,) = saved.file(tmp_path / "gone", "gone")
    assert [unread.why for unread in reading.unread] == ["No such file or directory"]


def test_of_a_huge_file_the_end_is_read(tmp_path: Path) -> None:
    early, late = "Error: unknown flag: --show-all\n", "Volume heketidbstorage already exists\n"
    filler = "nothing to see here\n" * (MOST_BYTES // 20 + 1)
    found = diagnosed(write(tmp_path, {"huge.log": early + filler + late}))
    assert [cause.id for cause in found.causes] == ["D8"]
    assert [unread.why for unread in found.unread] == ["only the last 8 MiB were read"]


CONDITIONS = "Name: glusterfs-abc\nStatus: Running\nContainers:\nConditions:\n"
HOSTILE = [
    *(
        text * 20_000
        for text in (
            " rpcbind.socket - x\n",
            "\n",
            " Normal",
            "Name: a\n",
            "(((([",
            " a.",
            "a",
            "0.",
        )
    ),
    CONDITIONS + "  Type   True\n" * 20_000,
    CONDITIONS + "  \t \n" * 20_000,
    "mount -t glusterfs " * 20_000,
    "mount -t glusterfs x\n" * 20_000,
    "--secret " * 20_000,
    "HEKETI_" * 20_000,
    "[kubeexec] DEBUG : Ran command [" * 20_000,
    "[kubeexec] ERROR : Failed to run command [x] on\n" * 20_000,
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: repr(text[-20:]))
def test_hostile_files_take_no_time(tmp_path: Path, hostile: str) -> None:
    """A few seconds is what ten thousand lines of anything may take: no pattern runs away."""
    began = time.process_time()
    assert diagnosed(write(tmp_path, {"a.log": hostile})).causes == ()
    assert time.process_time() - began < 5


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory"):
        saved.read(tmp_path / "none")


def test_nothing_at_all_could_not_be_told(tmp_path: Path) -> None:
    assert diagnosed(tmp_path) == Diagnosis(Verdict.UNKNOWN, (), (), (), ())


# --- what files are recognised as -------------------------------------------------------------


def test_describes_of_several_objects_are_told_apart(tmp_path: Path) -> None:
    good = (SAMPLES / "N11/describe.txt").read_text("utf-8")
    good = good.replace("glusterfs-c7k4d", "glusterfs-2x8vq").replace("node2", "node1")
    good = re.sub(r"(Ready +)False", r"\1True", good)
    bad = (SAMPLES / "N11/describe.txt").read_text("utf-8")
    reading = together(saved.read(write(tmp_path, {"all.txt": f"{good}\n\n{bad}"})))
    assert reading.works == ("pod glusterfs-2x8vq",)
    assert [trouble.object for trouble in reading.troubles] == ["pod glusterfs-c7k4d"]
    assert {piece.object for piece in reading.evidence} == {"pod glusterfs-c7k4d"}


POD_JSON = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "kind": "Pod",
            "metadata": {"name": "glusterfs-c7k4d", "namespace": "glusterfs"},
            "spec": {"nodeName": "node2", "containers": [{"name": "glusterfs"}]},
            "status": {
                "phase": "Running",
                "containerStatuses": [{"name": "glusterfs", "ready": False, "restartCount": 0}],
            },
        },
        {
            "kind": "Event",
            "involvedObject": {"kind": "Pod", "name": "glusterfs-c7k4d", "namespace": "glusterfs"},
            "type": "Warning",
            "reason": "Unhealthy",
            "message": "Readiness probe failed: failed check: systemctl -q is-active"
            " gluster-blockd.service",
        },
    ],
}
POD_YAML = """\
apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: glusterfs-c7k4d, namespace: glusterfs}
  spec: {nodeName: node2, containers: [{name: glusterfs}]}
  status:
    phase: Running
    containerStatuses: [{name: glusterfs, ready: false}]
- kind: Event
  involvedObject: {kind: Pod, name: glusterfs-c7k4d}
  type: Warning
  reason: Unhealthy
  message: "Readiness probe failed: failed check: systemctl -q is-active gluster-blockd.service"
kind: List
"""


@pytest.mark.parametrize(
    ("name", "text"), [("all.json", json.dumps(POD_JSON)), ("all.yaml", POD_YAML)]
)
def test_objects_as_json_and_yaml_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    (cause,) = diagnosed(write(tmp_path, {name: text})).causes
    assert (cause.id, cause.general, cause.node) == ("N42", True, "node2")
    assert "kubectl -n glusterfs exec glusterfs-c7k4d" in cause.cure[1]


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "List", "items": 3}',
        '{"kind": "List", "items": [null, 3, {"kind": 7}, {"kind": "Pod"}]}',
        '{"kind": "Pod", "metadata": [], "spec": {"nodeName": {}}, "status": {"phase": 3}}',
        '{"kind": "Event", "involvedObject": 3, "message": {}}',
        '{"kind": "DaemonSet", "metadata": {"name": "glusterfs"}, "status": {}}',
        '{"kind": "PersistentVolumeClaim"}',
        '{"schema": 1, "gkprep": "0", "findings": [{"check": 1}, 3]}',
        '{"schema": 1, "gkprep": "0", "findings": null}',
        "[" * 100_000,
        "{" * 100_000,
        "kind: &a [*a, *a]",
        "apiVersion: v1\nkind: [\n",
        "Name:\n\nEvents:\n",
        "NAME READY STATUS\n\n \nx",
    ],
)
def test_malformed_objects_stop_nothing(tmp_path: Path, text: str) -> None:
    found = diagnosed(write(tmp_path, {"a.txt": text, "b.log": "unknown flag: --show-all\n"}))
    assert [cause.id for cause in found.causes] == ["C2"]


def test_a_copied_terminal_is_taken_apart_at_its_prompts() -> None:
    reading = together(saved.read(SAMPLES / "N11.journal"))
    kinds = {piece.kind: piece.object for piece in reading.evidence}
    assert kinds == {Kind.LOGS: "pod glusterfs-74rsl", Kind.JOURNAL: "pod glusterfs-74rsl"}


def test_a_page_with_both_failures_of_a_walk_through_tells_both(tmp_path: Path) -> None:
    """As people write them down: prose, fences, prompts, and what each command printed."""
    text = """\
The pod stays at 0/1:

```console
$ kubectl exec glusterfs-74rsl -- /usr/local/bin/status-probe.sh readiness
failed check: systemctl -q is-active gluster-blockd.service
$ kubectl exec glusterfs-74rsl -- systemctl cat rpcbind.service
# /usr/lib/systemd/system/rpcbind.service
[Unit]
Description=RPC bind service
$ ss -nplt | grep 111
LISTEN     0      128          *:111         *:*      users:(("systemd",pid=1,fd=29))
```

Later the log of heketi says

> Device /dev/sdb excluded by a filter
"""
    found = diagnosed(write(tmp_path, {"page.md": text}))
    assert [(cause.id, cause.object) for cause in found.causes] == [
        ("N6", "log"),
        ("N42", "pod glusterfs-74rsl"),
    ]


def test_events_of_old_and_new_kubectls_name_their_pod(tmp_path: Path) -> None:
    message = "Readiness probe failed: failed check: systemctl -q is-active glusterd.service"
    old = (
        "LASTSEEN   FIRSTSEEN   COUNT     NAME                               KIND      TYPE\n"
        f"3s         5m          9         glusterfs-mr7cw.1537b2e6d6a0a5a4   Pod       {message}\n"
    )
    new = (
        "LAST SEEN   TYPE      REASON      OBJECT                MESSAGE\n"
        "5m          Normal    Pulled      pod/glusterfs-mr7cw   Container image present\n"
        f"3s          Warning   Unhealthy   pod/glusterfs-mr7cw   {message}\n"
    )
    for number, text in enumerate((old, new)):
        folder = tmp_path / str(number)
        reading = together(saved.read(write(folder, {"events.txt": text})))
        assert [piece.object for piece in reading.evidence] == ["pod glusterfs-mr7cw"]
        assert [cause.object for cause in diagnosed(folder).causes] == ["pod glusterfs-mr7cw"]
