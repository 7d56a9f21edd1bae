"""PaddleDetection's PicoDet-S as it is published in ONNX, its batch norms folded into the convolutions.

The file's tensors have numbers for names, so convolutions are taken in the order of the graph. The published blocks
shuffle their channels and ours do not: columns of weights that read a shuffled map are put in our order.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgessd.errors import InputError
from edgessd.util.extras import need
from edgessd.util.files import readable
from edgessd_training.checkpoint import Checkpoint, card_for
from edgessd_training.importers.labels import labels_for
from edgessd_training.networks import build
from edgessd_training.networks.picodet import BINS
from edgessd_training.networks.ssd import SSD

Array = NDArray[np.float32]
MAX_BYTES = 64 << 20
SIDES = 4 * BINS
FAMILY = "give PaddleDetection's picodet_s_320_coco.onnx or picodet_s_416_coco.onnx"


class Convolution(NamedTuple):
    """One of the file: weight (O, I, H, W), bias (O,)."""

    weight: Array
    bias: Array


def import_picodet(path: Path, labels_path: Path | None = None) -> Checkpoint:
    """Return the network with the file's weights, and a card with its labels.

    labels_path: text, a label a line; COCO's 80 if None. Raises InputError when the file is not this family's.
    """
    model = _read(path)
    found = list(_convolutions(model, path))
    if not found or len(found[-1].bias) <= SIDES:
        raise InputError(f"{path} ends in no head of scores and {SIDES} distances", fix=FAMILY)
    labels = labels_for(len(found[-1].bias) - SIDES, labels_path, path)
    height, width = (axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim[2:])
    size = height if height == width else [height, width]
    description = {"family": "picodet_s", "classes": len(labels), "input_size": size}
    network = build(description)
    _fill(network, found, path)
    card = card_for(
        network,
        name=f"coco_picodet_s_{height}",
        labels=labels,
        nms_iou=0.5,
        origin=f"PaddleDetection, {path.name}, trained on COCO 2017",
        license="Apache-2.0",
    )
    return Checkpoint(network.eval(), description, card)


def _read(path: Path) -> Any:
    if readable(path, "ONNX file").stat().st_size > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES >> 20} MiB", fix=FAMILY)
    onnx = need("onnx", "export")
    try:
        model = onnx.load_model_from_string(path.read_bytes())
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker raise unrelated classes; all mean the same to the reader
        raise InputError(f"{path} is not a valid ONNX file, or is cut off", fix=FAMILY) from error
    if len(model.graph.input) == 0 or len(model.graph.input[0].type.tensor_type.shape.dim) != 4:
        raise InputError(f"the first input of {path} is not an image (B, 3, H, W)", fix=FAMILY)
    return model


def _convolutions(model: Any, path: Path) -> Iterator[Convolution]:
    to_array = need("onnx", "export").numpy_helper.to_array
    values = {tensor.name: tensor for tensor in model.graph.initializer}
    values |= {
        node.output[0]: entry.t
        for node in model.graph.node
        if node.op_type == "Constant"
        for entry in node.attribute
        if entry.name == "value"
    }
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        arrays = [np.asarray(to_array(values[name]), np.float32) for name in node.input[1:] if name in values]
        if len(arrays) != 2 or not all(np.isfinite(array).all() for array in arrays):
            raise InputError(f"{path} has a convolution without finite weights and a bias", fix=FAMILY)
        yield Convolution(*arrays)


def _fill(network: SSD, found: list[Convolution], path: Path) -> None:
    order = list(layers_in_file_order(network))
    if len(order) != len(found):
        raise InputError(f"{path} has {len(found)} convolutions, PicoDet-S has {len(order)}", fix=FAMILY)
    columns = dict(_columns(network))
    with torch.no_grad():
        for layers, source in zip(order, found, strict=True):
            weight, bias = (torch.from_numpy(array.copy()) for array in source)
            outputs = [layer.out_channels for layer in layers]
            fits = sum(outputs) == len(weight) == len(bias) and weight.shape[1:] == layers[0].weight.shape[1:]
            if not fits:
                wanted = (sum(outputs), *layers[0].weight.shape[1:])
                raise InputError(f"{path} has a convolution of {tuple(weight.shape)} for {wanted}", fix=FAMILY)
            rows = zip(layers, torch.split(weight, outputs), torch.split(bias, outputs), strict=True)
            for layer, own_weight, own_bias in rows:
                _put(layer, own_weight, own_bias, columns)


def _put(layer: nn.Conv2d, weight: Tensor, bias: Tensor, columns: Mapping[nn.Module, Tensor]) -> None:
    order = columns.get(layer, torch.arange(layer.in_channels))
    depthwise = layer.groups > 1
    layer.weight.copy_(weight[order] if depthwise else weight[:, order])
    assert layer.bias is not None
    layer.bias.copy_(bias[order] if depthwise else bias)


def layers_in_file_order(network: Any) -> Iterator[list[nn.Conv2d]]:
    """Yield our convolutions in the order of the file; the last one of every level is two of ours, scores first."""
    pan = network.neck.neck
    modules = [network.backbone, pan.lateral, pan.up]
    for pair in zip(pan.shrink, pan.down, strict=True):
        modules += pair
    modules += [pan.coarse, pan.coarser]
    heads = zip(network.confidence.predictors, network.location.predictors, strict=True)
    for module in modules:
        yield from ([layer] for layer in module.modules() if isinstance(layer, nn.Conv2d))
    for tower, head in zip(network.neck.towers, heads, strict=True):
        yield from ([layer] for layer in tower.modules() if isinstance(layer, nn.Conv2d))
        yield list(head)


def _columns(network: Any) -> Iterator[tuple[nn.Module, Tensor]]:
    """Yield for every convolution that reads shuffled channels which of the file's columns each of ours is."""
    stages = list(network.backbone.stages)
    for number, stage in enumerate(stages):
        *blocks, whole = channel_orders(stage)
        yield from zip((block.expand[0] for block in stage.blocks), blocks, strict=True)
        yield network.neck.neck.lateral[number][0], whole
        if number + 1 < len(stages):
            behind = stages[number + 1].reduce
            yield from ((layer, whole) for layer in (behind.short[0], behind.short[1][0], behind.expand[0]))


def channel_orders(stage: Any) -> list[Tensor]:
    """Return, for what every block takes in and for what the stage puts out, the file's place of each channel."""
    count = 2 * stage.blocks[0].expand[0].in_channels
    theirs = list(range(count))  # channels by number, the new ones of a block behind those that are there
    parts = [theirs]
    orders = []
    for number in range(len(stage.blocks)):
        kept, taken = theirs[: count // 2], theirs[count // 2 :]
        seconds = [channel for part in parts for channel in part[len(part) // 2 :]]
        orders.append(torch.tensor([taken.index(channel) for channel in seconds]))
        new = list(range(count + number * count // 2, count + (number + 1) * count // 2))
        parts = [*(part[: len(part) // 2] for part in parts), new]
        theirs = [channel for pair in zip(kept, new, strict=True) for channel in pair]
    whole = [channel for part in parts for channel in part]
    return [*orders, torch.tensor([theirs.index(channel) for channel in whole])]
