"""What is in the Gluster image: its version, its rpcbind, the ports that its bricks take."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from preflight.facts.kubernetes.command import KUBECTL, get
from preflight.facts.kubernetes.tried import PATIENCE
from preflight.model import TIMED_OUT, PortRange, Probe

GLUSTER = "gluster/gluster-centos"
"""What gk-deploy's templates call it, without a tag."""

# glusterfs' own defaults, where glusterd.vol says nothing (xlators/mgmt/glusterd, GF_IANA_PRIV_PORT
# and GF_PORT_MAX since release 10).
DEFAULT = PortRange(49152, 60999)

_LATE = " | ".join(map(str, sorted(TIMED_OUT)))
_INSIDE = """\
gluster --version | head -n 1
printf 'rpcbind.socket '
systemctl is-enabled rpcbind.socket 2>/dev/null || echo
printf 'gluster-blockd.service '
systemctl is-enabled gluster-blockd.service 2>/dev/null || echo
printf 'glusterd.service '
systemctl show --property=Requires glusterd.service 2>/dev/null || echo
sed -n -e 's/^ *option  *base-port  */base-port /p' -e 's/^ *option  *max-port  */max-port /p' \
/etc/glusterfs/glusterd.vol
true"""


@dataclass(frozen=True)
class Image:
    """What a pod that runs it tells; `pod` is empty where none does, `complaint` why it told not.

    `version` is of Gluster, `10.3`; `socket` and `blockd` what systemd says of the image's
    rpcbind.socket and gluster-blockd.service, empty where it has none; `requires` are the units
    that its glusterd.service cannot do without, empty where systemd did not say; `ports` are those
    that a glusterd of this configuration gives to bricks.
    """

    pod: str
    version: str = ""
    socket: str = ""
    ports: PortRange = DEFAULT
    complaint: str = ""
    blockd: str = ""
    requires: frozenset[str] = frozenset()

    @property
    def major(self) -> int:
        """The number before the first dot: what changed with 10 is where bricks listen (N40)."""
        return int(self.version.partition(".")[0])


def parse_image(text: str) -> Image:
    """Nothing; or the pod's name, then its answer, or `complaint LINE`."""
    if not text:
        return Image("")
    pod, *lines = text.removesuffix("\n").split("\n")
    if lines[:1] and lines[0].startswith("complaint "):
        return Image(pod, complaint=lines[0].removeprefix("complaint "))
    versions = (re.fullmatch(r"glusterfs ([0-9]+(?:\.[0-9]+)*\S*).*", line) for line in lines)
    version = next(filter(None, versions), None)
    if version is None:
        return Image(pod, complaint=next(iter(lines), "it says nothing"))
    told = dict(line.partition(" ")[::2] for line in lines)
    ports = PortRange(
        int(told.get("base-port") or DEFAULT.first), int(told.get("max-port") or DEFAULT.last)
    )
    return Image(
        pod,
        version[1],
        told.get("rpcbind.socket", ""),
        ports,
        blockd=told.get("gluster-blockd.service", ""),
        requires=frozenset(told.get("glusterd.service", "").removeprefix("Requires=").split()),
    )


def image(kubectl: str, namespace: str) -> Probe[Image]:
    """The image of a GlusterFS pod that runs already; there is no asking one that nobody runs."""
    names = '{range .items[*]}{.metadata.name}{"\\n"}{end}'
    pods = "--selector=glusterfs=pod --field-selector=status.phase=Running"
    return Probe(
        f"kubernetes.image({kubectl} {namespace})",
        f"""\
{get(kubectl, "/version")} >/dev/null || exit
pods=$({kubectl} --namespace={namespace} get pods {pods} -o jsonpath='{names}') || exit
set -- $pods
[ $# -gt 0 ] || exit 0
echo "$1"
if said=$(timeout -s KILL {PATIENCE} {kubectl} --namespace={namespace} exec "$1" -- \\
  sh -c {shlex.quote(_INSIDE)} 2>&1); then
  printf '%s\\n' "$said"
else
  case $? in {_LATE}) said='no answer within {PATIENCE} s' ;; esac
  printf 'complaint %s\\n' "$(printf '%s\\n' "$said" | tail -n 1)"
fi""",
        parse_image,
        by=KUBECTL,
    )
