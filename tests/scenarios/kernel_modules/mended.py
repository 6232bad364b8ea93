"""Modules that are not there now, or will not be after a restart."""

from tests.by_hand import MODULES
from tests.scenarios import Mended

unloaded = Mended(broken="true", saw="not loaded")

loaded_by_hand = Mended(broken=f"modprobe --all {MODULES}", saw="loaded, but not loaded at boot")

listed_and_not_loaded = Mended(
    broken=f"printf '%s\\n' {MODULES} >/etc/modules-load.d/somebody.conf",
    saw="loaded at boot, but not loaded now",
)
