"""gluster-state: no earlier cluster is left on the node."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.facts import gluster, service
from preflight.facts.disk.token import named
from preflight.facts.service import serving
from preflight.plugin import Facts, Finding, check, fail, look_first, ok

SUBJECT = "Gluster's state"
WANT = "no peer, volume or brick of an earlier cluster"
SAYS = "peer probe: failed: HOST is either already part of another cluster or having volumes"


@check(gluster.state, *service.ASKED)
def gluster_state(facts: Facts) -> Iterator[Finding]:
    """No earlier Gluster has left peers, volumes or bricks on the node.

    Checks: /var/lib/glusterd knows no peer and no volume, and /var/lib/heketi/fstab lists no brick.
    Where glusterd runs, or a brick of heketi's is mounted, they are `in service` and pass.

    Why: the Gluster pod keeps its state in these folders of the host, and finds what another
    cluster left there: `peer probe: failed: HOST is either already part of another cluster or
    having volumes configured`. Deleting the pods, or `gk-deploy --abort`, leaves them.

    By hand: `ls /var/lib/glusterd/peers /var/lib/glusterd/vols` and `cat /var/lib/heketi/fstab`
    show what was there. If nothing of it is needed, move both folders aside. They can be all that
    still tells which bricks belonged to which volume, so they carry a token: it names these folders
    with these files.

    Source: catalogue N9; the hostPath volumes of gluster-kubernetes' glusterfs-daemonset.
    """
    state = facts[gluster.state]
    if state.empty:
        yield ok(SUBJECT, "none", WANT)
    elif served := serving(facts):
        yield ok(SUBJECT, served, WANT)
    else:
        look = f"ls {gluster.GLUSTERD}/peers {gluster.GLUSTERD}/vols; cat {gluster.FSTAB}"
        moves = (f"mv {folder} {folder}.old" for folder, _ in state.folders)
        cure = look_first(look, " && ".join(moves))
        token = named({"node": facts.node.name, "state": state.folders})
        yield fail(SUBJECT, told(state), WANT, says=SAYS, cure=cure, token=token)


def told(state: gluster.State) -> str:
    """`2 peers, volumes heketidbstorage vol_1, 3 bricks in /var/lib/heketi/fstab`."""
    parts = [f"{len(state.peers)} peer{'s' * (len(state.peers) > 1)}"] if state.peers else []
    names = " ".join(name for name, _ in state.volumes)
    parts += [f"volume{'s' * (len(state.volumes) > 1)} {names}"] if names else []
    count = len(state.bricks)
    parts += [f"{count} brick{'s' * (count > 1)} in {gluster.FSTAB}"] if count else []
    return ", ".join(parts)
