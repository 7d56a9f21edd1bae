"""A checkpoint becomes one ONNX file: uint8 BGR in, one output contract out, its card in the metadata."""

import logging
import warnings
from pathlib import Path

import onnx
import torch

from edgessd.card import METADATA_KEY, ModelCard
from edgessd.errors import ExportError
from edgessd.files import replacing
from edgessd.self_test import record, self_test_input
from edgessd_export.contracts import Raw
from edgessd_training.checkpoint import Checkpoint

OPSET = 20  # fp16 scales of Q/DQ need 19; TensorRT 10.3 reads up to 20
SELF_TEST_TOLERANCE = 1e-3


def export_onnx(checkpoint: Checkpoint, path: Path, *, batch: int | None = None) -> ModelCard:
    """Write the network as one ONNX file, whole or not at all, and return the card it carries.

    batch: a fixed batch size, or None for a dynamic one. Raises ExportError when the graph is not valid.
    """
    module = Raw(checkpoint.network).eval()
    card = with_self_test(checkpoint.card, module)
    with replacing(path) as unfinished:
        model = to_onnx(module, card, batch=batch)
        write_card(model, card)
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise ExportError(f"the exported graph is not valid ONNX: {error}") from error
        onnx.save(model, str(unfinished))
    return card


def with_self_test(card: ModelCard, module: torch.nn.Module) -> ModelCard:
    """Return the card with the outputs of the seeded input, computed by PyTorch."""
    with torch.inference_mode():
        outputs = module(torch.from_numpy(self_test_input(card)))
    tensors = {name: tensor.numpy() for name, tensor in zip(card.outputs, outputs, strict=True)}
    return card.with_changes(self_test=record(tensors, SELF_TEST_TOLERANCE))


def to_onnx(module: torch.nn.Module, card: ModelCard, *, batch: int | None) -> onnx.ModelProto:
    """Return the ONNX graph of a module that takes ``image`` and gives the card's outputs."""
    images = torch.zeros(batch or 2, card.height, card.width, 3, dtype=torch.uint8)
    dynamic = None if batch else {"image": {0: torch.export.Dim("batch", min=1, max=1024)}}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            (images,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["image"],
            output_names=list(card.outputs),
            dynamic_shapes=dynamic,
            verbose=False,
        )
    if program is None:
        raise ExportError("PyTorch exported nothing: run again with --debug")
    return program.model_proto


def write_card(model: onnx.ModelProto, card: ModelCard) -> None:
    """Put the card into the model's metadata, replacing one that is there."""
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    model.metadata_props.add(key=METADATA_KEY, value=card.dumps())
