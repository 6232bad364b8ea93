"""gk-deploy as a process, beside a kubectl that writes down what it is asked and has answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.heketi import topology

NODES = {"node1": ["/dev/sda"], "node2": ["/dev/sda"], "node3": ["/dev/sda"]}
KEYS = ("--admin-key", "AdminKey", "--user-key", "UserKey")
OPTIONS = ("-gy", "-c", "kubectl", "-n", "storage", "-w", "6", "--no-object", *KEYS)

# Objects that are made are there at once, and all pods of theirs are ready. `other.sh` is read
# first: what it answers, and ends with `exit`, comes before.
KUBECTL = r"""#!/bin/sh
echo "$*" >>"$STUB/calls"
pods() { echo "$2 1/1 ${3:-Running} 0 1m" >>"$STUB/pods/$1"; }
if [ -f "$STUB/other.sh" ]; then . "$STUB/other.sh"; fi
case "$*" in
*--show-all*) echo "Error: unknown flag: --show-all" >&2; exit 1 ;;
*"get pods "*) cat "$STUB/pods/${*##*--selector=}" 2>/dev/null ;;
*"get pod "*) cat "$STUB/pods/${*##*--selector=}=pod" ;;
*"get --raw /api/v1/namespaces/kube-system") echo '{"metadata": {"uid": "uid-1"}}' ;;
*"label nodes storagenode="*) echo "error: one or more resources must be specified" >&2; exit 1 ;;
*"exec -i  -- "*) echo "error: pod or type/name must be specified" >&2; exit 1 ;;
*"describe svc/"*) echo "Endpoints:         10.0.0.9:8080" ;;
*" curl "*) printf "Hello from Heketi" ;;
*" topology load "*) printf "Creating cluster ... ID: 0123\n\t\tAdding device /dev/sda ... OK\n" ;;
*setup-openshift*) echo "Saving /tmp/heketi-storage.json" ;;
*" cat /tmp/heketi-storage.json") echo copy-job ;;
*"create -f -")
  text="$(cat)"
  case "$text" in
  *DaemonSet*) for n in 1 2 3; do pods glusterfs=pod "glusterfs-$n"; done ;;
  *"name: deploy-heketi"*) pods deploy-heketi=pod deploy-heketi-1 ;;
  *"name: heketi"*) pods heketi=pod heketi-1 ;;
  copy-job) pods job-name=heketi-storage-copy-job copy-job-1 Completed ;;
  *) echo "error: no objects passed to create" >&2; exit 1 ;;
  esac ;;
*"delete all,service"*) rm "$STUB/pods/deploy-heketi=pod" ;;
*"create clusterrolebinding"*) echo 'heketi-sa-view already exists' >&2; exit 1 ;;
esac
"""


@dataclass(frozen=True)
class GkDeploy:
    """A copy of gk-deploy's folder; it runs in `cwd`."""

    folder: Path
    stub: Path
    cwd: Path

    def run(
        self, *words: str, answer: str = "", fault: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Standard error comes along with standard output. `answer` is typed at its question."""
        environment = {
            **os.environ,
            "PATH": f"{self.stub}{os.pathsep}{os.environ['PATH']}",
            "STUB": str(self.stub),
            "GKPREP_STANDIN_FAULT": fault,
        }
        return subprocess.run(
            [str(self.folder / "gk-deploy"), *words],
            check=False,
            input=answer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.cwd,
            env=environment,
            timeout=120,
        )

    def deploy(self, fault: str = "") -> subprocess.CompletedProcess[str]:
        """As gkprep calls it."""
        return self.run(*OPTIONS, "topology.json", fault=fault)

    @property
    def calls(self) -> list[str]:
        """What kubectl was asked for, one line a call, without the folder of the templates."""
        file = self.stub / "calls"
        calls = file.read_text().splitlines() if file.exists() else []
        return [call.replace(f"{self.folder}/", "") for call in calls]

    def kubectl(self, case: str) -> None:
        """Answer otherwise: arms of a shell's `case`."""
        (self.stub / "other.sh").write_text(f'case "$*" in\n{case}\nesac\n')

    def there(self, *selectors: str) -> None:
        """Pods that are there before gk-deploy is."""
        for selector in selectors:
            (self.stub / "pods" / selector).write_text("before-1 1/1 Running 0 1d\n")

    def mend(self) -> None:
        """What any kubectl and python of today need (C2, C4)."""
        script = self.folder / "gk-deploy"
        text = script.read_text()
        for old, new in ((" --show-all", ""), ("coding: utf8", "coding: utf-8")):
            assert old in text
            text = text.replace(old, new)
        script.write_text(text)


def make(program: Path, home: Path) -> GkDeploy:
    """Copy the folder of `program` and lay out stubs for kubectl, python and sleep."""
    gk = GkDeploy(home / "deploy", home / "stub", home / "cwd")
    shutil.copytree(program.parent, gk.folder)
    for folder in (gk.stub / "pods", gk.cwd):
        folder.mkdir(parents=True)
    (gk.cwd / "topology.json").write_text(json.dumps(topology(devices=NODES)))
    stubs = {
        "kubectl": KUBECTL,
        "python": f'#!/bin/sh\nexec {sys.executable} "$@"\n',
        # Nothing has to be waited for, and to count seconds it needs no seconds.
        "sleep": "#!/bin/sh\n",
    }
    for name, text in stubs.items():
        (gk.stub / name).write_text(text)
        (gk.stub / name).chmod(0o755)
    return gk
