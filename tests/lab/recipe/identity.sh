#!/bin/sh
# Runs once, before the network: one image becomes node N of `lab.node=N` on the kernel command line.
set -eu
n=$(sed -n 's/.*lab\.node=\([0-9]*\).*/\1/p' /proc/cmdline)
echo "node$n" >/etc/hostname
cp -p "/usr/share/lab/keys/node$n"/* /etc/ssh/
i=0
for network in 10.77.0 10.78.0; do
    printf '[Match]\nName=eth%s\n[Network]\nAddress=%s.1%s/24\nLinkLocalAddressing=no\n' \
        "$i" "$network" "$n" >"/etc/systemd/network/10-eth$i.network"
    i=$((i + 1))
done
