"""A file for loaders that cannot feed uint8 says what the uint8 file says; no graph steps backwards."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from small_network import small_checkpoint, small_distances

from edgessd.commands.cli import run as run_command
from edgessd.detector import Detector
from edgessd.errors import CardError, InputError
from edgessd_export.graph.float_graph import Layout
from edgessd_export.graph.float_input import FloatInput, float_input
from edgessd_export.write import export_float_input, export_onnx
from edgessd_training.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    coarse = np.random.default_rng(3).integers(0, 255, (6, 7, 3), dtype=np.uint8)
    return cv2.resize(coarse, (128, 128), interpolation=cv2.INTER_CUBIC)[None]


@pytest.mark.parametrize(("layout", "order"), list(itertools.product(("nchw", "nhwc"), ("rgb", "bgr"))))
def test_every_layout_and_order_gives_the_same_tensors(
    tmp_path: Path, image: np.ndarray, layout: str, order: str
) -> None:
    checkpoint = small_checkpoint()
    export_onnx(checkpoint, tmp_path / "uint8.onnx")
    export_float_input(checkpoint, tmp_path / "float.onnx", Layout(), FloatInput(layout, order))
    own = onnxruntime.InferenceSession(str(tmp_path / "uint8.onnx")).run(None, {"image": image})
    given = image[..., ::-1] if order == "rgb" else image
    given = np.ascontiguousarray(given.transpose(0, 3, 1, 2) if layout == "nchw" else given, np.float32)
    other = onnxruntime.InferenceSession(str(tmp_path / "float.onnx")).run(None, {"image": given})
    for expected, found in zip(own, other, strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_no_graph_steps_backwards_and_opencv_reads_it(tmp_path: Path, image: np.ndarray) -> None:
    checkpoint = small_checkpoint()
    export_float_input(checkpoint, tmp_path / "m.onnx", Layout(batch=1), FloatInput())
    export_onnx(checkpoint, tmp_path / "uint8.onnx")
    for path in (tmp_path / "m.onnx", tmp_path / "uint8.onnx"):
        graph = onnx.load(str(path)).graph
        constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        slices = [node for node in graph.node if node.op_type == "Slice" and len(node.input) > 4]
        assert all((constants[node.input[4]] > 0).all() for node in slices)
    network = cv2.dnn.readNetFromONNX(str(tmp_path / "m.onnx"))
    network.setInput(cv2.dnn.blobFromImage(image[0], swapRB=True))
    names = ("offsets", "scores")
    found = network.forward(list(names))
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    given = FloatInput().from_frames(image)
    for expected, tensor in zip(session.run(list(names), {"image": given}), found, strict=True):
        np.testing.assert_allclose(tensor.reshape(expected.shape), expected, atol=1e-3)


def test_opencv_reads_gates_and_upsampling_as_they_are(tmp_path: Path) -> None:
    """PicoDet has both: OpenCV fused its gates into another function, and stopped at the size of its Resize."""
    checkpoint = small_distances()
    export_onnx(checkpoint, tmp_path / "m.onnx")
    image = np.random.default_rng(3).integers(0, 255, (1, 96, 128, 3), dtype=np.uint8)
    network = cv2.dnn.readNetFromONNX(str(tmp_path / "m.onnx"))
    network.setInput(image, "image")
    names = ["offsets", "scores"]
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    for expected, tensor in zip(session.run(names, {"image": image}), network.forward(names), strict=True):
        assert expected.std() > 1e-3
        np.testing.assert_allclose(tensor.reshape(expected.shape), expected, atol=1e-3)


def test_the_command_takes_it_and_our_own_runtime_refuses_the_file(tmp_path: Path) -> None:
    checkpoint = small_checkpoint()
    save_checkpoint(tmp_path / "c.pt", checkpoint.network, checkpoint.description, checkpoint.card)
    line = ["export", str(tmp_path / "c.pt"), "--out", str(tmp_path / "m.onnx"), "--contract", "end2end"]
    assert run_command([*line, "--input", "float32-nhwc-bgr"]) == 0
    with pytest.raises(CardError, match="float32"):
        Detector(tmp_path / "m.onnx")
    assert run_command([*line, "--input", "float16"]) == 2


@pytest.mark.parametrize("text", ["float", "float32-nchw-nhwc", "uint8-rgb", "float32-xyz", ""])
def test_another_word_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--input is uint8"):
        float_input(text)


def test_the_defaults_are_what_most_loaders_take() -> None:
    assert float_input("uint8") is None
    assert float_input("float32") == FloatInput("nchw", "rgb")
    assert float_input("float32-bgr") == FloatInput("nchw", "bgr")
