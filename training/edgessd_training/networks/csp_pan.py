"""CSP-PAN, the neck of PicoDet (arXiv 2111.00902, sec. 3.2): what coarse maps see goes up, what fine ones see down.

Every map leaves with as many channels; one more, at twice the coarsest stride, is added.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgessd_training.networks.esnet import active

KERNEL = 5  # of all depthwise convolutions here: a wide view for a hundredth of the products


def separable(channels: int, stride: int = 1) -> nn.Sequential:
    """Return a depthwise 5x5 and a 1x1 convolution, each with hard swish."""
    return nn.Sequential(active(channels, channels, KERNEL, stride, channels), active(channels, channels, 1))


class CrossStage(nn.Module):
    """Two maps become one: half of the channels by the long way, half by the short one (1911.11929)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.short = active(inputs, half, 1)
        self.long = nn.Sequential(active(inputs, half, 1), active(half, half, 1), separable(half))
        self.mix = active(outputs, outputs, 1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        both = torch.cat([first, second], dim=1)
        mixed: Tensor = self.mix(torch.cat([self.long(both), self.short(both)], dim=1))
        return mixed


class CSPPAN(nn.Module):
    """The maps of a backbone, and one coarser, all of ``width`` channels."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        steps = len(channels) - 1
        self.lateral = nn.ModuleList(active(inputs, width, 1) for inputs in channels)
        self.up = nn.ModuleList(CrossStage(2 * width, width) for _ in range(steps))  # the coarsest pair first
        self.shrink, self.down = nn.ModuleList(), nn.ModuleList()  # the finest pair first
        for _ in range(steps):
            self.shrink.append(separable(width, 2))
            self.down.append(CrossStage(2 * width, width))
        self.coarse, self.coarser = separable(width, 2), separable(width, 2)
        self.channels = (width,) * (len(channels) + 1)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        laterals = [layer(feature_map) for layer, feature_map in zip(self.lateral, maps, strict=True)]
        fine = [laterals[-1]]
        for merge, lateral in zip(self.up, reversed(laterals[:-1]), strict=True):
            above = functional.interpolate(fine[-1], size=tuple(lateral.shape[-2:]), mode="nearest")
            fine.append(merge(above, lateral))
        fine.reverse()
        merged = [fine[0]]
        for shrink, merge, level in zip(self.shrink, self.down, fine[1:], strict=True):
            merged.append(merge(shrink(merged[-1]), level))
        return [*merged, self.coarse(laterals[-1]) + self.coarser(merged[-1])]
