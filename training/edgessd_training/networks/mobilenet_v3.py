"""SSDLite on MobileNetV3-Large (Howard et al. 2019, arXiv 1905.02244, sec. 6.3), as torchvision builds it."""

from typing import Any

from torch import Tensor, nn

from edgessd_training.networks.assemble import InputSize, check_width, map_sizes_hw
from edgessd_training.networks.layers import (
    SSDLITE_EPS,
    SSDLITE_MOMENTUM,
    InvertedResidual,
    Norm,
    conv_bn,
    divisible,
    normal_003,
)
from edgessd_training.networks.ssd import SSD
from edgessd_training.networks.ssdlite import extra_maps, ssdlite, ssdlite_maps

# (kernel, expanded channels, output channels, squeeze-and-excite, hard swish, stride) (1905.02244, table 1).
BLOCKS = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)
FIRST_HEAD_BLOCK = 12  # its expansion, at stride 16, is the first map
NORM: Norm = {"eps": SSDLITE_EPS, "momentum": SSDLITE_MOMENTUM}
# Red, green and blue scaled to -1..1.
MEAN, STD = (127.5,) * 3, (127.5,) * 3


class MobileNetV3Large(nn.Module):
    """The backbone with its four extra maps: six maps, 20 to 1 cells wide at 320 pixels.

    reduced_tail: half the channels behind stride 16, as detection takes it (1905.02244, sec. 6.3).
    """

    def __init__(self, width: float, *, reduced_tail: bool) -> None:
        super().__init__()
        inputs = divisible(16 * width)
        self.first = conv_bn(3, inputs, 3, stride=2, activation=nn.Hardswish, **NORM)
        blocks = []
        for number, (kernel, expanded, outputs, excite, swish, stride) in enumerate(BLOCKS):
            if reduced_tail and number >= FIRST_HEAD_BLOCK:
                outputs //= 2
                expanded = expanded if number == FIRST_HEAD_BLOCK else expanded // 2
            expanded, outputs = divisible(expanded * width), divisible(outputs * width)
            blocks.append(
                InvertedResidual(
                    inputs,
                    expanded,
                    outputs,
                    stride,
                    kernel=kernel,
                    squeezed=divisible(expanded // 4) if excite else 0,
                    activation=nn.Hardswish if swish else nn.ReLU,
                    **NORM,
                )
            )
            inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.last = conv_bn(inputs, 6 * inputs, 1, activation=nn.Hardswish, **NORM)
        normal_003(self)
        self.extras, extra_channels = extra_maps(6 * inputs, 1.0)
        self.channels = (blocks[FIRST_HEAD_BLOCK].expanded, 6 * inputs, *extra_channels)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        return ssdlite_maps(self, pixels, FIRST_HEAD_BLOCK)


def ssdlite_mobilenet_v3_large(
    *, input_size: InputSize = 320, width: float = 1.0, reduced_tail: bool = True, **shared: Any
) -> SSD:
    """Return SSDLite on MobileNetV3-Large. The other keys are those of ``assemble``."""
    check_width(width)
    backbone = MobileNetV3Large(width, reduced_tail=reduced_tail)
    sizes_hw = map_sizes_hw(backbone, input_size)
    return ssdlite(backbone, sizes_hw, **{"input_size": input_size, "mean": MEAN, "std": STD, **shared})
