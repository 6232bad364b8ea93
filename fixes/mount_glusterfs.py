"""Fix of mount-glusterfs: install the client by the node's own package manager."""

from __future__ import annotations

from collections.abc import Iterator

from checks.mount_glusterfs import install, mount_glusterfs
from preflight.facts import packages
from preflight.plugin import Facts, Finding, Risk, Step, Unfixable, fix

# The names of the packages that were not there before, and that this very run says it has
# installed, are printed for the undo: another may have been at work at the same time. All that the
# package manager says goes to standard error, and why it failed last. The database is that of the
# manager: a node may have another's too. A key that came with the first package of a repository
# is a package to rpm, but has no architecture.
INSTALL = f"""\
manager=$1
list() {{
  case $manager in
  apt-get) dpkg-query -W -f '${{db:Status-Abbrev}}${{binary:Package}}\\n' | sed -n 's/^ii *//p' ;;
  *)
    rpm -qa --qf '%{{NAME}}.%{{ARCH}}\\n' | grep -v '^gpg-pubkey[.]'
    rpm -qa --qf '%{{NAME}}-%{{VERSION}}-%{{RELEASE}}\\n' gpg-pubkey ;;
  esac
}}
ours() {{
  case $manager:$1 in
  *:gpg-pubkey-*) return 0 ;;
  apt-get:*) printf '%s\\n' "$said" | grep -q "^Setting up ${{1%%:*}}[ :]" ;;
  *) printf '%s\\n' "$said" | grep -qF -e "${{1%.*}}" ;;
  esac
}}
{packages.REASON}
export DEBIAN_FRONTEND=noninteractive
# What was broken off, by a restart perhaps, keeps apt from all else. Whose it was is not known, so
# it is not for this run's undo.
if [ "$manager" = apt-get ] && [ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ]; then
  dpkg --configure -a >&2
fi
before=$(list 2>/dev/null | sort)
said=$("$@" 2>&1)
status=$?
printf '%s\\n' "$said" >&2
[ $status = 0 ] || because >&2
list 2>/dev/null | sort | while IFS= read -r name; do
  case "
$before
" in *"
$name
"*) ;; *) ! ours "$name" || printf '%s\\n' "$name" ;; esac
done
exit $status"""
# By dpkg and rpm themselves: they refuse where something else needs the package by now. Nothing was
# installed: nothing is removed. Nothing is purged: Debian's glusterfs-common would take
# /var/lib/glusterd along.
REMOVE = f"""\
export DEBIAN_FRONTEND=noninteractive
manager=$1
{packages.REASON}
set -- $(cat)
# rpm refuses what is gone already: an undo may have been broken off.
[ "$manager" = apt-get ] || set -- $(for name; do ! rpm -q --quiet "$name" || echo "$name"; done)
[ $# != 0 ] || exit 0
said=$(if [ "$manager" = apt-get ]; then dpkg --remove "$@"; else rpm -e "$@"; fi 2>&1)
status=$?
printf '%s\\n' "$said" >&2
[ $status = 0 ] || because >&2
exit $status"""


@fix(mount_glusterfs, risk=Risk.SAFE)
def install_client(finding: Finding, facts: Facts) -> Iterator[Step]:
    """Installs the package that brings mount.glusterfs, from the node's own repositories.

    Where dpkg was broken off before, `dpkg --configure -a` comes first, as apt demands.

    Undone by removing the packages that came with it, those and no others, unless something else
    needs them by now.
    """
    del finding  # there is one subject
    command = install(facts)
    if not command:
        raise Unfixable("no package manager that gkprep knows can install it here")
    words = command.split()
    manager = words[0]
    if manager == "apt-get":
        words.insert(2, "--no-install-recommends")
    words[1:1] = packages.UNLOCKED.get(manager, ())
    undo = Step(
        ("sh", "-c", REMOVE, "sh", manager),
        shown="remove the packages that came with it",
        fed_output=True,
    )
    yield Step(("sh", "-c", INSTALL, "sh", *words), shown=" ".join(words), undo=undo)
