"""A light top-down neck (Lin et al. 2017, arXiv 1612.03144): coarse maps tell the fine ones what they see.

The paper's SSD has none; its first map is detailed but not abstract, which costs small objects.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from edgessd_training.networks.layers import xavier

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
            height, width = merged[level - 1].shape[-2:]
            merged[level - 1] = merged[level - 1] + functional.interpolate(
                merged[level], size=(height, width), mode="nearest"
            )
        smooth = [layer(level).relu() for layer, level in zip(self.smooth, merged, strict=True)]
        return [*smooth, *maps[len(smooth) :]]
