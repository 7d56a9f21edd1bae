"""Calibration: the range of every tensor that will be quantised, measured on real images and kept as JSON."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edgessd.errors import DataError, InputError
from edgessd.util.extras import need
from edgessd.util.files import readable, write_text
from edgessd_export.graph.layers import Graph
from edgessd_export.quantisation.weight_rounding import Moments, second_moments

METHODS = ("max", "percentile", "entropy")
ENOUGH = 200
BINS = 2048
STEPS = 128  # levels of one sign of int8, for the entropy method
PERCENTILE = 99.99
SAMPLES = 100_000  # values of one tensor and image that enter a histogram
FORMAT = 1
MAX_BYTES = 16 << 20


@dataclass(frozen=True)
class Calibration:
    """ranges: lowest and highest value by tensor key. model: hash of the weights that were calibrated.

    moments: of what layers take in, by tensor key (see ``rounding``); too many numbers for a file of ranges, so those
    read from one have none.
    """

    method: str
    images: int
    model: str
    ranges: dict[str, tuple[float, float]]
    moments: dict[str, Moments] = field(default_factory=dict, compare=False)


def calibrate(
    model: onnx.ModelProto,
    images: Callable[[], Iterable[NDArray[np.uint8]]],
    method: str,
    model_hash: str,
    on_image: Callable[[], object] = lambda: None,
) -> Calibration:
    """Return the ranges of a float model's tensors over the images, which are gone through twice but for max.

    on_image: told of every image of every pass. Raises InputError for a method that does not exist.
    """
    if method not in METHODS:
        raise InputError(f"unknown calibration method {method!r}", fix=f"choose one of {', '.join(METHODS)}")
    run, keys = _observer(model)
    graph = Graph(model)
    names = graph.keys()
    pointwise = {names[layer.input] for layer in graph.layers if layer.pointwise}
    means: dict[str, NDArray[np.float64]] = {names[layer.input]: np.zeros(1) for layer in graph.layers}
    second: dict[str, NDArray[np.float64]] = {}
    sizes_hw: dict[str, tuple[int, int]] = {}
    ranges: dict[str, tuple[float, float]] = {}
    count = 0
    for image in images():
        count += 1
        for key, tensor in zip(keys, run(image), strict=True):
            low, high = ranges.get(key, (np.inf, -np.inf))
            ranges[key] = min(low, float(tensor.min())), max(high, float(tensor.max()))
            if key in means:
                means[key] = means[key] + tensor.mean(axis=(0, 2, 3), dtype=np.float64)
                sizes_hw[key] = tensor.shape[2:]
            if key in pointwise:
                second[key] = second.get(key, 0) + second_moments(tensor)
        on_image()
    if not count:
        raise DataError("calibration needs images, the data set holds none", fix="give another")
    moments = {key: Moments(total / count, second.get(key), sizes_hw[key]) for key, total in means.items()}
    if method == "max":
        return Calibration(method, count, model_hash, ranges, moments)
    widths = {key: max(abs(low), abs(high), 1e-9) for key, (low, high) in ranges.items()}
    histograms = {key: np.zeros(BINS, np.int64) for key in keys}
    for image in images():
        for key, tensor in zip(keys, run(image), strict=True):
            values = np.abs(tensor.reshape(-1)[:: max(1, tensor.size // SAMPLES)])
            places = np.minimum(values * (BINS / widths[key]), BINS - 1).astype(np.int64)
            histograms[key] += np.bincount(places, minlength=BINS)
        on_image()
    limit = percentile_bin if method == "percentile" else entropy_bin
    first = graph.layers[0].name + ":in"
    for key, (low, high) in ranges.items():
        # Pixels fill their range and logits decide scores at their ends: those keep all they have.
        if key != first and not key.endswith(":out"):
            edge = widths[key] * limit(histograms[key]) / BINS
            ranges[key] = max(low, -edge), min(high, edge)
    return Calibration(method, count, model_hash, ranges, moments)


def percentile_bin(histogram: NDArray[np.int64]) -> int:
    """Return how many bins hold 99.99 per cent of the values."""
    share = np.cumsum(histogram) / max(int(histogram.sum()), 1)
    return int(np.searchsorted(share, PERCENTILE / 100)) + 1


def entropy_bin(histogram: NDArray[np.int64]) -> int:
    """Return how many bins to keep so that 128 levels lose the least information (Migacz 2017, KL divergence)."""
    counts = histogram.astype(np.float64)
    counts[0] = counts[1]  # zeros after ReLU are exact at every scale
    best, chosen = np.inf, BINS
    for end in range(STEPS, BINS + 1, 16):
        reference = counts[:end].copy()
        reference[-1] += counts[end:].sum()
        groups = np.arange(end) * STEPS // end
        filled = counts[:end] > 0
        totals = np.bincount(groups, weights=counts[:end], minlength=STEPS)
        sizes = np.maximum(np.bincount(groups, weights=filled, minlength=STEPS), 1)
        levels = (totals / sizes)[groups] * filled
        if not reference.sum() or not levels.sum():
            continue
        p, q = reference / reference.sum(), levels / levels.sum()
        seen = p > 0
        divergence = float((p[seen] * np.log(p[seen] / np.maximum(q[seen], 1e-12))).sum())
        if divergence < best:
            best, chosen = divergence, end
    return chosen


def save_ranges(path: Path, calibration: Calibration) -> None:
    """Write ranges as JSON, for ``--ranges``."""
    content = {"format": FORMAT, **{key: getattr(calibration, key) for key in ("method", "images", "model", "ranges")}}
    write_text(path, json.dumps(content, indent=1) + "\n")


def read_ranges(path: Path, model_hash: str) -> Calibration:
    """Return ranges that ``save_ranges`` wrote. Raises InputError when they are damaged or of another checkpoint."""
    if readable(path, "calibration ranges").stat().st_size > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES} bytes, too large for ranges", fix="calibrate again")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        ranges = {str(key): (float(low), float(high)) for key, (low, high) in content["ranges"].items()}
        found = Calibration(str(content["method"]), int(content["images"]), str(content["model"]), ranges)
        valid = content["format"] == FORMAT and all(-np.inf < low <= high < np.inf for low, high in ranges.values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} holds no calibration ranges ({error!r})", fix="calibrate again") from error
    if not valid:
        raise InputError(f"{path} holds ranges of another format or not in order", fix="calibrate again")
    if found.model != model_hash:
        raise InputError(f"{path} was measured on another checkpoint", fix="calibrate again with --calibration")
    return found


def trained_ranges(model: onnx.ModelProto, int8: Mapping[str, Any]) -> tuple[Calibration, tuple[str, ...]]:
    """Return the ranges that a checkpoint was trained with in fake int8, and the layers that were float there.

    model: the checkpoint's float graph. int8: what its card's training says of it, by layer; layers that take in one
    tensor have one range.
    """
    graph = Graph(model)
    keys, given = graph.keys(), int8["ranges"]
    ranges: dict[str, tuple[float, float]] = {}
    for layer in graph.layers:
        for tensor, key in ((layer.input, f"{layer.name}:in"), (layer.output, f"{layer.name}:out")):
            if key in given:
                ranges.setdefault(keys[tensor], (float(given[key][0]), float(given[key][1])))
    floats = tuple(layer.name for layer in graph.layers if f"{layer.name}:in" not in given)
    return Calibration("trained", 0, "", ranges), floats


def _observer(model: onnx.ModelProto) -> tuple[Callable[[NDArray[np.uint8]], list[NDArray[np.float32]]], list[str]]:
    """Return a function, image to the tensors at the layers' borders, and those tensors' keys."""
    runtime = need("onnxruntime", "export")
    keys = Graph(model).keys()
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    present = {tensor.name for tensor in watched.graph.output}
    for tensor in keys:
        if tensor not in present:
            watched.graph.output.append(onnx.helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None))
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(watched.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def run(image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        return list(session.run(list(keys), {"image": image}))

    return run, list(keys.values())
