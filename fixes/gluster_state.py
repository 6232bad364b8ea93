"""Fix of gluster-state: move what an earlier cluster left aside."""

from __future__ import annotations

from collections.abc import Iterator

from checks.gluster_state import gluster_state
from preflight.facts import gluster
from preflight.plugin import Facts, Finding, Risk, Step, fix

# The folder as it was looked at, and nobody at work in it: what the plan saw is seen again.
MOVE = f"""\
{gluster.DIGEST}
from=$1 to=$2 seen=$3
for comm in /proc/[0-9]*/comm; do
  ! grep -qsx -e glusterd -e glusterfsd $comm || {{ echo "Gluster runs by now" >&2; exit 1; }}
done
[ "$(digest "$from")" = "$seen" ] || {{ echo "$from has changed since" >&2; exit 1; }}
[ ! -e "$to" ] || {{ echo "$to is there already" >&2; exit 1; }}
mv -T "$from" "$to"\
"""
# It may never have been moved.
BACK = """\
from=$1 to=$2
[ -e "$from" ] || exit 0
[ ! -e "$to" ] || { echo "$to is there again: another cluster's, perhaps" >&2; exit 1; }
mv -T "$from" "$to"\
"""


@fix(gluster_state, risk=Risk.DESTRUCTIVE)
def aside(finding: Finding, facts: Facts) -> Iterator[Step]:
    """Moves /var/lib/glusterd and /var/lib/heketi aside, beside where they are, with a token only.

    Nothing is deleted. What is in them must be as it was when the token was printed, and neither
    glusterd nor a brick's process may run. Undone by moving them back, unless something is there
    again.
    """
    for folder, seen in facts[gluster.state].folders:
        to = f"{folder}.gkprep-{finding.token}"
        back = Step(("sh", "-c", BACK, "sh", to, folder), shown=f"mv {to} {folder}")
        yield Step(("sh", "-c", MOVE, "sh", folder, to, seen), shown=f"mv {folder} {to}", undo=back)
