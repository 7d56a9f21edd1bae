"""A checkpoint as an ONNX graph: uint8 BGR in, one output contract out, its card in the metadata."""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch

from edgessd.errors import ExportError
from edgessd.model.card import METADATA_KEY, ModelCard
from edgessd_export.graph.contracts import card_for, wrap
from edgessd_export.graph.float_input import FloatInput
from edgessd_export.graph.half_network import HalfNetwork
from edgessd_export.graph.operators import translations
from edgessd_training.checkpoint import Checkpoint

OPSET = 20  # fp16 scales of Q/DQ need 19; TensorRT 10.3 reads up to 20
MAX_BATCH = 1024


@dataclass(frozen=True)
class Layout:
    """How the file is laid out. contract, kept: see ``card_for``; batch: fixed, or None for dynamic."""

    contract: str = "raw"
    kept: int | None = None
    batch: int | None = None
    opset: int = OPSET


def float_graph(checkpoint: Checkpoint, layout: Layout, precision: str = "fp32") -> onnx.ModelProto:
    """Return the graph of a checkpoint in fp32 or fp16. Raises ExportError for weights that are no numbers."""
    check_finite(checkpoint)
    card = card_for(checkpoint.card, layout.contract, layout.kept)
    network: Any = checkpoint.network if precision == "fp32" else HalfNetwork(checkpoint.network)
    return to_onnx(wrap(network, card), card, batch=layout.batch, opset=layout.opset)


def check_finite(checkpoint: Checkpoint) -> None:
    """Raise ExportError where a network holds weights that are NaN or infinity: no form of it can be right."""
    for name, tensor in checkpoint.network.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ExportError(
                f"the checkpoint's weights {name} hold NaN or infinity",
                fix="export an earlier checkpoint, or train again with a lower learning rate",
            )


def to_onnx(
    module: torch.nn.Module,
    card: ModelCard,
    *,
    batch: int | None = None,
    opset: int = OPSET,
    given: FloatInput | None = None,
) -> onnx.ModelProto:
    """Return the ONNX graph of a module that takes ``image`` and gives the card's outputs.

    given: the input where it is not uint8 (B, H, W, 3) BGR.
    """
    images = torch.zeros(batch or 2, card.height, card.width, 3, dtype=torch.uint8)
    if given:
        images = torch.zeros(given.shape(batch or 2, card.height, card.width))
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
