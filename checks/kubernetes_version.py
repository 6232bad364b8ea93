"""kubernetes-version: a cluster that can mount Gluster volumes at all."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.facts import kubernetes
from preflight.plugin import Facts, Finding, Unknown, controller_check, fail, ok, warn

APPS_V1, NO_EXTENSIONS, DEPRECATED, REMOVED = (1, 9), (1, 16), (1, 25), (1, 26)
WANT = "1.9 to 1.25"
INSTEAD = "use Kubernetes 1.25 or older, or storage that brings a CSI driver (Rook, Longhorn)"


@controller_check(lambda node: [kubernetes.server(kubernetes.kubectl(node))])
def kubernetes_version(facts: Facts) -> Iterator[Finding]:
    """The API server's version still brings the GlusterFS driver.

    Checks: /version of the API server. 1.26 and later are refused, before 1.9 too. From 1.16 on
    gk-deploy's templates need a change, which gkprep deploy makes in its own copy of them.

    Why: the driver that mounts Gluster volumes is a part of Kubernetes itself, deprecated in 1.25
    and removed in 1.26. There gk-deploy gets as far as its copy job, whose pod waits for ever with
    `no volume plugin matched`; nothing mends that. From 1.16 on, the unchanged templates end in
    `no matches for kind "DaemonSet" in version "extensions/v1beta1"`, and 300 s later in
    `pods not found.`

    By hand: deploy to a cluster of 1.25 or older. On a newer one use storage that brings a CSI
    driver of its own, such as Rook or Longhorn; what only the old driver can mount is lost there.

    Source: catalogue C1, C3, C10; kubernetes/kubernetes#112015; Kubernetes documentation,
    "Deprecated API Migration Guide".
    """
    told = facts[kubernetes.server(kubernetes.kubectl(facts.node))]
    if told.version is None:
        raise Unknown(f"kubectl: {told.complaint}")
    version = told.version.short
    if version >= REMOVED:
        saw = f"{told.version.text}, which has no GlusterFS driver any more"
        yield fail("API server", saw, WANT, says="no volume plugin matched", cure=INSTEAD)
    elif version < APPS_V1:
        saw = f"{told.version.text}, which has no apps/v1"
        yield fail("API server", saw, WANT, says=_no_kind("apps/v1"), cure="upgrade the cluster")
    elif version >= DEPRECATED:
        saw = f"{told.version.text}, the last one with the GlusterFS driver"
        yield warn("API server", saw, "1.9 to 1.24", cure="do not upgrade it: 1.26 has no driver")
    elif version >= NO_EXTENSIONS:
        saw = f"{told.version.text}, so the templates of gk-deploy's copy are made apps/v1"
        yield ok("API server", saw, WANT)
    else:
        yield ok("API server", told.version.text, WANT)


def _no_kind(version: str) -> str:
    return f'no matches for kind "DaemonSet" in version "{version}"'
