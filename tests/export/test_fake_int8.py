"""What quantisation-aware training computes is what the exported Q/DQ compute."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from small_network import small_checkpoint, small_distances

from edgessd.commands.cli import run
from edgessd.errors import ExportError
from edgessd.model.card import card_of
from edgessd_export.graph.float_graph import Layout, float_graph
from edgessd_export.parity.compare import graph_model, torch_model
from edgessd_export.quantisation.calibration import trained_ranges
from edgessd_export.quantisation.int8 import Int8, quantised
from edgessd_export.write import write_int8
from edgessd_training.checkpoint import Checkpoint, save_checkpoint
from edgessd_training.commands.train import next_command
from edgessd_training.loop.fake_int8 import FakeInt8, Int8Network, computing_in
from edgessd_training.run.int8_ranges import calibrated


def images(checkpoint: Checkpoint, seed: int) -> np.ndarray:
    height, width = checkpoint.network.input_hw
    return np.random.default_rng(seed).integers(0, 256, (3, height, width, 3), dtype=np.uint8)


def faked(checkpoint: Checkpoint, variant: str) -> FakeInt8:
    return calibrated(checkpoint.network, variant, (), images(checkpoint, 1))


@cache
def plain_graph(make: Callable[[], Checkpoint]) -> onnx.ModelProto:
    return float_graph(make(), Layout())


def graph_of(make: Callable[[], Checkpoint], fake: FakeInt8) -> onnx.ModelProto:
    plain = plain_graph(make)
    ranges, floats = trained_ranges(plain, fake.described())
    return quantised(plain, Int8(fake.variant, ranges, keep_float=floats))


@pytest.mark.parametrize(
    ("make", "variant", "share"),
    [
        (small_distances, "cpu", 1e-3),
        (small_distances, "tensorrt", 1e-3),
        (small_checkpoint, "tensorrt", 1e-3),
        # Biases are int32 there, which moves one activation in a thousand by a step; random weights amplify that.
        (small_checkpoint, "cpu", 0.6),
    ],
)
def test_fake_int8_computes_what_the_exported_graph_does(make, variant: str, share: float) -> None:
    """share: of what int8 changes at all, on the image where fewest activations fall between two steps.

    One that a rounding error of float32 moves over a step is amplified by random weights; on other images none is.
    """
    checkpoint = make()
    fake = faked(checkpoint, variant)
    exported = graph_model(graph_of(make, fake), checkpoint.card, "int8")
    shares = []
    for seed in range(2, 10):
        image = images(checkpoint, seed)[:1]
        plain = torch_model(checkpoint.network, checkpoint.card).infer(image)
        with computing_in(fake, checkpoint.network):
            computed = torch_model(checkpoint.network, checkpoint.card).infer(image)
        outputs = zip(computed, exported.infer(image), plain, strict=True)
        shares.append(
            max(np.abs(ours - theirs).mean() / np.abs(real - theirs).mean() for ours, theirs, real in outputs)
        )
    assert min(shares) < share


@pytest.mark.parametrize("variant", ["cpu", "tensorrt"])
def test_weights_are_rounded_to_the_steps_that_the_export_stores(variant: str) -> None:
    checkpoint = small_distances()
    fake = faked(checkpoint, variant)
    stored = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in graph_of(small_distances, fake).graph.initializer
    }
    rounded = fake.weights(checkpoint.network)
    assert rounded
    for name, weights in rounded.items():
        scale = stored[f"network.{name}_scale"].reshape(-1, 1, 1, 1)
        steps = (weights.detach().numpy() / scale).round()
        assert (steps != stored[f"network.{name}_steps"]).mean() < 1e-3, name  # those halfway between two


def test_depthwise_convolutions_of_a_network_of_hard_swish_stay_float() -> None:
    checkpoint = small_distances()
    layers = dict(checkpoint.network.named_modules())
    quantised_layers = {key.rpartition(":")[0] for key in faked(checkpoint, "cpu").ranges}
    assert all(layers[name].groups == 1 for name in quantised_layers)
    assert len(quantised_layers) == sum(
        isinstance(layer, torch.nn.Conv2d) and layer.groups == 1 for layer in layers.values()
    )


def test_gradients_reach_the_float_weights_and_leave_what_a_range_cuts_off() -> None:
    checkpoint = small_distances()
    fake = faked(checkpoint, "cpu")
    module = Int8Network(checkpoint.network, fake)
    location, logits = module(torch.from_numpy(images(checkpoint, 2)))
    (location.square().mean() + logits.square().mean()).backward()
    gradients = [parameter.grad for parameter in checkpoint.network.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    cut = replace(fake, ranges={"backbone.first.0:in": (0.0, 1e-6)})
    values = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    first = dict(small_distances().network.named_modules())["backbone.first.0"]
    cut.attach(torch.nn.ModuleDict({"backbone": torch.nn.ModuleDict({"first": torch.nn.Sequential(first)})}))
    first(values).sum().backward()
    assert not values.grad.any()


def test_computing_in_fake_int8_leaves_the_network_as_it_was() -> None:
    checkpoint = small_distances()
    before = {name: value.clone() for name, value in checkpoint.network.state_dict().items()}
    expected = torch_model(checkpoint.network, checkpoint.card).infer(images(checkpoint, 2))
    with computing_in(faked(checkpoint, "cpu"), checkpoint.network):
        assert not torch.equal(
            checkpoint.network.state_dict()["backbone.first.0.weight"], before["backbone.first.0.weight"]
        )
    for name, value in checkpoint.network.state_dict().items():
        assert torch.equal(value, before[name])
    for ours, theirs in zip(
        torch_model(checkpoint.network, checkpoint.card).infer(images(checkpoint, 2)), expected, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_quantize_takes_the_ranges_of_a_checkpoint_that_was_trained_in_int8(tmp_path: Path) -> None:
    checkpoint = small_checkpoint()
    fake = faked(checkpoint, "cpu")
    card = checkpoint.card.with_changes(training={"int8": fake.described()})
    save_checkpoint(tmp_path / "own.pt", checkpoint.network, checkpoint.description, card)
    assert run(["quantize", str(tmp_path / "own.pt"), "--precision", "int8", "--out", str(tmp_path / "own.onnx")]) == 0
    told = card_of(tmp_path / "own.onnx").quantisation
    assert (told["calibration"], told["rounding"], told["kept_in_float"]) == ("trained", "nearest", [])
    stored = {tensor.name for tensor in onnx.load(tmp_path / "own.onnx").graph.initializer}
    assert sum(name.endswith(".weight_steps") for name in stored) == len(
        [key for key in fake.ranges if key.endswith(":in")]
    )


def test_quantize_refuses_another_engine_than_the_trained_one(tmp_path: Path, capfd: Any) -> None:
    checkpoint = small_checkpoint()
    card = checkpoint.card.with_changes(training={"int8": faked(checkpoint, "cpu").described()})
    save_checkpoint(tmp_path / "own.pt", checkpoint.network, checkpoint.description, card)
    arguments = ["quantize", str(tmp_path / "own.pt"), "--precision", "int8", "--out", str(tmp_path / "own.onnx")]
    assert run([*arguments, "--for", "tensorrt"]) == 2
    assert "trained in int8 for cpu, not for tensorrt" in capfd.readouterr().err


def test_the_gate_compares_with_what_the_weights_were_trained_in(tmp_path: Path) -> None:
    """Ranges of a tenth make the int8 network another one than the float network, but the one that was trained."""
    checkpoint = small_distances()
    fake = faked(checkpoint, "cpu")
    fake = replace(fake, ranges={key: (low / 10, high / 10) for key, (low, high) in fake.ranges.items()})
    card = checkpoint.card.with_changes(training={"int8": fake.described()})
    trained = replace(checkpoint, card=card)
    ranges, floats = trained_ranges(plain_graph(small_distances), fake.described())
    int8 = Int8("cpu", ranges, keep_float=floats)
    write_int8(trained, tmp_path / "own.onnx", Layout(), int8, images=[images(checkpoint, 2)[:1]])
    measured = replace(int8, calibration=replace(ranges, method="max"))
    with pytest.raises(ExportError, match="not what was trained"):
        write_int8(trained, tmp_path / "own.onnx", Layout(), measured, images=[images(checkpoint, 2)[:1]])


def test_the_next_command_of_a_run_in_int8_is_quantize() -> None:
    best = Path("runs/a/best.pt")
    assert next_command(best, "none") == "edgessd export runs/a/best.pt --out model.onnx"
    assert next_command(best, "cpu") == "edgessd quantize --precision int8 --for cpu runs/a/best.pt --out model.onnx"
