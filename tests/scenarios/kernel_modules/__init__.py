"""States of the kernel's modules."""
