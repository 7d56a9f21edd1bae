"""A configuration of ``run`` that was changed anyhow is read or refused in one line, soon, and shows no secret."""

import random
from pathlib import Path

import pytest
from mutate import mutated
from tally import CASES, tally

from edgessd.config import read_config

WHOLE = """
[model]
path = "default"
score = 0.3
classes = ["person"]
thresholds = {person = 0.5}
[run]
workers = 2
batch = 4
log_format = "json"
[[streams]]
name = "door"
source = "rtsp://u:geheim@h/live"
policy = "latest"
stale_after = 2.0
[[streams]]
name = "yard"
source = "yard.mp4?pace=10"
track = true
interval = "auto"
motion = true
tiles = "2x2"
[[streams.masks]]
polygon = [[0.0, 0.0], [0.5, 0.0], [0.5, 0.1]]
[[streams.zones]]
name = "drive"
polygon = [[0.1, 0.5], [0.9, 0.5], [0.9, 1.0], [0.1, 1.0]]
classes = ["person"]
inertia = 3
loiter = 30
[[streams.lines]]
name = "gate"
from = [0.5, 1.0]
to = [0.5, 0.4]
[[sinks]]
type = "events"
path = "e.db"
keep_days = 3
[[sinks]]
type = "jsonl"
path = "o.jsonl"
max_mb = 10
keep = 3
streams = ["door"]
[[sinks]]
type = "video"
folder = "v"
container = "mp4"
segment_seconds = 60
[[sinks]]
type = "snapshots"
folder = "s"
interval = 0.5
[[sinks]]
type = "mqtt"
host = "broker"
port = 1883
prefix = "home"
user = "u"
password = "geheim"
[[sinks]]
type = "webhook"
url = "http://u:geheim@h/hook"
headers = {X-Key = "geheim"}
[[sinks]]
type = "prometheus"
address = "127.0.0.1"
port = 9464
[view]
address = "127.0.0.1"
port = 8080
title = "a yard"
password_hash = "scrypt:16384:8:1:AAAAAAAAAAAAAAAAAAAAAA:geheimAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
hosts = ["nvr.local"]
max_watchers = 4
quality = 80
"""


def test_mutations_of_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "c.toml"
    with tally("configurations read") as counted:
        for seed in range(CASES):
            path.write_bytes(mutated(WHOLE, random.Random(seed)))
            with counted.case(seed):
                config = read_config(path)
                for sink in config.sinks:
                    sink.check()
                if config.view:
                    config.view.check()
    assert counted.refused > CASES / 4
