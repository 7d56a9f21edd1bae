"""An ONNX graph seen as layers: convolutions named as in the checkpoint, and the tensors between them.

The names of tensors differ between contracts and precisions; those of layers do not, so ranges are kept by layer.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edgessd.errors import ExportError

FUSED = ("Relu", "Clip")  # engines compute these inside the convolution


@dataclass(frozen=True)
class Layer:
    """One convolution. output: the tensor after its fused activation. pointwise: 1x1 over all channels.

    depthwise: one input a group. Other groups do not exist here.
    """

    name: str
    node: onnx.NodeProto
    input: str
    output: str
    depthwise: bool
    pointwise: bool

    def taps_inside(self, kernel_hw: tuple[int, int], size_hw: tuple[int, int]) -> NDArray[np.float64]:
        """Return for every tap of the kernel its share of the outputs at which it lies inside a map, not on padding."""
        given = {entry.name: helper.get_attribute_value(entry) for entry in self.node.attribute}
        pads = given.get("pads", [0] * 4)
        shares = []
        for axis in (0, 1):
            stride, dilation = (given.get(name, [1, 1])[axis] for name in ("strides", "dilations"))
            before, after, size, kernel = pads[axis], pads[axis + 2], size_hw[axis], kernel_hw[axis]
            outputs = (size + before + after - dilation * (kernel - 1) - 1) // stride + 1
            places = np.arange(outputs)[:, None] * stride - before + np.arange(kernel) * dilation
            shares.append(((places >= 0) & (places < size)).mean(axis=0))
        return np.outer(*shares)


class Graph:
    """A model with its look-up tables; ``model`` is changed by nobody here."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self.consumers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for tensor in node.input:
                self.consumers[tensor].append(node)
        self.outputs = {tensor.name for tensor in model.graph.output}
        self.layers = [self._layer(node) for node in model.graph.node if node.op_type == "Conv"]

    def array(self, name: str) -> NDArray[np.floating]:
        """Return a constant tensor."""
        return numpy_helper.to_array(self.weights[name])

    def keys(self) -> dict[str, str]:
        """Return a name that survives re-export for every tensor at a layer's border: LAYER:in or LAYER:out."""
        names: dict[str, str] = {}
        for layer in self.layers:
            names.setdefault(layer.input, f"{layer.name}:in")
        for layer in self.layers:
            names.setdefault(layer.output, f"{layer.name}:out")
        return names

    def _layer(self, node: onnx.NodeProto) -> Layer:
        name = node.input[1].split("network.")[-1].removesuffix(".weight")
        output = node.output[0]
        behind = self.consumers[output]
        if len(behind) == 1 and behind[0].op_type in FUSED and output not in self.outputs:
            output = behind[0].output[0]
        groups = next((entry.i for entry in node.attribute if entry.name == "group"), 1)
        outputs, inputs, *kernel = self.weights[node.input[1]].dims
        depthwise = groups > 1
        if depthwise and (inputs != 1 or outputs != groups):
            raise ExportError(f"{name} is a convolution of {groups} groups", fix="only depthwise ones can be quantised")
        return Layer(name, node, node.input[0], output, depthwise, groups == 1 and kernel == [1, 1])
