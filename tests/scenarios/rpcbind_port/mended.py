"""Port 111 in the host's hands, now or after a restart."""

from tests.scenarios import Mended

running = Mended(broken="true", saw="tcp+udp held by systemd, pid 1 and rpcbind, pid *")

stopped_until_the_next_boot = Mended(
    broken="systemctl stop rpcbind.socket rpcbind.service",
    saw="free now, but rpcbind.socket and rpcbind.service will start at boot",
)

running_until_the_next_boot = Mended(
    broken="systemctl --quiet disable rpcbind.socket rpcbind.service",
    saw="tcp+udp held by systemd, pid 1 and rpcbind, pid *",
)
