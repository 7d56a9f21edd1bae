#!/usr/bin/env bash
# Rehearse the Jetson containers: every step of a Dockerfile in a copy of run.sh's arm64 root, NVIDIA's packages present
# by name only. What they would bring is not there, but for OpenCV, which is Debian's (with GStreamer, as JetPack's).
#
#   sudo deploy/arm64/container.sh 6|7 [FOLDER]        # after deploy/arm64/run.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/../.."

JETPACK=${1:?6 or 7}
FOLDER=$(realpath -m "${2:-out/arm64}")
ROOT=$FOLDER/jetpack$JETPACK
STUBS="cuda-cudart-13-0 nvidia-l4t-camera nvidia-l4t-core nvidia-l4t-gstreamer nvidia-l4t-multimedia
    nvidia-l4t-multimedia-utils nvidia-l4t-nvsci python3-libnvinfer tensorrt-libs libopencv-python"

# A signed repository in the root, as NVIDIA's is, of packages without files.
stub_repository() {
    local name depends repository=$ROOT/stubs/jetson keys
    keys=$(mktemp -d)
    for name in $STUBS; do
        depends=
        if [ "$name" = libopencv-python ]; then
            depends="Depends: python3-opencv"
        fi
        mkdir -p "$keys/$name/DEBIAN"
        printf 'Package: %s\nVersion: 0~stub\nArchitecture: arm64\nMaintainer: nobody <nobody@localhost>\n%sDescription: a name\n' \
            "$name" "${depends:+$depends$'\n'}" >"$keys/$name/DEBIAN/control"
        for part in common som; do
            mkdir -p "$repository/$part/pool" "$repository/$part/dists/r38.4/main/binary-arm64"
        done
        dpkg-deb --root-owner-group --build "$keys/$name" "$repository/common/pool/${name}_0_arm64.deb" >/dev/null
    done
    gpg --homedir "$keys" --batch --quiet --passphrase '' --quick-generate-key nobody default default never 2>/dev/null
    gpg --homedir "$keys" --batch --armor --export >"$repository/jetson-ota-public.asc"
    for part in common som; do
        (
            cd "$repository/$part"
            dpkg-scanpackages --arch arm64 pool >dists/r38.4/main/binary-arm64/Packages 2>/dev/null
            cd dists/r38.4
            {
                printf 'Suite: r38.4\nComponents: main\nArchitectures: arm64\nDate: %s\nSHA256:\n' "$(date --utc --rfc-email)"
                find main -type f -printf '%P %s\n' | while read -r path size; do
                    echo " $(sha256sum "main/$path" | cut -d' ' -f1) $size main/$path"
                done
            } >Release
            gpg --homedir "$keys" --batch --quiet --clearsign --output InRelease Release
        )
    done
    gpgconf --homedir "$keys" --kill all
    rm -rf "$keys"
    if [ "$JETPACK" = 6 ]; then
        # l4t-jetpack brings its repository.
        cp "$repository/jetson-ota-public.asc" "$ROOT/usr/share/keyrings/stubs.asc"
        echo 'deb [signed-by=/usr/share/keyrings/stubs.asc] file:///stubs/jetson/common r38.4 main' \
            >"$ROOT/etc/apt/sources.list.d/stubs.list"
    fi
}

main() {
    rm -rf "$ROOT"
    cp --archive --one-file-system "$FOLDER/root" "$ROOT" # run.sh may have mounts in it
    rm -rf "$ROOT/opt/edgessd"
    mount -t proc proc "$ROOT/proc"
    trap 'umount "$ROOT/proc"' EXIT
    stub_repository
    echo force-unsafe-io >"$ROOT/etc/dpkg/dpkg.cfg.d/rehearsal" # nothing here must survive a power cut
    export QEMU_CPU=cortex-a76
    # This machine's certificates are in the root; a pip of its own would not look there.
    printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$ROOT/etc/pip.conf"
    python3 deploy/arm64/dockerfile.py "deploy/jetson/Dockerfile.jetpack$JETPACK" "$ROOT" REPOSITORY=file:///stubs/jetson
    echo "all of it: $SECONDS s"
}

[ "$(id -u)" = 0 ] || { echo "$0: chroot needs root" >&2 && exit 2; }
[ -e "$FOLDER/root/.ready" ] || { echo "$0: no arm64 root in $FOLDER: run deploy/arm64/run.sh first" >&2 && exit 2; }
main 2>&1 | tee "$FOLDER/jetpack$JETPACK.txt"
