"""Ports that firewalld closes, in the zone that owns the storage address."""

from tests.scenarios import Mended
from tests.scenarios.firewall_ports import states

closed = Mended(broken="true", saw=f"closed at run time and permanently {states.ZONE}")

open_at_run_time = Mended(states.open_at_run_time.broken, states.open_at_run_time.saw)

source_zone = Mended(states.source_zone.broken, states.source_zone.saw)
