"""SSD on MobileNetV1 (Howard et al. 2017, arXiv 1704.04861) as TensorFlow's object detection API builds it."""

from functools import partial
from typing import Any

from torch import Tensor, nn

from edgessd_training.networks.assemble import InputSize, assemble, check_width, map_sizes_hw
from edgessd_training.networks.layers import SamePad, conv_bn, kaiming, normal_003
from edgessd_training.networks.prior_layouts import tensorflow_spec
from edgessd_training.networks.ssd import SSD

# (output channels at width 1, stride) of the 13 depthwise separable blocks (1704.04861, table 1).
BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
)
FIRST_HEAD_BLOCK = 11  # conv 11 at stride 16 is the first map, conv 13 the second
# (squeeze, output) channels of the four extra maps: 1x1, then 3x3 with stride 2.
EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))
# Input RGB, (x - 128) / 128, as the published quantised file has it.
MEAN, STD = (128.0,) * 3, (128.0,) * 3
conv_same = partial(conv_bn, convolution=SamePad)


class MobileNetV1(nn.Module):
    """The backbone with its four extra maps: six maps, 19 to 1 cells wide at 300 pixels."""

    def __init__(self, width: float) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            return max(8, int(channels * width))

        self.first = conv_same(3, scaled(32), 3, stride=2)
        blocks, inputs = [], scaled(32)
        for channels, stride in BLOCKS:
            outputs = scaled(channels)
            depthwise = conv_same(inputs, inputs, 3, stride, groups=inputs)
            blocks.append(nn.Sequential(depthwise, conv_bn(inputs, outputs, 1)))
            inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        extras = []
        for squeeze, channels in EXTRAS:
            outputs = scaled(channels)
            reach = conv_same(scaled(squeeze), outputs, 3, 2)
            extras.append(nn.Sequential(conv_bn(inputs, scaled(squeeze), 1), reach))
            inputs = outputs
        self.extras = nn.ModuleList(extras)
        kaiming(self)
        normal_003(self.extras)
        self.channels = (scaled(512), scaled(1024), *(scaled(channels) for _, channels in EXTRAS))

    def forward(self, pixels: Tensor) -> list[Tensor]:
        maps = []
        current = self.first(pixels)
        for number, block in enumerate(self.blocks, start=1):
            current = block(current)
            if number == FIRST_HEAD_BLOCK:
                maps.append(current)
        maps.append(current)
        for extra in self.extras:
            current = extra(current)
            maps.append(current)
        return maps


def ssd_mobilenet_v1(
    *, input_size: InputSize = 300, width: float = 1.0, activation: str = "sigmoid", **shared: Any
) -> SSD:
    """Return SSD on MobileNetV1 with 1x1 predictors and TensorFlow's anchors.

    The other keys are those of ``assemble``.
    """
    check_width(width)
    backbone = MobileNetV1(width)
    sizes_hw = map_sizes_hw(backbone, input_size)
    return assemble(
        backbone,
        sizes_hw,
        tensorflow_spec(sizes_hw),
        lambda inputs, outputs: nn.Conv2d(inputs, outputs, 1),
        normal_003,
        **{"input_size": input_size, "activation": activation, "mean": MEAN, "std": STD, **shared},
    )
