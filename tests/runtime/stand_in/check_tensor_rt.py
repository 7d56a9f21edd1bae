"""The TensorRT backend: answers, the order of its calls, the ring, graphs, zero copy, threads."""

import ctypes
import gc
import logging
import resource
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorrt
from frames import blue_cell
from tiny_engine import LARGEST, TINY, images, scores_of, write_engine

from edgessd.backends.cuda import open_driver
from edgessd.backends.engine.cache import CachedEngine
from edgessd.backends.engine.file import open_engine
from edgessd.backends.tensorrt import TensorRTBackend, ring
from edgessd.backends.tensorrt.worker import Settings, open_ring
from edgessd.commands.cli import run as edgessd
from edgessd.detector import Detector
from edgessd.errors import BackendError, InputError

Calls = Callable[[], list[str]]
WORK = ("cuMemcpyHtoDAsync", "cuGraphLaunch", "enqueue", "cuMemcpyDtoHAsync", "cuEventRecord", "cuEventSynchronize")


@pytest.fixture(autouse=True)
def recorded(stand_in: ctypes.CDLL) -> None:
    tensorrt.as_new()


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    return write_engine(tmp_path)


@pytest.fixture
def backend(engine: Path) -> Iterator[TensorRTBackend]:
    opened = TensorRTBackend(engine, workers=1)
    yield opened
    opened.close()


def made(prefix: str) -> list[str]:
    """Return the calls of TensorRT that begin so."""
    return [call for call, _ in tensorrt.CALLS if call.startswith(prefix)]


def log_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("count", [1, 2, LARGEST])
def test_the_answers_are_the_models(backend: TensorRTBackend, count: int) -> None:
    for seed in range(4):  # plain calls, the recording, replays
        pictures = images(count, seed)
        offsets, scores = backend.infer(pictures)
        assert offsets.shape == (count, 12, 4)
        np.testing.assert_allclose(scores, scores_of(pictures), atol=1e-6)


def test_the_name_says_what_runs_where(backend: TensorRTBackend) -> None:
    assert backend.name.startswith("tensorrt 10.3.0 (Stand-in GPU, ")


def test_a_detector_finds_the_blue_cell(engine: Path) -> None:
    with Detector(engine) as detector:
        found = detector.detect(blue_cell(1, 2, height=48, width=64))
    np.testing.assert_allclose(found.boxes_xyxy, [[32, 16, 48, 32]], atol=1e-4)
    assert found.classes.tolist() == [0]


def test_an_onnx_file_runs_as_its_cached_engine(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def engine_for(onnx: Path) -> CachedEngine:
        asked.append(onnx)
        return CachedEngine(engine, built=False, reason="current")

    monkeypatch.setattr("edgessd.backends.engine.cache.engine_for", engine_for)
    with Detector(TINY, backend="tensorrt") as detector:
        assert len(detector.detect(blue_cell(1, 2))) == 1
    assert asked == [TINY]


def test_a_detector_that_resizes_on_the_device(engine: Path, calls: Calls) -> None:
    with Detector(engine, gpu_resize=True) as detector:
        found = detector.detect(blue_cell(1, 2, height=96, width=128))
    np.testing.assert_allclose(found.boxes_xyxy, [[64, 32, 96, 64]], atol=1e-4)
    assert "cuLaunchKernel" in calls()


@pytest.mark.parametrize("verb", ["detect", "run", "bench"])
def test_every_verb_resizes_on_the_device_when_told(engine: Path, calls: Calls, tmp_path: Path, verb: str) -> None:
    frame = tmp_path / "frame.png"
    cv2.imwrite(str(frame), blue_cell(1, 2, height=96, width=128))
    config = tmp_path / "streams.toml"
    model = f'[model]\npath = "{engine}"\ngpu_resize = true\n'
    config.write_text(f'{model}[[streams]]\nname = "door"\nsource = "{frame}"\n')
    arguments = {
        "detect": ["detect", frame, "-m", engine, "--gpu-resize"],
        "run": ["run", config],
        "bench": ["bench", engine, frame, "--gpu-resize", "--frames", "10"],
    }
    assert edgessd([str(argument) for argument in arguments[verb]]) == 0
    assert "cuLaunchKernel" in calls()


def test_all_is_allocated_once_and_addresses_are_set_once(backend: TensorRTBackend, calls: Calls) -> None:
    assert made("set_tensor_address") == [f"set_tensor_address {n}" for n in ("image", "offsets", "scores")] * 2
    calls()
    for count in (1, 1, 3, 3, 1):
        backend.infer(images(count))
    kinds = set(calls())
    assert not [name for name in kinds if "Alloc" in name or "Free" in name or name.endswith("Create")]
    assert len(made("set_tensor_address")) == 6


def test_a_graph_is_recorded_at_the_second_run_of_a_batch_size(backend: TensorRTBackend, calls: Calls) -> None:
    calls()
    backend.infer(images(2))
    assert "cuGraphLaunch" not in calls()
    backend.infer(images(2))
    second = calls()
    assert second.index("cuStreamBeginCapture") < second.index("enqueue") < second.index("cuStreamEndCapture")
    backend.infer(images(2))
    replay = ["cuMemcpyHtoDAsync", "cuGraphLaunch", "cuEventRecord", "cuEventSynchronize"]
    assert [call for call in calls() if call in WORK] == replay


def test_another_batch_size_drops_the_graph(backend: TensorRTBackend, calls: Calls, stand_in: ctypes.CDLL) -> None:
    calls()
    backend.infer(images(3))
    assert "cuGraphExecDestroy" in calls()
    backend.infer(images(3))
    assert stand_in.stand_in_alive(b"executable") == 2  # one a slot: the other one's is of the self-test


@pytest.mark.parametrize("call", [b"cuStreamBeginCapture", b"cuStreamEndCapture", b"cuGraphInstantiate"])
def test_without_graphs_it_goes_on_and_says_so_once(
    call: bytes, engine: Path, stand_in: ctypes.CDLL, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in.stand_in_fail(call, 900, 0, 99)
    backend = TensorRTBackend(engine, workers=2)
    for seed in range(3):
        np.testing.assert_allclose(backend.infer(images(1, seed))[1], scores_of(images(1, seed)), atol=1e-6)
    backend.close()
    assert len([line for line in log_of(caplog) if "without CUDA graphs" in line]) == 1


def test_an_engine_that_cannot_be_recorded_runs_plainly(engine: Path, caplog: pytest.LogCaptureFixture) -> None:
    tensorrt.faults.in_capture = False
    backend = TensorRTBackend(engine, workers=1)
    np.testing.assert_allclose(backend.infer(images(1))[1], scores_of(images(1)), atol=1e-6)
    backend.close()
    assert "Myelin" in log_of(caplog)[0]


def test_a_graph_with_wrong_answers_is_replaced_by_plain_calls(engine: Path, caplog: pytest.LogCaptureFixture) -> None:
    tensorrt.faults.graph_scale = 0.0
    backend = TensorRTBackend(engine, workers=1)
    for _ in range(3):
        np.testing.assert_allclose(backend.infer(images(1))[1], scores_of(images(1)), atol=1e-6)
    backend.close()
    assert "the graph's self-test is off" in log_of(caplog)[0]


def test_rtx_records_its_own_graphs(tmp_path: Path, calls: Calls) -> None:
    backend = TensorRTBackend(write_engine(tmp_path, module="tensorrt_rtx", version="1.7.1.116"), workers=1)
    for _ in range(3):
        np.testing.assert_allclose(backend.infer(images(1))[1], scores_of(images(1)), atol=1e-6)
    backend.close()
    assert made("strategy") == ["strategy WHOLE_GRAPH_CAPTURE"] * 2
    assert "cuStreamBeginCapture" not in calls()


def test_an_integrated_gpu_copies_nothing(engine: Path, stand_in: ctypes.CDLL, calls: Calls) -> None:
    stand_in.stand_in_integrated(1)
    backend = TensorRTBackend(engine, workers=1)
    for seed in range(3):
        np.testing.assert_allclose(backend.infer(images(2, seed))[1], scores_of(images(2, seed)), atol=1e-6)
    assert stand_in.stand_in_alive(b"device") == 0
    backend.close()
    assert not [call for call in calls() if call.startswith("cuMemcpy")]


def test_a_fixed_batch_takes_fewer_images_and_no_more(tmp_path: Path) -> None:
    backend = TensorRTBackend(write_engine(tmp_path, profile=(3, 3, 3)), workers=1)
    np.testing.assert_allclose(backend.infer(images(2))[1], scores_of(images(2)), atol=1e-6)
    with pytest.raises(InputError, match=r"up to 3 images at once, got 4.*--max-batch 4"):
        backend.infer(images(4))
    backend.close()


@pytest.mark.parametrize("shape", [(24, 32, 3), (0, 24, 32, 3), (1, 32, 24, 3)])
def test_other_shapes_are_refused(backend: TensorRTBackend, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"expected uint8 \(B, 24, 32, 3\)"):
        backend.infer(np.zeros(shape, np.uint8))


# The ring.


class Prefilled(ring.Inbox):
    """An inbox whose jobs wait before the worker looks."""

    def __init__(self, jobs: list[ring.Job]) -> None:
        super().__init__()
        for job in jobs:
            self.put(job)
        self.end()


@pytest.mark.parametrize("overlap", [False, True])
def test_two_jobs_are_on_the_device_before_the_first_is_waited_for(
    engine: Path, calls: Calls, *, overlap: bool
) -> None:
    jobs = [ring.Job(images(1, seed)) for seed in range(5)]
    settings = Settings(overlap=overlap, graphs=False)
    with open_driver() as driver, open_ring(driver, engine, open_engine(engine), settings) as (_, slots):
        calls()
        ring.run(slots, ("scores",), Prefilled(jobs), overlap=overlap)
        order = [call for call in calls() if call in ("enqueue", "cuEventSynchronize")]
    assert order == [
        *["enqueue", "enqueue", "cuEventSynchronize"],  # two in flight, the first is answered,
        *["enqueue", "cuEventSynchronize"] * 3,  # its slot filled again before the next is waited for
        "cuEventSynchronize",
    ]
    for seed, job in enumerate(jobs):
        np.testing.assert_allclose(job.result.result(0)[0], scores_of(images(1, seed)), atol=1e-6)


def test_eight_threads_get_their_own_answers(engine: Path) -> None:
    backend = TensorRTBackend(engine, workers=8)
    wrong: list[int] = []

    def ask(thread: int) -> None:
        for turn in range(40):
            pictures = images(1 + turn % 3, 100 * thread + turn)
            if not np.allclose(backend.infer(pictures)[1], scores_of(pictures), atol=1e-6):
                wrong.append(thread)

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    backend.close()
    assert not wrong


def test_one_thread_makes_and_destroys_everything(engine: Path, calls: Calls, stand_in: ctypes.CDLL) -> None:
    backend = TensorRTBackend(engine, workers=2)
    backend.infer(images(1))
    calls()
    backend.close()
    backend.close()
    ends = [call for call, _ in tensorrt.CALLS if call.startswith("del")]
    assert ends == [*["del IExecutionContext with context"] * 2, "del ICudaEngine", "del Runtime"]
    assert {thread for _, thread in tensorrt.CALLS} == {"edgessd-tensorrt"}
    freed = [call for call in calls() if "Destroy" in call or "Free" in call or "Pop" in call or "Release" in call]
    assert freed[0] == "cuGraphExecDestroy"
    assert freed.index("cuCtxPopCurrent") > max(i for i, call in enumerate(freed) if call.startswith("cuMemFree"))
    assert stand_in.stand_in_alive(b"primary") == 0
    with pytest.raises(BackendError, match="closed"):
        backend.infer(images(1))


def test_ten_thousand_submits_leave_nothing_behind(backend: TensorRTBackend, stand_in: ctypes.CDLL) -> None:
    def alive() -> list[int]:
        return [stand_in.stand_in_alive(kind) for kind in (b"device", b"pinned", b"event", b"stream", b"graph")]

    def memory() -> int:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    picture = images(1)
    for _ in range(1000):
        backend.infer(picture)
        tensorrt.CALLS.clear()
    before, start = alive(), memory()
    for _ in range(10_000):
        backend.infer(picture)
        tensorrt.CALLS.clear()
    assert alive() == before
    assert memory() - start < 1 << 20


# Frames resized on the device.


def test_a_frame_is_resized_on_the_device(backend: TensorRTBackend, stand_in: ctypes.CDLL) -> None:
    for height, width in ((48, 64), (96, 128), (24, 32)):
        frame = blue_cell(1, 2, height=height, width=width)
        np.testing.assert_allclose(
            backend.infer_frame(frame)[1], scores_of(blue_cell(1, 2)[None]), atol=0.08, err_msg=f"{height}x{width}"
        )
    with pytest.raises(InputError, match="expected a BGR image"):
        backend.infer_frame(np.zeros((4, 4), np.uint8))


def test_frame_buffers_grow_once_for_larger_frames(backend: TensorRTBackend, calls: Calls) -> None:
    backend.infer_frame(blue_cell(1, 2, height=96, width=128))
    calls()
    for height in (96, 48, 96):
        backend.infer_frame(blue_cell(1, 2, height=height, width=128))
    assert not [call for call in calls() if "Alloc" in call]
