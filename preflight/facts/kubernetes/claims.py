"""Claims on volumes, and the volumes themselves."""

from __future__ import annotations

import json
from dataclasses import dataclass

from preflight.facts.kubernetes.command import KUBECTL, get
from preflight.model import Probe

PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
GLUSTERFS = "kubernetes.io/glusterfs"


@dataclass(frozen=True)
class Claim:
    """A claim: `Pending` or `Bound`, the volume that it has, and the last that was said of it."""

    phase: str
    volume: str
    event: str


@dataclass(frozen=True)
class Volume:
    """A volume that GlusterFS was asked for, and the claim that it is for, `namespace/name`.

    `path` is what Gluster and heketi call it.
    """

    name: str
    phase: str
    claim: str
    path: str


def parse_claim(text: str) -> Claim | None:
    """A PersistentVolumeClaimList and an EventList (core/v1), one a line."""
    listed, events = (json.loads(line)["items"] for line in text.splitlines() if line)
    said = sorted(
        (event.get("lastTimestamp") or event.get("eventTime") or "", event.get("message", ""))
        for event in events
    )
    for item in listed:
        phase = item.get("status", {}).get("phase", "")
        return Claim(phase, item["spec"].get("volumeName", ""), said[-1][1] if said else "")
    return None


def parse_volumes(text: str) -> tuple[Volume, ...]:
    """Those of a PersistentVolumeList (core/v1) that the GlusterFS provisioner has made."""
    return tuple(
        Volume(
            item["metadata"]["name"],
            item.get("status", {}).get("phase", ""),
            "/".join(
                str(item["spec"].get("claimRef", {}).get(key, "")) for key in ("namespace", "name")
            ),
            str(item["spec"].get("glusterfs", {}).get("path", "")),
        )
        for item in json.loads(text)["items"]
        if (item["metadata"].get("annotations") or {}).get(PROVISIONED_BY) == GLUSTERFS
    )


def claim(kubectl: str, namespace: str, name: str) -> Probe[Claim | None]:
    """The claim of that name; None where there is none."""
    place = f"/api/v1/namespaces/{namespace}"
    asked = (
        f"{place}/persistentvolumeclaims?fieldSelector=metadata.name%3D{name}",
        f"{place}/events?fieldSelector=involvedObject.name%3D{name}",
    )
    command = " && echo && ".join(get(kubectl, url) for url in asked)
    return Probe(
        f"kubernetes.claim({kubectl} {namespace} {name})", command, parse_claim, by=KUBECTL
    )


def volumes(kubectl: str) -> Probe[tuple[Volume, ...]]:
    """All volumes that the GlusterFS provisioner has made, whatever namespace asked for them."""
    url = "/api/v1/persistentvolumes"
    return Probe(f"kubernetes.volumes({kubectl})", get(kubectl, url), parse_volumes, by=KUBECTL)
