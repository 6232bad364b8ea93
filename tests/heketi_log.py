"""heketi's log, record by record, in the words of heketi 9 and 10 (pkg/remoteexec/kube/exec.go)."""

from __future__ import annotations

PVCREATE = "/usr/sbin/lvm pvcreate -qq --metadatasize=128M --dataalignment=256K '/dev/sda'"
"""What failed in tests/samples/diagnose/N6/heketi.log."""


def target(host: str = "node2", pod: str = "glusterfs-c7k4d") -> str:
    return f"[pod:{pod} c:glusterfs ns:glusterfs (from host:{host} selector:glusterfs-node)]"


def ran(command: str, where: str) -> str:
    told = "log.(*CommandLogger).Success: Ran command"
    out = "Stdout []: Stderr []\n"
    return f"[kubeexec] DEBUG 2026/11/22 09:52:31 {told} [{command}] on {where}: {out}"


def failed(command: str, where: str, said: str) -> str:
    told = "log.(*CommandLogger).Error: Failed to run command"
    err = f"Err[command terminated with exit code 5]: Stdout []: Stderr [  {said}\n]\n"
    return f"[kubeexec] ERROR 2026/11/22 09:41:08 {told} [{command}] on {where}: {err}"
