"""ONNX into a TensorRT network: parsing, the complaints passed on in full, the tensors, the profile."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgessd.errors import ExportError, InputError
from edgessd.model.card import ModelCard
from edgessd_export.engine.options import DYNAMIC_BATCHES, BuildOptions

INPUT = "image"
NUMPY_NAMES = {"FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16"}
PRECISION_NAMES = {"FLOAT": "fp32", "HALF": "fp16", "BF16": "bf16", "INT8": "int8", "FP8": "fp8"}


def parse(parser: Any, onnx: Path, log: Any, title: str) -> None:
    """Fill the parser's network. Raises ExportError with every complaint and the node it is about."""
    if parser.parse_from_file(str(onnx)):
        return
    complaints = [_complaint(parser.get_error(index)) for index in range(parser.num_errors)] or log.errors
    raise ExportError(
        f"{title} cannot read {onnx}: {'; '.join(complaints) or 'no reason given'}",
        fix="export the model again or use another backend",
    )


def _complaint(error: Any) -> str:
    node = f"{error.node_operator()} {error.node_name()}".strip() or "the file"
    return f"{node}: {' '.join(error.desc().split())} [{error.code().name}]"


def tensors_of(network: Any) -> list[dict[str, Any]]:
    """Return the table of I/O tensors: name, mode, dtype as numpy calls it, shape with -1 for a dynamic batch."""
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    return [
        {
            "name": tensor.name,
            "mode": mode,
            "dtype": NUMPY_NAMES.get(tensor.dtype.name, tensor.dtype.name.lower()),
            "shape": [int(size) for size in tensor.shape],
        }
        for mode, found in (("input", inputs), ("output", outputs))
        for tensor in found
    ]


def check_tensors(tensors: list[dict[str, Any]], card: ModelCard, onnx: Path) -> None:
    """Raise ExportError where the graph's tensors are not those of the card's contract."""
    found = {mode: [tensor["name"] for tensor in tensors if tensor["mode"] == mode] for mode in ("input", "output")}
    sizes = {tensor["name"]: tensor["shape"][1:] for tensor in tensors}
    wanted = {
        INPUT: [card.height, card.width, 3],
        **{name: list(card.output_shape(name)) for name in card.outputs},
    }
    if found["input"] != [INPUT] or set(found["output"]) != set(card.outputs):
        raise ExportError(
            f"{onnx} and its card disagree",
            fix=(
                f"contract {card.contract} has image -> {', '.join(card.outputs)}, the graph "
                f"{', '.join(found['input'])} -> {', '.join(found['output'])}; export the model "
                "again"
            ),
        )
    for name, size in wanted.items():
        # TopK's length is known only while building on some versions: -1 is no contradiction.
        if len(sizes[name]) != len(size) or any(a not in (-1, b) for a, b in zip(sizes[name], size, strict=True)):
            raise ExportError(
                f"{onnx} and its card disagree",
                fix=(f"{name} is {size} behind the batch, the graph has {sizes[name]}; export the model again"),
            )


def profile_of(batch: int | None, options: BuildOptions, onnx: Path) -> dict[str, int]:
    """Return the smallest, best and largest batch. batch: the graph's fixed one, None for a dynamic one.

    Raises InputError where other batches are asked of a graph with a fixed one.
    """
    if batch is None:
        smallest, best, largest = options.batches or DYNAMIC_BATCHES
        return {"min": smallest, "opt": best, "max": largest}
    if options.batches and set(options.batches) != {batch}:
        raise InputError(
            f"{onnx} has the fixed batch {batch}, asked was {':'.join(map(str, options.batches))}",
            fix="leave the batch options out, or export it with a dynamic batch",
        )
    return {"min": batch, "opt": batch, "max": batch}


def add_profile(builder: Any, config: Any, profile: Mapping[str, int], card: ModelCard) -> None:
    """Give a network with a dynamic batch its optimisation profile. Raises InputError for an impossible one."""
    shapes = [(profile[name], card.height, card.width, 3) for name in ("min", "opt", "max")]
    added = builder.create_optimization_profile()
    try:
        added.set_shape(INPUT, *shapes)
    except ValueError as error:
        raise InputError(f"impossible profile {dict(profile)}: {error}", fix="change the batch options") from error
    if config.add_optimization_profile(added) < 0:
        raise InputError(f"TensorRT refuses the profile {dict(profile)}", fix="change the batch options")


def asked_precisions(trt: Any, network: Any) -> dict[str, str]:
    """Return what precision the graph asks of every convolution: node name to fp32, fp16, int8.

    A convolution whose input comes straight from a DequantizeLinear is asked in int8: the builder merges the two.
    """
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    dequantised = {
        layer.get_output(index).name
        for layer in layers
        if layer.type == trt.LayerType.DEQUANTIZE
        for index in range(layer.num_outputs)
    }
    asked = {}
    for layer in layers:
        if layer.type == trt.LayerType.CONVOLUTION:
            source = layer.get_input(0)
            kind = source.dtype.name
            asked[layer.name] = "int8" if source.name in dequantised else PRECISION_NAMES.get(kind, kind.lower())
    return asked
