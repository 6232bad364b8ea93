"""Stand-ins for heketi, heketi-cli and gk-deploy, and where the real ones are.

The programs here speak the interfaces of other people's, which are no part of this repository.
GKPREP_TEST_HEKETI (a folder with heketi and heketi-cli) and GKPREP_TEST_GK_DEPLOY (a checkout's
deploy/gk-deploy) name the real ones; what is tested with the stand-ins must hold with those too.
"""

from __future__ import annotations

import os
from pathlib import Path

HEKETI = Path(__file__).parent
"""The folder with the stand-ins heketi and heketi-cli; they need what lies beside them."""

GK_DEPLOY = HEKETI / "gk" / "deploy" / "gk-deploy"
"""The stand-in for gk-deploy, in a folder as a checkout's."""


def real_heketi() -> Path | None:
    """The folder with the real heketi and heketi-cli."""
    return _named("GKPREP_TEST_HEKETI")


def real_gk_deploy() -> Path | None:
    """The real gk-deploy, in its checkout."""
    return _named("GKPREP_TEST_GK_DEPLOY")


def _named(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).absolute() if value else None
