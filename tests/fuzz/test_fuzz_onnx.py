"""Whole ONNX files, mutated, through both CPU backends in a process of their own: no signal, no hang, no traceback.

EDGESSD_FUZZ_ONNX=10000 runs so many files; without it two hundred.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TINY = HERE.parent / "runtime" / "tiny.onnx"
CASES = int(os.environ.get("EDGESSD_FUZZ_ONNX", "200"))
SECONDS_A_CASE = 5.0
MOST_MB = 1000

LOOP = """
import random, sys
from pathlib import Path
from time import perf_counter
import numpy as np
from edgessd import Detector
from edgessd.errors import EdgessdError
from mutate_json import mutated_bytes
from tally import peak_mb

backend, path, content = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]).read_bytes()
first, last, seconds = map(float, sys.argv[4:])
frame = np.zeros((48, 64, 3), np.uint8)
opened = 0
for seed in range(int(first), int(last)):
    print("seed", seed, flush=True)
    path.write_bytes(mutated_bytes(content, random.Random(seed)))
    start = perf_counter()
    try:
        with Detector(path, backend=backend) as detector:
            detector.detect(frame)
            opened += 1
    except EdgessdError as error:
        assert chr(10) not in str(error), str(error)
        str(error).encode()
    assert perf_counter() - start < seconds, "slow"
print("opened", opened, peak_mb())
"""


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_whole_files(tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend)
    arguments = [
        sys.executable,
        "-c",
        LOOP,
        backend,
        str(tmp_path / "m.onnx"),
        str(TINY),
        "0",
        str(CASES),
        str(SECONDS_A_CASE),
    ]
    done = subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60 + SECONDS_A_CASE * CASES,
        env={**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    last = done.stdout.strip().splitlines()[-1:]
    assert done.returncode == 0, (done.returncode, last, done.stderr[-2000:])
    _, opened, megabytes = last[0].split()
    assert int(opened) > 0
    assert int(megabytes) <= MOST_MB
