"""What is on a disk, read from the disk: tables, LVM, remains, and what names all of it.

probes      the two questions: what wipefs lists, and the bytes that it does not tell
partitions  MBR and GPT
lvm         labels and metadata
magic       superblocks that a node's libblkid may not know, or not find
remains     what all of it comes to: nothing, an empty table, LVM's, or data
pvcreate    what LVM says of it
token       the name of what is there now, for a consent to erase it
"""

from preflight.facts.disk.probes import (
    HEAD,
    TAIL,
    Content,
    content,
    parse_content,
    parse_signatures,
    signatures,
)

__all__ = ["HEAD", "TAIL", "Content", "content", "parse_content", "parse_signatures", "signatures"]
