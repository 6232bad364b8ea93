"""Whether a deployment may begin: from green, or past checks that a person named. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from preflight import judge
from preflight.facts.deployment import Peer
from preflight.model import Finding, Status, Verdict


def continued(findings: Sequence[Finding], known: Sequence[Peer]) -> tuple[Finding, ...]:
    """The same, but that what a deployment under way has made on a node is no fault of the node's.

    `known` are the nodes of its deploy-heketi: a disk that this has made a volume group on looks
    like an earlier cluster's leftover, and is the very one that a rerun goes on with.
    """
    groups = {(peer.name, disk.path): disk.group for peer in known for disk in peer.devices}
    nodes = {peer.name for peer in known}
    return tuple(
        replace(each, status=Status.PASS, saw=f"{each.saw}: of the deployment that goes on")
        if each.status is Status.FAIL and _own(each, groups, nodes)
        else each
        for each in findings
    )


def _own(finding: Finding, groups: Mapping[tuple[str, str], str], nodes: Collection[str]) -> bool:
    if finding.check == "gluster-state":
        return finding.node in nodes
    group = groups.get((finding.node or "", finding.subject))
    return finding.check == "device-clean" and group is not None and group in finding.saw


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
