"""What goes wrong with the TensorRT backend: every error is named, and the process survives."""

import ctypes
import json
import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import tensorrt
from tiny_engine import TENSORS, images, scores_of, write_engine

from edgessd.backends.cuda.errors import CudaError, DeviceLost, NoCuda, OutOfDeviceMemory
from edgessd.backends.cuda.library import state
from edgessd.backends.tensorrt import TensorRTBackend
from edgessd.commands.cli import run as edgessd
from edgessd.doctor.model_findings import model_findings
from edgessd.errors import BackendError, CardError, EngineError, MissingExtra
from edgessd.model.card import sidecar

ILLEGAL_ADDRESS, OUT_OF_MEMORY, NOT_PERMITTED = 700, 2, 800


@pytest.fixture(autouse=True)
def recorded(stand_in: ctypes.CDLL) -> None:
    tensorrt.as_new()


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    return write_engine(tmp_path)


def check_works(backend: TensorRTBackend) -> None:
    np.testing.assert_allclose(backend.infer(images(1))[1], scores_of(images(1)), atol=1e-6)


# Before anything is loaded.


@pytest.mark.parametrize(("code", "fix"), [(100, "--gpus all"), (803, "restart the machine")])
def test_no_driver_that_works(engine: Path, stand_in: ctypes.CDLL, code: int, fix: str) -> None:
    stand_in.stand_in_init(code)
    with pytest.raises(NoCuda, match=fix):
        TensorRTBackend(engine, workers=1)
    assert not tensorrt.CALLS


def test_no_device(engine: Path, stand_in: ctypes.CDLL) -> None:
    stand_in.stand_in_devices(0)
    with pytest.raises(NoCuda, match="sees no device"):
        TensorRTBackend(engine, workers=1)


def test_a_changed_engine_is_never_loaded(engine: Path) -> None:
    engine.write_text(engine.read_text().replace("24", "25"))
    with pytest.raises(EngineError, match="is not the engine its card describes"):
        TensorRTBackend(engine, workers=1)
    assert not tensorrt.CALLS


def test_an_engine_without_a_card(engine: Path) -> None:
    sidecar(engine).unlink()
    with pytest.raises(CardError, match="without a card"):
        TensorRTBackend(engine, workers=1)


@pytest.mark.parametrize(
    ("change", "name"),
    [({"version": "10.13.2"}, "engine-other-tensorrt"), ({"compute_capabilities": ["11.0"]}, "engine-other-gpu")],
)
def test_the_service_and_the_doctor_refuse_an_engine_of_elsewhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], change: dict, name: str
) -> None:
    """Exit code 2, at which systemd does not start it again, and the command that builds the engine here."""
    config = tmp_path / "streams.toml"
    engine = write_engine(tmp_path, onnx="tiny.onnx", **change)
    config.write_text(f'[model]\npath = "{engine}"\n[[streams]]\nname = "door"\nsource = "97"\n')
    assert edgessd(["run", str(config)]) == 2
    assert "build it again with `edgessd build tiny.onnx" in capfd.readouterr().err
    device = asdict(state().devices[0])
    facts = {"jetson": None, "tensorrt": {"version": tensorrt.__version__}, "cuda": {"devices": [device]}}
    assert [finding.id for finding in model_findings(str(engine), facts)] == [name]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "10.13.2"}, "was built by tensorrt 10.13.2, here is 10.3.0"),
        ({"compute_capabilities": ["8.9", "12.0"]}, "compute capability 8.9, 12.0"),
        ({"gpu": "Another GPU"}, "was built on Another GPU, here is Stand-in GPU"),
    ],
)
def test_an_engine_of_another_machine(tmp_path: Path, change: dict, said: str) -> None:
    with pytest.raises(EngineError, match=f"{said}.*edgessd build"):
        TensorRTBackend(write_engine(tmp_path, **change), workers=1)
    assert not tensorrt.CALLS


# While loading.


@pytest.mark.parametrize("module", ["numpy", "os.path"])
def test_a_card_that_names_another_module(tmp_path: Path, module: str) -> None:
    with pytest.raises(EngineError, match=f"names the module '{module}'"):
        TensorRTBackend(write_engine(tmp_path, module=module), workers=1)


def test_a_module_that_is_not_installed(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setattr("edgessd.backends.engine.file.installed_version", lambda module: None)
    with pytest.raises(MissingExtra, match=r"\[tensorrt\]"):
        TensorRTBackend(engine, workers=1)


def test_tensorrt_refuses_the_file(engine: Path) -> None:
    tensorrt.faults.deserialise = False
    with pytest.raises(BackendError, match=r"cannot load .*kSERIALIZATION_VERSION failed.: build it again"):
        TensorRTBackend(engine, workers=1)
    assert [call for call, _ in tensorrt.CALLS][-1] == "del Runtime"


@pytest.mark.parametrize(
    "really",
    [
        TENSORS[:2],
        [TENSORS[0], TENSORS[1], {**TENSORS[2], "shape": [-1, 12, 3]}],
        [TENSORS[0], TENSORS[1], {**TENSORS[2], "name": "logits"}],
        [{**TENSORS[0], "dtype": "float32"}, *TENSORS[1:]],
        [{**TENSORS[0], "mode": "output"}, *TENSORS[1:]],
    ],
    ids=["one missing", "another shape", "another name", "another type", "another direction"],
)
def test_engine_and_card_disagree(tmp_path: Path, really: list) -> None:
    with pytest.raises(EngineError, match=r"and its card disagree: .*scores float32 \(12, 2\).*build it again"):
        TensorRTBackend(write_engine(tmp_path, really=really), workers=1)
    assert [call for call, _ in tensorrt.CALLS if call.startswith("del")] == ["del ICudaEngine", "del Runtime"]


@pytest.mark.parametrize("scale", [0.0, float("nan")])
def test_an_engine_that_computes_nonsense(engine: Path, scale: float) -> None:
    tensorrt.faults.scale = scale
    with pytest.raises(BackendError, match="computes tiny wrongly: its self-test is off by"):
        TensorRTBackend(engine, workers=1)


# Memory.


def test_memory_for_one_slot_is_enough_and_said(engine: Path, caplog: pytest.LogCaptureFixture) -> None:
    tensorrt.faults.contexts = 1
    backend = TensorRTBackend(engine, workers=2)
    check_works(backend)
    assert backend.slots == 1
    backend.close()
    warning = next(record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert "too little GPU memory for 2 slots, running with 1" in warning
    assert "out of memory" in warning


def test_memory_for_the_first_buffers_alone(engine: Path, stand_in: ctypes.CDLL) -> None:
    stand_in.stand_in_memory(4 * (24 * 32 * 3 + 12 * 6 * 4) + 100)
    backend = TensorRTBackend(engine, workers=2)
    check_works(backend)
    assert backend.slots == 1
    backend.close()


def test_memory_for_nothing(engine: Path, stand_in: ctypes.CDLL) -> None:
    stand_in.stand_in_memory(100)
    with pytest.raises(OutOfDeviceMemory, match="smaller batch"):
        TensorRTBackend(engine, workers=2)


def test_no_context_at_all(engine: Path) -> None:
    tensorrt.faults.contexts = 0
    with pytest.raises(BackendError, match="cannot create an execution context: Cuda Runtime"):
        TensorRTBackend(engine, workers=2)


def test_memory_for_a_large_frame_ends_that_frame_alone(engine: Path, stand_in: ctypes.CDLL) -> None:
    backend = TensorRTBackend(engine, workers=1)
    stand_in.stand_in_memory(1 << 20)
    with pytest.raises(OutOfDeviceMemory):
        backend.infer_frame(np.zeros((1080, 1920, 3), np.uint8))
    check_works(backend)
    backend.infer_frame(np.zeros((48, 64, 3), np.uint8))
    backend.close()


# While running.


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("call", [b"cuMemcpyHtoDAsync", b"cuEventRecord", b"cuEventSynchronize"])
def test_a_passing_failure_ends_its_own_job_alone(
    engine: Path, stand_in: ctypes.CDLL, call: bytes, *, graphs: bool
) -> None:
    backend = TensorRTBackend(engine, workers=1, graphs=graphs)
    stand_in.stand_in_fail(call, NOT_PERMITTED, 0, 1)
    with pytest.raises(CudaError, match="stand-in error") as caught:
        backend.infer(images(1))
    assert not isinstance(caught.value, DeviceLost)
    for _ in range(3):
        check_works(backend)
    backend.close()


def test_tensorrt_cannot_run_once(engine: Path) -> None:
    backend = TensorRTBackend(engine, workers=1, graphs=False)
    tensorrt.faults.executions = 0
    with pytest.raises(BackendError, match="cannot run the engine: Error Code 1: Myelin"):
        backend.infer(images(1))
    check_works(backend)
    backend.close()


@pytest.mark.parametrize("pictures", [1, 2], ids=["plain calls", "a new batch size"])
def test_an_error_without_a_name_reaches_the_caller(
    engine: Path, monkeypatch: pytest.MonkeyPatch, pictures: int
) -> None:
    backend = TensorRTBackend(engine, workers=1, graphs=pictures == 2)

    def fail(context: object, stream: int) -> bool:
        raise RuntimeError("an exception of the bindings")

    with monkeypatch.context() as patched:
        patched.setattr(tensorrt.IExecutionContext, "execute_async_v3", fail)
        with pytest.raises(BackendError, match="an exception of the bindings"):
            backend.infer(images(pictures))
    check_works(backend)
    backend.close()


def test_an_error_without_a_name_while_recording(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tensorrt.IExecutionContext.execute_async_v3

    def fail_in_capture(context: object, stream: int) -> bool:
        if tensorrt.LOADED[0].stand_in_capturing(stream):
            raise RuntimeError("an exception of the bindings")
        return run(context, stream)

    monkeypatch.setattr(tensorrt.IExecutionContext, "execute_async_v3", fail_in_capture)
    backend = TensorRTBackend(engine, workers=1)
    for _ in range(3):
        check_works(backend)
    backend.close()


@pytest.mark.parametrize("graphs", [True, False])
def test_a_lost_device_ends_the_backend_and_not_the_process(
    engine: Path, stand_in: ctypes.CDLL, *, graphs: bool
) -> None:
    backend = TensorRTBackend(engine, workers=2, graphs=graphs)
    check_works(backend)
    stand_in.stand_in_sticky(ILLEGAL_ADDRESS)
    for _ in range(3):
        with pytest.raises(DeviceLost, match=r"illegal memory access.*new process"):
            backend.infer(images(1))
    backend.close()
    assert "edgessd-tensorrt" not in {thread.name for thread in threading.enumerate()}


def test_a_lost_device_answers_every_waiting_caller(engine: Path, stand_in: ctypes.CDLL) -> None:
    backend = TensorRTBackend(engine, workers=4)
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            while True:
                backend.infer(images(1))
        except BackendError as error:
            raised.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    stand_in.stand_in_sticky(ILLEGAL_ADDRESS)
    for thread in threads:
        thread.join(20)
    assert [type(error) for error in raised] == [DeviceLost] * 4
    backend.close()


# Processes.


def test_a_forked_process_is_refused_with_the_reason(engine: Path) -> None:
    backend = TensorRTBackend(engine, workers=1)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            backend.infer(images(1))
            said = "it ran"
        except BackendError as error:
            said = str(error)
        backend.close()
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        assert "CUDA does not survive a fork: open the detector in the new process" in answer.read()
    assert os.waitpid(child, 0)[1] == 0
    check_works(backend)
    backend.close()


SCRIPT = """
import os, sys, stand_in_cuda
from pathlib import Path
stand_in = stand_in_cuda.load(Path(os.environ["STAND_IN_CUDA"]))
import edgessd.backends.cuda
edgessd.backends.cuda.installed = lambda: (os.environ["STAND_IN_DRIVER"],)
import atexit
atexit.register(lambda: print("alive at the end:", stand_in.stand_in_alive(b"primary")))
from edgessd.detector import Detector
detector = Detector(sys.argv[1])
import numpy as np
print(len(detector.detect(np.full((24, 32, 3), 255, np.uint8))))
{ending}
"""


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("raise RuntimeError('a user made a mistake')", 1),
        ("detector.again = detector; del detector", 0),
        (
            "import threading; threading.Thread(target=detector.detect, args=(np.zeros((9, 9, 3), np.uint8),)).start()",
            0,
        ),
        ("pid = os.fork(); os.waitpid(pid, 0) if pid else None", 0),
    ],
    ids=["falls off the end", "sys.exit", "exception", "garbage", "another thread at work", "fork"],
)
def test_a_process_ends_well_with_an_open_detector(engine: Path, ending: str, code: int) -> None:
    command = [sys.executable, "-c", SCRIPT.replace("{ending}", ending), str(engine)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (child.returncode, "aborted" in child.stderr) == (code, False), child.stderr
    assert "alive at the end: 0" in child.stdout
    assert "PyCUDA" not in child.stderr


def test_the_garbage_collector_closes_an_unused_backend(engine: Path, stand_in: ctypes.CDLL) -> None:
    backend = TensorRTBackend(engine, workers=1)
    del backend
    assert stand_in.stand_in_alive(b"primary") == 0


def test_the_cards_text_stays_json(engine: Path) -> None:
    assert json.loads(sidecar(engine).read_text())["engine"]["module"] == "tensorrt"
