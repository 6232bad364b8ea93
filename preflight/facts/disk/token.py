"""The name of what is on a disk right now: twelve hex digits that a consent to erase it quotes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from preflight.facts.block import Block
from preflight.facts.disk.magic import Signature
from preflight.facts.disk.probes import Content

DIGITS = 12
LETTERS = "abcdef"


def identity(disk: Block) -> dict[str, str]:
    """What names the disk for good: serial and WWN, or the place it is plugged in; else nothing."""
    if disk.serials or disk.wwns:
        return {"serial": "".join(disk.serials[:1]), "wwn": "".join(disk.wwns[:1])}
    return {"path": disk.id_path} if disk.id_path else {}


def token(node: str, disk: Block, signatures: Sequence[Signature], content: Content) -> str | None:
    r"""Name `disk` of `node` and all that was seen on it; None where nothing tells disks apart.

    Twelve hex digits of the SHA-256 of a JSON text (RFC 8259; keys sorted, `,` and `:`
    without blanks, everything but ASCII as \uXXXX): node, identity, size in bytes, what wipefs
    listed (offset, type, UUID, label), and `content` whole: partition tables, PV, VG and LVs with
    their UUIDs, superblocks that wipefs does not see, and a hash of the first 4 MiB and the last
    1 MiB. Nothing of it depends on the disk's letter, or on how the node was reached. The first
    digit is turned into a letter: 345678901234 or 12345678901e1 is a number in YAML.
    """
    if not identity(disk):
        return None
    # Where the kernel knows partitions is no content.
    seen = {key: value for key, value in asdict(content).items() if key != "asked"}
    return named(
        {
            "node": node,
            "disk": identity(disk),
            "size": disk.size,
            "signatures": [asdict(signature) for signature in signatures],
            "content": seen,
        }
    )


def named(told: Mapping[str, object]) -> str:
    """The token of all that is `told`, whatever can be written as JSON."""
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()
    return LETTERS[int(digest[0], 16) % len(LETTERS)] + digest[1:DIGITS]
