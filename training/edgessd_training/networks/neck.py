"""Light top-down necks (Lin et al. 2017, arXiv 1612.03144): coarse maps tell the fine ones what they see.

The paper's SSD has none; its first map is detailed but not abstract, which costs small objects.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgessd_training.networks.layers import xavier

NECKS = ("fpn", "top_down")
LEVELS = 4  # the maps that take part; what is coarser sees the whole image already


class FPN(nn.Module):
    """1x1 laterals, top-down nearest upsampling to the exact size of the finer map, one 3x3 a map.

    The first LEVELS maps leave with ``width`` channels, the others as they came. ``channels`` are those after it.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        taking_part = list(channels[:LEVELS])
        self.lateral = nn.ModuleList(nn.Conv2d(inputs, width, 1) for inputs in taking_part)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in taking_part)
        self.channels = (*[width] * len(taking_part), *channels[LEVELS:])
        xavier(self)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        merged = [lateral(fine) for lateral, fine in zip(self.lateral, maps, strict=False)]
        for level in range(len(merged) - 1, 0, -1):
            merged[level - 1] = merged[level - 1] + _as_large_as(merged[level - 1], merged[level])
        smooth = [layer(level).relu() for layer, level in zip(self.smooth, merged, strict=True)]
        return [*smooth, *maps[len(smooth) :]]


class TopDown(nn.Module):
    """Adds to each of the first maps what a 1x1 convolution makes of the next coarser one; channels stay as they are.

    The convolutions begin at zero: a detector that was trained without the neck goes on from where it stands, heads
    included.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.carry = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(channels[:LEVELS]))
        with torch.no_grad():
            for layer in self.carry:
                for parameter in layer.parameters():
                    parameter.zero_()

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        merged = list(maps)
        for level in range(len(self.carry) - 1, -1, -1):
            merged[level] = maps[level] + _as_large_as(maps[level], self.carry[level](merged[level + 1]))
        return merged


def _as_large_as(fine: Tensor, coarse: Tensor) -> Tensor:
    height, width = fine.shape[-2:]
    return functional.interpolate(coarse, size=(height, width), mode="nearest")
