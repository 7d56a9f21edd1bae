"""TensorRT engines on a real GPU: parity with ONNX Runtime, graphs, the ring, threads, memory, latency."""

import ctypes
import gc
import resource
import threading
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from edgessd.backends.cuda import open_driver
from edgessd.backends.cuda.library import load
from edgessd.backends.engine.cache import engine_for
from edgessd.backends.engine.file import check_engine_here, open_engine
from edgessd.backends.onnxruntime import OnnxRuntimeBackend
from edgessd.backends.tensorrt import TensorRTBackend
from edgessd.backends.tensorrt.slot import Slot
from edgessd.backends.tensorrt.worker import Settings, open_ring
from edgessd.errors import EngineError
from edgessd.model.card import ModelCard, card_of
from edgessd.model.self_test import self_test_input

INFERENCES = 100_000
MEBIBYTE = 1 << 20
# Largest difference of a score: TF32 rounds fp32, fp16 has 11 bits, int8's rounding differs between engines.
ALLOWED = {"fp32": 0.005, "fp16": 0.02, "int8": 0.1}


@pytest.fixture
def engine(model: Path) -> Path:
    """Return the model's engine, from the cache after the first run; what this machine cannot have is skipped."""
    try:
        path = engine_for(model).path
        check_engine_here(open_engine(path), path)
    except EngineError as error:  # no TensorRT here, a GPU it does not know, NMS on RTX; a failed build is another
        pytest.skip(str(error))
    return path


def pictures(card: ModelCard, count: int) -> np.ndarray:
    """Return soft blobs, (count, H, W, 3), each with a seed of its own."""
    return np.concatenate([self_test_input(card, seed) for seed in range(count)])


def best_scores(card: ModelCard, outputs: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return the 50 best scores of every image, which do not depend on the order of rows: (B, 50)."""
    scores = np.asarray(outputs[card.outputs.index("scores")], np.float32)
    return np.sort(scores.reshape(len(scores), -1), axis=1)[:, -50:]


def test_parity_with_onnx_runtime(model: Path, engine: Path, figure: list[str]) -> None:
    card = card_of(model)
    images = pictures(card, 4)
    wanted = OnnxRuntimeBackend(model, card, threads=4).infer(images)
    backend = TensorRTBackend(engine, workers=1)
    found = tuple(
        np.concatenate(rows) for rows in zip(*(backend.infer(images[i : i + 1]) for i in range(4)), strict=True)
    )
    backend.close()
    difference = np.abs(best_scores(card, wanted) - best_scores(card, found)).max()
    figure.append(
        f"{model.stem} ({card.precision}, {card.contract}): best scores off by {difference:.2g} from ONNX Runtime"
    )
    assert difference <= ALLOWED[card.precision]
    if card.contract == "raw":
        for name, theirs, ours in zip(card.outputs, wanted, found, strict=True):
            assert np.isfinite(ours).all(), name
            assert np.abs(theirs.astype(np.float32) - ours.astype(np.float32)).mean() < ALLOWED[card.precision], name


@pytest.fixture
def slots(engine: Path) -> Iterator[list[Slot]]:
    """Yield the ring's slots on this thread."""
    with open_driver() as driver, open_ring(driver, engine, open_engine(engine), Settings(overlap=True)) as ring:
        yield ring[1]


def test_graphs_are_recorded(engine: Path, slots: list[Slot]) -> None:
    card = open_engine(engine)
    if card.engine["module"] == "tensorrt_rtx":
        pytest.skip("TensorRT-RTX records graphs inside execute_async_v3")
    for slot in slots:
        outputs = []
        for _ in range(3):
            slot.submit(self_test_input(card))
            slot.wait()
            outputs.append(slot.outputs(card.outputs, 1))
        assert slot.uses_graph
        for plain, replayed in zip(outputs[0], outputs[2], strict=True):
            np.testing.assert_allclose(plain, replayed, atol=1e-5)


def test_two_slots_overlap(engine: Path, figure: list[str]) -> None:
    card = open_engine(engine)
    image = self_test_input(card)
    with open_driver() as driver, open_ring(driver, engine, card, Settings(overlap=True)) as (_, slots):
        if len(slots) < 2:
            pytest.skip("too little GPU memory for two slots")
        for slot in slots * 3:  # warm, and recorded
            slot.submit(image)
            slot.wait()
        base, idle = driver.create_event(timed=True), driver.create_stream()
        marks = [(driver.create_event(timed=True), driver.create_event(timed=True)) for _ in slots]
        driver.record(base, idle)
        driver.wait(base)
        for slot, (start, stop) in zip(slots, marks, strict=True):
            driver.record(start, slot.stream)
            slot.submit(image)
            driver.record(stop, slot.stream)
        for _, stop in marks:
            driver.wait(stop)
        times = [(driver.elapsed_ms(base, start), driver.elapsed_ms(base, stop)) for start, stop in marks]
        (_, first_ends), (second_starts, _) = times
        figure.append(
            f"{engine.stem}: slot 1 ends at {first_ends:.3f} ms, slot 2 starts at {second_starts:.3f} ms: "
            f"{'they overlap' if second_starts < first_ends else 'no overlap'}"
        )
        # A model of microseconds ends before the second submit; only a longer one must overlap.
        assert second_starts < first_ends or first_ends - times[0][0] < 0.5


def test_eight_threads(engine: Path) -> None:
    card = open_engine(engine)
    images = pictures(card, 8)
    backend = TensorRTBackend(engine, workers=8)
    alone = [best_scores(card, backend.infer(images[i : i + 1])) for i in range(8)]
    wrong: list[int] = []

    def ask(index: int) -> None:
        for _ in range(100):
            found = best_scores(card, backend.infer(images[index : index + 1]))
            if not np.allclose(found, alone[index], atol=1e-4):
                wrong.append(index)

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    backend.close()
    assert not wrong


def test_a_frame_resized_on_the_gpu_gives_the_same_scores(engine: Path) -> None:
    card = open_engine(engine)
    frame = np.kron(self_test_input(card)[0], np.ones((2, 2, 1), np.uint8))
    backend = TensorRTBackend(engine, workers=1)
    on_gpu = best_scores(card, backend.infer_frame(frame))
    on_cpu = best_scores(card, backend.infer(self_test_input(card)))
    backend.close()
    assert np.abs(on_gpu - on_cpu).max() <= 0.1


def test_memory_stays_flat(engine: Path, figure: list[str]) -> None:
    card = open_engine(engine)
    image = self_test_input(card)
    backend = TensorRTBackend(engine, workers=1)
    for _ in range(1000):
        backend.infer(image)
    before = memory()
    start = perf_counter()
    for _ in range(INFERENCES):
        backend.infer(image)
    seconds = perf_counter() - start
    after = memory()
    backend.close()
    host, device = (b - a for a, b in zip(before, after, strict=True))
    figure.append(
        f"{engine.stem}: {INFERENCES} inferences in {seconds:.0f} s, memory grew by {host / MEBIBYTE:.2f} MiB on the "
        f"host, {device / MEBIBYTE:.2f} MiB on the device"
    )
    assert host < MEBIBYTE
    assert device <= 0


def memory() -> tuple[int, int]:
    """Return the bytes in use: of this process, of the device."""
    gc.collect()
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    with open_driver():
        load().call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize(), total.value - free.value


@pytest.mark.parametrize("graphs", [True, False], ids=["graph", "plain"])
@pytest.mark.parametrize("batch", [1, 8])
def test_latency(engine: Path, figure: list[str], batch: int, *, graphs: bool) -> None:
    card = open_engine(engine)
    if batch > card.engine["profile"]["max"]:
        pytest.skip(f"this engine takes {card.engine['profile']['max']} images at most")
    images = pictures(card, batch)
    backend = TensorRTBackend(engine, workers=1, graphs=graphs)
    for _ in range(100):
        backend.infer(images)
    times = []
    for _ in range(1000):
        start = perf_counter()
        backend.infer(images)
        times.append((perf_counter() - start) * 1e3)
    backend.close()
    p50, p99 = np.percentile(times, [50, 99])
    assert p50 < 1e3 / 30 * batch  # a camera of 30 FPS
    figure.append(
        f"{engine.stem}: batch {batch}, {'CUDA graph' if graphs else 'plain calls'}: p50 {p50:.3f} ms, p99 {p99:.3f} ms"
    )
