"""Weights that no x86 kernel saturates on: pairs by hand, and real engines on the worst input there is."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgessd_export.qdq import for_cpu
from edgessd_export.saturation import MOST, held_below, pair_sums


def test_neighbouring_inputs_of_one_tap_meet():
    weights = np.array([[90.0, 50.0, -70.0, -10.0], [100.0, -100.0, 20.0, 3.0]]).reshape(2, 4, 1, 1)
    assert pair_sums(weights).tolist() == [140.0, 100.0]
    apart = np.array([[[[90.0, 0.0]], [[0.0, 50.0]]]])  # two taps: they never meet
    assert pair_sums(apart).tolist() == [90.0]


def test_any_two_of_an_odd_number_of_inputs_may_meet():
    weights = np.array([10.0, -60.0, 30.0, -90.0, 5.0, 20.0]).reshape(1, 3, 1, 2)
    assert pair_sums(weights).tolist() == [180.0]


def test_steps_above_the_limit_come_down_and_no_others():
    steps = np.array([[100, 31, -5, -6], [127, -127, -20, -120]], np.int8).reshape(2, 4, 1, 1)
    assert held_below(steps)[:, :, 0, 0].tolist() == [[97, 31, -5, -6], [127, -127, -20, -108]]
    assert held_below(np.array([[127, -70, 3]], np.int8).reshape(1, 3, 1, 1)).ravel().tolist() == [64, -64, 3]


@pytest.mark.parametrize("inputs", [3, 8])
def test_nothing_is_above_the_limit_afterwards(inputs):
    steps = np.random.default_rng(0).integers(-127, 128, (20, inputs, 3, 3)).astype(np.int8)
    held = held_below(steps)
    assert pair_sums(held.astype(np.float32)).max() <= MOST
    assert (np.abs(held) <= np.abs(steps)).all()
    np.testing.assert_array_equal(held_below(held), held)


def convolution(inputs: int, kernel: int) -> tuple[onnx.ModelProto, float]:
    """Return a convolution whose weights are all 1, on a map of 3s in 0..3, and what it puts out."""
    shape = (2, inputs, kernel, kernel)
    constants = {"network.one.weight": np.ones(shape, np.float32), "network.one.bias": np.zeros(2, np.float32)}
    graph = helper.make_graph(
        [helper.make_node("Conv", ["maps", *constants], ["sums"], name="one")],
        "one",
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, [1, inputs, 5, 7])],
        [helper.make_tensor_value_info("sums", TensorProto.FLOAT, [1, 2, 6 - kernel, 8 - kernel])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    whole = 3.0 * inputs * kernel * kernel
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return for_cpu(network, {"one:in": (0.0, 3.0), "one:out": (0.0, whole)}), whole


@pytest.mark.parametrize(("inputs", "kernel"), [(3, 3), (32, 1), (6, 1), (16, 3)])
def test_engines_add_up_the_largest_activations_and_weights(inputs, kernel):
    network, whole = convolution(inputs, kernel)
    maps = np.full((1, inputs, 5, 7), 3.0, np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"maps": maps})[0], whole, rtol=0.01)
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(network.SerializeToString()), "CPU", settings)
    np.testing.assert_allclose(compiled({"maps": maps})[0], whole, rtol=0.01)
