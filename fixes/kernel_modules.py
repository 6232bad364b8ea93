"""Fix of kernel-modules: load what is missing, and have it loaded at boot."""

from __future__ import annotations

from collections.abc import Iterator

from checks.kernel_modules import kernel_modules, loadable
from preflight.facts import kernel
from preflight.plugin import Facts, Finding, Risk, Step, Unfixable, fix

OWN = "/etc/modules-load.d/gkprep.conf"
# The file goes with its last line: it was not there before gkprep wrote the first.
FORGET = '[ ! -e "$2" ] || { sed -i "/^$1\\$/d" "$2" && find "$2" -empty -delete; }'


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
        forget = Step(("sh", "-c", FORGET, "sh", name, OWN), shown=f"take {name} out of {OWN}")
        yield Step(
            ("tee", "-a", OWN), f"{name}\n".encode(), shown=f"add {name} to {OWN}", undo=forget
        )
