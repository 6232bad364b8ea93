#!/bin/sh
# mmdebstrap customize hook: fills ROOT/srv/lab-apt with packages that the machine can install offline: those of
# repository.txt with all they need, and every package that the image was made of, so that whatever is removed can come back.
# usage: repository.sh ROOT RECIPE-FOLDER; environment: MMDEBSTRAP_APT_CONFIG (set by mmdebstrap)
set -eu
root=$1 recipe=$2 folder=$1/srv/lab-apt
mkdir -p "$folder"
packages=$(sed 's/#.*//' "$recipe/repository.txt")
# shellcheck disable=SC2086 # a list of names
APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --yes --no-install-recommends --download-only install $packages
find "$root/var/cache/apt/archives" -name '*.deb' -exec mv -t "$folder" {} +
cd "$folder"
for deb in *.deb; do
    dpkg-deb --field "$deb"
    echo "Filename: ./$deb"
    echo "Size: $(stat --format=%s "$deb")"
    echo "SHA256: $(sha256sum "$deb" | cut -d' ' -f1)"
    echo
done >Packages
