"""A checkpoint out of its own exported file."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from small_network import small_checkpoint

from edgessd.errors import InputError
from edgessd.model.card import card_of
from edgessd.model.shipped import model_path
from edgessd_export.graph.float_graph import Layout, write_card
from edgessd_export.write import export_onnx, write_fp16
from edgessd_training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edgessd_training.importers.exported import restore_checkpoint


def trained() -> Checkpoint:
    """Return a small network whose card tells its recipe, as that of a trained one does."""
    checkpoint = small_checkpoint()
    network = {key: value for key, value in checkpoint.description.items() if key != "classes"}
    return replace(checkpoint, card=checkpoint.card.with_changes(training={"recipe": {"network": network}}))


@pytest.mark.parametrize(("contract", "precision"), [("compact", "fp32"), ("raw", "fp16")])
def test_the_restored_network_computes_what_was_exported(tmp_path: Path, contract: str, precision: str) -> None:
    checkpoint = trained()
    if precision == "fp16":
        write_fp16(checkpoint, tmp_path / "m.onnx", Layout(contract))
    else:
        export_onnx(checkpoint, tmp_path / "m.onnx", contract=contract)
    restored = restore_checkpoint(tmp_path / "m.onnx")
    image = torch.randint(0, 256, (2, 128, 128, 3), dtype=torch.uint8)
    tolerance = 1e-3 if precision == "fp32" else 0.05
    for expected, found in zip(checkpoint.network(image), restored.network(image), strict=True):
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    assert (restored.card.contract, restored.card.kept, restored.card.precision) == ("raw", None, "fp32")


def test_what_tells_no_network_or_has_no_float_weights_is_refused(tmp_path: Path) -> None:
    export_onnx(small_checkpoint(), tmp_path / "untrained.onnx")
    with pytest.raises(InputError, match="tells no network"):
        restore_checkpoint(tmp_path / "untrained.onnx")
    model = onnx.load(str(model_path("default")))
    write_card(model, card_of(model_path("default")).with_changes(precision="int8"))
    onnx.save(model, str(tmp_path / "int8.onnx"))
    with pytest.raises(InputError, match="are int8"):
        restore_checkpoint(tmp_path / "int8.onnx")


def test_a_shipped_file_is_a_start_for_training(tmp_path: Path) -> None:
    checkpoint = restore_checkpoint(model_path("default"))
    assert checkpoint.network.input_hw == (checkpoint.card.height, checkpoint.card.width)
    save_checkpoint(tmp_path / "start.pt", checkpoint.network, checkpoint.description, checkpoint.card)
    assert load_checkpoint(tmp_path / "start.pt").card == checkpoint.card
