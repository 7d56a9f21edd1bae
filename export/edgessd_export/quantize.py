"""A checkpoint in fp16 or int8: its graph, its ranges and what its card says of them."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from edgessd.errors import InputError
from edgessd.model.card import ModelCard
from edgessd_export.calibration import Calibration
from edgessd_export.contracts import card_for
from edgessd_export.graph import Graph
from edgessd_export.onnx_export import Layout, float_graph, write
from edgessd_export.qdq import VARIANTS
from edgessd_training.checkpoint import Checkpoint


@dataclass(frozen=True)
class Int8:
    """How int8 is made. variant: tensorrt or cpu; rest: precision of what is not int8, fp32 or fp16."""

    variant: str
    calibration: Calibration
    rest: str = "fp32"
    keep_float: Collection[str] = field(default_factory=tuple)


def weights_hash(checkpoint: Checkpoint) -> str:
    """Return the hash of a network's weights, by which ranges know their checkpoint."""
    digest = hashlib.sha256()
    for name, tensor in sorted(checkpoint.network.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def quantised(model: onnx.ModelProto, int8: Int8) -> onnx.ModelProto:
    """Return a copy of a float graph with int8 written into it. Raises InputError for layers that do not exist."""
    names = {layer.name for layer in Graph(model).layers}
    unknown = sorted(set(int8.keep_float) - names)
    if unknown:
        raise InputError(
            f"no layer {unknown[0]!r} to keep in float", fix=f"this network has {', '.join(sorted(names))}"
        )
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return VARIANTS[int8.variant](copy, int8.calibration.ranges, int8.keep_float, int8.calibration.moments)


def write_fp16(checkpoint: Checkpoint, path: Path, layout: Layout) -> ModelCard:
    """Write the network in half precision and return its card. Raises ExportError when the gate refuses it."""
    card = card_for(checkpoint.card, layout.contract, layout.kept)
    card = card.with_changes(precision="fp16", quantisation={"islands": "preprocessing, L2Norm, activation, decode"})
    return write(checkpoint, float_graph(checkpoint, layout, "fp16"), card, path)


def write_int8(
    checkpoint: Checkpoint,
    path: Path,
    layout: Layout,
    int8: Int8,
    base: onnx.ModelProto | None = None,
    images: Sequence[NDArray[np.uint8]] = (),
) -> ModelCard:
    """Write the network in int8 and return its card.

    base: the float graph of this layout and ``int8.rest`` where it is at hand. images: see ``write``.
    Raises ExportError when the gate refuses what came out.
    """
    model = quantised(base or float_graph(checkpoint, layout, int8.rest), int8)
    calibration = int8.calibration
    card = card_for(checkpoint.card, layout.contract, layout.kept).with_changes(
        precision="int8",
        quantisation={
            "for": int8.variant,
            "rest": int8.rest,
            "calibration": calibration.method,
            "calibration_images": calibration.images,
            "rounding": "gptq" if calibration.moments else "nearest",
            "kept_in_float": sorted(int8.keep_float),
        },
    )
    return write(checkpoint, model, card, path, images)
