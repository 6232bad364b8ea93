"""What lets a connection in, now and for good: one judge of tables that several programs write.

netfilter        the nouns: tables, chains, rules, conditions with three answers
passage          a packet's walk through them
nftables         nft's listing -> tables; nft_fields its expressions
iptables         iptables-save -> tables
kernel           the question: what filters now
firewalld        the question: what firewalld's files let in; firewalld_files reads them
ufw              the question: what ufw's files let in
walls            what keeps ports closed, in words, and what opens them
site             all that decides about one node's ports
"""

from preflight.facts.firewall.kernel import PROGRAMS, tables

__all__ = ["PROGRAMS", "tables"]
