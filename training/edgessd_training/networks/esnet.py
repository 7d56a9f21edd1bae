"""ESNet, the backbone of PicoDet (Yu et al. 2021, arXiv 2111.00902, sec. 3.1): ShuffleNetV2's blocks with attention.

The published network shuffles the two halves of the channels behind every block, so that the next block sees half of
each. Here no channel is moved: every part gives its second half to the block and passes its first half on, which is
the same network with the columns of the next weights in another order (``importers.picodet`` orders them). A shuffle
is a fifth of the time of an inference on a CPU.

The published weights have their batch norms folded into the convolutions, so this network has none.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgessd_training.networks.layers import SqueezeExcite

FIRST = 24
# Stride-1 blocks of a stage by the channels of their branch, before them the one that halves the map:
# its branch, and what the stage puts out.
STAGES_S: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (44, 96, (48, 48)),
    (48, 192, (120, 96, 120, 96, 96, 96)),
    (96, 384, (192, 192)),
)
SQUEEZE = 4  # channels before attention by those in it


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Return a convolution padded by half its kernel, with a bias."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)


def active(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution and hard swish."""
    return nn.Sequential(convolution(inputs, outputs, kernel, stride, groups), nn.Hardswish(inplace=True))


class Reduce(nn.Module):
    """Halves the map: two branches, side by side, then mixed."""

    def __init__(self, inputs: int, branch: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.short = nn.Sequential(convolution(inputs, inputs, 3, 2, inputs), active(inputs, half, 1))
        self.expand = active(inputs, branch, 1)
        self.depthwise = convolution(branch, branch, 3, 2, branch)
        self.squeeze = SqueezeExcite(branch, branch // SQUEEZE)
        self.project = active(branch, half, 1)
        self.mix = nn.Sequential(active(outputs, outputs, 3, 1, outputs), active(outputs, outputs, 1))

    def forward(self, maps: Tensor) -> Tensor:
        branch = self.project(self.squeeze(self.depthwise(self.expand(maps))))
        mixed: Tensor = self.mix(torch.cat([self.short(maps), branch], dim=1))
        return mixed


class Ghost(nn.Module):
    """Half of a stage's channels to as many new ones; half of the branch is computed from the other half, cheaply."""

    def __init__(self, channels: int, branch: int) -> None:
        super().__init__()
        self.expand = active(channels, branch // 2, 1)
        self.depthwise = convolution(branch // 2, branch // 2, 3, 1, branch // 2)
        self.squeeze = SqueezeExcite(branch, branch // SQUEEZE)
        self.project = active(branch, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        expanded = self.expand(maps)
        projected: Tensor = self.project(self.squeeze(torch.cat([expanded, self.depthwise(expanded)], dim=1)))
        return projected


class Stage(nn.Module):
    """One halving of the map and the blocks behind it."""

    def __init__(self, inputs: int, branch: int, outputs: int, branches: Sequence[int]) -> None:
        super().__init__()
        self.reduce = Reduce(inputs, branch, outputs)
        self.blocks = nn.ModuleList(Ghost(outputs // 2, width) for width in branches)

    def forward(self, maps: Tensor) -> Tensor:
        parts = [self.reduce(maps)]
        for block in self.blocks:
            halves = [part.chunk(2, dim=1) for part in parts]
            given = block(torch.cat([second for _, second in halves], dim=1))
            parts = [*(first for first, _ in halves), given]
        return torch.cat(parts, dim=1)


class ESNet(nn.Module):
    """Maps at a stride of 8, 16 and 32."""

    def __init__(self, stages: Sequence[tuple[int, int, tuple[int, ...]]] = STAGES_S) -> None:
        super().__init__()
        self.first = active(3, FIRST, 3, 2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        widths = [FIRST, *(outputs for _, outputs, _ in stages)]
        self.stages = nn.ModuleList(Stage(inputs, *stage) for inputs, stage in zip(widths[:-1], stages, strict=True))
        self.channels = tuple(widths[1:])

    def forward(self, pixels: Tensor) -> list[Tensor]:
        maps = [self.pool(self.first(pixels))]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[1:]
