"""The SSD itself: pixels to feature maps to offsets and logits for every prior (paper, sec. 2.1)."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from edgessd.model.priors import PriorSpec


class Backbone(Protocol):
    """A module that turns normalised pixels into the maps on which the heads stand, largest first."""

    @property
    def channels(self) -> tuple[int, ...]:
        """Return the channels of each map."""
        ...

    def __call__(self, pixels: Tensor) -> list[Tensor]:
        """Return the maps (B, channels[k], H_k, W_k) of (B, 3, H, W) float pixels."""
        ...


class Normalise(nn.Module):
    """uint8 (B, H, W, 3) BGR to float (B, 3, H, W) in the colour order and range of the backbone.

    The cast comes first: TensorRT takes uint8 only straight into a cast.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], *, rgb: bool = True) -> None:
        """mean, std: of the three channels in the backbone's colour order, on the 0..255 scale."""
        super().__init__()
        self.rgb = rgb
        self.register_buffer("mean", _by_channel(mean), persistent=False)
        self.register_buffer("scale", 1 / _by_channel(std), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.float().permute(0, 3, 1, 2)
        if self.rgb:
            # Not flip(1), which ONNX writes as a Slice of step -1: OpenCV 4 reads none, and Core ML neither.
            pixels = torch.cat([pixels[:, 2:], pixels[:, 1:2], pixels[:, :1]], dim=1)
        return (pixels - self.mean) * self.scale


def _by_channel(values: Sequence[float]) -> Tensor:
    """Return (1, 3, 1, 1), or (1, 1, 1, 1) where the channels agree: ONNX Runtime computes that 30 times as fast."""
    return torch.tensor(values[:1] if len(set(values)) == 1 else values).reshape(1, -1, 1, 1)


class Head(nn.Module):
    """One predictor a map, its output reordered to (B, P, values): cell by cell, then prior by prior."""

    def __init__(self, predictors: Sequence[nn.Module], values: int) -> None:
        super().__init__()
        self.predictors = nn.ModuleList(predictors)
        self.values = values

    def forward(self, maps: list[Tensor]) -> Tensor:
        rows = [
            predictor(feature_map).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, self.values))
            for predictor, feature_map in zip(self.predictors, maps, strict=True)
        ]
        return torch.cat(rows, dim=1)


class SSD(nn.Module):
    """A single-shot detector. ``forward`` returns (location, logits) in training and evaluation alike.

    ``priors`` is the specification that the heads were made for; ``activation`` what turns logits into
    scores: "softmax" over C + 1 columns with the background first, or "sigmoid" over C columns. ``bins``: 0 where
    location holds the offsets from a prior, else how many logits tell each of a cell's four distances.
    """

    def __init__(
        self,
        normalise: Normalise,
        backbone: Backbone,
        location: Head,
        confidence: Head,
        *,
        neck: nn.Module | None = None,
        priors: PriorSpec,
        input_hw: tuple[int, int],
        activation: str,
        bins: int = 0,
    ) -> None:
        super().__init__()
        self.normalise = normalise
        assert isinstance(backbone, nn.Module)  # it holds weights
        self.backbone: nn.Module = backbone
        self.neck = neck or nn.Identity()
        self.location = location
        self.confidence = confidence
        self.priors = priors
        self.input_hw = input_hw
        self.activation = activation
        self.bins = bins

    @property
    def coding(self) -> str:
        """Return how the boxes are coded, as the card names it."""
        return "ltrb" if self.bins else "cxcywh"

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return location (B, P, 4 or 4 * bins) and logits (B, P, C or C + 1) of (B, H, W, 3) uint8 BGR images."""
        maps = self.neck(self.backbone(self.normalise(images)))
        return self.location(maps), self.confidence(maps)


def scores_from(logits: Tensor, activation: str) -> Tensor:
    """Return the scores of the C classes, (B, P, C), no background column."""
    if activation == "softmax":
        return logits.softmax(dim=-1)[..., 1:]
    return logits.sigmoid()


def offsets_from(location: Tensor, bins: int) -> Tensor:
    """Return the offsets, (B, P, 4), of what the location head answers.

    A distance is the mean of the distribution over 0 .. bins - 1 that its logits tell (2006.04388, eq. 5).
    """
    if not bins:
        return location
    steps = torch.arange(bins, dtype=location.dtype, device=location.device)
    # A product of matrices: in ONNX Runtime a third of the time of a product and a sum.
    return (torch.unflatten(location, -1, (4, bins)).softmax(dim=-1) @ steps.unsqueeze(-1)).squeeze(-1)
