"""gluster-image: what is in the Gluster image fits the inventory's policy."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.facts import kubernetes
from preflight.facts.kubernetes import Image
from preflight.plugin import Facts, Finding, Policy, Rpcbind, controller_check, fail, ok, warn

RANDOM_PORTS = 10
"""The first GlusterFS that picks brick ports at random."""

FLOATING = f"{kubernetes.GLUSTER}:latest"
STARTS = frozenset({"enabled", "static", "indirect", "generated"})
"""What `systemctl is-enabled` says of a unit that is started with the others, or by them."""

RPCBIND = frozenset({"rpcbind.service", "rpcbind.socket", "rpcbind.target"})


@controller_check(
    lambda node: [
        kubernetes.image(kubernetes.kubectl(node), kubernetes.site(node).deployer.namespace)
    ]
)
def gluster_image(facts: Facts) -> Iterator[Finding]:
    """The ports of the image's Gluster, and its rpcbind, are those that the policy is about.

    Checks: in a GlusterFS pod that runs already, `gluster --version`, the ports in glusterd.vol,
    whether rpcbind.socket is masked, and whether anything needs it: gluster-blockd, where it is
    enabled, or a glusterd whose unit requires it. Before the first deployment no pod runs, and
    nothing can be asked: that is a warning, not a pass.

    Why: GlusterFS 10 and later picks brick ports at random from 49152-60999. Where only 49152-49251
    is open, as the setup guide says, bricks cannot be reached. Images since December 2019 mask
    rpcbind.socket: there the host's rpcbind is needed, or gluster-blockd says
    `Please check if rpcbind service running`; with older ones it is in the way of the pod's own.
    Where neither gluster-blockd nor glusterd needs one, it is no matter who holds port 111.
    Which image you get changes with its tag, `latest`, without your doing.

    By hand: `docker run --rm IMAGE sh -c 'gluster --version; systemctl is-enabled rpcbind.socket
    gluster-blockd.service'` tells; then set `policy.brick_ports` and `policy.rpcbind`, and pin the
    image in `deployer.images`.

    Source: catalogue C13, N11, N12, N40; gluster-containers c1f7e07, and its
    CentOS/Dockerfile, which takes rpcbind out of glusterd's and gluster-blockd's units;
    gluster-block#26; glusterfs 10 release notes.
    """
    site = kubernetes.site(facts.node)
    image = facts[kubernetes.image(kubernetes.kubectl(facts.node), site.deployer.namespace)]
    if not image.version:
        named = dict(site.deployer.images).get(kubernetes.GLUSTER, FLOATING)
        yield _unasked(image, named)
        return
    yield _ports(image, facts.node.policy)
    yield _rpcbind(image, facts.node.policy)


def _unasked(image: Image, named: str) -> Finding:
    saw = (
        f"it cannot be asked: {image.complaint}" if image.pod else "no pod runs it yet to be asked"
    )
    ask = "gluster --version; systemctl is-enabled rpcbind.socket gluster-blockd.service"
    return warn(
        named,
        saw,
        "a version and an rpcbind that policy.brick_ports and policy.rpcbind fit",
        cure=f"docker run --rm {named} sh -c '{ask}'",
    )


def _ports(image: Image, policy: Policy) -> Finding:
    want, opened = "brick ports that are open", policy.brick_ports
    if image.major < RANDOM_PORTS:
        return ok("brick ports", f"GlusterFS {image.version} counts up from {opened.first}", want)
    saw = f"GlusterFS {image.version} picks any of {image.ports}"
    if opened.first <= image.ports.first and image.ports.last <= opened.last:
        return ok("brick ports", saw, want)
    return fail(
        "brick ports",
        f"{saw}, policy.brick_ports opens {opened}",
        want,
        says="Transport endpoint is not connected",
        cure=f"policy: {{brick_ports: {image.ports}}}",
    )


def _rpcbind(image: Image, policy: Policy) -> Finding:
    its_own = image.socket in STARTS
    saw = f"rpcbind.socket is {image.socket or 'not there'} in the image"
    if not its_own and not _needs_one(image):
        return ok("rpcbind", f"{saw}, and nothing in it needs one", "whichever policy.rpcbind")
    want = f"policy.rpcbind: {'pod' if its_own else 'host'}"
    if its_own == (policy.rpcbind is Rpcbind.POD):
        return ok("rpcbind", saw, want)
    says = (
        "rpcbind.socket failed to listen on sockets: Address already in use"
        if its_own
        else "Please check if rpcbind service running"
    )
    other = "pod" if its_own else "host"
    cure = f"policy: {{rpcbind: {other}}}, then gkprep fix --only rpcbind-port"
    saw = f"{saw}, and policy.rpcbind is {policy.rpcbind.value}"
    return fail("rpcbind", saw, want, says=says, cure=cure)


def _needs_one(image: Image) -> bool:
    """Whether something in it does not work without an rpcbind, or nobody knows.

    gluster-blockd registers with one, whether its unit says so or not.
    """
    required = not image.requires or bool(RPCBIND & image.requires)
    return required or image.blockd in STARTS
