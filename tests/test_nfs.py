"""Spellings of mounted NFS that no machine at hand has. The texts are constructed."""

from __future__ import annotations

import pytest

from preflight.errors import Unknown
from preflight.facts.nfs import parse_locking


@pytest.mark.parametrize(
    ("options", "locks"),
    [
        ("rw,vers=3,mountvers=3,local_lock=none", True),
        ("rw,vers=2", True),
        ("rw,v3,rsize=8192", True),  # Linux 2.6
        ("rw,vers=3,nolock", False),
        ("rw,vers=4.1,mountvers=3", False),
    ],
)
def test_versions(options: str, locks: bool) -> None:
    found = parse_locking(f"server:/a /a\\040place nfs {options} 0 0\n")
    assert found == ({"/a place"} if locks else frozenset())


def test_a_mount_without_a_version() -> None:
    with pytest.raises(Unknown, match="no version in"):
        parse_locking("server:/a /a nfs rw,mountvers=3 0 0\n")
