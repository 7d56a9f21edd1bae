"""An input for loaders that cannot feed uint8: float32 from 0 to 255, channels first or last, RGB or BGR."""

from copy import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgessd.errors import InputError
from edgessd_training.networks.ssd import SSD, Normalise

LAYOUTS, ORDERS = ("nchw", "nhwc"), ("rgb", "bgr")


@dataclass(frozen=True)
class FloatInput:
    """layout: nchw or nhwc. order: of the colours, rgb or bgr. Values are pixels, 0 to 255."""

    layout: str = "nchw"
    order: str = "rgb"

    def from_frames(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the file takes for (B, H, W, 3) uint8 BGR images."""
        pixels = images[..., ::-1] if self.order == "rgb" else images
        pixels = pixels.transpose(0, 3, 1, 2) if self.layout == "nchw" else pixels
        return np.ascontiguousarray(pixels, np.float32)

    def shape(self, batch: int, height: int, width: int) -> tuple[int, ...]:
        """Return the shape of a batch."""
        return (batch, 3, height, width) if self.layout == "nchw" else (batch, height, width, 3)


def float_input(text: str) -> FloatInput | None:
    """Return what ``uint8`` (None) or ``float32[-nchw|-nhwc][-rgb|-bgr]`` asks for. Raises InputError."""
    kind, *rest = text.lower().split("-")
    layout = next((word for word in rest if word in LAYOUTS), "nchw")
    order = next((word for word in rest if word in ORDERS), "rgb")
    if kind == "uint8" and not rest:
        return None
    if kind != "float32" or set(rest) - {layout, order} or len(rest) > 2:
        raise InputError(
            f"--input is uint8, or float32 with a layout and an order of colours, got {text!r}",
            fix="write float32-nchw-rgb, or another of nchw, nhwc and rgb, bgr",
        )
    return FloatInput(layout, order)


class _FloatNormalise(nn.Module):
    """Does to float pixels what ``Normalise`` does to uint8 ones."""

    def __init__(self, normalise: Normalise, given: FloatInput) -> None:
        super().__init__()
        self.given, self.turn = given, (given.order == "rgb") != normalise.rgb
        self.mean, self.scale = normalise.mean, normalise.scale

    def forward(self, images: Tensor) -> Tensor:
        pixels = images if self.given.layout == "nchw" else images.permute(0, 3, 1, 2)
        if self.turn:
            pixels = torch.cat([pixels[:, 2:], pixels[:, 1:2], pixels[:, :1]], dim=1)
        return (pixels - self.mean) * self.scale


def with_float_input(network: SSD, given: FloatInput) -> SSD:
    """Return a network of the same weights that takes such an input."""
    changed = copy(network)
    changed._modules = dict(network._modules)
    normalise = network.normalise
    assert isinstance(normalise, Normalise)
    changed._modules["normalise"] = _FloatNormalise(normalise, given)
    return changed
