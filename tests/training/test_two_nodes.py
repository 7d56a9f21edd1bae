"""Training on two nodes: torchrun's rendezvous between two addresses of loopback, one of which goes and comes back."""

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from squares import write_squares

pytest.importorskip("lightning_fabric")

# Batch norm is frozen: with random weights this small network blows 1e-7 of rounding up to 1e-3 within a step.
RECIPE = """
name = "two-nodes"
batch_size = 8
epochs = 16
seed = 3
[network]
family = "ssdlite_mobilenet_v2"
width = 0.1
input_size = 96
[data]
workers = 0
[optimizer]
lr = 0.2
freeze_bn = true
[schedule]
warmup_steps = 2
[augment]
plain_epochs = 16
[hardware]
accelerator = "cpu"
[evaluation]
every = 100
[save]
every_steps = 3
"""
BATCHES = 16 * 5
SECONDS = 240


def losses(out: Path) -> dict[int, float]:
    with suppress(FileNotFoundError), (out / "steps.csv").open(newline="") as file:
        return {int(row["batch"]): float(row["loss"]) for row in csv.DictReader(file) if row["loss"]}
    return {}


def environment() -> dict[str, str]:
    """torchrun keeps where the first process is from its first round on and tells it to no node that joins later."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def killed(node: "subprocess.Popen[bytes]") -> None:
    """Take a node away: torchrun and its processes, which are sessions of their own."""
    with suppress(FileNotFoundError):
        children = Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text().split()
        for pid in (node.pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    node.wait()


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    (tmp_path / "tiny.toml").write_text(RECIPE)
    data = write_squares(tmp_path / "train", 41)
    return ["edgessd", "train", str(tmp_path / "tiny.toml"), "--data", data, "--val", data, "--resume", "--out"]


@pytest.fixture
def start(tmp_path: Path, command: list[str]) -> "Callable[[str, Path], subprocess.Popen[bytes]]":
    """Start torchrun at an address of loopback; the rendezvous is at the first."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def start(address: str, out: Path) -> "subprocess.Popen[bytes]":
        run = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
        run += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--local-addr", address]
        # Both take the first's address for their own. A node that is gone is noticed after three seconds, not fifteen.
        host = int(address == "127.0.0.1")
        run += ["--rdzv-conf", f"is_host={host},keep_alive_interval=1,keep_alive_max_attempt=3"]
        run += ["--max-restarts", "3", "-m", *command, str(out)]
        log = (tmp_path / f"{address}.log").open("ab")
        return subprocess.Popen(run, stderr=log, stdout=log, env=environment())

    return start


def test_a_node_that_dies_and_comes_back_costs_some_batches(
    tmp_path: Path, command: list[str], start: "Callable[[str, Path], subprocess.Popen[bytes]]"
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    alone = [sys.executable, "-m", *command[:-2], "--out", str(one)]
    subprocess.run(alone, check=True, env=environment(), timeout=SECONDS, capture_output=True)
    first, second = start("127.0.0.1", two), start("127.0.0.2", two)
    try:
        deadline = time.monotonic() + SECONDS
        while len(losses(two)) < 12 and time.monotonic() < deadline:
            time.sleep(0.02)
        killed(second)
        before = len(losses(two))
        second = start("127.0.0.2", two)
        assert first.wait(SECONDS) == 0, (tmp_path / "127.0.0.1.log").read_text()[-3000:]
        assert second.wait(SECONDS) == 0, (tmp_path / "127.0.0.2.log").read_text()[-3000:]
    finally:
        killed(first)
        killed(second)
    assert 12 <= before < BATCHES
    expected, found = losses(one), losses(two)
    assert list(found) == list(expected) == list(range(BATCHES))
    assert np.abs(np.array([*found.values()]) - np.array([*expected.values()])).max() < 1e-3
    assert (two / "best.pt").exists()
