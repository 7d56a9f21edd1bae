#!/usr/bin/env bash
# Install edgessd on a Jetson (JetPack 6.1, 6.2 or 7.0 and newer), then let `edgessd doctor` judge it.
#
#   sudo deploy/jetson/install.sh [--prefix /opt/edgessd] [--wheel FILE] [--jetpack N] [--pycuda] [--service]
#
#   --prefix DIR   where the virtual environment goes
#   --wheel FILE   this wheel instead of the checkout that the script lies in
#   --jetpack N    6 or 7, instead of what /etc/nv_tegra_release says; for building container images
#   --pycuda       build pycuda too (minutes; nvcc of /usr/local/cuda), else CUDA is reached through cuda-bindings
#   --service      user, folders, configuration and systemd unit as well; nothing that exists is overwritten
#
# It may be run again: what is there is updated. Exit 0 when doctor says that detection can run here, 1 when it cannot,
# 2 when this is no board or release that edgessd is for.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
PREFIX=/opt/edgessd
SOURCE=$(realpath "$HERE/../..")
JETPACK=
PYCUDA=no
SERVICE=no
RELEASE_FILE=/etc/nv_tegra_release

fail() {
    echo "install.sh: $*" >&2
    exit 2
}

arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            --prefix | --wheel | --jetpack) [ $# -gt 1 ] || fail "$1 wants a value: see --help" ;;&
            --prefix) PREFIX=$(realpath -m "$2") && shift ;;
            --wheel) SOURCE=$(realpath "$2") && shift ;;
            --jetpack) JETPACK=$2 && shift ;;
            --pycuda) PYCUDA=yes ;;
            --service) SERVICE=yes ;;
            -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" && exit 0 ;;
            *) fail "no option $1: see --help" ;;
        esac
        shift
    done
}

# The JetPack generation by L4T's release: 36.4 and newer is JetPack 6.1 and newer, 38 is 7.0 and 7.1, 39 is 7.2.
jetpack_here() {
    local line major minor
    [ -r "$RELEASE_FILE" ] ||
        fail "no $RELEASE_FILE, so this is no Jetson: on another machine use pip install '.[cpu]' in the clone"
    line=$(head -n 1 "$RELEASE_FILE")
    [[ $line =~ R([0-9]+)\ \(release\),\ REVISION:\ ([0-9]+) ]] || fail "cannot read the release in $RELEASE_FILE: $line"
    major=${BASH_REMATCH[1]} minor=${BASH_REMATCH[2]}
    case $major in
        36)
            [ "$minor" -ge 4 ] ||
                fail "L4T 36.$minor is JetPack 6.0 (TensorRT 8.6), edgessd needs 10.3: flash JetPack 6.1 or newer"
            echo 6
            ;;
        38 | 39) echo 7 ;;
        *) fail "L4T $major.$minor is not supported (36.4 and newer, 38, 39 are): flash JetPack 6.2 or 7" ;;
    esac
}

# JetPack's Python packages must be seen, so that its OpenCV (GStreamer) and TensorRT are used.
environment() {
    local jetpack=$1
    python3 -c 'import venv, ensurepip' 2>/dev/null ||
        fail "python3-venv is missing: sudo apt-get install python3-venv"
    [ -x "$PREFIX/bin/python" ] || python3 -m venv --system-site-packages "$PREFIX"
    grep -q 'include-system-site-packages = true' "$PREFIX/pyvenv.cfg" ||
        fail "$PREFIX does not see the system's packages: remove it, and it is made again"
    # Held for every later pip install in here too: whatever asks for pip's OpenCV fails instead of hiding JetPack's.
    {
        grep '^numpy' "$HERE/jetpack$jetpack.txt"
        printf '%s<0\n' opencv-python opencv-python-headless opencv-contrib-python opencv-contrib-python-headless
    } >"$PREFIX/constraints.txt"
    printf '[global]\nconstraint = %s\ndisable-pip-version-check = true\n' "$PREFIX/constraints.txt" >"$PREFIX/pip.conf"
}

packages() {
    local jetpack=$1
    "$PREFIX/bin/python" -m pip install --quiet --upgrade "edgessd[streams] @ file://$SOURCE" \
        --requirement "$HERE/jetpack$jetpack.txt"
    if [ "$PYCUDA" = yes ]; then
        PATH=/usr/local/cuda/bin:$PATH "$PREFIX/bin/python" -m pip install --quiet pycuda
    fi
}

# JetPack's is 4.8; Ubuntu's own (python3-opencv, 4.5 and 4.6) works, but the tests run from 4.8 on.
opencv() {
    "$PREFIX/bin/python" - <<'END' || echo "install.sh: edgessd is tested with OpenCV 4.8 and newer: sudo apt-get install nvidia-opencv" >&2
import sys
try:
    import cv2
except ImportError as error:
    sys.exit(f"OpenCV does not load: {error}")
if tuple(int(part) for part in cv2.__version__.split(".")[:2]) < (4, 8):
    sys.exit(f"OpenCV is {cv2.__version__} ({cv2.__file__})")
END
}

service() {
    local group groups=
    getent passwd edgessd >/dev/null ||
        useradd --system --user-group --home-dir /var/lib/edgessd --shell /usr/sbin/nologin edgessd
    for group in video render; do
        getent group "$group" >/dev/null || groupadd --system "$group"
        groups=${groups:+$groups,}$group
    done
    usermod --append --groups "$groups" edgessd
    install -d -m 0755 /etc/edgessd
    [ -e /etc/edgessd/streams.toml ] || install -m 0644 "$HERE/streams.toml" /etc/edgessd/streams.toml
    [ -e /etc/edgessd/passwords ] || install -m 0600 "$HERE/passwords.example" /etc/edgessd/passwords
    sed "s|/opt/edgessd|$PREFIX|g" "$HERE/edgessd.service" >/etc/systemd/system/edgessd.service
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
    fi
    echo "edit /etc/edgessd/streams.toml and /etc/edgessd/passwords, then: sudo systemctl enable --now edgessd"
}

main() {
    local jetpack
    arguments "$@"
    [ "$(uname -m)" = aarch64 ] || fail "this machine is $(uname -m), a Jetson is aarch64"
    jetpack=${JETPACK:-$(jetpack_here)}
    [ -r "$HERE/jetpack$jetpack.txt" ] || fail "no JetPack $jetpack known: --jetpack takes 6 or 7"
    echo "JetPack $jetpack: $PREFIX"
    environment "$jetpack"
    packages "$jetpack"
    opencv
    if [ "$SERVICE" = yes ]; then
        service
    fi
    "$PREFIX/bin/edgessd" doctor
}

main "$@"
