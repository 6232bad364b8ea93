"""What the probes of `usage` must not take for an answer. The texts are constructed."""

from __future__ import annotations

import pytest

from preflight.errors import Unknown
from preflight.facts import usage
from preflight.facts.block import Block
from preflight.facts.usage import Mount, Opener, mounts_of


@pytest.mark.parametrize("text", ["", "read 0\n", "process 1 init\n8:0 / ext4 /dev/sda\n"])
def test_mounts_of_which_nothing_or_not_the_end_was_read(text: str) -> None:
    with pytest.raises(Unknown, match="no process's mounts could be read"):
        usage.parse_mounts(text)


def test_a_mount_without_a_source_and_a_process_with_an_odd_name() -> None:
    text = "process 7 tmux: server\n8:0 /mnt ext4 \nread 1\n"
    assert usage.parse_mounts(text) == {Mount("8:0", "", "/mnt", "ext4", 7, "tmux: server")}


def test_a_process_that_must_not_be_looked_at() -> None:
    with pytest.raises(Unknown, match=r"not every process could be looked at: find: .*denied"):
        usage.parse_opens("! find: '/proc/1/fd/0': Permission denied\n")


def test_a_process_that_has_ended_meanwhile() -> None:
    gone = (
        "! find: '/proc/9/fd': No such file or directory\n! stat: /proc/9/fd/3: No such process\n"
    )
    assert usage.parse_opens(gone) == frozenset()
    assert usage.parse_opens(f"{gone}8:0 9\n\n\n") == {Opener("8:0", 9, "", "")}


@pytest.mark.parametrize(
    "text",
    ["", "e2fsck: No such device or address while trying to open /dev/sda\n", "/dev/sda: clean\n"],
)
def test_e2fsck_that_could_not_try(text: str) -> None:
    with pytest.raises(Unknown, match="e2fsck answered"):
        usage.parse_taken(text)


@pytest.mark.parametrize("words", ["is in use.", "is mounted.", "is mounted"])
def test_every_spelling_of_e2fsck(words: str) -> None:
    told = f"e2fsck 1.42.9 (28-Dec-2013)\nWarning!  /dev/sda {words}\n"
    assert usage.parse_taken(told)


def test_a_network_filesystem_is_on_no_disk() -> None:
    disk = Block("sda", "8:0", "disk", 1)
    mounts = [Mount("0:50", "server:/dev/sda", "/a", "nfs"), Mount("8:1", "/dev/sda1", "/b", "xfs")]
    assert mounts_of([disk], mounts) == ()
