"""What a node's name, addresses and disks may be: one rule a reader, each with its source."""

from __future__ import annotations

import ipaddress
import posixpath
import re

from preflight.inventory.problems import clip
from preflight.inventory.tree import List, Map, Tree
from preflight.inventory.values import Reading, Wrong, line, meant_as_text, pattern
from preflight.model import PortRange

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"

# The object name of a Kubernetes node: an RFC 1123 subdomain, at most 253 characters
# (apimachinery pkg/util/validation, IsDNS1123Subdomain).
NODE_NAME = rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*"
# A namespace is an RFC 1123 label, at most 63 characters (IsDNS1123Label).
NAMESPACE = rf"(?=.{{1,63}}$){_LABEL}"
# What heketi lets a device be called (pkg/glusterfs/api/types.go, deviceNameRe).
DEVICE_PATH = r"/[a-zA-Z0-9_.:/-]+"
# Twelve hex digits, the first a letter, as gkprep prints them: no YAML takes them for a number.
WIPE_TOKEN = "[a-f][0-9a-f]{11}"  # noqa: S105 - what a consent looks like, no secret
# A label's key, perhaps with the domain before it, its value, and what a taint does to pods
# (apimachinery pkg/util/validation, IsQualifiedName, IsValidLabelValue; core/v1 TaintEffect).
_WORD = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
TOLERATION = (
    rf"(?P<key>({NODE_NAME}/)?{_WORD})(=(?P<value>({_WORD})?))?"
    ":(?P<effect>NoSchedule|NoExecute|PreferNoSchedule)"
)
# An image's name and its tag or digest (github.com/distribution/reference, "Grammar").
_COMPONENT = "[a-z0-9]+(([.]|__?|-+)[a-z0-9]+)*"
_DOMAIN = "([A-Za-z0-9][-A-Za-z0-9.]*(:[0-9]{1,5})?/)?"
IMAGE = rf"{_DOMAIN}{_COMPONENT}(/{_COMPONENT})*"
PINNED = rf"{IMAGE}(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?"
# What Kubernetes takes for an address in the Endpoints that a volume is mounted through
# (pkg/apis/core/validation, ValidateNonSpecialIP), so no other can be Gluster's.
_SPECIAL = (
    ("is_unspecified", "which is no machine's address"),
    ("is_loopback", "which means every machine itself"),
    ("is_link_local", "a link-local address, which Kubernetes refuses in Endpoints"),
    ("is_multicast", "a multicast address"),
)
_BROADCAST = ipaddress.IPv4Address("255.255.255.255")

# Partitions by name, as the kernel makes them up (block/partitions, disk_name: a `p` after a name
# that ends in a digit) and as udev links them (60-persistent-storage.rules). Not xvda1: where the
# hypervisor says so, that is a whole disk. What a name cannot tell is judged on the node.
_PARTITION = re.compile(
    r"/dev/((sd|hd|vd|dasd)[a-z]+[0-9]+"
    r"|(nvme[0-9]+n[0-9]+|mmcblk[0-9]+|md[0-9]+|nbd[0-9]+|rbd[0-9]+|pmem[0-9.]+s?)p[0-9]+"
    r"|disk/by-[a-z]+/.*-part[0-9]+"
    r"|disk/by-part(uuid|label)/.*)"
)
_LOOP = re.compile(r"/dev/loop[0-9]+(p[0-9]+)?")

_LOWEST_BRICK_PORT, _HIGHEST_PORT = 1024, 65535

node_name = pattern(
    NODE_NAME, "the name of the Kubernetes node: lower case letters, digits, - and ."
)
namespace = pattern(NAMESPACE, "a Kubernetes namespace: lower case letters, digits and -")
wipe_token = pattern(
    WIPE_TOKEN, "a consent token as gkprep check prints it: a letter a-f and eleven hex digits"
)
_path_text = pattern(DEVICE_PATH, "a path that heketi takes: / and then letters, digits, _ . : / -")
# What ends up on a command line must not pass for an option there.
argument = pattern("[^-].*", "a line of text that does not begin with -")
word = pattern(r"[^\s-]\S*", "a word without spaces that does not begin with -")


def address(tree: Tree, _reading: Reading) -> str:
    """Read where SSH connects: an IP address, a host name, or a Host of `~/.ssh/config`.

    IP addresses come back in their canonical spelling.
    """
    allowed = "a host name, an IP address or a Host of ~/.ssh/config"
    scalar = line(tree, allowed)
    value = scalar.text
    if ip := _ip(value):
        meant_as_text(scalar, allowed)
        return str(ip)
    if "@" in value:
        raise Wrong(tree, f"{allowed}; the user is said by ssh: {{user: ...}}")
    if re.fullmatch(r"[0-9]+(\.[0-9]+)*", value):
        raise Wrong(tree, allowed, "which is no IP address")
    if re.fullmatch(r"[^:]+:[0-9]+", value):
        raise Wrong(tree, f"{allowed}; the port is said by ssh: {{port: ...}}")
    if not re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_.+-]{0,252}", value):
        raise Wrong(tree, allowed)
    return meant_as_text(scalar, allowed)


def storage_address(tree: Tree, _reading: Reading) -> str:
    """Read the IP address that Gluster uses, in its canonical spelling.

    heketi takes a name too, and so a mistake that shows only once the peers cannot meet.
    """
    allowed = "an IP address that the other nodes reach"
    scalar = line(tree, allowed)
    value = scalar.text
    ip = _ip(value)
    if ip is None or "%" in value:
        mask = "/" in value and _ip(value.partition("/")[0])
        raise Wrong(tree, allowed, "an address with a mask" if mask else "which is no IP address")
    if why := special(value):
        raise Wrong(tree, allowed, why)
    meant_as_text(scalar, allowed)
    return str(ip)


def special(value: str) -> str:
    """Say why this IP address can be no node's in a cluster; empty where it can."""
    ip = _ip(value)
    if "%" in value:
        return "an address of one machine's own interface"
    if ip == _BROADCAST:
        return "the broadcast address"
    return next((why for attribute, why in _SPECIAL if getattr(ip, attribute)), "")


def is_ip(value: str) -> bool:
    """Whether this is an IP address, and not a name."""
    return _ip(value) is not None


def canonical(value: str) -> str:
    """The one spelling of an IP address."""
    return str(_ip(value))


def _ip(value: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(value)
    except ValueError:
        return None
    # ::ffff:192.0.2.1 is the IPv4 address, spelt for IPv6 sockets (RFC 4291, 2.5.5.2).
    return getattr(ip, "ipv4_mapped", None) or ip


def device_path(tree: Tree, reading: Reading) -> str:
    """Read the path of a disk, as it is written; heketi knows the device by this very text."""
    value = _path_text(tree, reading)
    plain = same_path(value)
    if _LOOP.fullmatch(plain):
        raise Wrong(tree, "a disk of its own, as /dev/sdb", "a loop device")
    if _PARTITION.fullmatch(plain):
        raise Wrong(tree, "a whole disk, as /dev/sdb", "a partition")
    return value


def same_path(value: str) -> str:
    """The one spelling of a path that `//`, `/./` and `/../` can write in many ways."""
    return posixpath.normpath("/" + value.lstrip("/"))


def brick_ports(tree: Tree, _reading: Reading) -> PortRange:
    """Read `49152-49251`: more than one port, for every brick of a node listens on its own."""
    allowed = f"a range within {_LOWEST_BRICK_PORT}-{_HIGHEST_PORT}, as 49152-49251"
    scalar = line(tree, allowed)
    value = scalar.text
    match = re.fullmatch("([0-9]{1,5})-([0-9]{1,5})", value)
    if not match:
        raise Wrong(tree, allowed, "which is one port" if value.isdigit() else "")
    first, last = int(match[1]), int(match[2])
    if first >= last:
        raise Wrong(tree, allowed, "which is one port" if first == last else "the wrong way round")
    if first < _LOWEST_BRICK_PORT or last > _HIGHEST_PORT:
        raise Wrong(tree, allowed)
    return PortRange(first, last)


_toleration = pattern(
    TOLERATION,
    "a toleration as key[=value]:effect, effect: NoSchedule, NoExecute, PreferNoSchedule",
)
_pinned = pattern(PINNED, "an image with its tag or digest, as registry.example.com/gluster:4.1")


def tolerations(tree: Tree, reading: Reading) -> tuple[str, ...]:
    """Read a list of tolerations, each as `kubectl taint` spells the taint that it is for."""
    if not isinstance(tree, List):
        raise Wrong(tree, "a list of tolerations, as [node-role.kubernetes.io/master:NoSchedule]")
    return tuple(_toleration(item, reading) for item in tree.items)


def images(tree: Tree, reading: Reading) -> tuple[tuple[str, str], ...]:
    """Read a mapping from an image, without its tag, to the very one that is to run instead."""
    if not isinstance(tree, Map):
        raise Wrong(
            tree, "a mapping, as {gluster/gluster-centos: gluster/gluster-centos:gluster4u1}"
        )
    return tuple((name, _pin(name, entry.value, reading)) for name, entry in tree.entries.items())


def _pin(name: str, tree: Tree, reading: Reading) -> str:
    """Read what one image is pinned to; without a tag or a digest that is no pin."""
    if not re.fullmatch(IMAGE, name):
        raise Wrong(tree, "an image's name without its tag before it", f"for {clip(name)}")
    value = _pinned(tree, reading)
    if re.fullmatch(IMAGE, value):
        raise Wrong(tree, "an image with its tag or digest", "which has neither")
    return value
