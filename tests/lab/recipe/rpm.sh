#!/bin/sh
# mmdebstrap customize hook: all that rpm-flavour needs to turn a machine into an RPM one, out of sight until then.
# ROOT/srv/lab-rpm becomes a repository of Debian's packages, made anew as RPMs under the names that they have elsewhere.
# usage: rpm.sh ROOT RECIPE-FOLDER; after repository.sh
set -eu
root=$1 recipe=$2 built=$1/srv/lab-rpm/built
mkdir -p "$built"

# rebuild NAME REQUIRES DEB...: one RPM of what these packages hold; its version is that of the first.
rebuild() {
    name=$1 requires=$2 first=$3 files=$built/$1
    shift 2
    for deb; do
        dpkg-deb --extract "$root/srv/lab-apt/${deb}"_*.deb "$files"
    done
    dpkg-deb --control "$root/srv/lab-apt/${first}"_*.deb "$built/control"
    version=$(sed -n 's/^Version: \([0-9]*:\)\{0,1\}//p' "$built/control/control")
    conffiles=$(cat "$built/control/conffiles" 2>/dev/null || true)
    rm -rf "$built/control" "$files/usr/share/doc" "$files/usr/share/man" "$files/etc/init.d" "$files/etc/insserv.conf.d"
    for folder in lib sbin; do # there these are links, as they are on the machine
        [ ! -d "$files/$folder" ] || { cp -a "$files/$folder" "$files/usr" && rm -r "${files:?}/$folder"; }
    done
    (cd "$files" && find . ! -type d -printf '/%P\n') | while read -r file; do
        case "
$conffiles
" in *"
$file
"*) echo "%config(noreplace) $file" ;; *) echo "$file" ;; esac
    done >"$files.list"
    {
        printf '%s: %s\n' Name "$name" Version "${version%-*}" Release "${version##*-}" Summary "Debian's $first" License free
        [ -z "$requires" ] || echo "Requires: $requires"
        printf 'AutoReqProv: no\n%%description\n%%install\ncp -a /srv/lab-rpm/built/%s/. %%{buildroot}\n' "$name"
        printf '%%files -f /srv/lab-rpm/built/%s.list\n' "$name"
        cat "$recipe/$name.scriptlets" 2>/dev/null || true
    } >"$files.spec"
    pack "$name"
}

# pack NAME: the RPM of NAME.spec.
pack() {
    chroot "$root" rpmbuild --quiet -bb --define '_rpmdir /srv/lab-rpm' --define '_topdir /srv/lab-rpm/built' --define '_build_name_fmt %{NAME}.rpm' \
        --define '__os_install_post %{nil}' --define 'debug_package %{nil}' --define '_binary_payload w1.gzdio' "/srv/lab-rpm/built/$1.spec"
}

# What glusterfs-client needs besides is in the image, see packages.txt.
rebuild glusterfs-fuse glusterfs glusterfs-client
rebuild glusterfs '' glusterfs-common libglusterfs0 libglusterd0 libgfapi0 libgfchangelog0 libgfrpc0 libgfxdr0 liburcu8 libaio1
rebuild rpcbind '' rpcbind
rebuild nfs-utils rpcbind nfs-common libnfsidmap1
# What scriptlets and dnf ask for, and the machine has without a package.
printf '%s\n' 'Name: lab-release' 'Version: 12' 'Release: 1' 'Summary: lab' 'License: free' 'BuildArch: noarch' \
    'Provides: system-release = 12' 'Provides: /bin/sh' '%description' '%files' >"$built/lab-release.spec"
pack lab-release
rm -r "$built"
chroot "$root" createrepo_c --quiet --no-database /srv/lab-rpm

mkdir -p "$root/usr/share/lab/rpm" "$root/etc/rpm" "$root/etc/yum.repos.d"
for name in rpm dnf dnf-3; do
    mv "$root/usr/bin/$name" "$root/usr/share/lab/rpm"
done
ln -s dnf-3 "$root/usr/share/lab/rpm/yum"
install -m 755 "$recipe/rpm-flavour.sh" "$root/usr/share/lab/rpm-flavour"
echo '%_dbpath /var/lib/rpm' >"$root/etc/rpm/macros" # Debian's is ~/.rpmdb
printf '[lab]\nname=lab\nbaseurl=file:///srv/lab-rpm\ngpgcheck=0\n' >"$root/etc/yum.repos.d/lab.repo"
printf '[main]\nbest=True\nskip_if_unavailable=False\n' >"$root/etc/dnf/dnf.conf" # as RHEL and Fedora have it
