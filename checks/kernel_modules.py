"""kernel-modules: the device-mapper targets under heketi's bricks, now and after a reboot."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.facts import kernel
from preflight.facts.kernel import Loadable
from preflight.plugin import Facts, Finding, Node, Probe, check, fail, ok

REQUIRED = ("dm_snapshot", "dm_mirror", "dm_thin_pool")
GLUSTER_BLOCK = "target_core_user"
WANT = "available now and loaded at boot"


def required(node: Node) -> tuple[str, ...]:
    """The modules this node needs; `policy.gluster_block: false` spares target_core_user (N1)."""
    return (*REQUIRED, GLUSTER_BLOCK) if node.policy.gluster_block else REQUIRED


def loadable(node: Node) -> Probe[Loadable]:
    """Which of the modules that this node needs its kernel could load."""
    return kernel.loadable(*required(node))


@check(kernel.modules, kernel.builtin, kernel.persisted, lambda node: [loadable(node)])
def kernel_modules(facts: Facts) -> Iterator[Finding]:
    """The kernel has the modules that heketi's bricks are built from.

    Checks: dm_snapshot, dm_mirror and dm_thin_pool, and target_core_user while the inventory's
    `policy.gluster_block` holds, are each loaded or built into the running kernel, and loaded
    again at the next boot.

    Why: heketi makes every brick a thin volume. Without dm_thin_pool the topology loads, and
    minutes later the first volume fails with `thin: Required device-mapper target(s) not
    detected in your kernel`, naming no node. Without target_core_user the Gluster pod stays
    READY 0/1 with `failed check: systemctl -q is-active gluster-blockd.service`.

    By hand: `modprobe dm_thin_pool; echo dm_thin_pool >> /etc/modules-load.d/gluster.conf`, and
    so for each module that is missing. Where the kernel has no such module: Fedora and RHEL,
    `dnf install kernel-modules-$(uname -r)`; Ubuntu, `apt-get install
    linux-modules-extra-$(uname -r)`; elsewhere a kernel that brings it.

    Source: catalogue N1, N2, N3; gluster-kubernetes docs/setup-guide.md; modules-load.d(5).
    """
    for name in required(facts.node):
        yield judge_module(name, facts)


def judge_module(name: str, facts: Facts) -> Finding:
    """One module's state; what is built into the kernel needs no loading, now or at boot."""
    now, later = name in facts[kernel.modules], name in facts[kernel.persisted]
    if now and later:
        return ok(name, "loaded, and loaded at boot", WANT)
    if name in facts[kernel.builtin]:
        return ok(name, "built into the kernel", WANT)
    if now:
        return fail(name, "loaded, but not loaded at boot", WANT, cure=persist(name))
    available = facts[loadable(facts.node)]
    if name not in available.names:
        return fail(
            name,
            f"kernel {available.release} has no such module",
            WANT,
            says=consequence(name),
            cure="install the kernel package that brings it (gkprep explain kernel-modules)",
        )
    seen = "loaded at boot, but not loaded now" if later else "not loaded"
    cure = f"modprobe {name}" if later else f"modprobe {name}; {persist(name)}"
    return fail(name, seen, WANT, says=consequence(name), cure=cure)


def persist(name: str) -> str:
    """The command that has systemd load the module at every boot."""
    return f"echo {name} >> /etc/modules-load.d/gluster.conf"


def consequence(name: str) -> str:
    """What a user would read instead, much later (N1, N2)."""
    if name == GLUSTER_BLOCK:
        return "failed check: systemctl -q is-active gluster-blockd.service"
    return "thin: Required device-mapper target(s) not detected in your kernel."
