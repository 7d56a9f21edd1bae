"""int8 amid fp16: the product's ONNX Runtime computes what the graph says, and rewrites no bias."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from small_network import small_checkpoint

from edgessd.backends import Choice, open_backend
from edgessd_export.graph.float_graph import Layout, float_graph, save
from edgessd_export.quantisation.calibration import calibrate
from edgessd_export.quantisation.int8 import Int8, quantised


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    coarse = [random.integers(0, 256, size=(6, 6, 3), dtype=np.uint8) for _ in range(4)]
    return [cv2.resize(image, (128, 128))[None] for image in coarse]


def as_the_graph_says(model: onnx.ModelProto, image: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["offsets", "scores"], {"image": image})


def test_the_backend_computes_what_the_graph_says(images: list[np.ndarray], tmp_path: Path) -> None:
    checkpoint = small_checkpoint()
    ranges = calibrate(float_graph(checkpoint, Layout()), lambda: images, "max", "")
    model = quantised(float_graph(checkpoint, Layout(), "fp16"), Int8("tensorrt", ranges, "fp16"))
    save(model, checkpoint.card, tmp_path / "m.onnx")
    backend = open_backend(
        tmp_path / "m.onnx", checkpoint.card, Choice("onnxruntime", "its optimiser is what is tested")
    )
    for image in images:
        for found, expected in zip(backend.infer(image), as_the_graph_says(model, image), strict=True):
            # 0.002 to 0.012; 0.06 of scores and 0.12 of offsets where ONNX Runtime rewrites the biases.
            assert np.abs(found - expected).mean() < 0.03
    backend.close()
