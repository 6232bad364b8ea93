"""Captures turned back into what they were read from: files, and programs that say it again.

Asked in such a root, a probe must give what its capture parses to. Beside what was captured stands
what a command must leave out: files that others hide, lines of another kind.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from preflight.facts import services
from preflight.facts.block import decimal
from tests.roots import Root

Rebuild = Callable[[Root, str], None]

PLURALS = {"zone": "zones", "policy": "policies", "ipset": "ipsets", "service": "services"}
FORBIDDEN = "<!DOCTYPE nothing>"
"""In a file of firewalld's: whoever reads it knows nothing any more."""


def block_devices(root: Root, text: str) -> None:
    for record in f"\n{text}".split("\nname ")[1:]:
        name, *lines = record.rstrip("\n").split("\n")
        folder, udev = f"sys/class/block/{name}", ["S:disk/by-id/something", "E:ID_MODEL=x"]
        values = [line.partition(" ")[::2] for line in lines]
        told = dict(values)
        for key, value in values:
            if key == "holder":
                root.write(f"{folder}/holders/{value}/dev")
            elif key == "part":
                root.write(f"{folder}/{value}/partition", "1\n")
            elif key == "backing":
                root.device(told["loop/backing_file"][1:], decimal(value))
            elif key.isupper():
                udev.append(f"E:{key}={value}")
            else:
                root.write(f"{folder}/{key}", f"{value}\n")
        root.write(f"run/udev/data/b{told['dev']}", "\n".join(udev) + "\n")
    root.write("sys/class/block/no-device/size", "1\n")


def kernel_modules(root: Root, text: str) -> None:
    root.write("proc/modules", text)


def kernel_builtin(root: Root, text: str) -> None:
    root.write(f"lib/modules/{os.uname().release}/modules.builtin", text)


def kernel_loadable(root: Root, text: str) -> None:
    release, *names = text.splitlines()
    root.program("uname", f"echo {release}")
    there = " | ".join(f"'-n -q {name}'" for name in names)
    # As kmod 30 has it.
    root.program(
        "modprobe", f"case $* in --version) echo kmod version 30 ;; {there}) ;; *) exit 1; esac"
    )


def nfs_locking(root: Root, text: str) -> None:
    others = (
        "nas:/v4 /nfs nfs4 rw,vers=4.2 0 0\nnfsd /proc/fs/nfsd nfsd rw 0 0\nnfs /x tmpfs rw 0 0\n"
    )
    root.write("proc/self/mounts", others + text)


def packages_installed(root: Root, text: str) -> None:
    """A database that has nothing but rpcbind, and what was said of its removal."""
    if not text:
        return
    first, _, said = text.partition("\n")
    database, version, status = first.split(" ")
    root.write("said", said)
    if database == "rpm":
        query = f"if [ $1 = -q ]; then echo '{version}'; exit; fi"
        root.program("rpm", f"{query}\ncat /said\nexit {status}")
        return
    state = "hi " if said == "it is on hold\n" else "ii "
    root.program("dpkg-query", f"echo '{state} {version}'")
    root.program("dpkg", f"cat /said\nexit {status}")


def packages_managers(root: Root, text: str) -> None:
    for name in text.split():
        root.program(name, "exit 1")


def packages_mount_helper(root: Root, text: str) -> None:
    path, rc, answer = text.removesuffix("\n").split("\n")
    if path:
        root.write(path[1:], mode=0o755)
    if rc != "127":
        root.program("glusterfs", f"echo '{answer}'\necho more\nexit {rc}")


def ports_listening(root: Root, text: str) -> None:
    owners, *tables = re.split("^(?=Netid )", text, flags=re.MULTILINE)
    files: dict[str, str] = {}
    for line in owners.splitlines():
        path, _, content = line.partition(":")
        files[path] = files.get(path, "") + f"{content}\n"
    for path, content in files.items():
        root.write(path[1:], content)
    for family, table in zip("46", tables, strict=True):
        root.write(f"told{family}", table)
    root.program("ss", 'test "$2" = -lntup && cat "/told${1#-}"')


def services_units(root: Root, text: str) -> None:
    _systemctl(root, ",".join(services.KEYS), text)


def services_pulled(root: Root, text: str) -> None:
    _systemctl(root, ",".join(("Id", "ActiveState", *services.PULLS)), text)


def _systemctl(root: Root, keys: str, text: str) -> None:
    """`systemctl show -p KEYS -- UNIT...`: a block for each unit, with an empty line after it."""
    for block in text.strip().split("\n\n"):
        name = block.partition("Id=")[2].partition("\n")[0]
        root.write(f"units/{name}", f"{block}\n\n")
    tell = 'for name; do cat "/units/$name" || exit; done'
    root.program("systemctl", f'test "$1 $2 $3 $4" = "show -p {keys} --" || exit\nshift 4\n{tell}')


def ufw_permanent(root: Root, text: str) -> None:
    if not text:
        return
    root.program("ufw", "exit 1")
    root.write("etc/ufw/ufw.conf")
    root.write("etc/ufw/after.init", "not executable\n")
    for kind, _, body in _sections(text):
        if kind == "conf":
            root.write("etc/default/ufw", body)
        elif kind != "end":
            is_script = kind.endswith(".init")
            root.write(f"etc/ufw/{kind}" if is_script else f"etc/ufw/{kind}.rules", body, 0o755)


def firewalld_permanent(root: Root, text: str) -> None:
    if not text:
        return
    root.program("firewalld", "exit 1")
    running = "\n@@ active\n" in text
    root.program("systemctl", f'test "$*" = "-q is-active firewalld" && {str(running).lower()}')
    for number, (kind, name, body) in enumerate(_sections(text)):
        if kind == "conf":
            root.write("etc/firewalld/firewalld.conf", f"# comment=no\n{body}")
        elif kind == "direct":
            root.write("etc/firewalld/direct.xml", body)
        elif kind == "active":
            root.write("told", body)
            root.program("busctl", "cat /told")
        elif kind in PLURALS:
            file = f"firewalld/{PLURALS[kind]}/{name}.xml"
            # A file in /etc hides its namesake.
            root.write(f"etc/{file}" if number % 2 else f"usr/lib/{file}", body)
            if number % 2:
                root.write(f"usr/lib/{file}", FORBIDDEN)
    root.write("usr/lib/firewalld/services/nobody-names-it.xml", FORBIDDEN)


def _sections(text: str) -> Iterator[tuple[str, str, str]]:
    for section in text.split("\n@@ ")[1:]:
        head, _, body = section.partition("\n")
        kind, _, name = head.partition(" ")
        yield kind, name, body


def usage_members(root: Root, text: str) -> None:
    for path in text.split():
        root.write(path[1:])


REBUILD: dict[str, Rebuild] = {
    "block.devices": block_devices,
    "firewalld.permanent": firewalld_permanent,
    "kernel.builtin": kernel_builtin,
    "kernel.loadable": kernel_loadable,
    "kernel.modules": kernel_modules,
    "nfs.locking": nfs_locking,
    "packages.installed": packages_installed,
    "packages.managers": packages_managers,
    "packages.mount_helper": packages_mount_helper,
    "ports.listening": ports_listening,
    "services.pulled": services_pulled,
    "services.units": services_units,
    "ufw.permanent": ufw_permanent,
    "usage.members": usage_members,
}
"""By the name of a probe: how a root is made of what it once printed."""
