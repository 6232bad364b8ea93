"""Fix of mount-glusterfs: install the client by the node's own package manager."""

from __future__ import annotations

from collections.abc import Iterator

from checks.mount_glusterfs import install, mount_glusterfs
from preflight.plugin import Facts, Finding, Risk, Step, Unfixable, fix

# The names of the packages that were not there before are printed, for the undo; all that the
# package manager says goes to standard error.
INSTALL = """\
list() {
  if ! command -v dpkg-query >/dev/null; then rpm -qa --qf '%{NAME}.%{ARCH}\\n'; return; fi
  dpkg-query -W -f '${db:Status-Abbrev}${binary:Package}\\n' | sed -n 's/^ii *//p'
}
before=$(list 2>/dev/null | sort)
export DEBIAN_FRONTEND=noninteractive
"$@" >&2
status=$?
list 2>/dev/null | sort | while IFS= read -r name; do
  case "
$before
" in *"
$name
"*) ;; *) printf '%s\\n' "$name" ;; esac
done
exit $status"""
# By dpkg and rpm themselves: they refuse where something else needs the package by now. Nothing was
# installed: nothing is removed.
REMOVE = """\
export DEBIAN_FRONTEND=noninteractive
set -- $(cat)
[ $# != 0 ] || exit 0
if command -v dpkg-query >/dev/null; then dpkg --purge "$@"; else rpm -e "$@"; fi"""


@fix(mount_glusterfs, risk=Risk.SAFE)
def install_client(finding: Finding, facts: Facts) -> Iterator[Step]:
    """Installs the package that brings mount.glusterfs, from the node's own repositories.

    Undone by removing the packages that came with it, those and no others, unless something else
    needs them by now.
    """
    del finding  # there is one subject
    command = install(facts)
    if not command:
        raise Unfixable("no package manager that gkprep knows can install it here")
    words = command.split()
    if words[0] == "apt-get":
        words.insert(2, "--no-install-recommends")
    undo = Step(
        ("sh", "-c", REMOVE, "sh"), shown="remove the packages that came with it", fed_output=True
    )
    yield Step(("sh", "-c", INSTALL, "sh", *words), shown=" ".join(words), undo=undo)
