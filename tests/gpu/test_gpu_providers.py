"""The second way to a GPU: ONNX Runtime's CUDA and TensorRT providers, the same models."""

from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from edgessd.model.card import card_of
from edgessd.model.self_test import self_test_input, worst_difference

onnxruntime = pytest.importorskip("onnxruntime")
FALLBACK = "CPUExecutionProvider"
# int8 is rounded elsewhere by every provider; the card's tolerance is the CPU's.
FACTOR = {"fp32": 10, "fp16": 20, "int8": 100}


@pytest.mark.parametrize("provider", ["CUDAExecutionProvider", "TensorrtExecutionProvider"])
def test_parity_on_the_provider(model: Path, provider: str, figure: list[str]) -> None:
    if provider not in onnxruntime.get_available_providers():
        pytest.skip(f"this ONNX Runtime has no {provider}, the extra gpu")
    card = card_of(model)
    session = onnxruntime.InferenceSession(str(model), providers=[provider, FALLBACK])
    if session.get_providers()[0] != provider:
        pytest.skip(f"{provider} does not load here: its CUDA libraries are missing")
    image = {"image": self_test_input(card)}
    outputs = session.run(list(card.outputs), image)
    difference, tolerance = worst_difference(card, outputs), float(card.self_test["tolerance"])
    assert difference <= tolerance * FACTOR[card.precision]
    times = []
    for _ in range(200):
        start = perf_counter()
        session.run(list(card.outputs), image)
        times.append((perf_counter() - start) * 1e3)
    p50, p99 = np.percentile(times[50:], [50, 99])
    name = provider.removesuffix("ExecutionProvider")
    figure.append(
        f"{model.stem}: ONNX Runtime {name}: p50 {p50:.3f} ms, p99 {p99:.3f} ms, self-test off by {difference:.2g}"
    )
