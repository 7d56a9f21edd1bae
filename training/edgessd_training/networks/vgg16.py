"""SSD300 and SSD512 on VGG16, the paper's own networks (sec. 3.1 and footnote 5)."""

from typing import Any

from torch import Tensor, nn

from edgessd.model.priors import PriorSpec
from edgessd_training.networks.assemble import InputSize, SizesHw, assemble, input_hw, map_sizes_hw, on_grid
from edgessd_training.networks.layers import L2Norm, kaiming, xavier
from edgessd_training.networks.prior_layouts import ssd300_spec, ssd512_spec
from edgessd_training.networks.ssd import SSD

# Channels of the 3x3 convolutions of the five stages (1409.1556, table 1, D).
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
CONV4_3, CONV5_3 = 22, 29  # the ReLUs after them, in torchvision's numbering of the features
# (squeeze, output, kernel, stride, padding) of the extra maps.
EXTRAS_300 = ((256, 512, 3, 2, 1), (128, 256, 3, 2, 1), (128, 256, 3, 1, 0), (128, 256, 3, 1, 0))
EXTRAS_512 = ((256, 512, 3, 2, 1), *[(128, 256, 3, 2, 1)] * 3, (128, 256, 4, 1, 1))
# ImageNet's means of red, green and blue, nothing divided, as in the paper's Caffe model.
MEAN, STD = (123.0, 117.0, 104.0), (1.0, 1.0, 1.0)


class VGG16(nn.Module):
    """The backbone with its extra maps. ``features`` has torchvision's numbers, 0 to 29."""

    def __init__(self, extras: tuple[tuple[int, int, int, int, int], ...]) -> None:
        super().__init__()
        self.features = nn.Sequential(*_stages())
        self.norm = L2Norm(512)
        # fc6 and fc7, subsampled into convolutions; the hole makes up for pool5's lost stride (sec. 3.1).
        self.pool5 = nn.MaxPool2d(3, stride=1, padding=1)
        self.conv6 = nn.Conv2d(512, 1024, 3, padding=6, dilation=6)
        self.conv7 = nn.Conv2d(1024, 1024, 1)
        self.extras = nn.ModuleList()
        inputs = 1024
        for squeeze, outputs, kernel, stride, padding in extras:
            reach = nn.Conv2d(squeeze, outputs, kernel, stride, padding)
            self.extras.append(nn.Sequential(nn.Conv2d(inputs, squeeze, 1), nn.ReLU(), reach, nn.ReLU()))
            inputs = outputs
        self.channels = (512, 1024, *(extra[1] for extra in extras))
        kaiming(self.features)
        for module in (self.conv6, self.conv7, self.extras):
            xavier(module)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        current = self.features[: CONV4_3 + 1](pixels)
        maps = [self.norm(current)]
        current = self.pool5(self.features[CONV4_3 + 1 :](current))
        current = self.conv7(self.conv6(current).relu()).relu()
        maps.append(current)
        for extra in self.extras:
            current = extra(current)
            maps.append(current)
        return maps


def _stages() -> list[nn.Module]:
    layers: list[nn.Module] = []
    inputs = 3
    for number, stage in enumerate(STAGES, start=1):
        for outputs in stage:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
            inputs = outputs
        if number < len(STAGES):
            # pool3 rounds up: 75 cells become 38, not 37.
            layers.append(nn.MaxPool2d(2, stride=2, ceil_mode=number == 3))
    return layers


def ssd300_vgg16(*, input_size: InputSize = 300, **shared: Any) -> SSD:
    """Return SSD300, 8732 priors at 300 pixels. The other keys are those of ``assemble``."""
    return _ssd_vgg16(EXTRAS_300, input_size, ssd300_spec(), 300, shared)


def ssd512_vgg16(*, input_size: InputSize = 512, **shared: Any) -> SSD:
    """Return SSD512, 24564 priors at 512 pixels. The other keys are those of ``assemble``."""
    return _ssd_vgg16(EXTRAS_512, input_size, ssd512_spec(), 512, shared)


def _ssd_vgg16(
    extras: tuple[tuple[int, int, int, int, int], ...],
    input_size: InputSize,
    published: PriorSpec,
    published_size: int,
    shared: dict[str, Any],
) -> SSD:
    backbone = VGG16(extras)
    sizes_hw = map_sizes_hw(backbone, input_size)
    return assemble(
        backbone,
        sizes_hw,
        _priors(input_hw(input_size), sizes_hw, published, published_size),
        lambda inputs, outputs: nn.Conv2d(inputs, outputs, 3, padding=1),
        xavier,
        **{"input_size": input_size, "mean": MEAN, "std": STD, "neck_width": 256, **shared},
    )


def _priors(size_hw: tuple[int, int], sizes_hw: SizesHw, published: PriorSpec, published_size: int) -> PriorSpec:
    """Return the paper's priors at its own input size; at another, its shapes spread over the maps there."""
    return published if size_hw == (published_size, published_size) else on_grid(published, sizes_hw)
