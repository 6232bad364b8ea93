"""A gk-deploy of our own, and what the patches make of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from preflight.deploy.patches import Asked, Patch, apply, patches
from preflight.deploy.templates import toleration
from preflight.deploy.tree import (
    DAEMONSET,
    SCRIPT,
    TEMPLATES,
    Tree,
)

STORE_CLASS = f"{TEMPLATES}gluster-s3-storageclass.yaml"

# Laid out as gk-deploy is where the patches touch it; everything else is left out.
OWN_SCRIPT = """\
#!/bin/bash
# Older kubectl: get pods needs --show-all for pods that ended.
usage() {
  echo "  --show-all   is no option of this program, which is written in python <<as is>>"
}
TOPOLOGY=$1
if [[ ! -f ${TOPOLOGY} ]]; then
  exit 1
else
  NODES=$(python - <<END
# coding: utf8
import json
with open('${TOPOLOGY}') as file:
  clusters = json.load(file)['clusters']
for cluster in clusters:
  for node in cluster['nodes']:
    print(node['node']['hostnames']['manage'][0])
END
)
fi
echo "${NODES}"
pod=$(${CLI} get pod --no-headers --show-all --selector="heketi" | awk '{print $1}')
echo "
---
apiVersion: storage.k8s.io/v1beta1
kind: StorageClass
parameters:
  resturl: \\"http://${service}\\""
"""

OWN_DAEMONSET = """\
---
kind: DaemonSet
apiVersion: extensions/v1beta1
metadata:
  name: glusterfs
  labels:
    glusterfs: daemonset
spec:
  template:
    metadata:
      labels:
        glusterfs: pod
        glusterfs-node: pod
    spec:
      nodeSelector:
        storagenode: glusterfs
      containers:
      - image: gluster/gluster-centos:latest
        name: glusterfs
        env:
        # a comment that stays
        - name: PROBE
          value: "1"
"""

OWN_DEPLOYMENT = """\
---
kind: Service
apiVersion: v1
metadata:
  name: {name}
spec:
  selector:
    {name}: pod
---
kind: Deployment
apiVersion: extensions/v1beta1
metadata:
  name: {name}
spec:
  replicas: 1
  template:
    metadata:
      name: {name}
      labels:
        glusterfs: heketi-pod
        {name}: pod
    spec:
      containers:
      - image: heketi/heketi:dev
        name: {name}
        env:
        - name: HEKETI_ADMIN_KEY
          value: ${{HEKETI_ADMIN_KEY}}
        - name: HEKETI_KUBE_GLUSTER_DAEMONSET
          value: "y"
"""

OWN_STORE = """\
---
kind: List
apiVersion: v1
items:
- kind: Service
  apiVersion: v1
  spec:
    selector:
      glusterfs: s3-pod
- kind: Deployment
  apiVersion: extensions/v1beta1
  spec:
    template:
      metadata:
        labels:
          glusterfs: s3-pod
      spec:
        containers:
        - name: gluster-s3
          image: gluster/gluster-object:latest
"""

OWN: Tree = {
    SCRIPT: OWN_SCRIPT,
    DAEMONSET: OWN_DAEMONSET,
    f"{TEMPLATES}deploy-heketi-deployment.yaml": OWN_DEPLOYMENT.format(name="deploy-heketi"),
    f"{TEMPLATES}heketi-deployment.yaml": OWN_DEPLOYMENT.format(name="heketi"),
    f"{TEMPLATES}gluster-s3-template.yaml": OWN_STORE,
    STORE_CLASS: "kind: StorageClass\napiVersion: storage.k8s.io/v1beta1\n",
}

ALL = Asked(
    "python3",
    (toleration("node-role.kubernetes.io/master:NoSchedule"), toleration("for=storage:NoExecute")),
    {"gluster/gluster-centos": "mirror.example:5000/gluster-centos@sha256:" + "0f" * 32},
)


def patched(tree: Tree, *ids: str, asked: Asked = ALL) -> Tree:
    return apply(tree, chosen(*ids, asked=asked)).tree


def chosen(*ids: str, asked: Asked = ALL) -> list[Patch]:
    return [patch for patch in patches(asked) if patch.id in ids]


def workloads(tree: Tree) -> dict[str, dict[str, Any]]:
    """Deployments and DaemonSets of all templates, by name of the file, as the parser has them."""
    found = {}
    for path, text in tree.items():
        if path.startswith(TEMPLATES):
            for each in yaml.safe_load_all(text):
                for item in each.get("items", [each]):
                    if item["kind"] in {"Deployment", "DaemonSet"}:
                        found[path] = item
    return found


def run_snippet(script: str, folder: Path) -> tuple[str, str]:
    """What the script's own snippet makes of a topology: NODES, and what it complains about.

    PATH has a python3 and no python, and bash hands the heredoc over through a pipe.
    """
    snippet = re.search(r"^\s*NODES=\$\(.*?\n\)$", script, re.MULTILINE | re.DOTALL)
    assert snippet is not None
    (folder / "bin").mkdir()
    (folder / "bin" / "python3").symlink_to(sys.executable)
    topology = folder / "topology.json"
    topology.write_text(
        '{"clusters": [{"nodes": [{"node": {"hostnames": {"manage": ["node-1"]}}},'
        ' {"node": {"hostnames": {"manage": ["node-2"]}}}]}]}'
    )
    done = subprocess.run(
        [
            shutil.which("bash") or "",
            "-c",
            'eval "$1"; echo "$NODES"',
            "bash",
            snippet[0],
        ],
        env={"PATH": f"{folder}/bin:/nowhere", "TOPOLOGY": str(topology)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout, done.stderr
