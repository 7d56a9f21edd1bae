"""A checkpoint becomes one ONNX file: uint8 BGR in, one output contract out, its card in the metadata."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from edgessd.backends import Choice, open_backend
from edgessd.errors import ExportError
from edgessd.model.card import METADATA_KEY, ModelCard
from edgessd.model.self_test import comparable, record, self_test_input, worst_difference
from edgessd.util.files import replacing
from edgessd_export.compare import Model, torch_model
from edgessd_export.contracts import card_for, wrap
from edgessd_export.gate import quick
from edgessd_export.half import HalfNetwork
from edgessd_export.operators import translations
from edgessd_training.checkpoint import Checkpoint

OPSET = 20  # fp16 scales of Q/DQ need 19; TensorRT 10.3 reads up to 20
MAX_BATCH = 1024
# What a sound engine may differ by on the self-test image, at the least: fp16 sums are ordered by every engine anew,
# and a value that falls on the other side of a rounding step moves an int8 output by whole steps.
SMALLEST_TOLERANCE = {"fp32": 1e-3, "fp16": 0.2, "int8": 0.5}  # of ``raw``, whose offsets reach 10 and more
DECODED_TOLERANCE = {"fp32": 1e-3, "fp16": 0.02, "int8": 0.1}  # of boxes and scores, all within 0..1


@dataclass(frozen=True)
class Layout:
    """How the file is laid out. contract, kept: see ``card_for``; batch: fixed, or None for dynamic."""

    contract: str = "raw"
    kept: int | None = None
    batch: int | None = None
    opset: int = OPSET


def export_onnx(
    checkpoint: Checkpoint,
    path: Path,
    *,
    contract: str = "raw",
    kept: int | None = None,
    batch: int | None = None,
    opset: int = OPSET,
) -> ModelCard:
    """Write the network as it was trained, whole or not at all, and return the card the file carries.

    contract, kept: see ``card_for``. batch: a fixed batch size, or None for a dynamic one.
    Raises InputError for a contract that cannot be, ExportError when the gate refuses what came out.
    """
    layout = Layout(contract, kept, batch, opset)
    card = card_for(checkpoint.card, contract, kept).with_changes(precision="fp32")
    return write(checkpoint, float_graph(checkpoint, layout), card, path)


def float_graph(checkpoint: Checkpoint, layout: Layout, precision: str = "fp32") -> onnx.ModelProto:
    """Return the graph of a checkpoint in fp32 or fp16."""
    card = card_for(checkpoint.card, layout.contract, layout.kept)
    network: Any = checkpoint.network if precision == "fp32" else HalfNetwork(checkpoint.network)
    return to_onnx(wrap(network, card), card, batch=layout.batch, opset=layout.opset)


def write(
    checkpoint: Checkpoint,
    model: onnx.ModelProto,
    card: ModelCard,
    path: Path,
    images: Sequence[NDArray[np.uint8]] = (),
) -> ModelCard:
    """Write a graph beside its place, run it, record its self-test, let the gate judge it, and rename it.

    images: what the gate compares on, (1, H, W, 3) each; the seeded ones where there are none.
    """
    with replacing(path) as unfinished:
        save(model, card.with_changes(self_test={}), unfinished)
        backend = open_backend(unfinished, card, Choice("onnxruntime", "it computes what the graph says"), threads=1)
        try:
            quick(torch_model(checkpoint.network, card), Model(path.name, card, backend.infer), images)
            card = _self_tested(checkpoint, card, unfinished, backend.infer(self_test_input(card)))
        finally:
            backend.close()
        write_card(model, card)
        onnx.save(model, str(unfinished))
    return card


def _self_tested(checkpoint: Checkpoint, card: ModelCard, path: Path, outputs: Sequence[NDArray[Any]]) -> ModelCard:
    """Return the card with a self-test: PyTorch's values for floats, the graph's own for int8.

    The tolerance is twice what engines on this machine differ by, but no less than the precision's smallest.
    """
    image = self_test_input(card)
    if card.precision == "int8":
        expected = [np.array(tensor) for tensor in outputs]
    else:
        expected = list(torch_model(checkpoint.network, card).infer(image))
    floor = (SMALLEST_TOLERANCE if card.contract == "raw" else DECODED_TOLERANCE)[card.precision]
    card = card.with_changes(self_test=record(comparable(card, expected), floor))
    differences = [worst_difference(card, outputs)]
    # Of a file for TensorRT OpenVINO is no judge: on a CPU without VNNI its sums saturate.
    if find_spec("openvino") and card.quantisation.get("for") != "tensorrt":
        backend = open_backend(path, card, Choice("openvino", "a second opinion"), threads=1)
        try:
            differences.append(worst_difference(card, backend.infer(image)))
        finally:
            backend.close()
    tolerance = max(floor, 2 * max(differences))
    return card.with_changes(self_test={**card.self_test, "tolerance": round(tolerance, 6)})


def to_onnx(
    module: torch.nn.Module, card: ModelCard, *, batch: int | None = None, opset: int = OPSET
) -> onnx.ModelProto:
    """Return the ONNX graph of a module that takes ``image`` and gives the card's outputs."""
    images = torch.zeros(batch or 2, card.height, card.width, 3, dtype=torch.uint8)
    dynamic = None if batch else {"image": {0: torch.export.Dim("batch", min=1, max=MAX_BATCH)}}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            (images,),
            dynamo=True,
            opset_version=opset,
            input_names=["image"],
            output_names=list(card.outputs),
            dynamic_shapes=dynamic,
            custom_translation_table=translations(),
            verbose=False,
        )
    if program is None:
        raise ExportError("PyTorch exported nothing", fix="run again with --debug")
    return without_traces(program.model_proto)


def without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model without the exporter's notes: every node carries the folders of this machine in them."""
    graph = model.graph
    for noted in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del noted.metadata_props[:]
    return model


def save(model: onnx.ModelProto, card: ModelCard, path: Path) -> None:
    """Write a checked model with its card as one file. Raises ExportError when the graph is not valid ONNX."""
    write_card(model, card)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the exported graph is not valid ONNX: {error}") from error
    onnx.save(model, str(path))


def write_card(model: onnx.ModelProto, card: ModelCard) -> None:
    """Put the card into the model's metadata, replacing one that is there."""
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    model.metadata_props.add(key=METADATA_KEY, value=card.dumps())
