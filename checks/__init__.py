"""The requirements that a node must meet: one file each, found by themselves."""
