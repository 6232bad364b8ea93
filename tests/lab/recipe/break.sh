#!/bin/sh
# Runs on a node that has just booted: brings it into the broken state of the seed, and waits until it is quiet.
set -eu
systemctl is-system-running --wait >/dev/null || systemctl --failed --no-legend >&2
parted -s /dev/sda mklabel gpt
for module in dm_thin_pool dm_snapshot dm_mirror target_core_user; do
    modprobe -r "$module"
done
udevadm settle
sync
