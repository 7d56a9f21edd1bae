"""What bounds the figures: the machine's measured rate of multiply-accumulates, and a fixed piece of work.

The rate is that of the best kernel found here, a 3x3 convolution of OpenVINO's or PyTorch's: an engine's own
convolution may still beat it, a depthwise one cannot come near it.
"""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np

from comparison.entry import Entry, Frames, Opened
from edgessd.detector import StageTimes

LIMIT = "limit"
CHANNELS, SIDE = 256, 76
GMAC = SIDE * SIDE * CHANNELS * CHANNELS * 9 / 1e9
YARDSTICK = "yardstick"
GPU_NODES = ("/dev/nvidiactl", "/dev/nvmap", "/dev/dxg")  # a card, a Jetson, WSL


def limit_entries() -> list[Entry]:
    """Return the kernels whose rate is measured, and the yardstick."""
    entries = [
        Entry(f"3x3 convolution {precision} (OpenVINO)", LIMIT, "rate", {"precision": precision})
        for precision in ("fp32", "int8")
        if find_spec("openvino")
    ]
    if gpu():
        entries += [
            Entry(f"3x3 convolution {precision} (torch, GPU)", LIMIT, "rate", {"precision": precision, "gpu": True})
            for precision in ("fp32", "fp16")
        ]
    return [*entries, yardstick_entry()]


def yardstick_entry() -> Entry:
    """Return a fixed piece of work of OpenCV and NumPy on one core, in whose units ``--check`` measures."""
    return Entry(YARDSTICK, LIMIT, "yardstick", note="resizing and thresholding by OpenCV and NumPy, one core")


def gpu() -> bool:
    """Return whether PyTorch is installed and sees a GPU."""
    # PyTorch takes seconds to load, and without a device node it could only say no.
    if not find_spec("torch") or not any(Path(node).exists() for node in GPU_NODES):
        return False
    import torch

    return bool(torch.cuda.is_available())


def open_rate(precision: str, *, gpu: bool = False) -> Opened:
    """Return one convolution of 256 channels on a map of 76x76, compiled for all cores."""
    run = torch_convolution(precision) if gpu else openvino_convolution(precision)

    def call(frames: Frames) -> StageTimes:
        start = perf_counter()
        run()
        return StageTimes(0.0, perf_counter() - start, 0.0)

    return Opened(call, gmac=GMAC, precision=precision, device="cuda" if gpu else "cpu")


def openvino_convolution(precision: str) -> Callable[[], object]:
    """Return the convolution in OpenVINO; int8 with uint8 activations, as the CPU's units want them."""
    import openvino
    from openvino import opset13 as ops

    random = np.random.RandomState(0)
    image = ops.parameter([1, CHANNELS, SIDE, SIDE], np.float32)
    shape = (CHANNELS, CHANNELS, 3, 3)
    node: Any = image
    if precision == "int8":
        low, high = np.float32(0), np.float32(2.55)
        node = ops.fake_quantize(image, low, high, low, high, 256)
        steps = ops.constant(random.randint(-127, 128, shape).astype(np.int8))
        weights = ops.multiply(ops.convert(steps, np.float32), ops.constant(np.float32(0.01)))
    else:
        weights = ops.constant(random.rand(*shape).astype(np.float32))
    node = ops.convolution(node, weights, [1, 1], [1, 1], [1, 1], [1, 1])
    if precision == "int8":
        low, high = np.float32(0), np.float32(255)
        node = ops.fake_quantize(ops.relu(node), low, high, low, high, 256)
    model = openvino.Model([ops.reduce_max(node, ops.constant([2, 3]), keep_dims=True)], [image])
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    pixels = random.rand(1, CHANNELS, SIDE, SIDE).astype(np.float32)
    return partial(request.infer, [pixels], share_inputs=True, share_outputs=True)


def torch_convolution(precision: str) -> Callable[[], object]:
    """Return the convolution on the GPU, the wait for its end included."""
    import torch

    dtype = torch.float16 if precision == "fp16" else torch.float32
    layer = torch.nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, device="cuda", dtype=dtype)
    pixels = torch.zeros(1, CHANNELS, SIDE, SIDE, device="cuda", dtype=dtype)

    def run() -> None:
        with torch.inference_mode():
            layer(pixels)
        torch.cuda.synchronize()

    return run


def open_yardstick() -> Opened:
    """Return the fixed work: a resize, a threshold over 200,000 scores, and arithmetic on what is left."""
    cv2.setNumThreads(1)
    scores = np.random.RandomState(0).rand(200_000).astype(np.float32)

    def call(frames: Frames) -> StageTimes:
        start = perf_counter()
        small = cv2.resize(frames[0], (300, 300), interpolation=cv2.INTER_LINEAR)
        for _ in range(4):
            kept = np.flatnonzero(scores >= 0.9)
            np.exp(scores[kept]).sum()
        small.astype(np.float32).mean()
        return StageTimes(0.0, perf_counter() - start, 0.0)

    return Opened(call)
