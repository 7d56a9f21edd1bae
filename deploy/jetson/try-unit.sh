#!/usr/bin/env bash
# Try edgessd.service under a real systemd, booted in a container of its own on this machine's processor: start with a
# camera and a broker missing, kill -9, hang, stop, wrong configuration. Exit 0 when each ends as it should.
#
#   sudo deploy/jetson/try-unit.sh [FOLDER]        # needs debootstrap and systemd-container; out/unit where not given
set -euo pipefail
cd "$(dirname "$0")/../.."

FOLDER=$(realpath -m "${1:-out/unit}")
ROOT=$FOLDER/root

in_root() {
    env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
        PIP_DISABLE_PIP_VERSION_CHECK=1 chroot "$ROOT" "$@"
}

make_root() {
    if [ ! -e "$ROOT/.ready" ]; then
        rm -rf "$ROOT"
        debootstrap --variant=minbase \
            --include=ca-certificates,dbus,libgl1,libglib2.0-0,python3,python3-venv,systemd,systemd-sysv \
            bookworm "$ROOT" >"$FOLDER/debootstrap.log"
        touch "$ROOT/.ready"
    fi
    cp -L /etc/resolv.conf "$ROOT/etc/resolv.conf"
    cp /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/certs/ca-certificates.crt"
    rm -rf "$ROOT/usr/src/edgessd" "$ROOT/etc/systemd/system/edgessd.service.d"
    mkdir -p "$ROOT/usr/src/edgessd"
    git ls-files -z runtime training/edgessd_training export/edgessd_export pyproject.toml README.md LICENSE NOTICE |
        xargs -0 cp --parents -t "$ROOT/usr/src/edgessd"
    in_root python3 -m venv /opt/edgessd
    in_root /opt/edgessd/bin/pip install --quiet --upgrade 'edgessd[cpu,streams] @ file:///usr/src/edgessd'
    in_root sh -c 'getent group render || groupadd --system render
        getent passwd edgessd || useradd --system --user-group --home-dir /var/lib/edgessd edgessd' >/dev/null
    mkdir -p "$ROOT/etc/edgessd" "$ROOT/srv/videos"
    in_root /opt/edgessd/bin/python -c 'from pathlib import Path
from edgessd.bench.demo import write_clip
write_clip(Path("/srv/videos/clip.mp4"), 60)'
    cp deploy/jetson/edgessd.service "$ROOT/etc/systemd/system/"
    echo 'MQTT_PASSWORD=secret' >"$ROOT/etc/edgessd/passwords"
    cat >"$ROOT/etc/edgessd/streams.toml" <<'END'
model.backend = "onnxruntime"
run.workers = 1
[[streams]]
name = "door"
source = "/srv/videos/clip.mp4?pace=5"
[[streams]]
name = "yard"
source = "/dev/video7"
[[sinks]]
type = "mqtt"
host = "127.0.0.1"
port = 1
user = "edgessd"
password = "${MQTT_PASSWORD}"
[[sinks]]
type = "jsonl"
path = "/var/lib/edgessd/detections.jsonl"
END
}

boot() {
    systemd-nspawn --quiet --directory "$ROOT" --boot --register=no --keep-unit </dev/null >"$FOLDER/boot.log" 2>&1 &
    NSPAWN=$!
    for _ in $(seq 60); do
        LEADER=$(pgrep --parent "$NSPAWN" || true)
        if [ -n "$LEADER" ] && inside systemctl is-system-running --quiet; then
            return
        fi
        sleep 1
    done
    echo "systemd did not start: see $FOLDER/boot.log" >&2
    exit 1
}

inside() {
    nsenter --target "$LEADER" --mount --uts --ipc --net --pid --cgroup --root --wd \
        env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin "$@" 2>/dev/null
}

# Wait up to 40 s until the unit is in the state that is wanted, and say how long it took.
expect() {
    local what=$1 wanted=$2 start=$SECONDS now
    while now=$(inside systemctl show edgessd --property ActiveState --property Result --property ExecMainStatus \
        --property NRestarts | sort | paste -sd ' ') && [[ $now != *"$wanted"* ]]; do
        if ((SECONDS - start > 40)); then
            echo "$what: NOT as expected ($wanted): $now" >&2
            exit 1
        fi
        sleep 0.5
    done
    echo "$what: $now, $((SECONDS - start)) s"
}

main() {
    make_root
    trap '[ -z "${LEADER:-}" ] || inside systemctl poweroff || true' EXIT
    boot
    # 60 s in the unit: too long to wait for here.
    inside sh -c 'mkdir -p /run/systemd/system/edgessd.service.d
        printf "[Service]\nWatchdogSec=6\n" >/run/systemd/system/edgessd.service.d/watchdog.conf; systemctl daemon-reload'
    inside systemctl start edgessd
    expect "start without camera and broker" "ActiveState=active"
    sleep 3
    inside journalctl --boot --unit edgessd --output cat --no-pager | grep -E 'MQTT|yard|door' | sed 's/^[^ ]* /  /'
    inside systemctl kill --signal=KILL --kill-whom=main edgessd
    expect "killed" "Result=signal"
    expect "  started again" "ActiveState=active ExecMainStatus=0 NRestarts=1"
    sleep 8 # longer than the watchdog's time
    expect "lives on" "ActiveState=active ExecMainStatus=0 NRestarts=1"
    inside systemctl kill --signal=STOP --kill-whom=main edgessd
    expect "hung" "Result=watchdog"
    expect "  started again" "ActiveState=active ExecMainStatus=0 NRestarts=2"
    inside systemctl stop edgessd
    expect "stopped" "ActiveState=inactive ExecMainStatus=0"
    inside sed -i 's/"onnxruntime"/"onnx"/' /etc/edgessd/streams.toml
    inside systemctl start edgessd || true
    expect "wrong configuration" "ActiveState=failed ExecMainStatus=2 NRestarts=0"
    sleep 12 # longer than RestartSec
    expect "  left alone" "ActiveState=failed ExecMainStatus=2 NRestarts=0"
    inside journalctl --boot --unit edgessd --output cat --no-pager | grep '^error' | sed 's/^/  /'
}

[ "$(id -u)" = 0 ] || { echo "$0: a container needs root" >&2 && exit 2; }
command -v debootstrap systemd-nspawn >/dev/null ||
    { echo "$0: apt-get install debootstrap systemd-container" >&2 && exit 2; }
mkdir -p "$FOLDER"
main
