#!/usr/bin/env bash
# Prove edgessd on aarch64 without a board: a Debian arm64 root under qemu, the wheel installed there by the documented
# steps, `edgessd selftest` and `edgessd demo` on its emulated CPU, and its detections beside this machine's.
#
#   sudo deploy/arm64/run.sh [FOLDER]        # FOLDER holds root, results and log.txt; out/arm64 where not given
#
# It takes the mirror of this machine's own apt (or MIRROR=), Debian bookworm (or SUITE=), and half an hour. What is
# already there (root, environments) is used again; remove FOLDER to start from nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."

FOLDER=$(realpath -m "${1:-out/arm64}")
ROOT=$FOLDER/root
SUITE=${SUITE:-bookworm}
FRAMES=${FRAMES:-60} # of the demo; a board plays 360
# The emulated CPUs: one like an Orin's (Armv8.2 with int8 dot products), one with all that qemu knows (SVE2, i8mm).
CPUS=${CPUS:-cortex-a76 max}
MODELS="default picodet_s_voc_352_fp16"

fail() {
    echo "$0: $*" >&2
    exit 2
}

step() {
    local start=$SECONDS name=$1
    shift
    echo "== $name"
    "$@"
    echo "-- $name: $((SECONDS - start)) s"
}

# The first mirror of this machine's Debian; other architectures are on the same one. Empty where it is no Debian.
system_mirror() {
    apt-get indextargets --format "\$(ORIGIN) \$(REPO_URI)" | awk '$1 == "Debian" && !found++ {print $2}'
}

emulation() {
    command -v debootstrap qemu-aarch64-static >/dev/null ||
        fail "debootstrap and qemu are missing: apt-get install debootstrap qemu-user-static binfmt-support"
    [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc none /proc/sys/fs/binfmt_misc ||
        fail "this kernel has no binfmt_misc: run it on the host, not in an unprivileged container"
    [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || update-binfmts --enable qemu-aarch64 ||
        fail "qemu-aarch64 is not registered: apt-get install binfmt-support qemu-user-static"
}

make_root() {
    [ -e "$ROOT/.ready" ] && return
    local mirror=${MIRROR:-$(system_mirror)}
    rm -rf "$ROOT"
    debootstrap --arch=arm64 --variant=minbase --include=ca-certificates,python3,python3-venv \
        "$SUITE" "$ROOT" ${mirror:+"$mirror"} >"$FOLDER/debootstrap.log" ||
        fail "debootstrap failed: see $FOLDER/debootstrap.log"
    touch "$ROOT/.ready"
}

# qemu shows this machine's /proc/cpuinfo, on which ONNX Runtime's detection of an Arm CPU crashes: an Orin's instead
# (Cortex-A78AE), so that it takes the kernels that it would take there.
mounts() {
    local core
    for core in $(seq 0 $(($(nproc) - 1))); do
        printf 'processor\t: %s\nFeatures\t: %s\n' "$core" "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp \
asimdhp cpuid asimdrdm lrcpc dcpop asimddp uscat ilrcpc flagm"
        printf 'CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd42\nCPU revision\t: 1\n\n'
    done >"$FOLDER/cpuinfo"
    unmount
    mount -t proc proc "$ROOT/proc"
    mount -t sysfs -o ro sysfs "$ROOT/sys"
    mount --bind "$FOLDER/cpuinfo" "$ROOT/proc/cpuinfo"
}

unmount() {
    local place
    for place in proc/cpuinfo proc sys; do
        if mountpoint -q "$ROOT/$place"; then
            umount "$ROOT/$place"
        fi
    done
}

# A command in the arm64 root, on the emulated CPU named first.
on_arm() {
    local cpu=$1
    shift
    env -i QEMU_CPU="$cpu" PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive COLUMNS=100 \
        PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 \
        chroot "$ROOT" "$@"
}

# The documented steps, on both machines alike.
install_on_arm() {
    on_arm max apt-get install -yqq --no-install-recommends libgl1 libglib2.0-0 >/dev/null
    on_arm max python3 -m venv /opt/edgessd
    on_arm max /opt/edgessd/bin/pip install --quiet "/root/${WHEEL}[cpu]"
    on_arm max /opt/edgessd/bin/pip install --quiet --force-reinstall --no-deps "/root/$WHEEL" # an older one's version
    on_arm max /opt/edgessd/bin/pip list | grep -E '^(edgessd|numpy|onnxruntime|opencv)'
}

install_here() {
    python3 -m venv "$FOLDER/x86"
    "$FOLDER/x86/bin/pip" install --quiet --disable-pip-version-check "$FOLDER/${WHEEL}[cpu]"
    "$FOLDER/x86/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps "$FOLDER/$WHEEL"
    "$FOLDER/x86/bin/pip" list --disable-pip-version-check | grep -E '^(edgessd|numpy|onnxruntime|opencv)'
}

make_wheel() {
    local copy
    copy=$(mktemp -d)
    rm -f "$FOLDER"/edgessd-*.whl
    git ls-files -z runtime training/edgessd_training export/edgessd_export pyproject.toml README.md LICENSE NOTICE | xargs -0 cp --parents -t "$copy"
    python3 -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$FOLDER" "$copy"
    rm -rf "$copy"
}

# Both machines see the same pictures: the package's photos, which each decodes and resizes itself, and the same resized
# here to the network's 300x300, which tells a difference of OpenCV from one of ONNX Runtime.
make_pictures() {
    rm -rf "$FOLDER/pictures"
    mkdir -p "$FOLDER/pictures"
    "$FOLDER/x86/bin/python" - "$FOLDER/pictures" <<'END'
import shutil, sys
from pathlib import Path
import cv2, edgessd
from edgessd.model.preprocess import to_input

photos, out = Path(edgessd.__file__).parent / "photos", Path(sys.argv[1])
shutil.copytree(photos, out / "photos")
(out / "resized").mkdir()
for path in photos.glob("*.jpg"):
    small = to_input(cv2.imread(str(path)), 300, 300)
    assert cv2.imwrite(str(out / "resized" / f"{path.stem}.png"), small)
END
    rm -rf "$ROOT/root/pictures"
    cp -r "$FOLDER/pictures" "$ROOT/root/pictures"
}

detections() {
    local model=$1 pictures=$2
    shift 2
    "$@" detect "$pictures" --model "$model" --backend onnxruntime --workers 1 --score 0.2 --jsonl - \
        2>>"$FOLDER/stderr.txt"
}

# The shipped default must give the same detections. Reported beside it: the FP16 model, which an Arm CPU computes in
# half precision and an x86 one in single.
compare() {
    local cpu=$1 model pictures here there
    for pictures in resized photos; do
        for model in $MODELS; do
            here=$FOLDER/x86-$model-$pictures.jsonl there=$FOLDER/$cpu-$model-$pictures.jsonl
            detections "$model" "$FOLDER/pictures/$pictures" "$FOLDER/x86/bin/edgessd" >"$here"
            detections "$model" "/root/pictures/$pictures" on_arm "$cpu" /opt/edgessd/bin/edgessd >"$there"
            echo "$pictures, $model:"
            python3 deploy/arm64/compare.py "$here" "$there" || [ "$model" != default ]
        done
    done
}

main() {
    local cpu
    step "emulation" emulation
    step "Debian $SUITE arm64" make_root
    cp -L /etc/resolv.conf "$ROOT/etc/resolv.conf"
    cp /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/certs/ca-certificates.crt"
    trap unmount EXIT
    mounts
    step "wheel" make_wheel
    WHEEL=$(basename "$FOLDER"/edgessd-*.whl)
    cp "$FOLDER/$WHEEL" "$ROOT/root/"
    step "install on arm64" install_on_arm
    step "install here" install_here
    make_pictures
    for cpu in $CPUS; do
        echo "emulated $cpu, $(on_arm "$cpu" uname -m)"
        step "selftest" on_arm "$cpu" /opt/edgessd/bin/edgessd selftest
        step "detections" compare "$cpu"
    done
    step "demo on ${CPUS%% *}" on_arm "${CPUS%% *}" /opt/edgessd/bin/edgessd demo --frames "$FRAMES" --out /root/demo
    echo "all of it: $SECONDS s"
}

[ "$(id -u)" = 0 ] || fail "a root file system needs root: sudo $0 $*"
mkdir -p "$FOLDER"
main 2>&1 | tee "$FOLDER/log.txt"
