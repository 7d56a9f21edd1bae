"""The CUDA driver layer and the TensorRT backend without a GPU: real pycuda and cuda-bindings on a stand-in driver.

The checks lie in stand_in/ and run in a child process each, since a stand-in libcuda.so.1 stays loaded and would
deceive other tests of this process.
"""

import os
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest

STAND_IN = Path(__file__).parent / "stand_in"
MODULES = {"pycuda": "pycuda", "cuda-bindings": "cuda"}


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the compiled stand-in."""
    tools = runpy.run_path(str(STAND_IN / "stand_in_cuda.py"))
    if not tools["COMPILER"]:
        pytest.skip("no C++ compiler here: the stand-in driver cannot be built")
    built: Path = tools["build"](tmp_path_factory.mktemp("stand_in"))
    return built


@pytest.mark.parametrize("driver", MODULES)
@pytest.mark.parametrize("checks", sorted(path.name for path in STAND_IN.glob("check_*.py")))
def test_on_the_stand_in(checks: str, driver: str, library: Path, tmp_path: Path) -> None:
    if not find_spec(MODULES[driver]):
        pytest.skip(f"{driver} is not installed")
    environment = {
        **os.environ,
        "STAND_IN_CUDA": str(library),
        "STAND_IN_DRIVER": driver,
        "PYTHONPATH": str(STAND_IN),
        "OMP_NUM_THREADS": "1",
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "stand_in_fixtures",
        f"--basetemp={tmp_path / 'child'}",
        f"--junitxml={tmp_path / 'child.xml'}",
    ]
    child = subprocess.run(
        [*command, str(STAND_IN / checks)], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert child.returncode == 0, child.stdout[-8000:] + child.stderr[-4000:]
    suite = ElementTree.parse(tmp_path / "child.xml").getroot().find("testsuite")
    assert suite is not None
    assert int(suite.attrib["tests"]) > int(suite.attrib["skipped"]), child.stdout[-8000:]
