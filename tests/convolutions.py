"""A network of three convolutions as ONNX with its card, for the engine builder's tests (needs onnx, no torch).

Its input is 24x32; a stem of 8x8 pixels a cell gives the 3x4 grid, a depthwise and a head follow: 12 priors, labels
"blue" and "red". In int8 the stem and the head carry Q/DQ, the depthwise convolution stays in float.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgessd.model.card import METADATA_KEY, ModelCard
from edgessd.model.priors import FeatureMap, PriorSpec

CARD = ModelCard(
    name="convolutions",
    labels=("blue", "red"),
    height=24,
    width=32,
    priors=PriorSpec((FeatureMap(3, 4, (1 / 4, 1 / 3), ((1 / 4, 1 / 3),)),)),
    activation="sigmoid",
)
CONVOLUTIONS = {"stem": (16, 3, 8, 8), "depthwise": (16, 1, 3, 3), "head": (6, 16, 3, 3)}


def write_model(
    path: Path,
    precision: str = "fp32",
    *,
    batch: int | None = None,
    claimed: str | None = None,
    weight: float = 0.01,
    extra_node: onnx.NodeProto | None = None,
) -> Path:
    """Write the model and return its path.

    claimed: the precision its card says, the true one where None. weight: every weight's value. extra_node: takes
    ``columns`` and gives ``more``, which then becomes the scores.
    """
    number = np.float16 if precision == "fp16" else np.float32
    kind = TensorProto.FLOAT16 if precision == "fp16" else TensorProto.FLOAT
    constants: dict[str, np.ndarray] = {"shape": np.array([0, 12, 6]), "split": np.array([4, 2])}
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], name="cast", to=kind),
        helper.make_node("Transpose", ["pixels"], ["stem_in"], name="planes", perm=[0, 3, 1, 2]),
    ]
    for name, following in (("stem", "relu"), ("depthwise", "head_in"), ("head", "grid")):
        constants[f"{name}_w"] = np.full(CONVOLUTIONS[name], weight, number)
        inputs = [f"{name}_in", f"{name}_w"]
        if precision == "int8" and name != "depthwise":
            inputs = _quantised(name, nodes, constants)
        attributes = {
            "stem": {"strides": [8, 8]},
            "depthwise": {"group": 16, "pads": [1] * 4},
            "head": {"pads": [1] * 4},
        }[name]
        nodes.append(helper.make_node("Conv", inputs, [following], name=name, **attributes))
        if name == "stem":
            nodes.append(helper.make_node("Relu", ["relu"], ["depthwise_in"], name="relu"))
    nodes += [
        helper.make_node("Transpose", ["grid"], ["cells"], name="cells", perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["cells", "shape"], ["rows"], name="rows"),
        helper.make_node("Split", ["rows", "split"], ["left", "columns"], name="split", axis=2),
        helper.make_node("Cast", ["left"], ["offsets"], name="offsets", to=TensorProto.FLOAT),
    ]
    if extra_node:
        nodes.append(extra_node)
    nodes += [
        helper.make_node("Sigmoid", ["more" if extra_node else "columns"], ["squashed"], name="sigmoid"),
        helper.make_node("Cast", ["squashed"], ["scores"], name="scores", to=TensorProto.FLOAT),
    ]
    size = batch or "batch"
    graph = helper.make_graph(
        nodes,
        "convolutions",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [size, 24, 32, 3])],
        [
            helper.make_tensor_value_info("offsets", TensorProto.FLOAT, [size, 12, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [size, 12, 2]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    model.metadata_props.add(key=METADATA_KEY, value=CARD.with_changes(precision=claimed or precision).dumps())
    onnx.save(model, str(path))
    return path


def _quantised(name: str, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray]) -> list[str]:
    """Put Q/DQ before a convolution and its weights as int8 behind a DQ; return its new inputs."""
    weights = constants.pop(f"{name}_w")
    constants |= {
        f"{name}_scale": np.float32(0.05),
        f"{name}_zero": np.int8(0),
        f"{name}_w_int8": np.full(weights.shape, 127, np.int8),
        f"{name}_w_scale": np.full(len(weights), weights.max() / 127, np.float32),
        f"{name}_w_zero": np.zeros(len(weights), np.int8),
    }
    for key in (f"{name}_scale", f"{name}_zero"):
        constants[key] = np.asarray(constants[key])
    scaling = [f"{name}_scale", f"{name}_zero"]
    nodes += [
        helper.make_node("QuantizeLinear", [f"{name}_in", *scaling], [f"{name}_q"], name=f"{name}_Q"),
        helper.make_node("DequantizeLinear", [f"{name}_q", *scaling], [f"{name}_dq"], name=f"{name}_DQ"),
        helper.make_node(
            "DequantizeLinear",
            [f"{name}_w_int8", f"{name}_w_scale", f"{name}_w_zero"],
            [f"{name}_w_dq"],
            name=f"{name}_w_DQ",
            axis=0,
        ),
    ]
    return [f"{name}_dq", f"{name}_w_dq"]
