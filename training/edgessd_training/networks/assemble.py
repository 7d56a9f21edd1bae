"""A backbone, an optional neck and two heads become an SSD; what all families check and initialise alike."""

from collections.abc import Callable, Mapping, Sequence
from math import log
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from edgessd.errors import InputError
from edgessd.model.card import ACTIVATIONS, MAX_INPUT_SIDE
from edgessd.model.priors import FeatureMap, PriorSpec, spec_from_json
from edgessd_training.networks.layers import last_convolution
from edgessd_training.networks.neck import FPN, NECKS, TopDown
from edgessd_training.networks.ssd import SSD, Backbone, Head, Normalise

InputSize = int | Sequence[int]
SizesHw = list[tuple[int, int]]
MAX_CLASSES = 10_000
MAX_WIDTH = 4.0


def assemble(
    backbone: Backbone,
    sizes_hw: SizesHw,
    default_priors: PriorSpec,
    predictor: Callable[[int, int], nn.Module],
    initialise: Callable[[nn.Module], None],
    *,
    classes: int,
    input_size: InputSize,
    mean: Sequence[float],
    std: Sequence[float],
    activation: str = "softmax",
    neck: str | None = None,
    neck_width: int = 128,
    priors: Mapping[str, Any] | None = None,
    initial_score: float = 0.01,
) -> SSD:
    """Return the network. The keyword arguments are the keys that every description may have.

    sizes_hw: of the backbone's maps. predictor: makes the layers from (input, output) channels on one map.
    classes: C, without background. activation: "softmax" has C + 1 outputs a prior, "sigmoid" C.
    neck: "fpn", "top_down" or None; neck_width: of fpn. priors: a specification as JSON in place of the family's own.
    mean, std: of red, green and blue on the 0..255 scale. initial_score: what a sigmoid network answers
    everywhere before training (1708.02002, sec. 4.1).
    """
    check(activation in ACTIVATIONS, "activation", " or ".join(ACTIVATIONS), activation)
    check(isinstance(classes, int) and 0 < classes <= MAX_CLASSES, "classes", f"1 to {MAX_CLASSES}", classes)
    check(neck is None or neck in NECKS, "neck", f"{' or '.join(NECKS)}, or left out", neck)
    check(0 < initial_score < 1, "initial_score", "between 0 and 1", initial_score)
    check(len(mean) == len(std) == 3 and min(std) > 0, "mean and std", "three numbers each, std above 0", (mean, std))
    spec = spec_from_json(priors) if priors else default_priors
    grids = [(grid.height, grid.width) for grid in spec.maps]
    check(grids == sizes_hw, "priors", f"on the network's maps {sizes_hw}", grids)
    # nn.Identity holds no weights: checkpoints of networks without a neck have no key of it.
    levels: nn.Module = nn.Identity()
    channels = backbone.channels
    if neck == "fpn":
        levels = FPN(backbone.channels, neck_width)
        channels = levels.channels
    elif neck == "top_down":
        levels = TopDown(backbone.channels)
    per_cell = [len(grid.shapes_wh) for grid in spec.maps]

    def head(values: int) -> Head:
        return Head([predictor(c, count * values) for c, count in zip(channels, per_cell, strict=True)], values)

    location, confidence = head(4), head(classes + (activation == "softmax"))
    initialise(location)
    initialise(confidence)
    if activation == "sigmoid":
        for layers in confidence.predictors:
            start_scores(last_convolution(layers), initial_score)
    return SSD(
        Normalise(list(mean), list(std), rgb=True),
        backbone,
        location,
        confidence,
        neck=levels,
        priors=spec,
        input_hw=input_hw(input_size),
        activation=activation,
    )


def start_scores(last: nn.Conv2d, score: float) -> None:
    """Set the biases of a head's last convolution so that every sigmoid score is ``score`` (1708.02002, sec. 4.1)."""
    assert last.bias is not None
    nn.init.constant_(last.bias, log(score / (1 - score)))


def input_hw(input_size: InputSize) -> tuple[int, int]:
    """Return height and width of a description's ``input_size``: one number, or [height, width]."""
    sides = [input_size] * 2 if isinstance(input_size, int) else list(input_size)
    valid = len(sides) == 2 and all(isinstance(side, int) and 0 < side <= MAX_INPUT_SIDE for side in sides)
    check(valid, "input_size", f"a number up to {MAX_INPUT_SIDE}, or [height, width]", input_size)
    return sides[0], sides[1]


def map_sizes_hw(backbone: nn.Module, input_size: InputSize) -> SizesHw:
    """Return the sizes of the backbone's maps, computed by shapes alone.

    Raises InputError when the input is too small to reach the last map.
    """
    height, width = input_hw(input_size)
    shapes = {name: value.to("meta") for name, value in backbone.state_dict(keep_vars=True).items()}
    try:
        with torch.no_grad():  # two images: batch norm refuses one on a map of one cell
            maps: list[Tensor] = functional_call(backbone, shapes, torch.zeros(2, 3, height, width, device="meta"))
    except RuntimeError as error:  # a convolution complains that its kernel is larger than the map
        raise InputError(
            f"an input of {height}x{width} is too small for this network's last maps", fix="take a larger input_size"
        ) from error
    return [(feature_map.shape[-2], feature_map.shape[-1]) for feature_map in maps]


def on_grid(spec: PriorSpec, sizes_hw: SizesHw) -> PriorSpec:
    """Return the same shapes on other maps, their centres spread evenly over the image."""
    maps = [
        FeatureMap(height, width, (1 / width, 1 / height), grid.shapes_wh, grid.offset)
        for grid, (height, width) in zip(spec.maps, sizes_hw, strict=True)
    ]
    return PriorSpec(tuple(maps), clip=spec.clip)


def check_width(width: float) -> None:
    """Raise InputError for a width multiplier out of range."""
    check(isinstance(width, int | float) and 0 < width <= MAX_WIDTH, "width", f"above 0, up to {MAX_WIDTH}", width)


def check(holds: bool, name: str, rule: str, value: object) -> None:
    """Raise InputError for a value of a description that breaks its rule."""
    if not holds:
        raise InputError(f"{name} of a network must be {rule}, got {value!r}")
