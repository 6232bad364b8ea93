"""The machine that QEMU plays for a node: processor, memory, disks, cards."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from .network import BRIDGES, mac, tap

if TYPE_CHECKING:
    from .node import Node

MEMORY = 1024
"""MiB of a machine. Pages that were never written cost this computer nothing."""
DATA_DISK = "12G"
"""Size of the data disk, sparse: above the 10 GiB below which gkprep warns."""


def kernel_arguments(node: Node) -> str:
    """The kernel command line; `lab.node` is for the image's own identity.sh.

    `mitigations=off`: nothing to protect here, and emulation pays for every one of them.
    """
    return (
        f"root=/dev/vda rw console=ttyS0 net.ifnames=0 systemd.hostname={node.name} "
        f"lab.node={node.number} mitigations=off quiet systemd.show_status=0"
    )


def arguments(node: Node, accelerator: str, disks: Path) -> list[str]:
    """Everything about a machine that must be the same when a saved state is loaded.

    But for `disks`, the folder of its two disks: absolute, since QEMU leaves the working folder
    when it becomes a daemon and opens its disks again when it saves.
    """
    engine = "tcg,thread=multi,tb-size=256" if accelerator == "tcg" else accelerator
    words = ["-accel", engine, "-cpu", "max", "-machine", "q35", "-smp", "1", "-m", str(MEMORY)]
    words += ["-nodefaults", "-no-user-config", "-display", "none", "-device", "virtio-rng-pci"]
    # Nothing survives a reset anyway: the disks need no flushing.
    disk = "if=none,format=qcow2,cache=unsafe,discard=unmap"
    words += [
        "-drive",
        f"{disk},id=root,file={disks}/root.qcow2",
        "-device",
        "virtio-blk-pci,drive=root",
    ]
    words += [
        "-drive",
        f"{disk},id=data,file={disks}/data.qcow2",
        "-device",
        "virtio-scsi-pci,id=scsi",
    ]
    words += ["-device", f"scsi-hd,drive=data,bus=scsi.0,serial={node.serial}"]
    for i, bridge in enumerate(BRIDGES):
        cable = f"tap,id=net{i},ifname={tap(bridge, node.number)},script=no,downscript=no"
        card = f"virtio-net-pci,netdev=net{i},mac={mac(i, 10 + node.number)}"
        words += ["-netdev", cable, "-device", card]
    return words


def fingerprint(nodes: tuple[Node, ...], accelerator: str) -> str:
    """Eight hex digits that change with all that a saved state depends on besides the image."""
    parts = [f"{arguments(node, accelerator, Path())} {kernel_arguments(node)}" for node in nodes]
    parts += [mac(i, 1) for i in range(len(BRIDGES))]
    parts.append(subprocess.check_output(["qemu-system-x86_64", "--version"], text=True))
    if accelerator == "kvm":
        # `-cpu max` is then this very processor, and another may lack what the guest already uses.
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        parts += sorted({line for line in lines if line.startswith(("model name", "flags"))})
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
