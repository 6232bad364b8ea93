"""mount-glusterfs: the node can mount Gluster volumes."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.facts import packages
from preflight.plugin import EVERY_ROLE, Facts, Finding, check, fail, ok

SUBJECT = "mount.glusterfs"
WANT = "installed and working"
INSTALL = {
    "dnf": "dnf install -y glusterfs-fuse",
    "yum": "yum install -y glusterfs-fuse",
    "apt-get": "apt-get install -y glusterfs-client",
    "zypper": "zypper install -y glusterfs",
}


@check(packages.mount_helper, packages.managers, roles=EVERY_ROLE)
def mount_glusterfs(facts: Facts) -> Iterator[Finding]:
    """The node has the helper with which mount(8) mounts Gluster volumes.

    Checks: mount.glusterfs is where mount(8) looks for it, and `glusterfs --version` answers.

    Why: the kubelet mounts volumes with the node's own helper, on every node that may run a pod.
    Without it pods hang with `mount: unknown filesystem type 'glusterfs'`, and so does
    gk-deploy, silently, in its copy job.

    By hand: `dnf install glusterfs-fuse` or `yum install glusterfs-fuse`; Debian and Ubuntu,
    `apt-get install glusterfs-client`; SUSE, `zypper install glusterfs`. An image-based system
    such as CoreOS brings no package: such a node cannot mount Gluster volumes.

    Source: catalogue N13, N14; gluster-kubernetes docs/setup-guide.md; mount(8).
    """
    helper = facts[packages.mount_helper]
    says = "mount: unknown filesystem type 'glusterfs'"
    if helper.path is None:
        yield fail(SUBJECT, "not installed", WANT, says=says, cure=install(facts))
    elif helper.version is None:
        saw = f"{helper.path} is there, but glusterfs --version says: {helper.complaint}"
        yield fail(SUBJECT, saw, WANT, says=says, cure=install(facts))
    else:
        yield ok(SUBJECT, helper.version, WANT)


def install(facts: Facts) -> str:
    """The node's own package manager's command; empty where none can help."""
    there = facts[packages.managers]
    if "rpm-ostree" in there:
        return ""
    return next((INSTALL[name] for name in there if name in INSTALL), "")
