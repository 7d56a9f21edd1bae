"""Google's quantised COCO SSD MobileNetV1 (coco_ssd_mobilenet_v1_1.0_quant) from its TFLite file.

Weights are dequantised; batch norm, folded in the file, becomes the identity with the file's bias; the
head's rows for the background, which sigmoid scores do not need, are dropped.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgessd.errors import InputError
from edgessd.model.boxes import Variances
from edgessd.model.priors import generate
from edgessd.util.extras import need
from edgessd.util.files import readable
from edgessd_training.checkpoint import Checkpoint, card_for
from edgessd_training.importers.labels import checked_labels, read_labels
from edgessd_training.networks import build
from edgessd_training.networks.layers import last_convolution
from edgessd_training.networks.ssd import SSD

Array = NDArray[np.float32]
MAX_BYTES = 256 << 20
MAX_ENTRIES = 10_000
MAX_WIDTH = 2.0
ANCHOR_TOLERANCE = 0.01  # the file's anchors are uint8: a step of 0.0065
FULL_FIRST_CHANNELS = 32  # of the first convolution at width 1


@dataclass(frozen=True)
class Convolution:
    """One convolution of the file: (O, I, H, W) float weights, bias (O,), and the name of its output."""

    name: str
    weight: Array
    bias: Array


@dataclass(frozen=True)
class Content:
    """What the import takes from the file: its convolutions in order, and its anchors (P, 4) as y x h w."""

    convolutions: list[Convolution]
    anchors_yxhw: Array | None


def import_tflite(path: Path, labels_path: Path | None = None) -> Checkpoint:
    """Return the network with the file's weights, and a card with its labels.

    labels_path: text, a label a line, the first the background; ``labelmap.txt`` beside the file if None.
    Raises InputError when the file is not this family's.
    """
    content = _read(path)
    body = [convolution for convolution in content.convolutions if "BoxPredictor" not in convolution.name]
    boxes = _head(content.convolutions, "BoxEncodingPredictor")
    classes = _head(content.convolutions, "ClassPredictor")
    if not body or not boxes or len(boxes) != len(classes):
        raise InputError(
            f"{path} has no SSD box and class predictors", fix="expected coco_ssd_mobilenet_v1 (quantised)"
        )
    width = len(body[0].bias) / FULL_FIRST_CHANNELS
    if not 0 < width <= MAX_WIDTH:
        raise InputError(f"{path} has {len(body[0].bias)} channels in its first layer", fix="not an SSD MobileNetV1")
    # A box predictor has 4 channels a prior, a class predictor one for every class and the background.
    columns = len(classes[0].bias) * 4 // max(len(boxes[0].bias), 1)
    labels = read_labels(labels_path or _beside(path))
    checked_labels(labels, columns - 1, path)
    description = {
        "family": "ssd_mobilenet_v1",
        "classes": len(labels),
        "width": width,
        "input_size": 300,
        "activation": "sigmoid",
    }
    network = build(description)
    _fill(network, body, boxes, classes, len(labels), path)
    _check_anchors(network, content.anchors_yxhw, path)
    card = card_for(
        network,
        name="coco_ssd_mobilenet_v1",
        labels=labels,
        variances=Variances(1 / 10, 1 / 5),
        nms_iou=0.5,
        origin="Google, coco_ssd_mobilenet_v1_1.0_quant_2018_06_29, trained on COCO 2017",
        license="Apache-2.0",
    )
    return Checkpoint(network.eval(), description, card)


def _beside(path: Path) -> Path:
    labels = path.with_name("labelmap.txt")
    if not labels.is_file():
        raise InputError(f"no label file at {labels}", fix="give the one that came with the model by --labels")
    return labels


def _read(path: Path) -> Content:
    schema = need("tflite", "train")
    if readable(path, "TFLite file").stat().st_size > MAX_BYTES:
        raise InputError(
            f"{path} is larger than {MAX_BYTES >> 20} MiB, too large for this family", fix="give detect.tflite"
        )
    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise InputError(f"{path} is not a TFLite file (its mark TFL3 is missing)", fix="give detect.tflite")
    try:
        with np.errstate(all="ignore"):  # a damaged scale overflows; what is not finite is refused below
            return _content(schema.Model.GetRootAs(content, 0), path)
    # flatbuffers reads offsets out of the bytes and runs into whatever they point at
    except (ValueError, IndexError, TypeError, AttributeError, OverflowError, struct.error, MemoryError) as error:
        raise InputError(f"{path} is damaged or cut off", fix="download it again") from error


def _content(model: Any, path: Path) -> Content:
    if model.SubgraphsLength() != 1:
        raise InputError(f"{path} has {model.SubgraphsLength()} subgraphs, expected 1", fix="give detect.tflite")
    graph = model.Subgraphs(0)
    if max(graph.OperatorsLength(), graph.TensorsLength()) > MAX_ENTRIES:
        raise InputError(f"{path} lists more than {MAX_ENTRIES} layers", fix="damaged, or not this family's")
    convolutions = list(_convolutions(model))
    for convolution in convolutions:
        if convolution.bias.shape != convolution.weight.shape[:1] or not _finite(convolution):
            raise InputError(f"{path} is damaged at {convolution.name}", fix="download it again")
    return Content(convolutions, _anchors(model))


def _finite(convolution: Convolution) -> bool:
    return bool(np.isfinite(convolution.weight).all() and np.isfinite(convolution.bias).all())


def _anchors(model: Any) -> Array | None:
    graph = model.Subgraphs(0)
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        if tensor.Name() == b"anchors":
            return _values(model, tensor).reshape(-1, 4)
    return None


def _convolutions(model: Any) -> Iterator[Convolution]:
    operators = need("tflite", "train").BuiltinOperator
    graph = model.Subgraphs(0)
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        kind = model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
        if kind not in (operators.CONV_2D, operators.DEPTHWISE_CONV_2D):
            continue
        weight = _values(model, graph.Tensors(operator.Inputs(1)))
        bias = _values(model, graph.Tensors(operator.Inputs(2)))
        # OHWI and 1HWO to OIHW: a depthwise filter has its channels last
        axes = (0, 3, 1, 2) if kind == operators.CONV_2D else (3, 0, 1, 2)
        yield Convolution(graph.Tensors(operator.Outputs(0)).Name().decode(), weight.transpose(axes), bias)


def _values(model: Any, tensor: Any) -> Array:
    """Return a constant tensor as floats: scale * (integer - zero point)."""
    types = need("tflite", "train").TensorType
    kind = {types.UINT8: np.uint8, types.INT32: np.int32, types.FLOAT32: np.float32}.get(tensor.Type())
    if kind is None:
        raise InputError(
            f"tensor {tensor.Name().decode()} has a type this import does not know", fix="expected uint8 weights"
        )
    raw = model.Buffers(tensor.Buffer()).DataAsNumpy().view(kind).reshape(tensor.ShapeAsNumpy())
    quantisation = tensor.Quantization()
    if kind != np.float32 and quantisation is not None and quantisation.ScaleLength():
        zero_point = quantisation.ZeroPoint(0) if quantisation.ZeroPointLength() else 0
        raw = (raw.astype(np.float64) - zero_point) * quantisation.Scale(0)
    return np.asarray(raw, np.float32)


def _head(convolutions: list[Convolution], kind: str) -> list[Convolution]:
    """Return the predictors of one kind by their map's number (the file's own order differs)."""
    found = {}
    for convolution in convolutions:
        match = re.search(rf"BoxPredictor_(\d+)/{kind}", convolution.name)
        if match:
            found[int(match.group(1))] = convolution
    return [found[number] for number in sorted(found)]


def _fill(
    network: SSD,
    body: list[Convolution],
    boxes: list[Convolution],
    classes: list[Convolution],
    class_count: int,
    path: Path,
) -> None:
    layers = [module for module in network.backbone.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in network.backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    if len(layers) != len(body):
        raise InputError(f"{path} has {len(body)} convolutions, SSD MobileNetV1 has {len(layers)}", fix="wrong network")
    with torch.no_grad():
        for layer, norm, source in zip(layers, norms, body, strict=True):
            _copy(layer.weight, source.weight, source.name)
            _copy(norm.bias, source.bias, source.name)
            assert norm.running_var is not None
            norm.running_var.fill_(1 - norm.eps)  # with mean 0 and weight 1: the identity
        for predictor, source in zip(network.location.predictors, boxes, strict=True):
            _copy_head(predictor, source, 4, [1, 0, 3, 2])  # ty tx th tw
        for predictor, source in zip(network.confidence.predictors, classes, strict=True):
            _copy_head(predictor, source, class_count + 1, slice(1, None))


def _copy_head(predictor: nn.Module, source: Convolution, columns: int, kept: list[int] | slice) -> None:
    """Copy a predictor. kept: which of the columns that the file has for every prior, in our order."""
    layer = last_convolution(predictor)
    assert layer.bias is not None
    _copy(layer.weight, _rows(source.weight, columns)[:, kept], source.name)
    _copy(layer.bias, _rows(source.bias, columns)[:, kept], source.name)


def _rows(values: Array, columns: int) -> Array:
    """Return a predictor's output channels split into (priors of a cell, columns, ...)."""
    if len(values) % columns:
        raise InputError(
            f"a predictor has {len(values)} channels, not a multiple of {columns}", fix="wrong label file?"
        )
    return values.reshape(-1, columns, *values.shape[1:])


def _copy(target: Tensor, source: Array, name: str) -> None:
    if source.size != target.numel():
        raise InputError(
            f"{name} has {source.size} values, the network expects {tuple(target.shape)}", fix="wrong network"
        )
    target.copy_(torch.from_numpy(np.ascontiguousarray(source)).reshape(target.shape))


def _check_anchors(network: SSD, anchors_yxhw: Array | None, path: Path) -> None:
    if anchors_yxhw is None:
        raise InputError(f"{path} carries no anchors", fix="expected the file with TFLite_Detection_PostProcess")
    anchors_cxcywh = anchors_yxhw[:, [1, 0, 3, 2]]
    priors_cxcywh = generate(network.priors)
    if anchors_cxcywh.shape != priors_cxcywh.shape:
        raise InputError(
            f"{path} has {len(anchors_cxcywh)} anchors, expected {len(priors_cxcywh)}", fix="wrong network"
        )
    worst = np.abs(anchors_cxcywh - priors_cxcywh).max()
    if not worst <= ANCHOR_TOLERANCE:
        raise InputError(f"{path} has other anchors than TensorFlow's SSD (off by {worst:.3f})", fix="cannot import")
