"""Fix of kernel-modules: load what is missing, and have it loaded at boot."""

from __future__ import annotations

from collections.abc import Iterator

from checks.kernel_modules import kernel_modules, loadable
from preflight.facts import kernel
from preflight.plugin import Facts, Finding, Risk, Step, Unfixable, fix

OWN = "/etc/modules-load.d/gkprep.conf"
# What it prints is for the undo: that there was no such file, or that its last line had no end.
ADD = """\
name=$1 file=$2
! grep -qsx "$name" "$file" || exit 0
[ -e "$file" ] || echo created
[ -z "$(tail -c 1 "$file" 2>/dev/null)" ] || { echo ended; echo >>"$file"; } || exit
echo "$name" >>"$file"\
"""
# A link stays a link: it is the file behind it that is written anew. Done twice, for an undo may be
# broken off, it takes no more than the end of line that was added.
FORGET = """\
name=$1 file=$(readlink -f "$2") said=$(cat)
[ -e "$file" ] || exit 0
sed -i "/^$name\\$/d" "$file" || exit
case $said in
created) [ -s "$file" ] || rm "$file" ;;
ended) [ -n "$(tail -c 1 "$file")" ] || truncate -s -1 "$file" ;;
esac\
"""


@fix(kernel_modules, risk=Risk.SAFE)
def load_modules(finding: Finding, facts: Facts) -> Iterator[Step]:
    """Loads each module with modprobe, and adds it to /etc/modules-load.d/gkprep.conf.

    Undone by `modprobe -r`, which a module in use withstands, and by taking the line out again. A
    kernel that has no such module needs a package of its own, which gkprep leaves to a person.
    """
    name = finding.subject
    if name not in facts[kernel.modules]:
        if name not in facts[loadable(facts.node)].names:
            raise Unfixable("this kernel needs the package that brings the module")
        yield Step(("modprobe", name), undo=Step(("modprobe", "-r", name)))
    if name not in facts[kernel.persisted]:
        remove, add = f"take {name} out of {OWN}", f"add {name} to {OWN}"
        forget = Step(("sh", "-c", FORGET, "sh", name, OWN), shown=remove, fed_output=True)
        yield Step(("sh", "-c", ADD, "sh", name, OWN), shown=add, undo=forget)
