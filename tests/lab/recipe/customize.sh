#!/bin/sh
# mmdebstrap customize hook: a minimal Debian becomes a node of the lab, still without a number.
# usage: customize.sh ROOT RECIPE-FOLDER KEYS-FOLDER; environment: OPS_PASSWORD
set -eu
root=$1 recipe=$2 keys=$3

# Who may come in: root, `core` with sudo and no password, `ops` with sudo and a password.
for user in core ops; do
    chroot "$root" useradd --create-home --shell /bin/bash "$user"
done
echo "ops:$OPS_PASSWORD" | chroot "$root" chpasswd
echo 'core ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/core"
echo 'ops ALL=(ALL) ALL' >"$root/etc/sudoers.d/ops"
chmod 440 "$root"/etc/sudoers.d/core "$root"/etc/sudoers.d/ops
for home in root home/core home/ops; do
    mkdir -p "$root/$home/.ssh"
    chmod 700 "$root/$home/.ssh"
    cp "$keys/id_ed25519.pub" "$root/$home/.ssh/authorized_keys"
    chmod 600 "$root/$home/.ssh/authorized_keys"
    chown -R --reference="$root/$home" "$root/$home/.ssh"
done

# A name, host keys and addresses: identity.sh, at the first boot.
rm -f "$root"/etc/ssh/ssh_host_*
mkdir -p "$root/usr/share/lab"
cp -r "$keys/hosts" "$root/usr/share/lab/keys"
chown -R 0:0 "$root/usr/share/lab/keys"
chmod 600 "$root"/usr/share/lab/keys/*/*_key
install -m 755 "$recipe/identity.sh" "$root/usr/local/sbin/lab-identity"
cat >"$root/etc/systemd/system/lab-identity.service" <<'UNIT'
[Unit]
Description=Name, host keys and addresses of this node of the lab
DefaultDependencies=no
After=systemd-remount-fs.service
Before=systemd-networkd.service ssh.service network-pre.target
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/lab-identity
[Install]
WantedBy=sysinit.target
UNIT
printf '127.0.0.1 localhost\n10.77.0.11 node1\n10.77.0.12 node2\n10.77.0.13 node3\n' >"$root/etc/hosts"
echo node >"$root/etc/hostname"
: >"$root/etc/machine-id" # made at the first boot, another on each machine
echo '/dev/vda / ext4 rw,noatime 0 1' >"$root/etc/fstab"
: >"$root/etc/resolv.conf"
systemctl --root="$root" --quiet enable lab-identity.service systemd-networkd.service

# Two networks, two zones: which one owns the storage address is a question with an answer.
chroot "$root" firewall-offline-cmd --quiet --zone=public --add-interface=eth0
chroot "$root" firewall-offline-cmd --quiet --zone=internal --add-interface=eth1

# Loading a saved state moves the clock by days: what is due then would all start at once. Consoles and resolvers nobody uses.
systemctl --root="$root" --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer mdcheck_start.timer mdcheck_continue.timer \
    mdmonitor-oneshot.timer systemd-timesyncd.service systemd-resolved.service systemd-networkd-wait-online.service \
    systemd-pstore.service getty@tty1.service serial-getty@ttyS0.service

# Offline packages only.
rm -rf "$root"/etc/apt/sources.list.d/* "$root"/var/lib/apt/lists/*
echo 'deb [trusted=yes] file:/srv/lab-apt ./' >"$root/etc/apt/sources.list"
echo 'APT::Install-Recommends "false";' >"$root/etc/apt/apt.conf.d/99lab"
chroot "$root" apt-get --quiet --quiet update

# A small initrd: boots this hardware and no other.
sed -i 's/^MODULES=.*/MODULES=list/' "$root/etc/initramfs-tools/initramfs.conf"
printf 'virtio_pci\nvirtio_blk\nvirtio_scsi\nsd_mod\nvirtio_net\next4\n' >"$root/etc/initramfs-tools/modules"
chroot "$root" update-initramfs -u
# The lab boots a copy from outside; packages that trigger another one (fuse3) would wait minutes under emulation.
echo 'update_initramfs=no' >"$root/etc/initramfs-tools/update-initramfs.conf"
