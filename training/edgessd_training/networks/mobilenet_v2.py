"""SSDLite on MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, sec. 6.2)."""

from typing import Any

from torch import Tensor, nn

from edgessd_training.networks.assemble import InputSize, assemble, check_width, map_sizes_hw
from edgessd_training.networks.layers import (
    SSDLITE_EPS,
    SSDLITE_MOMENTUM,
    InvertedResidual,
    Norm,
    SamePad,
    conv_bn,
    divisible,
    kaiming,
    normal_003,
)
from edgessd_training.networks.prior_layouts import tensorflow_spec
from edgessd_training.networks.ssd import SSD
from edgessd_training.networks.ssdlite import extra_maps, predictor, ssdlite, ssdlite_maps

# (expansion, output channels, repeats, stride of the first) of the blocks (1801.04381, table 2).
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
FIRST_HEAD_BLOCK = 13  # its expansion, at stride 16, is the first map; the last layer is the second (sec. 6.2)
LAST_CHANNELS = 1280
# torchvision's classifier has PyTorch's epsilon; the momentum is TensorFlow's, for small batches.
NORM: Norm = {"eps": 1e-5, "momentum": 0.03}
# torchvision's ImageNet means and deviations, on the 0..255 scale.
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
# What TensorFlow's object detection API builds otherwise: padding, epsilon, and colours scaled to -1..1.
TENSORFLOW_NORM: Norm = {"eps": SSDLITE_EPS, "momentum": SSDLITE_MOMENTUM}
TENSORFLOW_MEAN, TENSORFLOW_STD = (127.5,) * 3, (127.5,) * 3


class MobileNetV2(nn.Module):
    """The backbone with its four extra maps: six maps, 19 to 1 cells wide at 300 pixels."""

    def __init__(self, width: float, norm: Norm = NORM, **shared: Any) -> None:
        """norm: batch norm of the classifier's layers; shared: keywords of ``conv_bn`` for these and the extra maps."""
        super().__init__()
        inputs = divisible(32 * width)
        self.first = conv_bn(3, inputs, 3, stride=2, **norm, **shared)
        blocks = []
        for expansion, channels, repeats, first_stride in STAGES:
            outputs = divisible(channels * width)
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                blocks.append(InvertedResidual(inputs, inputs * expansion, outputs, stride, **norm, **shared))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        last = divisible(LAST_CHANNELS * max(1.0, width))
        self.last = conv_bn(inputs, last, 1, **norm, **shared)
        kaiming(self)
        self.extras, extra_channels = extra_maps(last, width, **shared)
        self.channels = (blocks[FIRST_HEAD_BLOCK].expanded, last, *extra_channels)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        return ssdlite_maps(self, pixels, FIRST_HEAD_BLOCK)


def ssdlite_mobilenet_v2(*, input_size: InputSize = 300, width: float = 1.0, **shared: Any) -> SSD:
    """Return SSDLite on MobileNetV2. The other keys are those of ``assemble``."""
    check_width(width)
    backbone = MobileNetV2(width)
    sizes_hw = map_sizes_hw(backbone, input_size)
    return ssdlite(backbone, sizes_hw, **{"input_size": input_size, "mean": MEAN, "std": STD, **shared})


def tensorflow_ssdlite_mobilenet_v2(
    *, input_size: InputSize = 300, width: float = 1.0, activation: str = "sigmoid", **shared: Any
) -> SSD:
    """Return SSDLite on MobileNetV2 as TensorFlow's object detection API builds it: its padding and its anchors.

    The other keys are those of ``assemble``.
    """
    check_width(width)
    backbone = MobileNetV2(width, TENSORFLOW_NORM, convolution=SamePad)
    sizes_hw = map_sizes_hw(backbone, input_size)
    return assemble(
        backbone,
        sizes_hw,
        tensorflow_spec(sizes_hw),
        predictor,
        normal_003,
        **{
            "input_size": input_size,
            "activation": activation,
            "mean": TENSORFLOW_MEAN,
            "std": TENSORFLOW_STD,
            **shared,
        },
    )
