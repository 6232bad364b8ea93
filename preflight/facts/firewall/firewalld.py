"""firewalld: which zone owns a connection, and what its files let in.

Run time is the kernel's to tell; here is what comes back at the next reload or boot, and, for
words that a person understands, which zone an address or an interface is in now.

Source: firewalld(1), firewall-cmd(1), firewalld.dbus(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, XMLParser, fromstring

from preflight.errors import Unknown
from preflight.facts.firewall.firewalld_files import NAME, Bindings, Files
from preflight.facts.firewall.netfilter import Table, tidy
from preflight.facts.firewall.passage import Cause
from preflight.facts.tools import needs
from preflight.model import Probe

PANIC = "table inet firewalld_policy_drop"  # what `firewall-cmd --panic-on` makes
XML = ("zone", "policy", "service", "ipset", "direct")


@dataclass(frozen=True)
class Firewalld:
    """Zones as they are bound now (None while firewalld does not run), and for good.

    `tables` are what its files let in.
    """

    now: Bindings | None
    later: Bindings
    tables: tuple[Table, ...]


def decided(cause: Cause) -> bool:
    """Whether it was firewalld that decided.

    By its own table of nftables; with the backend iptables, by its chains or INPUT's last rule.
    """
    if not re.match(r"ip6?tables\S* table ", cause.table):
        return re.match(rf"(table \w+ )?{NAME}(,|$)", cause.table) is not None
    last = cause.chain == "INPUT" and re.match(r"-A INPUT -j REJECT --reject-with", cause.rule)
    return bool(last) or cause.chain.startswith(("IN_", "INPUT_"))


def of_zone(cause: Cause) -> bool:
    """Whether a zone decided, and not a policy or a direct rule, which are for all zones."""
    elsewhere = cause.chain.startswith(("direct ", "policy ", "INPUT_direct"))
    return not elsewhere and "_policy_" not in cause.chain


def own_rule(cause: Cause) -> str:
    """What a person would look for; empty where it is the end of a zone, which refuses the rest.

    A rule of the zone in the rich language, or a direct one, is given as firewall-cmd takes it.
    """
    if of_zone(cause) and cause.bare:
        return ""
    if cause.chain.startswith("direct "):
        return f"direct rule {cause.rule}"
    rich = cause.chain.startswith("zone ") and cause.rule.startswith("rule ")
    return cause.rule if rich else f"{cause.chain}: {cause.rule}"


def parse(text: str) -> Firewalld | None:
    """Sections of the probe's command; None where firewalld is not installed."""
    if not text.strip():
        return None
    sections: dict[str, dict[str, str]] = {"conf": {"": ""}}
    for kind, name, body in _sections(text):
        sections.setdefault(kind, {})[name] = body
    if "end" not in sections:
        raise Unknown("the listing of firewalld's files is cut short")
    files = Files(
        dict(line.split("=", 1) for line in sections["conf"][""].split() if "=" in line),
        {kind: {name: _xml(body) for name, body in sections.get(kind, {}).items()} for kind in XML},
        {name: body.strip() for name, body in sections.get("bound", {}).items()},
    )
    active = sections.get("active")
    now = files.active(active[""]) if active else None
    return Firewalld(now, files.bindings(), tuple(tidy(table) for table in files.tables()))


def _sections(text: str) -> Iterator[tuple[str, str, str]]:
    for section in text.split("\n@@ ")[1:]:
        head, _, body = section.partition("\n")
        kind, _, name = head.partition(" ")
        yield kind, name, body


def _xml(text: str) -> Element:
    """A document without declarations of its own: those can make a small file a huge one."""
    if "<!" in text.replace("<!--", ""):
        raise Unknown("one of firewalld's files has a document type declaration")
    return fromstring(text, parser=XMLParser())  # noqa: S314 - see above


# busctl asks what `firewall-cmd --get-active-zones` asks, without starting Python for it.
# A file in /etc hides its namesake in /usr/lib. Services are many: only those are shown that a zone
# or a policy names, or that another one includes.
permanent = Probe(
    "firewalld.permanent",
    "command -v firewalld >/dev/null || exit 0\n"
    + needs("grep", "sed", "tr")
    + """\
printf '\\n@@ conf\\n'
grep -E '^[A-Za-z0-9_]+=' /etc/firewalld/firewalld.conf
show() {
  printf '\\n@@ %s %s\\n' "$1" "$2"
  cat "$3" || exit
}
named() {
  grep -Eoh '<(service|include) [^>]*(name|service)=.[A-Za-z0-9_.-]+' "$1" | sed 's/.*=.//'
}
setting() { tr -d '"'"'" <"$2" | sed -n "s/^$1=//p"; }
services='' seen=/
for kind in zone policy ipset; do
  case $kind in policy) plural=policies ;; *) plural=${kind}s ;; esac
  for folder in /etc/firewalld /usr/lib/firewalld; do
    for file in "$folder/$plural"/*.xml; do
      name=${file##*/}
      name=${name%.xml}
      [ -e "$file" ] || continue
      case $seen in */"$kind $name"/*) continue ;; esac
      seen="$seen$kind $name/"
      show $kind "$name" "$file"
      services="$services $(named "$file")"
    done
  done
done
set -- $services
while [ $# -gt 0 ]; do
  name=$1
  shift
  case $seen in */"service $name"/*) continue ;; esac
  seen="$seen/service $name/"
  for file in "/etc/firewalld/services/$name.xml" "/usr/lib/firewalld/services/$name.xml"; do
    [ -e "$file" ] || continue
    show service "$name" "$file"
    set -- "$@" $(named "$file")
    break
  done
done
if [ -e /etc/firewalld/direct.xml ]; then show direct '' /etc/firewalld/direct.xml; fi
bound() { if [ -n "$2" ]; then printf '\\n@@ bound %s\\n%s\\n' "$1" "$2"; fi; }
if systemctl -q is-active NetworkManager && command -v nmcli >/dev/null; then
  for pair in $(nmcli -t -f DEVICE,UUID connection show --active); do
    zone=$(nmcli -t -f connection.zone connection show "${pair##*:}") || exit
    bound "${pair%:*}" "${zone#*:}"
  done
else
  for file in /etc/sysconfig/network-scripts/ifcfg-* /etc/sysconfig/network/ifcfg-*; do
    [ -e "$file" ] || continue
    device=$(setting DEVICE "$file")
    bound "${device:-${file##*/ifcfg-}}" "$(setting ZONE "$file")"
  done
fi
if systemctl -q is-active firewalld; then
  printf '\\n@@ active\\n'
  busctl call org.fedoraproject.FirewallD1 /org/fedoraproject/FirewallD1 \\
    org.fedoraproject.FirewallD1.zone getActiveZones || exit
fi
printf '\\n@@ end\\n'""",
    parse,
)
