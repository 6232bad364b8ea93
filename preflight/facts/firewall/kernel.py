"""What the kernel filters now: the tables of nftables and of iptables, each read once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from preflight.errors import Unknown
from preflight.facts.firewall import iptables, nftables
from preflight.facts.firewall.netfilter import Table
from preflight.model import Probe

PROGRAMS = {4: "iptables", 6: "ip6tables"}


def parse_tables(text: str) -> tuple[Table, ...]:
    """Sections of the probe's command: `@xtables` of the old kind, `@nft` of the new.

    `@saved` follows a table that iptables made; `@end` is last, or it is not the whole.
    """
    sections = list(_sections(text))
    if sections[-1:] != [("end", "", "")]:
        raise Unknown("the listing of rules is cut short")
    found: list[Table] = []
    for (kind, name, body), (after, program, saved) in pairwise(sections):
        if kind == "xtables":
            found += iptables.parse_tables(body, name)
        elif kind == "nft":
            made_by = None
            if after == "saved":
                made_by = nftables.MadeBy(program, iptables.parse_lines(saved))
            if table := nftables.parse_table(body, made_by):
                found.append(table)
    return tuple(found)


def _sections(text: str) -> Iterator[tuple[str, str, str]]:
    """What a line `@KIND NAME` begins."""
    for section in f"\n{text}".split("\n@")[1:]:
        head, _, body = section.partition("\n")
        kind, _, name = head.partition(" ")
        yield kind, name, body


def tables(program: str) -> Probe[tuple[Table, ...]]:
    """Every table with a say in what comes in; `program` is iptables or ip6tables.

    Left out, unread: the tables that translate addresses (nat), which can hold tens of thousands
    of rules for services, and those of Kubernetes' own programs.

    Neither nft nor PROGRAM-save is run where the kernel has no rules of its kind: they would load
    its modules. iptables-save is asked for each of the old kind's tables that is there, because
    to ask for another one makes it. A table of the new kind that iptables made is read by
    iptables-save, whose matches nft cannot tell; one that it calls incompatible, by nft.
    """
    family = "ip" if program == "iptables" else "ip6"
    other = "ip6" if family == "ip" else "ip"
    command = _COMMAND.replace("PROGRAM", program).replace("FAMILY", family).replace("OTHER", other)
    return Probe(f"firewall.tables({program})", command, parse_tables)


_COMMAND = """\
need() { command -v "$1" >/dev/null || { echo "$2 and $1 is not installed" >&2; exit 127; }; }
case $(PROGRAM --version 2>/dev/null) in
*nf_tables*) new=PROGRAM-save old=PROGRAM-legacy-save ;;
*) new=PROGRAM-nft-save old=PROGRAM-save ;;
esac
names=$(cat /proc/net/FAMILY_tables_names 2>/dev/null)
for name in $names; do
  case $name in raw|mangle|filter|security)
    need $old "the kernel has tables of the old iptables,"
    echo @xtables ${old%-save}
    $old -t $name || exit
  esac
done
builtin=/lib/modules/$(uname -r)/modules.builtin
if [ -e /sys/module/nf_tables ] || [ ! -r "$builtin" ] || grep -q /nf_tables.ko "$builtin"; then
  need nft "the kernel can hold rules of nftables,"
  found=$(nft list tables) || exit
  set -- $found
  while [ $# -ge 3 ]; do
    family=$2 name=$3
    shift 3
    case $family/$name in
    OTHER/*|arp/*|bridge/*|FAMILY/nat) continue ;;
    */kube-proxy*|*/calico*|*/cilium*|*/cni*|*/flannel*|*/antrea*|*/kube-router*) continue ;;
    esac
    echo @nft
    nft -j list table $family $name || exit
    echo
    nft -a list table $family $name || exit
    case $family/$name in
    FAMILY/raw|FAMILY/mangle|FAMILY/filter|FAMILY/security)
      if command -v $new >/dev/null; then echo @saved ${new%-save}; $new -t $name; fi ;;
    esac
  done
fi
echo @end"""
