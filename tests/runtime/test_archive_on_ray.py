"""An archive on a real Ray cluster of two nodes on this machine, one of which dies."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from frames import blue_cell
from ray_cluster import ray_cluster

pytest.importorskip("ray")


@pytest.fixture
def cluster() -> Iterator[Any]:
    with ray_cluster() as cluster:
        yield cluster


def test_a_node_that_dies_loses_no_file(cluster: Any, tiny: Path, tmp_path: Path) -> None:
    folder, out, alone = tmp_path / "in", tmp_path / "out", tmp_path / "alone"
    folder.mkdir()
    for number in range(16):
        writer = cv2.VideoWriter(str(folder / f"{number}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
        for index in range(100):
            writer.write(blue_cell(1, 2, height=48, width=64) if index > number else np.zeros((48, 64, 3), np.uint8))
        writer.release()
    _, dying = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
    command = [sys.executable, "-m", "edgessd", "archive", str(folder), "-m", str(tiny), "--format", "jsonl"]
    process = subprocess.Popen([*command, "--out", str(out), "--ray", cluster.address])
    deadline = time.monotonic() + 120
    while len(list(out.glob("results/*.jsonl"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    cluster.remove_node(dying, allow_graceful=False)
    assert process.wait(120) == 0
    subprocess.run([*command, "--out", str(alone)], check=True)
    results = {path.name: path.read_bytes() for path in out.glob("results/*.jsonl")}
    assert len(results) == 16
    assert results == {path.name: path.read_bytes() for path in alone.glob("results/*.jsonl")}
    assert not list(out.rglob(".*unfinished*"))


def test_no_cluster_is_one_line(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))[1].tobytes())
    command = [sys.executable, "-m", "edgessd", "archive", str(tmp_path / "a.png"), "-m", str(tiny)]
    command += ["--out", str(tmp_path / "out"), "--format", "jsonl", "--ray", "127.0.0.1:1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "no Ray cluster answers at 127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
