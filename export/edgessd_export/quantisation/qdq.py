"""Explicit quantisation: QuantizeLinear and DequantizeLinear written into an ONNX graph.

For TensorRT: symmetric int8 on the inputs of convolutions alone, per-channel int8 weights, float biases; nothing on
a convolution's output, where a second rounding before the activation would cost accuracy.
For a CPU: uint8 with a zero point on inputs and outputs and int32 biases, the form that ONNX Runtime's x86 kernels
take (symmetric int8 activations run 2 to 3 times slower there), and weights that do not saturate on any of them.
For a CPU and a network of hard swish: uint8 on inputs alone, depthwise convolutions in float. Hard swish is computed in
float, so a convolution's output would be rounded twice; OpenVINO fuses it between integers, ONNX Runtime does not.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgessd.errors import ExportError
from edgessd_export.graph.layers import Graph, Layer
from edgessd_export.quantisation.saturation import held_below, smallest_scale
from edgessd_export.quantisation.weight_rounding import Moments, bias_shift, compensated, nearest

Ranges = Mapping[str, tuple[float, float]]
AllMoments = Mapping[str, Moments]
NO_MOMENTS: AllMoments = {}
SMALLEST_FP16_SCALE = 6.2e-5  # below it a half is subnormal; TensorRT refuses a scale that underflows to 0
SMALLEST_SCALE = 1e-8
BIAS_LIMIT = 2.0**30


def inputs_alone(model: onnx.ModelProto, variant: str) -> bool:
    """Return whether a variant quantises inputs alone and leaves depthwise convolutions in float."""
    return variant == "tensorrt" or any(node.op_type == "HardSwish" for node in model.graph.node)


def for_tensorrt(
    model: onnx.ModelProto, ranges: Ranges, keep_float: Collection[str] = (), moments: AllMoments = NO_MOMENTS
) -> onnx.ModelProto:
    """Return the model with symmetric int8 on every convolution's input and weights, depthwise ones left in float.

    ranges: lowest and highest value by tensor key (see ``Graph.keys``). keep_float: layers left as they are.
    moments: of inputs by tensor key; weights are rounded and biases corrected by them (``rounding``).
    TensorRT expands grouped int8 weights, so a depthwise convolution is faster and smaller in float.
    """
    writer = _Writer(model, moments)

    def symmetric(low: float, high: float) -> tuple[NDArray[np.floating], np.int8]:
        return writer.clamp(np.float64(max(abs(low), abs(high)) / 127)), np.int8(0)

    return _inputs_alone(writer, ranges, keep_float, symmetric, held=False)


def for_cpu(
    model: onnx.ModelProto, ranges: Ranges, keep_float: Collection[str] = (), moments: AllMoments = NO_MOMENTS
) -> onnx.ModelProto:
    """Return the model with uint8 activations around every convolution, sums included; the heads' tail stays float.

    Arguments as of ``for_tensorrt``. A network of hard swish has uint8 on inputs alone, its depthwise convolutions in
    float: in int8 PicoDet-S had 0.06 mAP with them and 0.74 without, and they were no faster.
    """
    writer = _Writer(model, moments)
    if inputs_alone(model, "cpu"):
        return _inputs_alone(writer, ranges, keep_float, _affine, held=True)
    keys = writer.keys
    scales: dict[str, tuple[NDArray[np.float32], np.uint8]] = {}
    for layer in writer.graph.layers:
        if layer.name in keep_float:
            continue
        for tensor in (layer.input, layer.output):
            scales.setdefault(tensor, _affine(*_range(ranges, keys[tensor])))
    for node in model.graph.node:  # a pooled map keeps the scale of what was pooled
        if node.op_type == "MaxPool" and node.input[0] in scales:
            scales[node.output[0]] = scales[node.input[0]]
    for layer in writer.graph.layers:
        if layer.name not in keep_float:
            weight_scale = writer.quantise_weights(layer, scales[layer.input][0])
            writer.quantise_bias(layer, scales[layer.input][0] * weight_scale)
    for tensor, (scale, zero) in scales.items():
        quantised = writer.pair(tensor, scale, zero)
        for node in writer.graph.consumers[tensor]:
            node.input[:] = [quantised if name == tensor else name for name in node.input]
    return writer.finished()


def _inputs_alone(
    writer: "_Writer", ranges: Ranges, keep_float: Collection[str], levels: Callable[..., Any], *, held: bool
) -> onnx.ModelProto:
    """Return the model with integers on the inputs and weights of convolutions that are not depthwise.

    levels: lowest and highest value to scale and zero point. held: weights that saturate on no CPU.
    """
    done: dict[str, tuple[str, NDArray[np.floating]]] = {}
    for layer in writer.graph.layers:
        if layer.depthwise or layer.name in keep_float:
            continue
        if layer.input not in done:
            scale, zero = levels(*_range(ranges, writer.keys[layer.input]))
            done[layer.input] = writer.pair(layer.input, scale, zero), scale
        layer.node.input[0], scale = done[layer.input]
        writer.quantise_weights(layer, scale if held else None)
    return writer.finished()


VARIANTS: Mapping[str, Callable[..., onnx.ModelProto]] = {"tensorrt": for_tensorrt, "cpu": for_cpu}


def _range(ranges: Ranges, key: str) -> tuple[float, float]:
    if key not in ranges:
        raise ExportError(
            f"the ranges hold nothing for {key}", fix="calibrate this checkpoint again with --calibration"
        )
    return ranges[key]


def _affine(low: float, high: float) -> tuple[NDArray[np.float32], np.uint8]:
    """Return scale and zero point that map low..high, stretched to hold 0, onto 0..255."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / 255, SMALLEST_SCALE)
    return np.float32(scale), np.uint8(np.clip(round(-low / scale), 0, 255))


class _Writer:
    """Collects the new nodes and constants of one model, in place."""

    def __init__(self, model: onnx.ModelProto, moments: AllMoments) -> None:
        self.model = model
        self.graph = Graph(model)
        self.keys = self.graph.keys()
        self._moments = moments
        self._added: list[onnx.NodeProto] = []
        self._stored: set[str] = set()  # names of constants that hold integers now
        first = self.graph.weights[self.graph.layers[0].node.input[1]]
        self.type = np.float16 if first.data_type == TensorProto.FLOAT16 else np.float32

    def clamp(self, scale: NDArray[np.floating] | np.floating) -> NDArray[np.floating]:
        """Return scales in the model's float type, none of them 0."""
        return np.maximum(scale, SMALLEST_FP16_SCALE if self.type is np.float16 else SMALLEST_SCALE).astype(self.type)

    def pair(self, tensor: str, scale: NDArray[np.floating], zero: np.integer) -> str:
        """Add Q and DQ behind a tensor and return the DQ's output."""
        names = [tensor, self.constant(f"{tensor}_scale", scale), self.constant(f"{tensor}_zero", zero)]
        quantised, restored = f"{tensor}_quantised", f"{tensor}_restored"
        self._added.append(helper.make_node("QuantizeLinear", names, [quantised], name=f"{tensor}_Q"))
        names[0] = quantised
        self._added.append(helper.make_node("DequantizeLinear", names, [restored], name=f"{tensor}_DQ"))
        return restored

    def quantise_weights(self, layer: Layer, input_scale: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """Store a layer's weights as int8 with one scale a channel and return the scales, (channels,).

        input_scale: given for a CPU, see ``_scale``. Where the layer's moments are known its bias takes up the mean
        error.
        """
        name = layer.node.input[1]
        weights = self.graph.array(name).astype(np.float32)
        scale = self._scale(layer, weights, input_scale)
        moments = self._moments.get(self.keys[layer.input])
        if moments is not None and moments.second is not None and layer.pointwise:
            steps = compensated(weights[:, :, 0, 0], scale, moments.second)[:, :, None, None]
        else:
            steps = nearest(weights, scale)
        if input_scale is not None and not layer.depthwise:
            steps = held_below(steps)
        if moments is not None and len(layer.node.input) > 2:
            error = weights - steps * scale.astype(np.float32).reshape(-1, 1, 1, 1)
            inside = layer.taps_inside(weights.shape[2:], moments.size_hw)
            self._add_to_bias(layer, bias_shift(error, moments.mean, inside, depthwise=layer.depthwise))
        layer.node.input[1] = self._restored(name, steps, scale)
        return scale

    def _scale(
        self, layer: Layer, weights: NDArray[np.float32], input_scale: NDArray[np.floating] | None
    ) -> NDArray[np.floating]:
        """Return a scale a channel that its largest weight needs; for a CPU also its bias in int32, and its pairs."""
        scale = np.abs(weights).reshape(len(weights), -1).max(axis=1) / 127
        if input_scale is not None and not layer.depthwise:
            scale = np.maximum(scale, smallest_scale(weights))
        if input_scale is not None and len(layer.node.input) > 2:
            scale = np.maximum(scale, np.abs(self.graph.array(layer.node.input[2])) / (input_scale * BIAS_LIMIT))
        return self.clamp(scale)

    def _add_to_bias(self, layer: Layer, shift: NDArray[np.floating]) -> None:
        # Under a name of its own: layers with equal biases may share one constant.
        name = layer.node.input[2]
        bias = self.graph.array(name)
        layer.node.input[2] = self.constant(f"{name}_{layer.node.name}_corrected", (bias + shift).astype(bias.dtype))

    def quantise_bias(self, layer: Layer, scale: NDArray[np.floating]) -> None:
        """Store a layer's bias, if it has one, as int32 in steps of input scale times weight scale."""
        if len(layer.node.input) > 2:
            name = layer.node.input[2]
            steps = np.rint(self.graph.array(name) / scale).astype(np.int32)
            layer.node.input[2] = self._restored(name, steps, scale)

    def constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        """Add a constant and return its name."""
        self.graph.weights[name] = numpy_helper.from_array(np.asarray(value), name)
        self.model.graph.initializer.append(self.graph.weights[name])
        return name

    def finished(self) -> onnx.ModelProto:
        """Return the model, its nodes in an order in which each follows its inputs."""
        graph = self.model.graph
        nodes = [*graph.node, *self._added]
        used = {name for node in nodes for name in node.input}
        kept = [tensor for tensor in graph.initializer if tensor.name in used]
        del graph.initializer[:]
        graph.initializer.extend(kept)
        known = {tensor.name for tensor in (*graph.initializer, *graph.input)} | {""}
        del graph.node[:]
        while nodes:
            waiting = []
            for node in nodes:
                if known.issuperset(node.input):
                    graph.node.append(node)
                    known.update(node.output)
                else:
                    waiting.append(node)
            if len(waiting) == len(nodes):
                raise ExportError(f"the quantised graph has a circle at {nodes[0].name}", fix="run again with --debug")
            nodes = waiting
        return self.model

    def _restored(self, name: str, steps: NDArray[np.integer], scale: NDArray[np.floating]) -> str:
        # Layers with equal constants may share one, which each quantises by scales of its own.
        prefix = f"{name}_{len(self._added)}" if name in self._stored else name
        names = [
            self.constant(f"{prefix}_steps", steps),
            self.constant(f"{prefix}_scale", scale),
            self.constant(f"{prefix}_zero", np.zeros(len(steps), steps.dtype)),
        ]
        self._added.append(helper.make_node("DequantizeLinear", names, [f"{prefix}_DQ"], name=f"{prefix}_DQ", axis=0))
        self._stored.add(name)
        return f"{prefix}_DQ"
