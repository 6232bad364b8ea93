"""Programs that packages bring, and the package managers that could bring them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from preflight.errors import Unknown
from preflight.model import Probe

MANAGERS = ("rpm-ostree", "dnf", "yum", "apt-get", "zypper")

# So that none waits for ever for another that is at work: apt.conf(5), dnf.conf(5), yum.conf(5).
UNLOCKED = {
    "apt-get": ("-o", "DPkg::Lock::Timeout=60"),
    "dnf": ("--setopt=exit_on_lock=1",),
    "yum": ("--setopt=exit_on_lock=1",),
}

# What has gone wrong, and the line of a package manager's output that tells it, often not the last.
# What apt says of a lock it says while it waits: where it went on, another line is found before.
_REASONS = {
    "a repository cannot be reached": "Failed to fetch|Curl error|curl#|No more mirrors",
    "no repository of this node has it": (
        "Unable to locate package|no installation candidate|Version .* was not found|"
        "No match for argument|No package .* available|not available[.]$|o enabled repo|"
        "No provider of|Package '.*' not found"
    ),
    "other packages do not allow it": "[dD]epends( on|:)|nothing provides|is needed by",
    "another program is at work on the packages": (
        "held by process|locked by|Existing lock|yum lock|Could not get lock|transaction lock"
    ),
}

REASON = """\
reason() {
  for each; do
    found=$(printf '%s\\n' "$said" | sed -nE "/${each#*=}/{s/^[-[:space:]]*//p;q;}")
    [ -z "$found" ] || { echo "${each%%=*}: $found"; return; }
  done
  printf '%s\\n' "$said" | tail -n 1
}
because() { reason""" + "".join(f' \\\n  "{why}={line}"' for why, line in _REASONS.items())
REASON += "\n}"
"""Shell: `because` prints in one line why a package manager has failed, which printed `$said`."""


@dataclass(frozen=True)
class MountHelper:
    """What mount(8) runs for the type glusterfs: where it is, None if nowhere it looks.

    `version` is the first line of `glusterfs --version`; `complaint` what that said instead.
    """

    path: str | None
    version: str | None
    complaint: str


@dataclass(frozen=True)
class Package:
    """One installed package, in whose database it is: `dpkg` or `rpm`, and that one's version.

    `kept` is why it could not be removed by itself, for others need it; empty where it could.
    """

    database: str
    version: str
    kept: str = ""


def parse_mount_helper(text: str) -> MountHelper:
    """Three lines: path or nothing, exit status, first line of the answer."""
    path, rc, answer = text.removesuffix("\n").split("\n")
    works = rc == "0" and answer.startswith("glusterfs ")
    return MountHelper(path or None, answer if works else None, "" if works else answer)


def parse_managers(text: str) -> tuple[str, ...]:
    """Names of the package managers that are there, in the order asked."""
    return tuple(text.split())


def parse_installed(text: str) -> Package | None:
    """A line `database version status`, then what was said about a removal; or nothing.

    dpkg: ` nfs-common depends on rpcbind.`; rpm: `rpcbind is needed by (installed) nfs-utils-1.3`.
    """
    if not text:
        return None
    first, _, said = text.partition("\n")
    try:
        database, version, status = first.split(" ")
    except ValueError:
        raise Unknown(f"{first!r} is no package") from None
    if status == "0":
        return Package(database, version)
    needs = re.findall(r"^ (\S+) depends on |is needed by \(installed\) (\S+)$", said, re.MULTILINE)
    names = sorted({by_dpkg or by_rpm for by_dpkg, by_rpm in needs})
    complaint = said.strip().rpartition("\n")[2] or f"exit {status}"
    return Package(database, version, f"{', '.join(names)} needs it" if names else complaint)


# mount(8) looks for helpers in /sbin, /sbin/fs.d and /sbin/fs, whatever PATH says
# (util-linux, --enable-fs-paths-default).
mount_helper = Probe(
    "packages.mount_helper",
    """\
found=
for folder in /sbin /sbin/fs.d /sbin/fs; do
  if [ -z "$found" ] && [ -x "$folder/mount.glusterfs" ]; then found=$folder/mount.glusterfs; fi
done
echo "$found"
answer=$(if command -v glusterfs >/dev/null; then glusterfs --version 2>&1
else echo "glusterfs: not found"; false; fi)
echo $?
printf '%s\\n' "$answer" | head -n 1""",
    parse_mount_helper,
)

managers = Probe(
    "packages.managers",
    f"for name in {' '.join(MANAGERS)}; do\n"
    "if command -v $name >/dev/null; then echo $name; fi; done",
    parse_managers,
)


def installed(name: str) -> Probe[Package | None]:
    """The package called `name`, which dpkg or rpm has installed; None where neither has.

    Whether it could be removed both tell without doing it, and without waiting for a lock. What the
    administrator put on hold is not gkprep's to remove.
    """
    return Probe(
        f"packages.installed({name})",
        f"""\
state=$(dpkg-query -W -f '${{db:Status-Abbrev}} ${{Version}}' {name} 2>/dev/null)
case $state in
hi*) printf '%s\n' "dpkg ${{state##* }} 1" "it is on hold" ;;
?i*)
  said=$(dpkg --dry-run --remove {name} 2>&1)
  printf '%s\n' "dpkg ${{state##* }} $?" "$said" ;;
*)
  version=$(rpm -q --qf '%{{VERSION}}-%{{RELEASE}}.%{{ARCH}}' {name} 2>/dev/null) || exit 0
  said=$(rpm -e --test {name} 2>&1)
  printf '%s\n' "rpm $version $?" "$said" ;;
esac""",
        parse_installed,
    )
