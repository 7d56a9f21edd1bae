"""The gate lets a sound model through and refuses each fault that users met after an export."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_network import small_checkpoint

from edgessd.errors import BackendError, ExportError
from edgessd.model.card import ModelCard
from edgessd_export.graph.contracts import card_for, wrap
from edgessd_export.graph.half_network import HalfNetwork
from edgessd_export.parity.compare import Comparison, Model, compare, torch_model
from edgessd_export.parity.gate import LIMITS, complaints, quick
from edgessd_training.checkpoint import Checkpoint
from edgessd_training.networks.ssd import SSD

PRECISIONS = ("fp32", "fp16", "int8")


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return small_checkpoint("sigmoid")


def candidate(network: SSD, card: ModelCard, precision: str) -> Model:
    return torch_model(network, card.with_changes(precision=precision))


def refuse(checkpoint: Checkpoint, wrong: Model, says: str = "no file is left") -> None:
    with pytest.raises(ExportError, match=says):
        quick(torch_model(checkpoint.network, checkpoint.card), wrong)


@pytest.mark.parametrize("contract", ["raw", "compact", "end2end"])
def test_a_sound_model_passes_under_every_contract(checkpoint: Checkpoint, contract: str) -> None:
    card = card_for(checkpoint.card, contract)
    quick(torch_model(checkpoint.network, card), torch_model(checkpoint.network, card))


def test_half_precision_passes_as_fp16_and_not_as_fp32(checkpoint: Checkpoint) -> None:
    halves = HalfNetwork(checkpoint.network)
    assert next(halves.backbone.parameters()).dtype == torch.float16
    assert next(checkpoint.network.parameters()).dtype == torch.float32
    quick(torch_model(checkpoint.network, checkpoint.card), candidate(halves, checkpoint.card, "fp16"))
    refuse(checkpoint, candidate(halves, checkpoint.card, "fp32"))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_swapped_colours_are_refused(checkpoint: Checkpoint, precision: str) -> None:
    network = deepcopy(checkpoint.network)
    network.normalise.rgb = not network.normalise.rgb
    refuse(checkpoint, candidate(network, checkpoint.card, precision))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_wrong_mean_is_refused(checkpoint: Checkpoint, precision: str) -> None:
    network = deepcopy(checkpoint.network)
    network.normalise.mean = torch.zeros(1, 3, 1, 1)
    refuse(checkpoint, candidate(network, checkpoint.card, precision))


def test_a_mean_off_by_half_a_grey_level_is_refused_in_fp32(checkpoint: Checkpoint) -> None:
    network = deepcopy(checkpoint.network)
    network.normalise.mean = network.normalise.mean - 0.5
    refuse(checkpoint, candidate(network, checkpoint.card, "fp32"))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_shuffled_priors_are_refused(checkpoint: Checkpoint, precision: str) -> None:
    order = np.random.default_rng(0).permutation(len(checkpoint.card.priors))
    sound = candidate(checkpoint.network, checkpoint.card, precision)
    refuse(checkpoint, replace(sound, infer=lambda images: [t[:, order] for t in sound.infer(images)]))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_another_checkpoint_is_refused(checkpoint: Checkpoint, precision: str) -> None:
    refuse(checkpoint, candidate(small_checkpoint("sigmoid", seed=8).network, checkpoint.card, precision))


def swapped(card: ModelCard) -> ModelCard:
    """Return a card whose priors have width and height exchanged."""
    maps = [
        replace(grid, shapes_wh=tuple((height, width) for width, height in grid.shapes_wh)) for grid in card.priors.maps
    ]
    return card.with_changes(priors=replace(card.priors, maps=tuple(maps)))


def test_a_swapped_aspect_ratio_on_the_card_is_refused(checkpoint: Checkpoint) -> None:
    refuse(checkpoint, candidate(checkpoint.network, swapped(checkpoint.card), "int8"), "cards differ in priors")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_swapped_aspect_ratio_in_the_graph_is_refused(checkpoint: Checkpoint, precision: str) -> None:
    card = card_for(checkpoint.card, "compact")
    module = wrap(checkpoint.network, card_for(swapped(checkpoint.card), "compact"))

    def infer(images: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            return [tensor.numpy() for tensor in module(torch.from_numpy(images))]

    wrong = Model("swapped", card.with_changes(precision=precision), infer)
    with pytest.raises(ExportError, match="no file is left"):
        quick(torch_model(checkpoint.network, card), wrong)


def test_nan_is_refused(checkpoint: Checkpoint) -> None:
    sound = candidate(checkpoint.network, checkpoint.card, "int8")
    with pytest.raises(BackendError, match="NaN or infinity"):
        refuse(checkpoint, replace(sound, infer=lambda images: [t * np.nan for t in sound.infer(images)]))


def test_nothing_found_by_either_is_no_complaint() -> None:
    figures = Comparison().summary()
    assert figures["boxes"]["matched_reference"] == 1
    assert complaints(figures, LIMITS["fp32"]) == []


def test_a_lost_map_is_a_complaint() -> None:
    figures = Comparison().summary() | {"map": {"drop": 0.0051}}
    assert complaints(figures, LIMITS["int8"], 0.005) == ["mAP fell by 0.0051, allowed 0.0050"]
    assert complaints(figures, LIMITS["int8"], 0.006) == []


def test_contracts_are_compared_by_boxes_alone(checkpoint: Checkpoint) -> None:
    raw = torch_model(checkpoint.network, checkpoint.card)
    compact = torch_model(checkpoint.network, card_for(checkpoint.card, "compact"))
    figures = compare(raw, compact, [np.full((1, 128, 128, 3), 60, np.uint8)]).summary()
    assert figures["tensors"] is None
