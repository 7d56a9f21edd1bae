"""Google's COCO SSDLite MobileNetV2 (ssdlite_mobilenet_v2_coco) from the TensorFlow.js graph of coco-ssd.

``model.json`` lists the weights, the shards beside it hold them. Batch norm, folded in the graph, becomes the
identity with the graph's bias; the classifiers' rows for the background, which sigmoid scores do not need, are dropped.
"""

import json
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgessd.errors import InputError
from edgessd.model.boxes import Variances, xyxy_to_cxcywh
from edgessd.model.priors import generate
from edgessd.util.files import readable
from edgessd_training.checkpoint import Checkpoint, card_for
from edgessd_training.importers.labels import labels_for
from edgessd_training.importers.state_dict import place
from edgessd_training.networks import build
from edgessd_training.networks.layers import SSDLITE_EPS
from edgessd_training.networks.ssd import SSD
from edgessd_training.networks.ssdlite import EXTRA_CHANNELS

Array = NDArray[np.float32]
Weights = dict[str, Array]
MAX_JSON_BYTES, MAX_SHARD_BYTES, MAX_SHARDS = 16 << 20, 64 << 20, 64
ANCHOR_TOLERANCE = 1e-4
BODY = "FeatureExtractor/MobilenetV2/"
BLOCKS, MAPS = 17, 6
# What our batch norm calls what theirs does.
NORM = (
    ("weight", "gamma"),
    ("bias", "beta"),
    ("running_mean", "moving_mean"),
    ("running_var", "moving_variance"),
)
FAMILY = "expected coco-ssd's lite_mobilenet_v2 (ssdlite_mobilenet_v2_coco)"
ANCHORS = "Postprocessor/ExpandDims"  # corners y x y x, folded into the graph


def import_tfjs(path: Path, labels_path: Path | None = None) -> Checkpoint:
    """Return the network with the graph's weights, and a card with its labels.

    path: model.json, its shards beside it. labels_path: text, a label a line; COCO's ids if None.
    Raises InputError when the files are not this family's.
    """
    weights = _read(path)
    biases = _take(weights, "BoxPredictor_0/ClassPredictor/biases", path)
    boxes = _take(weights, "BoxPredictor_0/BoxEncodingPredictor/biases", path)
    columns = len(biases) * 4 // max(len(boxes), 1)  # 4 channels a prior, and one for every class and the background
    labels = labels_for(columns - 1, labels_path, path)
    description = {"family": "tensorflow_ssdlite_mobilenet_v2", "classes": len(labels), "input_size": 300}
    network = build(description)
    try:
        state = {name: torch.from_numpy(values.copy()) for name, values in _own_names(weights, columns, path)}
    except ValueError as error:  # axes to move that are not there
        raise InputError(f"{path} has weights of other dimensions", fix=FAMILY) from error
    place(network, state, [("", "")], where=path)
    _check_anchors(network, weights, path)
    card = card_for(
        network,
        name="coco_ssdlite_mobilenet_v2",
        labels=labels,
        variances=Variances(1 / 10, 1 / 5),
        nms_iou=0.5,
        origin="Google, ssdlite_mobilenet_v2_coco_2018_05_09, trained on COCO 2017, as TensorFlow.js's coco-ssd has it",
        license="Apache-2.0",
    )
    return Checkpoint(network.eval(), description, card)


def _read(path: Path) -> Weights:
    """Return the float weights of a TensorFlow.js graph by their names."""
    if readable(path, "TensorFlow.js model").stat().st_size > MAX_JSON_BYTES:
        raise InputError(f"{path} is larger than {MAX_JSON_BYTES >> 20} MiB", fix="give the graph's model.json")
    try:
        groups = json.loads(path.read_bytes())["weightsManifest"]
        return {name: values for group in groups for name, values in _group(group, path)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is no model.json of TensorFlow.js, or is damaged", fix=FAMILY) from error


def _group(group: Mapping[str, Any], path: Path) -> Iterator[tuple[str, Array]]:
    content = b"".join(_shards(group["paths"], path))
    start = 0
    for entry in group["weights"]:
        name, shape = entry["name"], tuple(entry["shape"])
        if "quantization" in entry or entry["dtype"] not in ("float32", "int32"):
            raise InputError(f"{path} has quantised weights ({name})", fix="only the float32 graph can be imported")
        stop = start + 4 * prod(shape)
        if min(shape, default=1) < 1 or stop > len(content):
            raise InputError(
                f"the weights beside {path} end before {name}", fix="a shard is cut off; download it again"
            )
        if entry["dtype"] == "float32":
            yield name, np.frombuffer(content[start:stop], np.float32).reshape(shape)
        start = stop


def _shards(names: list[str], path: Path) -> Iterator[bytes]:
    if len(names) > MAX_SHARDS:
        raise InputError(f"{path} names {len(names)} shards, at most {MAX_SHARDS} expected", fix=FAMILY)
    for name in names:
        shard = path.with_name(name)  # refuses a name with a folder in it
        if readable(shard, "shard of weights").stat().st_size > MAX_SHARD_BYTES:
            raise InputError(f"{shard} is larger than {MAX_SHARD_BYTES >> 20} MiB", fix=FAMILY)
        yield shard.read_bytes()


def _take(weights: Weights, name: str, path: Path) -> Array:
    if name not in weights:
        raise InputError(f"{path} has no {name}", fix=FAMILY)
    return weights[name]


def _own_names(weights: Weights, columns: int, path: Path) -> Iterator[tuple[str, Array]]:
    """Yield the tensors under the names and in the order of axes of our network."""
    for own, theirs in _layers():
        yield from _layer(f"backbone.{own}", BODY + theirs, weights, path)
    # Offsets are ty tx th tw; a class predictor's first row of a prior is the background's.
    for own, kind, rows, kept in (
        ("location", "BoxEncodingPredictor", 4, [1, 0, 3, 2]),
        ("confidence", "ClassPredictor", columns, slice(1, None)),
    ):
        for number in range(MAPS):
            prefix, theirs = f"{own}.predictors.{number}", f"BoxPredictor_{number}/{kind}"
            filters = _take(weights, f"{theirs}_depthwise/depthwise_weights", path)
            yield f"{prefix}.0.0.weight", filters.transpose(2, 3, 0, 1)
            for ours, name in NORM:
                yield f"{prefix}.0.1.{ours}", _take(weights, f"{theirs}_depthwise/BatchNorm/{name}", path)
            mix = _take(weights, f"{theirs}/weights", path).transpose(3, 2, 0, 1)
            for ours, values in (("weight", mix), ("bias", _take(weights, f"{theirs}/biases", path))):
                if len(values) % rows:
                    raise InputError(
                        f"{path} has {len(values)} channels in {theirs}, no multiple of {rows}", fix=FAMILY
                    )
                of_priors = values.reshape(-1, rows, *values.shape[1:])[:, kept]
                yield f"{prefix}.1.{ours}", of_priors.reshape(-1, *values.shape[1:])


def _layers() -> Iterator[tuple[str, str]]:
    """Yield our name and the graph's of every convolution with batch norm in the backbone and the extra maps."""
    yield "first", "Conv"
    for number in range(BLOCKS):
        theirs = f"expanded_conv_{number}" if number else "expanded_conv"
        for step in ("expand", "depthwise", "project") if number else ("depthwise", "project"):
            yield f"blocks.{number}.{step}", f"{theirs}/{step}"
    yield "last", "Conv_1"
    for number, channels in enumerate(EXTRA_CHANNELS):
        reach = f"layer_19_2_Conv2d_{number + 2}_3x3_s2_{channels}"
        yield f"extras.{number}.0", f"layer_19_1_Conv2d_{number + 2}_1x1_{channels // 2}"
        yield f"extras.{number}.1", f"{reach}_depthwise"
        yield f"extras.{number}.2", reach


def _layer(own: str, theirs: str, weights: Weights, path: Path) -> Iterator[tuple[str, Array]]:
    shift = _take(weights, f"{theirs}/BatchNorm/batchnorm/sub", path)
    if own.endswith("depthwise") or theirs.endswith("depthwise"):
        filters = _take(weights, f"{theirs}/depthwise_weights", path).transpose(2, 3, 0, 1)
        scale = _take(weights, f"{theirs}/BatchNorm/batchnorm/mul", path)
    else:
        filters = _take(weights, f"{theirs}/Conv2D/merged_input", path).transpose(3, 2, 0, 1)
        scale = np.ones_like(shift)
    yield f"{own}.0.weight", filters
    yield f"{own}.1.weight", scale
    yield f"{own}.1.bias", shift
    yield f"{own}.1.running_mean", np.zeros_like(shift)
    yield f"{own}.1.running_var", np.full_like(shift, 1 - SSDLITE_EPS)


def _check_anchors(network: SSD, weights: Weights, path: Path) -> None:
    anchors_yxyx = _take(weights, ANCHORS, path).reshape(-1, 4)
    anchors_cxcywh = xyxy_to_cxcywh(anchors_yxyx[:, [1, 0, 3, 2]])
    priors_cxcywh = generate(network.priors)
    if anchors_cxcywh.shape != priors_cxcywh.shape:
        raise InputError(f"{path} has {len(anchors_cxcywh)} anchors, expected {len(priors_cxcywh)}", fix=FAMILY)
    worst = np.abs(anchors_cxcywh - priors_cxcywh).max()
    if not worst <= ANCHOR_TOLERANCE:
        raise InputError(f"{path} has other anchors than TensorFlow's SSD (off by {worst:.5f})", fix="cannot import")
