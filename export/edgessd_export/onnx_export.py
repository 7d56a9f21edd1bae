"""A checkpoint becomes one ONNX file: uint8 BGR in, one output contract out, its card in the metadata."""

import logging
import warnings
from pathlib import Path

import onnx
import torch

from edgessd.card import METADATA_KEY, ModelCard
from edgessd.errors import ExportError
from edgessd.files import replacing
from edgessd.self_test import comparable, record, self_test_input
from edgessd_export.contracts import card_for, wrap
from edgessd_export.operators import translations
from edgessd_training.checkpoint import Checkpoint

OPSET = 20  # fp16 scales of Q/DQ need 19; TensorRT 10.3 reads up to 20
MAX_BATCH = 1024
SELF_TEST_TOLERANCE = 1e-3


def export_onnx(
    checkpoint: Checkpoint,
    path: Path,
    *,
    contract: str = "raw",
    kept: int | None = None,
    batch: int | None = None,
    opset: int = OPSET,
) -> ModelCard:
    """Write the network as one ONNX file, whole or not at all, and return the card it carries.

    contract, kept: see ``card_for``. batch: a fixed batch size, or None for a dynamic one.
    Raises InputError for a contract that cannot be, ExportError when the graph is not valid.
    """
    card = card_for(checkpoint.card, contract, kept)
    module = wrap(checkpoint.network, card)
    card = with_self_test(card, module)
    with replacing(path) as unfinished:
        model = to_onnx(module, card, batch=batch, opset=opset)
        save(model, card, unfinished)
    return card


def with_self_test(card: ModelCard, module: torch.nn.Module) -> ModelCard:
    """Return the card with the outputs of the seeded input, computed by PyTorch."""
    with torch.inference_mode():
        outputs = module(torch.from_numpy(self_test_input(card)))
    return card.with_changes(
        self_test=record(comparable(card, [tensor.numpy() for tensor in outputs]), SELF_TEST_TOLERANCE)
    )


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
        raise ExportError("PyTorch exported nothing: run again with --debug")
    return program.model_proto


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
