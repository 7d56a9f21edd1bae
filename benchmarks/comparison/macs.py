"""How much a network computes: multiply-accumulates of one image, from an ONNX graph or by running PyTorch."""

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any


def onnx_gmac(path: Path) -> float | None:
    """Return 10^9 multiply-accumulates of one image; convolutions and matrix products. None without ``onnx``."""
    try:
        import onnx
    except ModuleNotFoundError:
        return None
    model = onnx.load(str(path))
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    batch.Clear()
    batch.dim_value = 1
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in inferred.initializer}
    for value in [*inferred.value_info, *inferred.output]:
        shapes[value.name] = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    total = 0
    for node in inferred.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            inputs, outputs = shapes.get(node.input[1]), shapes.get(node.output[0])
            if not inputs or not outputs or 0 in outputs:
                return None
            total += prod(outputs) * terms(node.op_type, inputs)
    return total / 1e9


def terms(operator: str, weight_shape: list[int]) -> int:
    """Return how many products one output value sums, from the shape of the weights."""
    # A filter's row for a convolution; a matrix' inner axis, which Gemm has second when transposed as exported.
    return prod(weight_shape[1:]) if operator in ("Conv", "Gemm") else weight_shape[-2]


def torch_gmac(module: Any, run: Callable[[], object]) -> float:
    """Return 10^9 multiply-accumulates of what ``run`` makes the module do, convolutions and linear layers."""
    import torch

    total = 0

    def add(layer: Any, _: object, output: Any) -> None:
        nonlocal total
        total += output.numel() * layer.weight[0].numel()

    layers = [layer for layer in module.modules() if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)]
    handles = [layer.register_forward_hook(add) for layer in layers]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return total / 1e9
