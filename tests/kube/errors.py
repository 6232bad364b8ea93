"""What the control plane says when something does not work; every message is meant for a person."""

from __future__ import annotations

from tests.lab.errors import CommandError

__all__ = ["CommandError", "KubeError"]


class KubeError(Exception):
    """The control plane cannot do what was asked, and why."""
