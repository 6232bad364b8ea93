"""States of a firewall that `gkprep check` must tell apart, brought about on a real machine.

A state is a variable in `states.py`; its name is the test's. tests/test_firewall_lab.py says what
it does with each.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """One state in which port 24007 fails, what is seen, and whether a peer gets there now.

    `broken` is what root types on a machine whose firewalld runs with the ports closed. `saw` is
    what the finding shows. The finding's own cure must end it, at run time and after a reload.
    """

    broken: str
    saw: str
    reached: bool
