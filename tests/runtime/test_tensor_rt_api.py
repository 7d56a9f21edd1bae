"""The real TensorRT-RTX, which installs without a GPU: the calls the backend makes exist, and loading fails by name."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

trt = pytest.importorskip("tensorrt_rtx", reason="needs TensorRT-RTX, the extra rtx")

STAND_IN = Path(__file__).parent / "stand_in"
CALLS = {
    "Runtime": "deserialize_cuda_engine engine_host_code_allowed DLA_core",
    "ICudaEngine": "num_io_tensors get_tensor_name get_tensor_mode get_tensor_dtype get_tensor_shape "
    "get_tensor_profile_shape create_execution_context create_runtime_config",
    "IExecutionContext": "set_tensor_address set_input_shape execute_async_v3",
    "IRuntimeConfig": "cuda_graph_strategy",
    "ILogger": "log Severity",
}


@pytest.mark.parametrize("kind", CALLS)
def test_what_the_backend_calls_exists(kind: str) -> None:
    assert not [name for name in CALLS[kind].split() if not hasattr(getattr(trt, kind), name)]


def test_the_names_the_backend_reads_exist() -> None:
    from edgessd.backends.tensorrt.engine import DTYPES

    assert set(DTYPES) <= set(trt.DataType.__members__)
    assert {"INPUT", "OUTPUT"} <= set(trt.TensorIOMode.__members__)
    assert "WHOLE_GRAPH_CAPTURE" in trt.CudaGraphStrategy.__members__


LOAD = """
import sys
sys.path.append(sys.argv[1])
import stand_in_cuda
stand_in = stand_in_cuda.load(sys.argv[2])
import edgessd.backends.engine.file, tiny_engine, tensorrt_rtx
from pathlib import Path
from edgessd.backends.tensorrt import TensorRTBackend
from edgessd.errors import BackendError
engine = tiny_engine.write_engine(Path(sys.argv[3]), module="tensorrt_rtx", version=tensorrt_rtx.__version__)
try:
    TensorRTBackend(engine, workers=1)
except BackendError as error:
    print(type(error).__name__, error)
print("left:", stand_in.stand_in_alive(b"primary"))
"""


def test_the_real_library_refuses_what_is_no_engine_and_the_process_goes_on(tmp_path: Path) -> None:
    tools = runpy.run_path(str(STAND_IN / "stand_in_cuda.py"))
    if not tools["COMPILER"]:
        pytest.skip("no C++ compiler here: the stand-in driver cannot be built")
    library = tools["build"](tmp_path)
    command = [sys.executable, "-c", LOAD, str(STAND_IN), str(library), str(tmp_path)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ))
    assert child.returncode == 0, child.stderr
    assert child.stdout.startswith("BackendError tensorrt_rtx"), child.stdout + child.stderr
    assert "cannot load" in child.stdout
    assert child.stdout.endswith("left: 0\n")
