"""Explicit quantisation on a graph of three convolutions, small enough to count by hand."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgessd.backends.onnxruntime import UNWANTED_OPTIMISER
from edgessd.errors import ExportError
from edgessd_export.graph.layers import Graph
from edgessd_export.quantisation.qdq import SMALLEST_FP16_SCALE, for_cpu, for_tensorrt

RANGES = {
    "first:in": (-1.0, 1.0),
    "filter:in": (0.0, 6.0),
    "head:in": (0.0, 6.0),
    "head:out": (-8.0, 8.0),
}


def model(kind: type = np.float32, head_weight: float = 1.0) -> onnx.ModelProto:
    """Return: 2 channels -> first 3x3 (3) -> ReLU6 -> filter 3x3 depthwise -> ReLU6 -> head 1x1 (2); 5x7 pixels."""
    random = np.random.default_rng(1)
    shapes = {"first": (3, 2, 3, 3), "filter": (3, 1, 3, 3), "head": (2, 3, 1, 1)}
    constants = {f"network.{name}.weight": random.normal(0, 0.3, shape) for name, shape in shapes.items()}
    constants["network.head.weight"] = np.full(shapes["head"], head_weight)
    constants |= {f"network.{name}.bias": random.normal(0, 0.1, shape[0]) for name, shape in shapes.items()}
    constants |= {"low": np.array(0.0), "high": np.array(6.0)}

    def conv(name: str, source: str, groups: int = 1) -> onnx.NodeProto:
        padding = [0 if name == "head" else 1] * 4
        inputs = [source, f"network.{name}.weight", f"network.{name}.bias"]
        return helper.make_node("Conv", inputs, [name], name=name, pads=padding, group=groups)

    nodes = [
        conv("first", "pixels"),
        helper.make_node("Clip", ["first", "low", "high"], ["first6"]),
        conv("filter", "first6", groups=3),
        helper.make_node("Clip", ["filter", "low", "high"], ["filter6"]),
        conv("head", "filter6"),
        helper.make_node("Sigmoid", ["head"], ["scores"]),
    ]
    element = TensorProto.FLOAT16 if kind is np.float16 else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "three",
        [helper.make_tensor_value_info("pixels", element, [1, 2, 5, 7])],
        [helper.make_tensor_value_info("scores", element, [1, 2, 5, 7])],
        [numpy_helper.from_array(value.astype(kind), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(network: onnx.ModelProto) -> np.ndarray:
    onnx.checker.check_model(network, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(network.SerializeToString(), options)
    pixels = np.linspace(-1, 1, 70, dtype=np.float32).reshape(1, 2, 5, 7)
    kind = np.float16 if session.get_inputs()[0].type == "tensor(float16)" else np.float32
    return session.run(None, {"pixels": pixels.astype(kind)})[0]


def counts(network: onnx.ModelProto) -> dict[str, int]:
    kinds = [node.op_type for node in network.graph.node]
    return {kind: kinds.count(kind) for kind in ("QuantizeLinear", "DequantizeLinear")}


def test_tensorrt_quantises_inputs_and_weights_alone() -> None:
    network = for_tensorrt(model(), RANGES)
    # Inputs of first and head; their weights; the depthwise filter stays float.
    assert counts(network) == {"QuantizeLinear": 2, "DequantizeLinear": 4}
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in network.graph.initializer}
    assert stored["network.first.weight_steps"].dtype == np.int8
    assert stored["network.first.weight_scale"].shape == (3,)
    assert stored["network.filter.weight"].dtype == np.float32
    assert not any(name.startswith("network.first.bias_") for name in stored)
    assert stored["pixels_zero"] == 0
    assert stored["pixels_scale"] == pytest.approx(1 / 127)
    producers = {output: node.op_type for node in network.graph.node for output in node.output}
    quantised = [node.input[0] for node in network.graph.node if node.op_type == "QuantizeLinear"]
    assert all(producers.get(tensor) != "Conv" for tensor in quantised)
    np.testing.assert_allclose(run(network), run(model()), atol=0.02)


def test_cpu_quantises_all_three_with_uint8_and_int32_biases() -> None:
    network = for_cpu(model(), RANGES)
    # Four tensors (pixels, two activations, head's output); three weights and three biases.
    assert counts(network) == {"QuantizeLinear": 4, "DequantizeLinear": 10}
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in network.graph.initializer}
    assert stored["pixels_zero"].dtype == np.uint8
    assert stored["first6_zero"] == 0
    assert stored["first6_scale"] == pytest.approx(6 / 255)
    assert stored["network.filter.bias_steps"].dtype == np.int32
    np.testing.assert_allclose(run(network), run(model()), atol=0.02)


def test_cpu_runs_every_convolution_as_integers(tmp_path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(for_cpu(model(), RANGES).SerializeToString(), options)
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert kinds.count("QLinearConv") == 3
    assert "Clip" not in kinds


def test_a_layer_kept_in_float_is_left_as_it_was() -> None:
    network = for_tensorrt(model(), RANGES, keep_float=["first"])
    assert counts(network) == {"QuantizeLinear": 1, "DequantizeLinear": 2}
    assert {layer.name for layer in Graph(model()).layers} == {"first", "filter", "head"}


def test_a_layer_kept_in_float_runs_in_float_on_a_cpu(tmp_path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    network = for_cpu(model(), RANGES, keep_float=["filter"]).SerializeToString()
    onnxruntime.InferenceSession(network, options, disabled_optimizers=[UNWANTED_OPTIMISER])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert (kinds.count("QLinearConv"), kinds.count("Conv")) == (2, 1)


def test_scales_never_underflow_in_half_precision() -> None:
    ranges = RANGES | {"head:in": (0.0, 1e-6)}
    network = for_tensorrt(model(np.float16, head_weight=1e-6), ranges)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in network.graph.initializer}
    for name in ("filter6_scale", "network.head.weight_scale"):
        assert stored[name].dtype == np.float16
        assert (stored[name] >= np.float16(SMALLEST_FP16_SCALE)).all()
    assert np.isfinite(run(network)).all()


def test_a_missing_range_is_named() -> None:
    with pytest.raises(ExportError, match="nothing for head:in"):
        for_cpu(model(), {"first:in": (-1, 1), "filter:in": (0, 6)})


def test_layers_that_share_a_bias_are_quantised_each_by_its_own_scales() -> None:
    """Exporters store equal constants once: here the first two convolutions have one bias."""
    shared = model()
    first, second = (node for node in shared.graph.node if node.name in ("first", "filter"))
    second.input[2] = first.input[2]
    expected, found = run(shared), run(for_cpu(shared, RANGES, ()))
    assert np.abs(found - expected).max() < 0.05


def test_a_network_of_hard_swish_has_integers_on_its_inputs_alone_on_a_cpu() -> None:
    swish = model()
    for node in swish.graph.node:
        if node.op_type == "Clip":
            del node.input[1:]
            node.op_type = "HardSwish"
    network = for_cpu(swish, RANGES | {"head:in": (-0.375, 6.0)})
    # Inputs of first and head and their weights; neither the depthwise filter nor any output.
    assert counts(network) == {"QuantizeLinear": 2, "DequantizeLinear": 4}
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in network.graph.initializer}
    assert stored["filter6_zero"] == 15  # 0.375 of 6.375 in 255 steps
    assert stored["network.filter.weight"].dtype == np.float32
    np.testing.assert_allclose(run(network), run(swish), atol=0.02)
