"""Whole configurations, mutated, run by `edgessd run` until SIGTERM: an exit code, in time, and no traceback.

EDGESSD_FUZZ_RUN=10000 runs so many, EDGESSD_FUZZ_SECONDS=1 each so long, in EDGESSD_FUZZ_PROCESSES=8 processes, from
the seed EDGESSD_FUZZ_FIRST=0 on.
"""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from servers.numbered import numbered_frame
from tally import MOST_MB, SECRET

HERE = Path(__file__).parent
TINY = HERE.parent / "runtime" / "tiny.onnx"
CASES = int(os.environ.get("EDGESSD_FUZZ_RUN", "24"))
FIRST = int(os.environ.get("EDGESSD_FUZZ_FIRST", "0"))
SECONDS = os.environ.get("EDGESSD_FUZZ_SECONDS", "0.3")
PROCESSES = int(os.environ.get("EDGESSD_FUZZ_PROCESSES", "2"))
# Nobody listens on port 9: brokers, receivers and cameras that are away.
WHOLE = f"""
[model]
path = "{TINY}"
score = 0.1
thresholds = {{red = 0.5}}
[run]
workers = 2
batch = 1
log_format = "text"
log_level = "info"
[[streams]]
name = "door"
source = "clip.avi?pace=25&loop=1"
policy = "latest"
stale_after = 2.0
interval = "auto"
motion = true
[[streams.masks]]
polygon = [[0.0, 0.0], [0.5, 0.0], [0.5, 0.1]]
[[streams.zones]]
name = "drive"
polygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 1.0], [0.1, 1.0]]
classes = ["red"]
inertia = 1
loiter = 0.2
[[streams.lines]]
name = "middle"
from = [0.5, 1.0]
to = [0.5, 0.0]
[[streams]]
name = "yard"
source = "images"
hang_after = 8.0
tiles = "2x2"
track = true
[[streams]]
name = "gate"
source = "http://u:{SECRET}@127.0.0.1:9/x?token={SECRET}#read_timeout=1"
first_retry = 0.1
[[streams]]
name = "hall"
source = "rtsp://u:{SECRET}@127.0.0.1:9/x"
[[sinks]]
type = "jsonl"
path = "o.jsonl"
max_mb = 0.01
keep = 3
streams = ["door"]
[[sinks]]
type = "csv"
path = "o.csv"
[[sinks]]
type = "video"
folder = "v"
container = "mkv"
segment_seconds = 0.5
keep = 2
[[sinks]]
type = "snapshots"
folder = "s"
interval = 0.1
keep = 3
[[sinks]]
type = "mqtt"
host = "127.0.0.1"
port = 9
prefix = "home"
user = "u"
password = "{SECRET}"
snapshots = true
discovery = true
discovery_prefix = "ha"
[[sinks]]
type = "webhook"
url = "http://u:{SECRET}@127.0.0.1:9/hook"
headers = {{X-Key = "{SECRET}"}}
attempts = 1
[[sinks]]
type = "prometheus"
address = "127.0.0.1"
port = 0
[[sinks]]
type = "events"
path = "e.db"
keep_days = 1
max_mb = 0.1
[view]
address = "127.0.0.1"
port = 0
title = "a yard"
max_watchers = 4
max_width = 320
quality = 70
"""
LOOP = """
import os, random, signal, sys, threading
from pathlib import Path
from time import perf_counter
from mutate_config import mutated_config
from tally import peak_mb
from edgessd.commands.cli import run

first, last, step, seconds = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
whole = sys.stdin.read()
signal.signal(signal.SIGTERM, lambda *_: None)
codes, slowest = {}, 0.0

def run_for(seconds):
    ended = threading.Event()

    def end():  # until it is heard: what is imported at first takes its time
        while not ended.wait(seconds):
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=end)
    thread.start()
    try:
        return run(["run", "c.toml"])
    finally:
        ended.set()
        thread.join()

Path("c.toml").write_text(whole)
assert run_for(1) == 0, "the whole configuration is sound"
for seed in range(first, last, step):
    print("seed", seed, file=sys.stderr, flush=True)
    Path("c.toml").write_text(mutated_config(whole, random.Random(seed)))
    start = perf_counter()
    code = run_for(seconds)
    took = perf_counter() - start - seconds
    codes[code] = codes.get(code, 0) + 1
    slowest = max(slowest, took)
    assert code in (0, 1, 2), code
    assert took < 10, f"seed {seed} ends {took:.1f} s after SIGTERM"
print(codes, f"{slowest:.1f}", peak_mb())
"""


def test_configurations_run(tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt.client")
    pytest.importorskip("uvicorn")
    running = []
    for number in range(PROCESSES):
        place = tmp_path / str(number)
        (place / "images").mkdir(parents=True)
        writer = cv2.VideoWriter(str(place / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
        for index in range(25):
            writer.write(numbered_frame(index)[:48, :64])
            cv2.imwrite(str(place / "images" / f"{index}.png"), numbered_frame(index)[:48, :64])
        writer.release()
        (place / "whole.toml").write_text(WHOLE)
        command = [sys.executable, "-c", LOOP, str(FIRST + number), str(FIRST + CASES), str(PROCESSES), SECONDS]
        with (
            (place / "whole.toml").open() as whole,
            (place / "log").open("wb") as log,
            (place / "out").open("wb") as out,
        ):
            environment = {**os.environ, "PYTHONPATH": str(HERE)}
            running.append(subprocess.Popen(command, stdin=whole, stdout=out, stderr=log, cwd=place, env=environment))
    for number, process in enumerate(running):
        place = tmp_path / str(number)
        code = process.wait(60 + 10 * CASES)
        log = (place / "log").read_text(errors="replace")
        assert "Traceback" not in log, log[max(0, log.index("Traceback") - 2000) :][:6000]
        assert code == 0, (code, log[-3000:])
        assert SECRET not in log, log[log.index(SECRET) - 1000 :][:1100]
        figures = (place / "out").read_text().splitlines()[-1]
        if name := os.environ.get("EDGESSD_FUZZ_LOG"):
            with Path(name).open("a") as file:
                file.write(f"configurations run {SECONDS} s: {CASES // PROCESSES} cases, exit codes {figures} MB\n")
        assert int(figures.split()[-1]) <= MOST_MB
