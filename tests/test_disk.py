"""What the parsers of a disk's content make of what no tool makes: all texts here are constructed.

Most of them are recorded ones with something changed in them.
"""

from __future__ import annotations

import shlex
import shutil
import struct
import subprocess
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from preflight.errors import Unknown
from preflight.facts import disk
from preflight.facts.disk import parse_content, parse_signatures
from preflight.facts.disk.lvm import SECTOR, Area, PhysicalVolume, read_physical_volume
from preflight.facts.disk.magic import (
    EXT_BACKUPS,
    EXT_PRIMARY,
    Signature,
    read_ext_backup,
    read_young,
)
from preflight.facts.disk.partitions import Partition, Window, read_gpts, read_mbr

CAPTURES = Path(__file__).parent / "captures" / "disk.content"


def recorded(case: str) -> str:
    return (CAPTURES / f"debian-12-{case}.out").read_bytes().decode("utf-8", "surrogateescape")


# wipefs


def test_old_wipefs_has_a_heading_and_todays_leaves_a_comma_in_a_label() -> None:
    text = "# offset,uuid,label,type\n0x438,1-2,a,b,ext4\n0x1fe,,,dos\n"
    assert parse_signatures(text) == (
        Signature(510, "dos"),
        Signature(1080, "ext4", "1-2", "a,b"),
    )


@pytest.mark.parametrize("text", ["0x438,ext4\n", "ext4 at 0x438,,,\n", "\n0x1\n"])
def test_what_is_no_list_of_signatures_is_not_known(text: str) -> None:
    with pytest.raises(Unknown):
        parse_signatures(text)


# The answer of disk.content


@pytest.mark.parametrize("case", ["blank", "ext4", "gpt", "leftover"])
def test_an_answer_that_is_cut_off_anywhere_is_not_known(case: str) -> None:
    text = recorded(case)
    whole = parse_content(text)
    for end in range(0, len(text) - 1, max(1, len(text) // 200)):
        with pytest.raises(Unknown):
            parse_content(text[:end])
    assert parse_content(text) == whole


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("size ", "Size "),
        ("rest ", "remains "),
        ("\nend", "\nthe end"),
        ("0032768\n", "0032752\n"),  # od got less to read than was asked for
        ("0000000 00", "0000016 00"),
        ("0000000 00", "od: sda: Input/output error\n0000000 00"),
    ],
)
def test_an_answer_of_another_form_is_not_known(old: str, new: str) -> None:
    text = recorded("blank")
    assert old in text
    with pytest.raises(Unknown):
        parse_content(text.replace(old, new))


def test_what_blkid_cannot_tell_is_not_known() -> None:
    text = recorded("noise")
    assert "inner 32256 2\n" in text
    with pytest.raises(Unknown, match="blkid at offset 32256: exit 1"):
        parse_content(text.replace("inner 32256 2\n", "inner 32256 1\n"))
    [found] = parse_content(text.replace("inner 32256 2\n", "inner 32256 8\n")).inner
    assert found == Signature(32256, "several signatures")


# Partition tables


def gpt(entries: bytes, *, count: int, checksum: int) -> Window:
    """The first 16 KiB of a disk with a primary GPT (UEFI 2.10, 5.3.2) of 128-byte entries."""
    fields = [b"EFI PART", b"\0\0\1\0", 92, 0, 0, 1, 9, 2, 8, bytes(16), 2, count, 128, checksum]
    layout = "<8s4sIIIQQQQ16sQIII"
    fields[3] = zlib.crc32(struct.pack(layout, *fields))
    head = bytes(512) + struct.pack(layout, *fields).ljust(512, b"\0") + entries
    return Window(0, head.ljust(16384, b"\0"))


@pytest.mark.parametrize(
    ("count", "wrong", "intact"), [(4, 0, True), (4, 1, False), (1 << 30, 0, False), (0, 0, False)]
)
def test_a_gpt_is_intact_if_its_entries_are(count: int, wrong: int, *, intact: bool) -> None:
    entries = bytes(4 * 128)
    first = gpt(entries, count=count, checksum=zlib.crc32(entries) ^ wrong)
    [table] = read_gpts(first, Window(1 << 20, bytes(4096)), (1 << 20) + 4096)
    assert (table.intact, table.partitions) == (intact, ())


@pytest.mark.parametrize(
    ("kinds", "flag", "protective", "counts"),
    [
        ((0xEE,), 0, True, True),
        ((0xEE, 0x83), 0, False, True),  # a hybrid
        ((), 0, False, False),
        ((0x83,), 0x80, False, True),
        ((0x83,), 0x42, False, False),  # code of a boot sector, and no flag
    ],
)
def test_a_master_boot_record(
    kinds: tuple[int, ...], flag: int, *, protective: bool, counts: bool
) -> None:
    entries = b"".join(struct.pack("<B3xB3xII", flag, kind, 63, 100) for kind in kinds)
    sector = bytes(446) + entries.ljust(64, b"\0") + b"\x55\xaa"
    mbr = read_mbr(Window(0, sector))
    assert mbr
    assert (mbr.protective, mbr.counts) == (protective, counts)
    if kinds == (0x83,):
        assert mbr.partitions == (Partition(1, 63 * 512, 100 * 512, "0x83"),)
    assert read_mbr(Window(0, bytes(512))) is None


# Formats that the node may not know


def test_young_formats_are_known_by_their_magic() -> None:
    head = bytearray(8192)
    head[516:532] = b"!Stra0tis\x86\xff\x02^\x41rh"
    head[4120:4136] = bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")
    assert list(read_young(Window(0, bytes(head)))) == [
        Signature(516, "stratis"),
        Signature(4120, "bcache"),
    ]


def superblock(log: int, group: int, *, features: tuple[int, int] = (4, 0)) -> bytes:
    """An ext superblock: magic, block size, UUID, its block group, (in)compatible features."""
    block = bytearray(1024)
    block[56:58] = b"\x53\xef"
    struct.pack_into("<I", block, 24, log)
    struct.pack_into("<HII", block, 90, group, *features)
    block[104:120] = bytes(range(16))
    block[120:124] = b"data"
    return bytes(block)


@pytest.mark.parametrize("log", EXT_BACKUPS)
@pytest.mark.parametrize(
    ("features", "kind"), [((0, 0), "ext2"), ((4, 0), "ext3"), ((4, 0x40), "ext4")]
)
def test_a_backup_superblock_names_what_was_there(
    log: int, features: tuple[int, int], kind: str
) -> None:
    backups = {log: superblock(log, 1, features=features)}
    found = read_ext_backup(Window(0, bytes(4096)), backups)
    uuid = "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert found == Signature(EXT_BACKUPS[log] + 56, kind, uuid, "data")


def test_a_backup_of_the_filesystem_that_is_there_or_was_wiped_is_no_news() -> None:
    backups = {0: superblock(0, 1)}
    whole = superblock(0, 0)
    wiped = whole[:56] + b"\0\0" + whole[58:]
    other = whole[:104] + bytes(16) + whole[120:]
    damaged = whole[:56] + b"\xff\xff" + whole[58:]
    cases = ((whole, False), (wiped, False), (other, True), (damaged, True))
    for primary, news in cases:
        first = Window(0, bytes(EXT_PRIMARY) + primary)
        assert bool(read_ext_backup(first, backups)) is news
    for bad in (superblock(1, 1), superblock(0, 3), bytes(1024), b""):
        assert read_ext_backup(Window(0, bytes(4096)), {0: bad}) is None


# LVM


def lvm_crc(data: bytes | bytearray) -> int:
    """calc_crc of lib/misc/crc.c, digit by digit as it was before it had tables of 256."""
    crc = 0xF597A6CF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc


AREA = 4096
UUID = "abcdef-ghij-klmn-opqr-stuv-wxyz-012345"


def head(*areas: int, extension: int = 2, flags: int = 0) -> bytes:
    """The first sectors of a disk, with a label in the second (lib/format_text/layout.h)."""
    pairs = [(1 << 20, 0), (0, 0), *((area, 1 << 20) for area in areas), (0, 0)]
    body = UUID.replace("-", "").encode() + struct.pack("<Q", 1 << 30)
    body += b"".join(struct.pack("<QQ", *pair) for pair in pairs)
    body += struct.pack("<II", extension, flags)
    label = struct.pack("<I8s", 32, b"LVM2 001") + body
    label = label.ljust(SECTOR - 20, b"\0")
    return (
        bytes(SECTOR) + struct.pack("<8sQI", b"LABELONE", 1, lvm_crc(label)) + label + bytes(1024)
    )


def area(text: bytes = b"", *, ignored: bool = False, checksum: int | None = None) -> Area:
    """A metadata area whose text in force is `text`."""
    at, crc = (512, lvm_crc(text) if checksum is None else checksum) if text else (0, 0)
    body = b" LVM2 x[5A%r0N*>" + struct.pack("<IQQ", 1, AREA, 1 << 20)
    body += struct.pack("<QQII", at, len(text), crc, ignored)
    body = body.ljust(SECTOR - 4, b"\0")
    return Area(struct.pack("<I", lvm_crc(body)) + body, text)


def volume(first: bytes, *areas: Area) -> PhysicalVolume:
    found = read_physical_volume(first, {AREA + at: area for at, area in enumerate(areas)})
    assert found
    return found


GROUP = b'data {\nid = "g"\nlogical_volumes {\nhome {\nid = "h"\n}\n}\n}\n\0'


def test_a_group_is_read_from_the_area_that_has_it() -> None:
    found = volume(head(AREA, AREA + 1), area(ignored=True), area(GROUP)).group
    assert found
    assert (found.name, found.uuid, found.checksum) == ("data", "g", lvm_crc(GROUP))
    assert [(volume.name, volume.uuid) for volume in found.volumes] == [("home", "h")]
    assert found.complete


def test_a_group_of_which_only_the_beginning_was_read_is_known_by_name() -> None:
    whole = area(GROUP)
    found = volume(head(AREA), replace(whole, text=GROUP[:20])).group
    assert found
    assert (found.name, found.complete) == ("data", False)


@pytest.mark.parametrize(
    ("first", "areas", "problem"),
    [
        (head(AREA), (area(),), ""),
        (head(AREA, flags=1), (area(),), "marked as used"),
        (head(), (), ""),
        (head(flags=1), (), "marked as used"),
        (head(extension=1), (), "does not say whether it is used"),
        (head(AREA, extension=1), (area(),), ""),
        (head(AREA), (area(ignored=True),), ""),
        (head(AREA, extension=1), (area(ignored=True),), "does not say whether it is used"),
        (head(AREA, flags=1), (area(ignored=True),), "marked as used"),
        (head(AREA), (), "its metadata area was not read"),
        (head(AREA), (Area(bytes(SECTOR), b""),), "its metadata area is damaged"),
        (head(AREA), (area(GROUP, checksum=1),), "its metadata is damaged"),
        (head(AREA), (area(b"\0\1 {\n"),), "its metadata is damaged"),
    ],
)
def test_an_orphan_is_only_what_says_so_itself(
    first: bytes, areas: tuple[Area, ...], problem: str
) -> None:
    found = volume(first, *areas)
    assert (found.uuid, found.group) == (UUID, None)
    assert (problem in found.problem) if problem else found.problem == ""


def test_a_damaged_label_is_nobodys() -> None:
    first = bytearray(head())
    first[600] ^= 1
    assert volume(bytes(first)).problem == "its label is damaged"
    assert read_physical_volume(bytes(2048), {}) is None


# The command


SIZE = 6 << 20
ROUND = 8192  # where the text of a circular buffer begins again at its head


def run(shell: str, tools: Path, image: Path) -> subprocess.CompletedProcess[bytes]:
    """The command on an image file, for which blockdev has no size."""
    command = f'blockdev() {{ stat -L -c %s "$2"; }}\n{disk.content(str(image)).command}'
    words = [*shlex.split(shell), "-c", command]
    environment = {"PATH": f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    return subprocess.run(words, check=False, capture_output=True, env=environment, timeout=20)


def ask(shell: str, tools: Path, image: Path) -> disk.Content:
    done = run(shell, tools, image)
    assert (done.returncode, done.stderr) == (0, b"")
    return disk.parse_content(done.stdout.decode("utf-8", "surrogateescape"))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A physical volume whose group's text goes round the end of its area."""
    text = GROUP[:7] + b"#" * 5000 + b"\n" + GROUP[7:]
    at = ROUND - 1024
    label = bytearray(head(AREA))
    offset = label.find(struct.pack("<QQ", AREA, 1 << 20))
    struct.pack_into("<QQ", label, offset, AREA, ROUND)
    struct.pack_into("<I", label, SECTOR + 16, lvm_crc(label[SECTOR + 20 : 2 * SECTOR]))
    header = bytearray(area(text).header)
    struct.pack_into("<Q", header, 40, at)
    struct.pack_into("<I", header, 0, lvm_crc(header[4:]))
    data = bytearray(SIZE)
    data[: len(label)] = label
    data[AREA : AREA + SECTOR] = header
    data[AREA + at : AREA + ROUND] = text[:1024]
    data[AREA + SECTOR : AREA + SECTOR + len(text) - 1024] = text[1024:]
    data[-4:] = b"tail"
    path = tmp_path / "disk"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "busybox sh"])
def test_the_command_means_the_same_in_every_shell(shell: str, image: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    if why := missing(shell.split(maxsplit=1)[0]):
        pytest.skip(why)
    if shell == "busybox sh":
        for name in ("od", "dd", "sha256sum", "stat"):
            (tools / name).symlink_to(str(shutil.which("busybox")))
    found = ask(shell, tools, image)
    assert found == ask("sh", tmp_path, image)
    assert (found.size, found.blank, found.leftover) == (SIZE, False, True)
    assert found.volume
    assert found.volume.group
    assert (found.volume.group.name, found.volume.group.complete) == ("data", True)


def missing(program: str) -> str:
    return "" if shutil.which(program) else f"no {program} here"


@pytest.mark.parametrize("size", [5 << 20, (5 << 20) + 512, (129 << 20) - 512])
def test_the_command_takes_disks_of_any_size(size: int, tmp_path: Path) -> None:
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(size)
    found = ask("sh", tmp_path, image)
    assert (found.size, found.blank) == (size, True)
    with image.open("r+b") as file:
        file.seek(size - 1)
        file.write(b"x")
    changed = ask("sh", tmp_path, image)
    assert not changed.blank
    assert changed.digest != found.digest


@pytest.mark.parametrize("at", [0, 32 << 10, (4 << 20) - 1])
def test_one_byte_anywhere_in_the_first_4_mib_is_seen(at: int, tmp_path: Path) -> None:
    image = tmp_path / "disk"
    data = bytearray(SIZE)
    data[at] = 1
    image.write_bytes(data)
    found = ask("sh", tmp_path, image)
    assert (found.blank, found.leftover) == (False, True)


@pytest.mark.parametrize("value", [1, 1 << 20, (1 << 63) - 1, (1 << 64) - 1])
@pytest.mark.parametrize("where", ["offset", "size", "text", "length"])
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_numbers_that_make_no_sense_lead_nowhere(
    shell: str, where: str, value: int, image: Path, tmp_path: Path
) -> None:
    """As a disk could have them that means harm: nothing hangs, and it is no orphan."""
    if why := missing(shell):
        pytest.skip(why)
    data = bytearray(image.read_bytes())
    label = data.find(struct.pack("<QQ", AREA, ROUND))
    at = {"offset": label, "size": label + 8, "text": AREA + 40, "length": AREA + 48}[where]
    struct.pack_into("<Q", data, at, value)
    struct.pack_into("<I", data, SECTOR + 16, lvm_crc(data[SECTOR + 20 : 2 * SECTOR]))
    struct.pack_into("<I", data, AREA, lvm_crc(data[AREA + 4 : AREA + SECTOR]))
    image.write_bytes(data)
    done = run(shell, tmp_path, image)
    if done.returncode == 0:
        with suppress(Unknown):
            found = disk.parse_content(done.stdout.decode("utf-8", "surrogateescape")).volume
            assert found
            assert found.group or found.problem
