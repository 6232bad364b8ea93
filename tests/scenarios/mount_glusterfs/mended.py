"""No client, on a node that has state of Gluster's: it must outlive the package's removal."""

from tests.scenarios import Mended

missing = Mended(
    broken="mkdir -p /var/lib/glusterd /var/log/glusterfs\n"
    "echo kept | tee /var/lib/glusterd/kept >/var/log/glusterfs/kept",
    saw="not installed",
)

interrupted = Mended(
    broken="sed -n '/^Package: bash$/,/^$/p' /var/lib/dpkg/status >/var/lib/dpkg/updates/0000",
    saw="not installed",
)
