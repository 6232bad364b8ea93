"""ufw: what its files let in at the next boot or `ufw reload`. Run time is the kernel's to tell.

The files are in iptables-restore's language; how ufw hangs them together is in its own
ufw-init-functions. Source: ufw(8), ufw-framework(8), /lib/ufw/ufw-init-functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from preflight.errors import Unknown
from preflight.facts.firewall import iptables
from preflight.facts.firewall.netfilter import Table
from preflight.facts.firewall.passage import Cause
from preflight.model import Probe

NAME = "ufw"
YES = {"yes", "YES"}
BRANCHES = ("before-logging", "before", "after", "after-logging", "reject", "track")


@dataclass(frozen=True)
class Ufw:
    """An enabled ufw: what it will let in."""

    tables: tuple[Table, ...]


def decided(cause: Cause) -> bool:
    """Whether it was ufw that decided, by a chain of its own or by the policy that it sets."""
    if not re.match(r"ip6?tables\S* table filter$", cause.table):
        return cause.table == NAME
    policy = cause.chain == "INPUT" and cause.rule.startswith("policy ")
    return policy or cause.chain.startswith("ufw")


def parse(text: str) -> Ufw | None:
    """Sections `@@ KIND`; None where ufw is not installed, or not enabled."""
    sections = dict(_sections(text))
    if not sections:
        return None
    if "end" not in sections:
        raise Unknown("the listing of ufw's files is cut short")
    settings = dict(re.findall(r"^(\w+)=[\"']?([^\"'\n]*)", sections["conf"], re.MULTILINE))
    if settings.get("ENABLED") not in YES:
        return None
    return Ufw((*_tables(sections, settings, ""), *_tables(sections, settings, "6")))


def _sections(text: str) -> Iterator[tuple[str, str]]:
    for section in text.split("\n@@ ")[1:]:
        kind, _, body = section.partition("\n")
        yield kind, body


def _tables(
    sections: Mapping[str, str], settings: Mapping[str, str], version: str
) -> Iterator[Table]:
    """What ufw loads for IPv4, or for IPv6 where `version` is 6."""
    if version and settings.get("IPV6") not in YES:
        lines = ["*filter", ":INPUT DROP", "-A INPUT -i lo -j ACCEPT"]
    else:
        lines = list(_lines(sections, settings, f"ufw{version}", version))
    program = f"ip{version}tables"
    for table in iptables.parse_tables("\n".join(lines), program):
        filters = table.name == f"{program} table filter"
        yield replace(table, name=NAME if filters else f"{NAME}, {table.name}")


def _lines(
    sections: Mapping[str, str], settings: Mapping[str, str], ufw: str, version: str
) -> Iterator[str]:
    default = settings["DEFAULT_INPUT_POLICY"]
    yield from ("*filter", f":INPUT {'DROP' if default == 'REJECT' else default}")
    # Scripts that may add any rule; only those that may be run are shown.
    for name in ("before.init", "after.init"):
        if name in sections:
            yield f"-A INPUT -m {name} -j QUEUE"
    yield from (f"-A INPUT -j {ufw}-{branch}-input" for branch in BRANCHES)
    yield f"-A {ufw}-skip-to-policy-input -j {default}"
    if default == "REJECT":
        yield f"-A {ufw}-reject-input -j REJECT"
    for name in ("before", "after", "user"):
        yield from sections[f"{name}{version}"].splitlines()
    yield from ("*filter", f"-A {ufw}-before-input -j {ufw}-user-input")


permanent = Probe(
    "ufw.permanent",
    """\
command -v ufw >/dev/null || exit 0
printf '\\n@@ conf\\n'
cat /etc/default/ufw /etc/ufw/ufw.conf || exit
for name in before before6 after after6 user user6; do
  printf '\\n@@ %s\\n' $name
  cat /etc/ufw/$name.rules || exit
done
for name in before.init after.init; do
  if [ -x /etc/ufw/$name ]; then printf '\\n@@ %s\\n' $name; fi
done
printf '\\n@@ end\\n'""",
    parse,
)
