"""Weights that no x86 kernel saturates on: pairs by hand, and real engines on the worst input there is."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgessd_export.quantisation.qdq import for_cpu
from edgessd_export.quantisation.saturation import MOST, held_below, smallest_scale


def test_neighbouring_inputs_of_one_tap_meet():
    weights = np.array([[90.0, 50.0, -70.0, -10.0], [100.0, -100.0, 20.0, 3.0]]).reshape(2, 4, 1, 1)
    assert (127 * smallest_scale(weights)).tolist() == [140.0, 100.0]
    apart = np.array([[[[90.0, 0.0]], [[0.0, 50.0]]]])  # two taps: they never meet
    assert (127 * smallest_scale(apart)).tolist() == [90.0]


def test_any_two_of_an_odd_number_of_inputs_may_meet():
    weights = np.array([10.0, -60.0, 30.0, -90.0, 5.0, 20.0]).reshape(1, 3, 1, 2)
    assert (64 * smallest_scale(weights)).tolist() == [90.0]


def test_steps_above_the_limit_come_down_and_no_others():
    steps = np.array([[100, 31, -5, -6], [127, -127, -20, -120]], np.int8).reshape(2, 4, 1, 1)
    assert held_below(steps)[:, :, 0, 0].tolist() == [[97, 31, -5, -6], [127, -127, -20, -108]]
    assert held_below(np.array([[127, -70, 3]], np.int8).reshape(1, 3, 1, 1)).ravel().tolist() == [64, -64, 3]


@pytest.mark.parametrize("inputs", [3, 8])
def test_nothing_is_above_the_limit_afterwards(inputs):
    steps = np.random.default_rng(0).integers(-127, 128, (20, inputs, 3, 3)).astype(np.int8)
    held = held_below(steps)
    assert smallest_scale(held.astype(np.float32)).max() <= (1 if inputs % 2 else MOST / (MOST - 1))
    assert (np.abs(held) <= np.abs(steps)).all()
    np.testing.assert_array_equal(held_below(held), held)


def convolution(inputs: int, kernel: int) -> tuple[onnx.ModelProto, float]:
    """Return a convolution whose weights are all 1, on a map of 3s in 0..3, and what it puts out.

    Something follows it, as heads are followed: ONNX Runtime computes in integers only what another node reads.
    """
    shape = (2, inputs, kernel, kernel)
    constants = {"network.one.weight": np.ones(shape, np.float32), "network.one.bias": np.zeros(2, np.float32)}
    height, width = 6 - kernel, 8 - kernel
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["maps", *constants], ["sums"], name="one"),
            helper.make_node("Transpose", ["sums"], ["turned"], perm=[0, 2, 3, 1]),
        ],
        "one",
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, [1, inputs, 5, 7])],
        [helper.make_tensor_value_info("turned", TensorProto.FLOAT, [1, height, width, 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    whole = 3.0 * inputs * kernel * kernel
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return for_cpu(network, {"one:in": (0.0, 3.0), "one:out": (0.0, whole)}), whole


def in_onnxruntime(network: onnx.ModelProto, maps: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"maps": maps})[0]


def in_openvino(network: onnx.ModelProto, maps: np.ndarray) -> np.ndarray:
    core = pytest.importorskip("openvino").Core()
    model = core.read_model(network.SerializeToString())
    return core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})({"maps": maps})[0]


# Without the limit the answer is half of it on AVX2; a processor with VNNI has nothing to show here.
@pytest.mark.parametrize("engine", [in_onnxruntime, in_openvino])
@pytest.mark.parametrize(("inputs", "kernel"), [(3, 3), (32, 1), (6, 1), (16, 3)])
def test_engines_add_up_the_largest_activations_and_weights(engine, inputs, kernel):
    network, whole = convolution(inputs, kernel)
    np.testing.assert_allclose(engine(network, np.full((1, inputs, 5, 7), 3.0, np.float32)), whole, rtol=0.01)
