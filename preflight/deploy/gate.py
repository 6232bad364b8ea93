"""Whether a deployment may begin: from green, or past checks that a person named. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from preflight import judge
from preflight.errors import Unknown
from preflight.facts import disk
from preflight.facts.deployment import Peer
from preflight.model import Facts, Finding, Status, Verdict


def continued(
    findings: Sequence[Finding], facts: Mapping[str, Facts], known: Sequence[Peer]
) -> tuple[Finding, ...]:
    """The same, but that what a deployment under way has made on a node is no fault of the node's.

    `known` are the nodes of its deploy-heketi: a disk that this has made a volume group on, by what
    the disk itself says, looks like an earlier cluster's leftover, and is the very one that a rerun
    goes on with.
    """
    peers = {peer.name: peer for peer in known}
    return tuple(
        replace(each, status=Status.PASS, saw=f"{each.saw}: of the deployment that goes on")
        if each.status is Status.FAIL and _own(each, facts, peers.get(each.node or ""))
        else each
        for each in findings
    )


def _own(finding: Finding, facts: Mapping[str, Facts], peer: Peer | None) -> bool:
    if peer is None:
        return False
    if finding.check == "gluster-state":
        return True
    made = {each.path: each.group for each in peer.devices}.get(finding.subject)
    if finding.check != "device-clean" or not made:
        return False
    return made == _group(facts[peer.name], finding.subject)


def _group(facts: Facts, path: str) -> str:
    """The volume group that the disk says it belongs to; empty where it is of none, or not read."""
    with suppress(Unknown):
        volume = facts[disk.content(path)].volume
        return volume.group.name if volume and volume.group else ""
    return ""


def verdict(findings: Sequence[Finding], forced: Collection[str], *, strict: bool) -> Verdict:
    """What all findings come to, without those of the checks that are `forced`."""
    return judge.verdict([each for each in findings if each.check not in forced], strict=strict)


def overridden(
    findings: Sequence[Finding], forced: Sequence[str], *, strict: bool
) -> tuple[str, ...]:
    """Those of `forced` that are not green, and without which nothing would have begun."""
    return tuple(
        check
        for check in dict.fromkeys(forced)
        if judge.verdict([each for each in findings if each.check == check], strict=strict)
        is not Verdict.READY
    )
