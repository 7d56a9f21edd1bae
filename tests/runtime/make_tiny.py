"""Writes tiny.onnx, the model of the runtime's tests: `python tests/runtime/make_tiny.py` (needs onnx).

Its input is 24x32. Twelve cells of 8x8 pixels, one prior each, stand in a grid of 3x4; the score of "blue"
and "red" is the mean of that channel in the cell, and every offset is 0. So every answer is computed by hand.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgessd.model.card import METADATA_KEY, ModelCard
from edgessd.model.priors import FeatureMap, PriorSpec
from edgessd.model.self_test import record, self_test_input

HERE = Path(__file__).parent
CARD = ModelCard(
    name="tiny",
    labels=("blue", "red"),
    height=24,
    width=32,
    priors=PriorSpec((FeatureMap(3, 4, (1 / 4, 1 / 3), ((1 / 4, 1 / 3),)),)),
    activation="sigmoid",
    license="Apache-2.0",
    origin="made by hand for tests",
)


def answer(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what the graph computes, in numpy."""
    cells = images.astype(np.float32).reshape(len(images), 3, 8, 4, 8, 3).mean(axis=(2, 4)) / 255
    scores = cells.reshape(len(images), 12, 3)[..., [0, 2]]
    return np.zeros((len(images), 12, 4), np.float32), scores


def main() -> None:
    """Write the file."""
    constants = {"scale": np.float32(1 / 255), "zero": np.float32(0), "columns": np.array([0, 2]), "flat": [0, 0, -1]}
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["means"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Mul", ["means", "scale"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "flat"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["cells"], perm=[0, 2, 1]),
        helper.make_node("Gather", ["cells", "columns"], ["scores"], axis=2),
        helper.make_node("Concat", ["scores", "scores"], ["four"], axis=2),
        helper.make_node("Mul", ["four", "zero"], ["offsets"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 24, 32, 3])],
        [
            helper.make_tensor_value_info("offsets", TensorProto.FLOAT, ["batch", 12, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 12, 2]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    offsets, scores = answer(self_test_input(CARD))
    card = CARD.with_changes(self_test=record({"offsets": offsets, "scores": scores}, 1e-4))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.metadata_props.add(key=METADATA_KEY, value=card.dumps())
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(HERE / "tiny.onnx"))


if __name__ == "__main__":
    main()
