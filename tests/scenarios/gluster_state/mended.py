"""What an earlier cluster left: of glusterd's, of heketi's, or a lone peer's file."""

from tests.scenarios import HEKETI_ID, Mended

PEER = "0b5e2a4e-4d0f-4c3e-9d52-7a1f0f0c2b11"
FSTAB = "/var/lib/heketi/fstab"

peer_and_volume = Mended(
    broken=f"mkdir -p /var/lib/glusterd/peers /var/lib/glusterd/vols/heketidbstorage\n"
    f"echo uuid={PEER} >/var/lib/glusterd/peers/{PEER}\n"
    f"echo type=2 >/var/lib/glusterd/vols/heketidbstorage/info",
    saw="1 peer, volume heketidbstorage",
    token=True,
)

brick_listed = Mended(
    broken="mkdir -p /var/lib/heketi\n"
    f"echo '/dev/vg/brick_{HEKETI_ID} /var/lib/heketi/mounts/brick xfs rw 1 2' >>{FSTAB}",
    saw=f"1 brick in {FSTAB}",
    token=True,
)

peer_alone = Mended(
    broken=f"mkdir -p /var/lib/glusterd/peers\necho uuid={PEER} >/var/lib/glusterd/peers/{PEER}",
    saw="1 peer",
    token=True,
)
