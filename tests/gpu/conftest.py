"""What the GPU's tests share. They run with `pytest -m gpu` and skip where there is no CUDA GPU.

EDGESSD_GPU_MODELS names a folder of ONNX files to build and try besides the shipped ones; EDGESSD_GPU_REPORT a file
that the figures are appended to.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgessd.backends.cuda import Driver, installed, open_driver
from edgessd.model.shipped import shipped

TINY = Path(__file__).parents[1] / "runtime" / "tiny.onnx"
PROBE = (
    "import json, dataclasses; from edgessd.backends.cuda.library import state; "
    "print(json.dumps(dataclasses.asdict(state())))"
)
FIGURES: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(scope="session", autouse=True)
def gpu() -> dict:
    """Return the first device. It is asked for in another process: tests of this one may hold a stand-in driver."""
    state = json.loads(subprocess.run([sys.executable, "-c", PROBE], capture_output=True, check=True).stdout)
    if state["problem"]:
        pytest.skip(f"no CUDA GPU: {state['problem'].partition(': ')[0]}")
    device = state["devices"][0]
    FIGURES.append(
        f"{device['name']}, compute capability {device['compute_capability']}, driver for CUDA "
        f"{state['driver_version']}, {' and '.join(installed()) or 'no CUDA library for Python'}"
    )
    return device


@pytest.fixture(params=["pycuda", "cuda-bindings"])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    """Yield the real driver, through each library that is installed."""
    if request.param not in installed():
        pytest.skip(f"{request.param} is not installed")
    with open_driver(request.param) as opened:
        yield opened


def models() -> list[Path]:
    """Return every ONNX model to try."""
    folder = os.environ.get("EDGESSD_GPU_MODELS")
    return [TINY, *shipped().values(), *(sorted(Path(folder).glob("*.onnx")) if folder else [])]


@pytest.fixture(params=models(), ids=lambda path: path.stem)
def model(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def figure() -> list[str]:
    """Return the list of figures that the report prints."""
    return FIGURES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if len(FIGURES) < 2:
        return
    terminalreporter.section("GPU report")
    for line in FIGURES:
        terminalreporter.write_line(line)
    if path := os.environ.get("EDGESSD_GPU_REPORT"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write("\n".join([*FIGURES, ""]))
