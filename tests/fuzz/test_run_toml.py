"""A configuration of ``run`` that was changed anyhow is read or refused in one line, soon, and shows no secret.

EDGESSD_FUZZ=100000 pytest tests/fuzz -q      # the long form; 500 cases otherwise
"""

import os
import random
import time
from pathlib import Path

import pytest
from fuzz.mutate import mutated

from edgessd.config import read_config
from edgessd.errors import InputError

CASES = int(os.environ.get("EDGESSD_FUZZ", "500"))
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
"""


def test_mutations_of_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "c.toml"
    refused = 0
    for seed in range(CASES):
        path.write_bytes(mutated(WHOLE, random.Random(seed)))
        started = time.monotonic()
        try:
            for sink in read_config(path).sinks:
                sink.check()
        except InputError as error:
            refused += 1
            text = str(error)
            assert "\n" not in text, seed
            assert "geheim" not in text, seed
            assert len(text) < 2000, seed
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
        assert time.monotonic() - started < 5, seed
    assert refused > CASES / 4
