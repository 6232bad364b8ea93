"""Whether a deployment is what was wanted: checks of the controller, judged like all others.

They are not among the requirements that `gkprep check` knows: before a deployment each would fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from preflight.facts import deployment
from preflight.facts.kubernetes.claims import GLUSTERFS
from preflight.facts.kubernetes.command import kubectl, site
from preflight.facts.kubernetes.pods import Pod
from preflight.model import Check, Facts, Finding, Node, Probe
from preflight.plugin import controller_check, fail, look_first, ok, skip, unknown

ABORT = "gkprep deploy --abort"


def verification(key: Path) -> tuple[Check, ...]:
    """What a deployment is judged by; `key` is the file with heketi's admin key."""
    return (gluster_pods, heketi_address, heketi_topology(key), storage_class)


def standing(key: Path | None) -> tuple[Check, ...]:
    """What one that is there is judged by, whoever made it, besides its pods.

    Without a file with heketi's admin key nobody asks it what it knows.
    """
    return (heketi_address, volume_provisioning, heketi_topology(key))


def pods(node: Node) -> Iterable[Probe[object]]:
    """The deployment's pods, as the inventory's cluster has them."""
    return (deployment.pods(kubectl(node), site(node).deployer.namespace),)


def service(node: Node) -> Iterable[Probe[object]]:
    """Heketi's service."""
    return (deployment.service(kubectl(node), site(node).deployer.namespace),)


@controller_check(pods, about_nodes=True)
def gluster_pods(facts: Facts) -> Iterator[Finding]:
    """Each storage node has a GlusterFS pod, and it is ready.

    Why: gk-deploy waits until all pods that it sees are ready, however many that are (D6).
    """
    where = site(facts.node)
    listed = facts[deployment.pods(kubectl(facts.node), where.deployer.namespace)]
    gluster = [pod for pod in listed if pod.is_gluster]
    # One that has ended may still be listed beside the one that took its place.
    found = {pod.node: pod for pod in sorted(gluster, key=lambda each: each.is_ready)}
    for node in site(facts.node).storage:
        pod = found.get(node.name)
        if pod and pod.is_ready:
            yield ok(node.name, "ready")
            continue
        saw = _seen(pod) if pod else "no GlusterFS pod"
        cure = f"{kubectl(facts.node)} -n {where.deployer.namespace} describe daemonset glusterfs"
        yield fail(node.name, saw, "a pod that is ready", cure=cure)


def _seen(pod: Pod) -> str:
    why = f", {pod.waits}" if pod.waits else ""
    return f"{pod.name} {pod.ready}/{pod.wanted} ready{why}"


@controller_check(service)
def heketi_address(facts: Facts) -> Iterator[Finding]:
    """Heketi's service has an address, and a pod behind it.

    Why: gk-deploy prints an empty one, `Deployment complete!`, and exits with 0 (D14). The address
    that is used is the service's own: the controller-manager does not resolve the cluster's names
    (C9).
    """
    deployer = site(facts.node).deployer
    found = facts[deployment.service(kubectl(facts.node), deployer.namespace)]
    want = "a cluster IP with a pod behind it"
    look = f"{kubectl(facts.node)} -n {deployer.namespace} describe service,endpoints heketi"
    if found is None:
        yield fail("heketi", "no service heketi", want, cure=ABORT)
    elif found.ip in {"", "None"} or not found.endpoints:
        saw = f"{found.ip or 'no cluster IP'}, {len(found.endpoints)} pods behind it"
        yield fail("heketi", saw, want, cure=look)
    else:
        yield ok("heketi", f"{found.ip}:{deployment.PORT} for {', '.join(found.endpoints)}")


def heketi_topology(key: Path | None) -> Check:
    """The check that compares what heketi knows with the inventory."""

    def asked(node: Node) -> Iterable[Probe[object]]:
        if key is None:
            return ()
        return (deployment.known(kubectl(node), site(node).deployer.namespace, key),)

    @controller_check(asked, about_nodes=True)
    def heketi_topology(facts: Facts) -> Iterator[Finding]:
        """Heketi has just the nodes and devices of the inventory, and all are online.

        Why: gk-deploy looks for the word `Unable` alone (D7), keeps an earlier topology (D9), and
        with heketi there already loads nothing at all (D10), and says each time that it is done.
        """
        if key is None:
            yield skip("", "its key is kept where gkprep deploy was run: not compared")
            return
        namespace = site(facts.node).deployer.namespace
        known = facts[deployment.known(kubectl(facts.node), namespace, key)]
        found = {peer.name: peer for peer in known.peers}
        for node in site(facts.node).storage:
            yield compare(node, found.pop(node.name, None))
        for name in found:
            yield fail(name, "heketi has it", "no node that the inventory does not list")

    return heketi_topology


def compare(node: Node, peer: deployment.Peer | None) -> Finding:
    """One storage node as heketi has it."""
    want = f"{node.storage}, zone {node.zone}, {' '.join(each.path for each in node.devices)}"
    if peer is None:
        return fail(node.name, "heketi does not have it", want, cure=ABORT)
    saw = f"{peer.storage}, zone {peer.zone}, {' '.join(each.path for each in peer.devices)}"
    wanted = {each.path for each in node.devices}
    there = {each.path for each in peer.devices}
    if (peer.storage, peer.zone, there) != (node.storage, node.zone, wanted):
        return fail(node.name, saw, want, cure=ABORT)
    off = [each.path for each in peer.devices if each.state != "online"]
    if peer.state != "online" or off:
        told = [f"the node is {peer.state}"] if peer.state != "online" else []
        told += [f"{path} is not online" for path in off]
        return fail(node.name, "; ".join(told), "online", cure="heketi-cli node enable ID")
    return ok(node.name, saw)


def made(node: Node) -> Iterable[Probe[object]]:
    """The StorageClass."""
    return (deployment.storage_class(kubectl(node)),)


@controller_check(made, service)
def storage_class(facts: Facts) -> Iterator[Finding]:
    """The StorageClass leads to this heketi, and has no key in it.

    Why: the one that gk-deploy prints is storage.k8s.io/v1beta1 (C10), with the key in clear.
    """
    deployer = site(facts.node).deployer
    found = facts[deployment.storage_class(kubectl(facts.node))]
    behind = facts[deployment.service(kubectl(facts.node), deployer.namespace)]
    name = deployment.STORAGE_CLASS
    if found is None:
        yield fail(name, "not there", "a StorageClass for GlusterFS", cure="gkprep deploy")
        return
    wanted = deployment.wanted_parameters(facts.node, behind)
    differs = found.otherwise(wanted)
    if differs:
        words = kubectl(facts.node)
        look, act = deployment.users_of_class(words), deployment.without_class(words)
        yield fail(name, *differs, says=deployment.FORBIDDEN, cure=look_first(look, act))
    else:
        yield ok(name, f"{found.provisioner}, {wanted['resturl']}")


def offered(node: Node) -> Iterable[Probe[object]]:
    """All StorageClasses, and the secrets that they may refer to."""
    return (
        deployment.storage_classes(kubectl(node)),
        deployment.provisioner_secrets(kubectl(node)),
    )


@controller_check(offered, service)
def volume_provisioning(facts: Facts) -> Iterator[Finding]:
    """A StorageClass leads to this heketi, and each that does refers to a key that is there.

    Why: gk-deploy makes none, it prints an example; without one no claim gets a volume (C17), nor
    does one without its secret (C16). What it is called, and who made it, does not matter. Whether
    a name, or another machine's address, leads to this heketi nobody can tell from here (C9).
    """
    namespace = site(facts.node).deployer.namespace
    behind = facts[deployment.service(kubectl(facts.node), namespace)]
    if behind is None or behind.ip in {"", "None"}:
        yield skip("StorageClass", "see heketi-address")
        return
    listed = facts[deployment.storage_classes(kubectl(facts.node))]
    found = {name: dict(each.parameters) for name, each in listed if each.provisioner == GLUSTERFS}
    want = f"resturl {deployment.storage_parameters(namespace, behind.ip)['resturl']}"
    judged = list(_judged(facts, found, behind, want))
    yield from judged
    if not judged:
        others = "".join(f", {name} to {told.get('resturl')}" for name, told in found.items())
        saw = f"no StorageClass leads to it{others}"
        yield fail("StorageClass", saw, want, cure="gkprep deploy")


def _judged(
    facts: Facts, found: Mapping[str, Mapping[str, str]], behind: deployment.Service, want: str
) -> Iterator[Finding]:
    """Those that lead here, or are this deployment's by their secret; without any, who knows."""
    namespace = site(facts.node).deployer.namespace
    led = {name: leads(told.get("resturl", ""), behind) for name, told in found.items()}
    for name, told in found.items():
        if led[name]:
            yield _keyed(facts, name, told)
        elif led[name] is False and told.get("secretNamespace") == namespace:
            yield fail(name, f"resturl {told.get('resturl')}", want, cure="gkprep deploy")
        elif led[name] is None and True not in led.values():
            yield unknown(name, f"resturl {told['resturl']}: does that lead to it?", want)


def leads(url: str, service: deployment.Service) -> bool | None:
    """Whether that is the address of heketi's service; None where nobody can tell from here."""
    try:
        split = urlsplit(url)
        host, port = split.hostname or "", split.port
    except ValueError:
        return False
    certain = port == deployment.PORT
    if host in {service.ip, *(each.rpartition(":")[0] for each in service.endpoints)}:
        return True if certain else None
    try:
        ip_address(host)
    except ValueError:
        return None if host else False
    return False if certain else None


def _keyed(facts: Facts, name: str, parameters: Mapping[str, str]) -> Finding:
    """A StorageClass that leads here: whether the key that it refers to is there."""
    where, secret = (parameters.get(key, "") for key in ("secretNamespace", "secretName"))
    saw = f"leads to {parameters['resturl']}"
    if not where and not secret:
        return ok(name, saw)
    want = f"a secret of type {GLUSTERFS}"
    if f"{where}/{secret}" in facts[deployment.provisioner_secrets(kubectl(facts.node))]:
        return ok(name, f"{saw}, with the key in {where}/{secret}")
    return fail(name, f"secret {where}/{secret} is not there, or of another type", want)
