"""The two MobileNet detectors of qfgaohao/pytorch-ssd, as that repository builds them: here for its weights.

They differ from ``mobilenet_v1`` and ``mobilenet_v2`` in padding, activations, extra maps, heads and priors.
"""

from typing import Any

from torch import Tensor, nn

from edgessd.model.priors import PriorSpec
from edgessd_training.networks.assemble import InputSize, SizesHw, assemble, input_hw, map_sizes_hw, on_grid
from edgessd_training.networks.layers import InvertedResidual, Norm, conv_bn, xavier
from edgessd_training.networks.mobilenet_v1 import BLOCKS, FIRST_HEAD_BLOCK
from edgessd_training.networks.mobilenet_v2 import MobileNetV2
from edgessd_training.networks.prior_layouts import ssd_spec
from edgessd_training.networks.ssd import SSD

NORM: Norm = {"eps": 1e-5, "momentum": 0.1}
MEAN, STD = (127.0,) * 3, (128.0,) * 3
EXTRAS_V1 = ((256, 512), (128, 256), (128, 256), (128, 256))  # (squeeze, output) channels
EXTRAS_V2 = ((256, 512), (128, 256), (128, 256), (64, 64))  # (expanded, output) channels
LAST_V2 = 64  # channels of the last map, which has one cell and a plain 1x1 head


class PlainMobileNetV1(nn.Module):
    """MobileNetV1 padded alike on all sides, with ReLU, and extra maps without batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.first = conv_bn(3, 32, 3, stride=2, activation=nn.ReLU, **NORM)
        self.blocks = nn.ModuleList()
        inputs = 32
        for outputs, stride in BLOCKS:
            depthwise = conv_bn(inputs, inputs, 3, stride, groups=inputs, activation=nn.ReLU, **NORM)
            self.blocks.append(nn.Sequential(depthwise, conv_bn(inputs, outputs, 1, activation=nn.ReLU, **NORM)))
            inputs = outputs
        self.extras = nn.ModuleList()
        for squeeze, outputs in EXTRAS_V1:
            reach = nn.Conv2d(squeeze, outputs, 3, stride=2, padding=1)
            self.extras.append(nn.Sequential(nn.Conv2d(inputs, squeeze, 1), nn.ReLU(), reach, nn.ReLU()))
            inputs = outputs
        self.channels = (512, 1024, *(outputs for _, outputs in EXTRAS_V1))
        xavier(self)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        maps = []
        current = self.first(pixels)
        for number, block in enumerate(self.blocks, start=1):
            current = block(current)
            if number in (FIRST_HEAD_BLOCK, len(self.blocks)):
                maps.append(current)
        for extra in self.extras:
            current = extra(current)
            maps.append(current)
        return maps


class ResidualMobileNetV2(MobileNetV2):
    """MobileNetV2 whose extra maps are inverted residual blocks that narrow instead of expanding."""

    def __init__(self) -> None:
        super().__init__(1.0)
        _, inputs, *_ = self.channels
        self.extras = nn.ModuleList()
        for expanded, outputs in EXTRAS_V2:
            self.extras.append(InvertedResidual(inputs, expanded, outputs, 2, **NORM))
            inputs = outputs
        self.channels = (*self.channels[:2], *(outputs for _, outputs in EXTRAS_V2))
        xavier(self.extras)


def qfgaohao_mb1_ssd(*, input_size: InputSize = 300, **shared: Any) -> SSD:
    """Return the repository's mb1-ssd, 3000 priors. The other keys are those of ``assemble``."""
    backbone = PlainMobileNetV1()
    sizes_hw = map_sizes_hw(backbone, input_size)
    return assemble(
        backbone,
        sizes_hw,
        _priors(input_size, sizes_hw),
        lambda inputs, outputs: nn.Conv2d(inputs, outputs, 3, padding=1),
        xavier,
        **{"input_size": input_size, "mean": MEAN, "std": STD, **shared},
    )


def qfgaohao_mb2_ssd_lite(*, input_size: InputSize = 300, **shared: Any) -> SSD:
    """Return the repository's mb2-ssd-lite, 3000 priors. The other keys are those of ``assemble``."""
    backbone = ResidualMobileNetV2()
    sizes_hw = map_sizes_hw(backbone, input_size)
    return assemble(
        backbone,
        sizes_hw,
        _priors(input_size, sizes_hw),
        _lite_predictor,
        xavier,
        **{"input_size": input_size, "mean": MEAN, "std": STD, **shared},
    )


def _lite_predictor(inputs: int, outputs: int) -> nn.Module:
    if inputs == LAST_V2:
        return nn.Conv2d(inputs, outputs, 1)
    depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
    return nn.Sequential(depthwise, nn.BatchNorm2d(inputs, **NORM), nn.ReLU6(), nn.Conv2d(inputs, outputs, 1))


def _priors(input_size: InputSize, sizes_hw: SizesHw) -> PriorSpec:
    published = ssd_spec(
        300,
        map_sizes=(19, 10, 5, 3, 2, 1),
        pixel_sizes=(60, 105, 150, 195, 240, 285, 330),
        aspect_ratios=[(2, 3)] * 6,
        steps=(16, 32, 64, 100, 150, 300),
        clip=True,
    )
    return published if input_hw(input_size) == (300, 300) else on_grid(published, sizes_hw)
